"""The app of devices."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """devices"""

    name = "devices"

    def ready(self) -> None:
        from audit.tracking import track
        from devices.models import DeniedCertificate, Device

        track(Device, "mac", "group", "location", "description")
        track(DeniedCertificate, "name", "reason")
