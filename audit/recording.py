"""What the other apps call to leave an entry where no signal sees the write: inside the write's transaction.

Single rows that are saved or deleted need nothing: audit/tracking.py names the models that are watched.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from prometheus_client import Histogram

from audit.models import ENTRIES, Changes, Entry, Event, number_of
from redirect.db.arrays import table_of, table_of_rows

SHOWN = 100

BULK_ROWS = Histogram(
    "redirect_bulk_rows",
    "Rows that bulk calls have written",
    ["event"],
    buckets=(1, 10, 100, 1_000, 5_000, 100_000),
)


@dataclass(frozen=True)
class Part:
    """Some objects of a bulk call: whose they are, what was done, and their MACs (of locations: ids)."""

    group_id: int
    done: str
    names: Sequence[str] | Sequence[int]


def parts_of(done: str, owners: Mapping[Any, int]) -> list[Part]:
    """The objects of a bulk call, given with the group that owns each, as the parts of its entry."""
    by_group: dict[int, list[Any]] = {}
    for name, group_id in owners.items():
        by_group.setdefault(group_id, []).append(name)
    return [Part(group_id, done, names) for group_id, names in by_group.items()]


def record(event: Event, row: Model, changes: Changes | None = None, **more: object) -> None:
    """Leave an entry about one row. `more` is kept with it, for support staff."""
    Entry.objects.note(event, row, changes, **more)


def record_findings(event: Event, findings: Sequence[tuple[Model, Changes]]) -> None:
    """Leave an entry about each group of which something was found: in one statement, also if nothing was.

    `findings` names one group at least.
    """
    entries = [_about_group(event, group, finding) for group, finding in findings if finding]
    if not entries:
        record_finding(event, findings[0][0], {})
    Entry.objects.bulk_create(entries)
    for entry in entries:
        ENTRIES.labels(entry.event, entry.source).inc()


def _about_group(event: Event, group: Model, finding: Changes) -> Entry:
    entry = Entry(
        event=event,
        content_type=ContentType.objects.get_for_model(group),
        object_pk=str(group.pk),
        object_id=group.pk,
        object_repr=str(group),
        changes=finding,
        group_id=group.pk,
    )
    entry.sign()
    return entry


def record_finding(event: Event, group: Model, finding: Changes) -> None:
    """Leave an entry about a group, if something was found: in one statement, as if nothing was."""
    entry = _about_group(event, group, finding)
    fields = [field for field in Entry._meta.concrete_fields if not field.primary_key]
    values = [field.get_db_prep_save(field.pre_save(entry, True), connection) for field in fields]
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    places = ", ".join("%s" for _ in fields)
    with connection.cursor() as cursor:
        insert = f"INSERT INTO audit_entry ({columns}) SELECT {places} WHERE %s"
        cursor.execute(insert, [*values, bool(finding)])
    if finding:
        ENTRIES.labels(entry.event, entry.source).inc()


def record_failed_login(user: Model | None, model: type[Model], reason: str = "") -> None:
    """Leave an entry about a refused login; the reason is for support staff.

    Of an unknown login no text is kept: it may be a password, typed into the wrong field.
    """
    if user is not None:
        Entry.objects.note(Event.LOGIN_FAILED, user, reason=reason)
    else:
        unknown = ContentType.objects.get_for_model(model)
        Entry(event=Event.LOGIN_FAILED, content_type=unknown, object_pk="", changes={}).save()


def record_list(
    event: Event,
    model: type[Model],
    parts: Iterable[Part],
    changes: Changes | None = None,
    *,
    other_group_id: int | None = None,
    **more: object,
) -> None:
    """Leave one entry about all objects of a bulk call; none if it has done nothing.

    `other_group_id` is where they were moved to. `more` is kept with the entry, for support staff. The number of
    statements depends neither on the number of objects nor on that of groups.
    """
    parts = [part for part in parts if part.names]
    if not parts:
        return
    groups = sorted({part.group_id for part in parts})
    several = len(groups) > 1
    entry = Entry(
        event=event,
        content_type=ContentType.objects.get_for_model(model),
        object_pk="",
        changes=changes or {},
        group_id=None if several else groups[0],
        other_group_id=other_group_id,
        additional_data={"parts": [_summary(part, max(1, SHOWN // len(parts))) for part in parts], **more},
    )
    entry.save()
    BULK_ROWS.labels(event.value).observe(sum(len(part.names) for part in parts))
    _insert_objects(entry, parts, several=several)
    if several:
        source, parameter = table_of(groups, "bigint")
        _insert("audit_entrygroup (entry_id, group_id)", "SELECT %s, value", [entry.pk], source, [parameter])


def _summary(part: Part, shown: int) -> dict[str, object]:
    return {
        "group": part.group_id,
        "done": part.done,
        "count": len(part.names),
        "first": list(part.names[:shown]),
    }


def _insert_objects(entry: Entry, parts: Sequence[Part], *, several: bool) -> None:
    columns = "audit_entryobject (entry_id, number, group_id, done)"
    if len(parts) == 1:  # nearly always; it takes half the time
        source, parameter = table_of([number_of(name) for name in parts[0].names], "bigint")
        _insert(columns, "SELECT %s, value, NULL, %s", [entry.pk, parts[0].done], source, [parameter])
        return
    source, parameters = table_of_rows(
        {"number": "bigint", "group_id": "bigint", "done": "text"},
        [(number_of(n), part.group_id if several else None, part.done) for part in parts for n in part.names],
    )
    _insert(columns, "SELECT %s, number, group_id, done", [entry.pk], source, parameters)


def _insert(table: str, select: str, values: list[Any], source: str, parameters: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} {select} FROM {source}", [*values, *parameters])
