"""What a person is shown of an import before anything is written: whose the devices will be."""

from typing import NamedTuple

from django.db.models import Count

from accounts.models import Group
from devices.models import Import
from devices.reconcile import GOOD
from redirect.db.arrays import integers

MOST_OWNERS = 20


class Owner(NamedTuple):
    """A group by its full name, and how many rows are for it."""

    name: str
    rows: int


def owners_of(upload: Import) -> tuple[list[Owner], int]:
    """The 20 groups with most rows that can be written, and how many more groups there are.

    A name tells what an id or a short name in the file stands for.
    """
    good = upload.rows.filter(verdict__in=GOOD).order_by()
    counts = list(good.values_list("group_id").annotate(rows=Count("pk")).order_by("-rows", "group_id"))
    shown = dict(counts[:MOST_OWNERS])
    groups = Group.objects.filter(pk__in=integers(list(shown))).select_related("reseller")
    names = {group.pk: group.full_name for group in groups}
    owners = [Owner(names.get(pk, f"group {pk}"), rows) for pk, rows in shown.items()]
    return owners, len(counts) - len(owners)
