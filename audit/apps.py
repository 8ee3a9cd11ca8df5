"""The app of the audit log."""

from pathlib import Path

from auditlog.apps import AuditlogConfig
from django.apps import AppConfig


class AuditConfig(AppConfig):
    """audit"""

    name = "audit"
    default = True


class SignalsConfig(AuditlogConfig):  # type: ignore[misc]
    """django-auditlog without its commands, one of which empties the audit log: this path has none."""

    path = str(Path(__file__).parent / "nothing_of_auditlog")
