"""The tables of the service in the admin."""

from django.apps import apps

from desk.admin import accesses, alerts, audit, certificates, devices, groups, keys, locations, roles, users

if apps.is_installed("management"):
    from desk.admin import management  # noqa: F401 - its tables are registered by that

__all__ = [
    "accesses",
    "alerts",
    "audit",
    "certificates",
    "devices",
    "groups",
    "keys",
    "locations",
    "roles",
    "users",
]
