"""The audit log: an entry for every write, with who made it, from where, and what it changed.

No foreign key of these tables is enforced: an entry outlives the rows that it names, and a transaction that
writes one does not wait for them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from auditlog.models import AbstractLogEntry, LogEntryManager
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Model
from django_guid import get_guid
from prometheus_client import Counter

from audit import context
from audit.context import Source
from redirect.db.indexes import GrowingIndex
from redirect.db.time import now
from redirect.metrics import begin_at_zero

Changes = dict[str, list[Any]]  # by the model's names: old and new value

ENTRIES = Counter("redirect_audit_entries", "Entries of the audit log, by event and source", ["event", "source"])

PASSWORD = "password"  # noqa: S105
HIDDEN = "***"


class Event(models.TextChoices):
    """What happened. Of two things that happen to an object in one request, the later in this list is kept."""

    TOKENS_ENDED = "TokensEnded"
    LOGGED_OUT = "LoggedOut"
    UNBLOCKED = "Unblocked"
    PASSWORD_CHANGED = "PasswordChanged"  # noqa: S105
    CHANGED = "Changed"
    DEVICE_MOVED = "DeviceMoved"
    USER_MOVED = "UserMoved"
    GROUP_MOVED = "GroupMoved"
    CREATED = "Created"
    DELETED = "Deleted"
    LOGIN_FAILED = "LoginFailed"
    DEVICES_CREATED = "DevicesCreated"
    DEVICES_ASSOCIATED = "DevicesAssociated"
    DEVICES_DISASSOCIATED = "DevicesDisassociated"
    DEVICES_REMOVED = "DevicesRemoved"
    DEVICES_MOVED = "DevicesMoved"
    DEVICES_IMPORTED = "DevicesImported"
    LOCATIONS_REMOVED = "LocationsRemoved"
    CLAIM_SUSPECTED = "ClaimSuspected", "Unusual claim by"
    CLAIM_DISPUTED = "ClaimDisputed"


# From one group to another: each of the two may see its own side only.
MOVES = (Event.DEVICE_MOVED, Event.USER_MOVED, Event.GROUP_MOVED, Event.DEVICES_MOVED)
MOVED = {"device": Event.DEVICE_MOVED, "user": Event.USER_MOVED, "group": Event.GROUP_MOVED}

# What may have changed who has a device, or where it is redirected to.
OF_DEVICES = (
    Event.CHANGED,
    Event.DEVICE_MOVED,
    Event.CREATED,
    Event.DELETED,
    Event.DEVICES_CREATED,
    Event.DEVICES_ASSOCIATED,
    Event.DEVICES_DISASSOCIATED,
    Event.DEVICES_REMOVED,
    Event.DEVICES_MOVED,
    Event.DEVICES_IMPORTED,
)

TOLD = (*OF_DEVICES, Event.CLAIM_SUSPECTED)  # to those who subscribe (webhooks/events.py)

ACTIONS = {
    Event.CREATED: AbstractLogEntry.Action.CREATE,
    Event.DEVICES_CREATED: AbstractLogEntry.Action.CREATE,
    Event.DELETED: AbstractLogEntry.Action.DELETE,
    Event.DEVICES_REMOVED: AbstractLogEntry.Action.DELETE,
    Event.LOCATIONS_REMOVED: AbstractLogEntry.Action.DELETE,
    Event.LOGIN_FAILED: AbstractLogEntry.Action.ACCESS,
}


def hidden(value: str) -> str:
    """What auditlog writes instead of a secret: not even its length."""
    return HIDDEN


begin_at_zero(ENTRIES, Event.values, Source.values)


class EntryManager(LogEntryManager):  # type: ignore[misc]
    """Writes entries: `note` by hand, the other two are what auditlog's signals call."""

    def note(self, event: Event, row: Model, changes: Changes | None = None, **more: object) -> "Entry":
        """An entry about this row; joins the one that the request has written about it already, if any.

        `more` is kept with it, for support staff.
        """
        changes = changes or {}
        group_id, other_group_id = _groups_of(event, row, changes)
        entry = Entry(
            event=event,
            content_type=ContentType.objects.get_for_model(row),
            object_pk=str(row.pk),
            object_id=row.pk,
            object_repr=str(row),
            changes=changes,
            group_id=group_id,
            other_group_id=other_group_id,
            additional_data=more or None,
        )
        written = context.current().entries
        if written is not None and event != Event.LOGIN_FAILED:
            key = (entry.content_type_id, entry.object_pk)
            earlier: Entry | None = written.get(key)
            if earlier is not None and earlier.join(entry):
                return earlier
            written[key] = entry
        entry.save()
        if mac := getattr(row, "mac", None):
            EntryObject.objects.create(entry=entry, number=number_of(mac), done=event)
        return entry

    def log_create(self, instance: Model, force_log: bool = False, **kwargs: Any) -> "Entry | None":
        """A row was created or deleted, or is about to be changed."""
        changes: Mapping[str, Any] = kwargs.get("changes") or {}
        match kwargs["action"]:
            case AbstractLogEntry.Action.CREATE:
                event = Event.CREATED
                recorded = {name: [None, new] for name, (_, new) in changes.items() if new is not None}
            case AbstractLogEntry.Action.DELETE:
                event = Event.DELETED
                recorded = {name: [old, None] for name, (old, _) in changes.items() if old is not None}
            case _:
                recorded = {name: list(pair) for name, pair in changes.items()}
                event = _event_of(instance, recorded)
                if not recorded:
                    return None
        return self.note(event, instance, _with_dates_of_the_api(instance, recorded))

    def log_m2m_changes(
        self, changed_queryset: Any, instance: Model, operation: str, field_name: str, **kwargs: Any
    ) -> "Entry | None":
        """Staff roles or permissions were given (new) or taken (old)."""
        names = sorted(str(row) for row in changed_queryset)
        if not names:
            return None
        return self.note(Event.CHANGED, instance, {field_name: [[], names] if operation == "add" else [names, []]})


