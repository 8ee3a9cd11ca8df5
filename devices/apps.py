"""The app of devices."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """devices"""

    name = "devices"

    def ready(self) -> None:
        from audit.tracking import track
        from devices import request_upkeep
        from devices.models import DeniedCertificate, Device
        from jobs import turns

        track(Device, "mac", "group", "location", "description")
        track(DeniedCertificate, "name", "reason")
        turns.register(request_upkeep.turn, seconds=10)
