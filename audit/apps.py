"""The app of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """audit"""

    name = "audit"
