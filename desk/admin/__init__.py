"""The tables of the service in the admin."""

from desk.admin import accounts, audit, devices, locations

__all__ = ["accounts", "audit", "devices", "locations"]
