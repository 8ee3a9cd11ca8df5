"""The app of device management."""

from django.apps import AppConfig
from django.conf import settings


class ManagementConfig(AppConfig):
    """management"""

    name = "management"

    def ready(self) -> None:
        from django.core.checks import register

        from audit.tracking import track
        from jobs import lanes, turns
        from management import checks, expiry
        from management.models import LANE, Endpoint

        told = ("group", "driver", "base_url", "mac", "tls_policy", "tls_ca", "tls_fingerprint", "allow_http")
        track(Endpoint, *told)
        register(checks.check_settings)
        lanes.register(LANE, at_once=settings.MANAGEMENT_AT_ONCE)
        turns.register(expiry.turn, seconds=3600)