def _with_dates_of_the_api(row: Model, changes: Changes) -> Changes:
    """auditlog writes `2019-04-28 18:16:04`, in UTC."""
    dates = {field.name for field in row._meta.fields if isinstance(field, models.DateTimeField)}
    for name in dates & changes.keys():
        changes[name] = [value and f"{str(value)[:19].replace(' ', 'T')}+0000" for value in changes[name]]
    return changes


def _event_of(row: Model, changes: Changes) -> Event:
    if changes.keys() & {"group", "reseller"}:
        return MOVED.get(str(row._meta.model_name), Event.CHANGED)
    return Event.PASSWORD_CHANGED if changes.keys() == {PASSWORD} else Event.CHANGED


def _groups_of(event: Event, row: Any, changes: Changes) -> tuple[int | None, int | None]:
    """Whose history the entry belongs to; for a move: from whom, to whom.

    The creation and the deletion of a provider belong to its reseller as well: a deleted group is in no scope.
    """
    is_group = row._meta.label == "accounts.Group"
    own = row.pk if is_group else getattr(row, "group_id", None)
    if event in MOVES:
        return (changes["reseller" if is_group else "group"][0], own)
    if is_group and event in (Event.CREATED, Event.DELETED):
        return own, row.reseller_id
    return own, None


