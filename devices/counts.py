"""How many devices each group has, kept by the database: a list of a million need not count them for its total."""

from typing import ClassVar

from django.db import connection, models, transaction
from django.db.models import Sum

from accounts.models import Group
from accounts.scope import ScopedQuerySet, Viewer


class DeviceCountQuerySet(ScopedQuerySet["DeviceCount"]):
    """Each is in the scope of its group."""


class DeviceCount(models.Model):
    """A part of the number of devices of a group: the sum of its rows is exact in every transaction.

    The database writes these rows itself, whoever changes a device (migration 0023: triggers). On PostgreSQL each
    statement adds rows of its own, so that two calls for one group do not wait for each other; `compact` adds
    them up.
    """

    # Without a constraint, whose check would lock the group: its last devices may go with the group itself.
    group = models.ForeignKey(Group, models.DO_NOTHING, related_name="+", db_constraint=False)
    number = models.BigIntegerField()

    objects = DeviceCountQuerySet.as_manager()

    class Meta:
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.number} of {self.group_id}"


def total(viewer: Viewer, *, depth: int = 1) -> int:
    """How many devices `Device.objects.visible_to(viewer, depth=depth)` are."""
    found = DeviceCount.objects.visible_to(viewer, depth=depth).aggregate(number=Sum("number"))
    return found["number"] or 0


def total_of_all() -> int:
    """How many devices there are."""
    return DeviceCount.objects.aggregate(number=Sum("number"))["number"] or 0


def compact() -> int:
    """Add up the rows of each group; how many rows went. No total is wrong meanwhile, and no call waits."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("DELETE FROM devices_devicecount WHERE number = 0")
            return int(cursor.rowcount)
        # Two that add up the same rows would wait for each other's.
        cursor.execute("LOCK TABLE devices_devicecount IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(COMPACT)
        removed, made = cursor.fetchone()
        return int(removed - made)


COMPACT = """
WITH gone AS (DELETE FROM devices_devicecount RETURNING group_id, number),
made AS (
    INSERT INTO devices_devicecount (group_id, number)
    SELECT group_id, sum(number) FROM gone GROUP BY group_id HAVING sum(number) <> 0 RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM made)
"""

# One statement, and so of one moment: calls that are at work meanwhile change neither side.
WRONG = """
SELECT group_id, sum(counted) AS counted, sum(kept) AS kept FROM (
    SELECT group_id, count(*) AS counted, 0 AS kept FROM devices_device GROUP BY group_id
    UNION ALL
    SELECT group_id, 0, sum(number) FROM devices_devicecount GROUP BY group_id
) AS side GROUP BY group_id HAVING sum(counted) <> sum(kept)
"""

REPAIR = (
    f"INSERT INTO devices_devicecount (group_id, number) SELECT group_id, counted - kept FROM ({WRONG}) AS wrong"  # noqa: S608 - no value
)


def wrong() -> list[tuple[int, int, int]]:
    """The groups whose kept number is not the number of their devices: their ids, with both numbers."""
    with connection.cursor() as cursor:
        cursor.execute(f"{WRONG} ORDER BY group_id")
        return [(int(group_id), int(counted), int(kept)) for group_id, counted, kept in cursor.fetchall()]


def repair() -> int:
    """Make the kept numbers right, while the service goes on; how many groups had a wrong one."""
    with connection.cursor() as cursor:
        cursor.execute(REPAIR)
        return int(cursor.rowcount)
