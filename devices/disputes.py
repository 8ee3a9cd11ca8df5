"""A claim that staff end or move, as another group has shown that the device is its own."""

from accounts.models import Group
from audit.models import Event
from audit.recording import parts_of, record_list
from devices import bulk, moving
from devices.claims import Claim
from devices.models import Device
from redirect.db.transactions import in_transaction


def settle(mac: str, *, group: Group | None, reason: str) -> None:
    """End the claim of the group that has the device of this MAC: the device becomes the other group's, without a
    location, or with None is removed.

    The history of the claim and the audit log keep the reason. Raises UnknownDevices if there is no such device,
    Conflict if the other group may not claim it.
    """

    def work() -> None:
        devices = Device.objects.filter(mac=mac)
        owners = dict(devices.values_list("mac", "group_id"))
        if group is None:
            bulk.remove(devices, {mac: 0})
        else:
            moving.move(devices, {mac: 0}, group=group, location_id=None, reason=reason)
        record_list(Event.CLAIM_DISPUTED, Device, parts_of("Disputed", owners), reason=reason)
        ended = Claim.objects.filter(mac=mac, ended__isnull=False).order_by("-ended", "-pk").values("pk")[:1]
        Claim.objects.filter(pk__in=list(ended.values_list("pk", flat=True))).update(dispute=reason)

    in_transaction(work)
