"""The app of device management."""

from django.apps import AppConfig


class ManagementConfig(AppConfig):
    """management"""

    name = "management"

    def ready(self) -> None:
        from audit.tracking import track
        from jobs import turns
        from management import expiry
        from management.models import Endpoint

        told = ("group", "driver", "base_url", "mac", "tls_policy", "tls_ca", "tls_fingerprint", "allow_http")
        track(Endpoint, *told)
        turns.register(expiry.turn, seconds=3600)
