"""Removing several locations at once: those without devices go, the others stay."""

from audit.models import Event
from audit.recording import Part, record_list
from locations.models import Location, LocationQuerySet
from redirect.db.arrays import integers


def remove_unused(visible: LocationQuerySet, ids: list[int]) -> tuple[int, list[str]]:
    """Delete those without devices; how many, and what stays: its URL, or the id that is not in the scope.

    Call it inside a transaction.
    """
    possible = [id for id in ids if 0 < id < 2**63]
    found = visible.filter(pk__in=integers(possible)).order_by("pk")
    rows = list(found.select_for_update(of=("self",)).values_list("pk", "url", "group_id"))
    urls = {id: url for id, url, _ in rows}
    used = set(found.filter(devices__isnull=False).values_list("pk", flat=True).distinct())
    unused = urls.keys() - used
    Location.objects.filter(pk__in=integers(unused))._raw_delete(Location.objects.db)
    by_group: dict[int, list[int]] = {}
    for id, _, group_id in rows:
        if id in unused:
            by_group.setdefault(group_id, []).append(id)
    parts = [Part(group_id, "Removed", listed) for group_id, listed in by_group.items()]
    record_list(Event.LOCATIONS_REMOVED, Location, parts, urls=[urls[id] for id in sorted(unused)[:100]])
    return len(unused), [urls.get(id, str(id)) for id in ids if id not in unused]
