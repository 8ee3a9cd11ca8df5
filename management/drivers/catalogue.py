"""All drivers, by the name that an endpoint says."""

from collections.abc import Mapping

from management.drivers.base import Driver
from management.drivers.mediant import Mediant, OldMediant
from management.drivers.poly_trio import PolyTrio
from management.drivers.sipxcom import Sipxcom

DRIVERS: Mapping[str, type[Driver]] = {driver.name: driver for driver in (Mediant, OldMediant, PolyTrio, Sipxcom)}
