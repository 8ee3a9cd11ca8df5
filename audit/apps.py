"""The app of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """audit"""

    name = "audit"

    def ready(self) -> None:
        from audit import tracked

        tracked.register()
