"""The tables of the service in the admin."""

from desk.admin import accesses, audit, certificates, devices, groups, locations, roles, users

__all__ = ["accesses", "audit", "certificates", "devices", "groups", "locations", "roles", "users"]
