"""The app of operators' tools."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OperationsConfig(AppConfig):
    """After each `migrate` the access log has a partition for today and for the days to come."""

    name = "operations"

    def ready(self) -> None:
        post_migrate.connect(_make_partitions, sender=self)


def _make_partitions(**signal: Any) -> None:
    from django.db import connection
    from django.utils import timezone

    from devices import access_log

    if signal["using"] == connection.alias and "devices_access" in connection.introspection.table_names():
        access_log.make_partitions(timezone.now().date())