class Entry(AbstractLogEntry):  # type: ignore[misc]
    """What one request did to one object, or to a list of them.

    `group_id` says whose history it belongs to at that moment, `other_group_id` who else's: a move from one group
    to another names both. Where a list is of several groups both are empty, and EntryGroup names them.
    """

    # As auditlog has them, but without indexes that no query uses, and without waiting for other rows.
    content_type = models.ForeignKey(
        ContentType, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    object_pk = models.CharField(max_length=255)
    object_id = models.BigIntegerField(null=True, blank=True)
    object_repr = models.TextField("object")
    action = models.PositiveSmallIntegerField(choices=AbstractLogEntry.Action.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    timestamp = models.DateTimeField("time", default=now, db_index=True)
    cid = models.CharField("request id", max_length=255, null=True, blank=True, db_index=True)  # noqa: DJ001
    remote_addr = models.GenericIPAddressField("address", null=True, blank=True)

    event = models.CharField(max_length=20, choices=Event)
    source = models.CharField(max_length=7, choices=Source)
    group_id = models.BigIntegerField(null=True, blank=True)
    other_group_id = models.BigIntegerField(null=True, blank=True)
    actor_login = models.CharField("user", max_length=150, null=True, blank=True)  # noqa: DJ001 - outlives the user
    actor_group_id = models.BigIntegerField(null=True, blank=True)
    # Until its objects have been told to those who subscribe (webhooks/events.py): the first that has not.
    untold_from = models.BigIntegerField(null=True, editable=False)

    objects = EntryManager()

    class Meta:
        verbose_name_plural = "entries"
        ordering: ClassVar = ["-timestamp", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["group_id", "timestamp"], name="audit_of_group"),
            models.Index(fields=["other_group_id", "timestamp"], name="audit_of_other_group"),
            models.Index(fields=["content_type", "object_id", "timestamp"], name="audit_of_object"),
            models.Index(fields=["actor", "timestamp"], name="audit_of_actor"),
            models.Index(fields=["id"], name="audit_untold", condition=models.Q(untold_from__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.object_repr}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Says, when it is new, what the context knows."""
        if self._state.adding:
            self.sign()
            ENTRIES.labels(self.event, self.source).inc()
        super().save(*args, **kwargs)

    def sign(self) -> None:
        """Take over from the context who writes, from where, by which door."""
        origin = context.current()
        self.untold_from = 0 if self.event in TOLD else None
        self.source = origin.source
        self.remote_addr = origin.address
        self.action = ACTIONS.get(Event(self.event), AbstractLogEntry.Action.UPDATE)
        self.cid = get_guid()
        actor = origin.actor if self.event != Event.LOGIN_FAILED else None  # no user has logged in
        if actor is not None:
            # The caller of an API key is a user without a row.
            self.actor = actor if actor.pk else None
            self.actor_login, self.actor_group_id = actor.login, actor.group_id
        elif origin.command:
            self.actor_login = origin.command

    def join(self, later: "Entry") -> bool:
        """Take up what happened to the same object later in the request.

        False if this entry is not there any more, as its transaction was rolled back.
        """
        changes = _joined(self.changes, later.changes)
        event = max(Event(self.event), Event(later.event), key=list(Event).index)
        if event in (Event.PASSWORD_CHANGED, Event.CHANGED):
            event = Event.PASSWORD_CHANGED if changes.keys() == {PASSWORD} else Event.CHANGED
        last = later if event == later.event else self
        values = {
            "event": event,
            "changes": changes,
            "action": ACTIONS.get(event, AbstractLogEntry.Action.UPDATE),
            "object_repr": later.object_repr,
            "group_id": last.group_id,
            "other_group_id": last.other_group_id,
        }
        # Not by the id alone: SQLite gives that of a row that was rolled back to the next one.
        same = Entry.objects.filter(
            pk=self.pk, cid=self.cid, object_pk=self.object_pk, content_type=self.content_type
        )
        if not same.update(**values):
            return False
        for name, value in values.items():
            setattr(self, name, value)
        return True


def _joined(first: Changes, second: Changes) -> Changes:
    """From the first old value to the last new one; of lists, all that was taken and all that was given."""
    changes = dict(first)
    for name, (old, new) in second.items():
        before = first.get(name)
        if before is None:
            changes[name] = [old, new]
        elif isinstance(old, list):
            changes[name] = [before[0] + old, before[1] + new]
        else:
            changes[name] = [before[0], new]
    return changes


class EntryObject(models.Model):
    """An object of an entry: a device by its MAC, or a location by its id. So a MAC finds its history.

    Kept as numbers, with one B-tree, as a bulk call writes 5,000 of them. `done` says what was done to this one;
    `group_id` whose it is, where the entry is of several groups.
    """

    pk = models.CompositePrimaryKey("number", "entry_id")
    number = models.BigIntegerField()
    entry = models.ForeignKey(Entry, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="listed")
    group_id = models.BigIntegerField(null=True)
    done = models.CharField(max_length=20)

    class Meta:
        indexes: ClassVar = [GrowingIndex(fields=["entry"], name="audit_by_entry", autosummarize=True)]

    def __str__(self) -> str:
        return str(self.number)


def number_of(name: str | int) -> int:
    """A MAC (12 digits) or an id as EntryObject keeps it."""
    return int(name, 16) if isinstance(name, str) else name


def mac_of(number: int) -> str:
    """The MAC of a device that EntryObject keeps."""
    return f"{number:012X}"


class EntryGroup(models.Model):
    """A group of an entry that is of several."""

    pk = models.CompositePrimaryKey("entry_id", "group_id")
    entry = models.ForeignKey(Entry, models.DO_NOTHING, db_constraint=False, related_name="several")
    group_id = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.group_id}"
