"""Phones' requests on Django's default database, PostgreSQL or SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, connections, transaction

from boot import postgresql, sqlite, statements
from boot.connection import ReconnectingConnection
from boot.decision import Decision, DeviceRecord, decide
from boot.recorder import Recorder
from boot.request import BootRequest
from devices.hints import Hint, keep
from redirect.db import address
from redirect.db.arrays import literal

serving: Recorder | None = None  # that of this process's phones, while it serves them: /readyz asks it


def open_recorder() -> Recorder:
    """Return a recorder with connections of its own, for the batcher."""
    wrapper = connections["default"]
    if wrapper.vendor != "postgresql":
        return sqlite.SQLiteRecorder(str(wrapper.settings_dict["NAME"]))
    parameters = address.libpq_only(wrapper.get_connection_params())
    primary = ReconnectingConnection("database", parameters, *statements.DEADLINES)
    if not settings.REPLICA_URL:
        return postgresql.PostgreSQLRecorder(primary, spool=settings.SPOOL)
    parameters = address.parse(settings.REPLICA_URL, "REPLICA_URL")
    replica = ReconnectingConnection("replica", parameters, *statements.DEADLINES)
    return postgresql.PostgreSQLRecorder(primary, replica, settings.SPOOL)


def record(request: BootRequest) -> Decision:
    """Record one request over Django's connection, and return what the phone gets.

    Raises django.db.Error if the request cannot be committed.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statements.RECORD_REQUESTS, statements.parameters([request]))
            records, _ = statements.records_in(cursor.fetchall())
    else:
        with _short_busy_timeout(), transaction.atomic():
            records = sqlite.record_requests(connection.connection, [request])
    found = records.get(request.mac)
    return decide(found, request.mac, request.status_for(found), request.shape.file_name)


def look_up(mac: str) -> DeviceRecord | None:
    """Return the device that a request for this MAC would find now, or None; nothing is written."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(statements.LOOK_UP, {"macs": literal([mac]), "names": "{}"})
            records, _ = statements.records_in(cursor.fetchall())
        else:
            records = sqlite.look_up(connection.connection, [mac])
    return records.get(mac)


def keep_hints(hints: list[Hint]) -> None:
    """Write hints of User-Agents over Django's connection. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        keep(hints)
    else:
        with _short_busy_timeout(), transaction.atomic():
            keep(hints)


@contextmanager
def _short_busy_timeout() -> Iterator[None]:
    """On SQLite a phone waits for the one writer for a shorter time than the API does."""
    with connection.cursor() as cursor:
        (before,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {round(sqlite.SECONDS_FOR_A_STATEMENT * 1000)}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
