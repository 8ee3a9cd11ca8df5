"""How many devices each group has, kept by the database: a list of a million need not count them for its total.

Kept for each block of ids, so that a page in the midst of the list need not walk over all that stands before it.
"""

from typing import ClassVar, NamedTuple

from django.db import connection, models, transaction
from django.db.models import Sum

from accounts.models import Group
from accounts.scope import ScopedQuerySet, Viewer

BLOCK = 16  # bits of an id that devices of one block do not have in common: 65,536 ids


class DeviceCountQuerySet(ScopedQuerySet["DeviceCount"]):
    """Each is in the scope of its group."""


class DeviceCount(models.Model):
    """A part of the number of devices of a group in a block: the sum of its rows is exact in every transaction.

    The database writes these rows itself, whoever changes a device (migration 0027: triggers). On PostgreSQL each
    statement adds rows of its own, so that two calls for one group do not wait for each other; `compact` adds
    them up.
    """

    # Without a constraint, whose check would lock the group: its last devices may go with the group itself.
    group = models.ForeignKey(Group, models.DO_NOTHING, related_name="+", db_constraint=False)
    # The id of the device, without its last BLOCK bits. NULL: any; housekeeping of an earlier release adds up so.
    block = models.BigIntegerField(null=True)
    number = models.BigIntegerField()

    objects = DeviceCountQuerySet.as_manager()

    class Meta:
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.number} of {self.group_id} in block {self.block}"


def total(viewer: Viewer, *, depth: int = 1) -> int:
    """How many devices `Device.objects.visible_to(viewer, depth=depth)` are."""
    found = DeviceCount.objects.visible_to(viewer, depth=depth).aggregate(number=Sum("number"))
    return found["number"] or 0


def total_of_all() -> int:
    """How many devices there are."""
    return DeviceCount.objects.aggregate(number=Sum("number"))["number"] or 0


def by_group() -> dict[int, int]:
    """How many devices each group has, of those that have some."""
    found = DeviceCount.objects.values_list("group_id").annotate(number=Sum("number")).exclude(number=0)
    return dict(found)


def skip(viewer: Viewer, number: int, *, depth: int = 1, descending: bool = False) -> tuple[range, int]:
    """Where the list of `visible_to(viewer, depth=depth)` by id goes on behind its first `number` devices.

    The ids from the block on in which that is, and how many of the `number` are among them.
    """
    every = range(2**63 - 1)
    of_blocks = DeviceCount.objects.visible_to(viewer, depth=depth).values_list("block").order_by("block")
    blocks = list(of_blocks.annotate(devices=Sum("number")).exclude(devices=0))
    if any(block is None for block, _ in blocks):
        return every, number
    for block, devices in reversed(blocks) if descending else blocks:
        if number < devices:
            return (range(block + 1 << BLOCK) if descending else every[block << BLOCK :]), number
        number -= devices
    return range(0), 0


def compact() -> int:
    """Add up the rows of each group and block; how many rows went.

    No total is wrong meanwhile, and no call waits.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("DELETE FROM devices_devicecount WHERE number = 0")
            return int(cursor.rowcount)
        # Two that add up the same rows would wait for each other's.
        cursor.execute("LOCK TABLE devices_devicecount IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute("SELECT EXISTS (SELECT FROM devices_devicecount WHERE block IS NULL)")
        if cursor.fetchone()[0]:
            cursor.execute(REPAIR)
        cursor.execute(COMPACT)
        removed, made = cursor.fetchone()
        return int(removed - made)


COMPACT = """
WITH gone AS (DELETE FROM devices_devicecount RETURNING group_id, block, number),
made AS (
    INSERT INTO devices_devicecount (group_id, block, number)
    SELECT group_id, block, sum(number) FROM gone GROUP BY group_id, block HAVING sum(number) <> 0 RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM made)
"""

# One statement, and so of one moment: calls that are at work meanwhile change neither side.
WRONG = f"""
SELECT group_id, block, sum(counted) AS counted, sum(kept) AS kept FROM (
    SELECT group_id, id >> {BLOCK} AS block, count(*) AS counted, 0 AS kept FROM devices_device GROUP BY 1, 2
    UNION ALL
    SELECT group_id, block, 0, sum(number) FROM devices_devicecount GROUP BY group_id, block
) AS side GROUP BY group_id, block HAVING sum(counted) <> sum(kept)
"""  # noqa: S608 - no value

REPAIR = f"""
INSERT INTO devices_devicecount (group_id, block, number)
SELECT group_id, block, counted - kept FROM ({WRONG}) AS wrong
"""  # noqa: S608 - no value


class Difference(NamedTuple):
    """A number that is not that of the devices: of which group and block of ids, and both numbers."""

    group_id: int
    block: int | None
    counted: int
    kept: int


def wrong() -> list[Difference]:
    """The kept numbers that are not the number of devices."""
    with connection.cursor() as cursor:
        cursor.execute(f"{WRONG} ORDER BY group_id, block")
        return [
            Difference(group, block, int(counted), int(kept)) for group, block, counted, kept in cursor.fetchall()
        ]


def repair() -> int:
    """Make the kept numbers right, while the service goes on; how many were wrong."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(REPAIR)
            return int(cursor.rowcount)
        number = len(wrong())
        cursor.execute("DELETE FROM devices_devicecount")  # its triggers count on one row for each group and block
        cursor.execute(REPAIR)
        return number
