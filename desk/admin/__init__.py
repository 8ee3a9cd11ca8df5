"""The tables of the service in the admin."""

from desk.admin import accesses, audit, certificates, devices, groups, keys, locations, roles, users

__all__ = ["accesses", "audit", "certificates", "devices", "groups", "keys", "locations", "roles", "users"]
