"""Requests as the databases record them: against the rule of the outcome, and against rows that are locked."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from typing import cast as typed

import psycopg
import pytest
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from boot import connection as connections
from boot import database, postgresql, sqlite, statements
from boot.batcher import Batcher
from boot.certificate import DENIED
from boot.connection import ReconnectingConnection
from boot.database import open_recorder
from boot.decision import CertificateStatus, Decision, DeviceRecord, decide
from boot.postgresql import PostgreSQLRecorder
from boot.recorder import DatabaseUnavailable, SerializationConflict, StatementRejected
from boot.request import BootRequest
from boot.shapes import Kind, Shape
from boot.sqlite import SQLiteRecorder
from devices.models import Access, AccessStatus, DeniedCertificate, Device, Outcome
from locations.models import Location
from tests.conftest import Cast, make_access, make_device, make_location

postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs row locks")
sqlite_only = pytest.mark.skipif(connection.vendor == "postgresql", reason="needs SQLite's one writer")
committed = pytest.mark.django_db(transaction=True)

UNKNOWN = "00908FAAAAAA"


def boot_request(
    mac: str,
    certificate: CertificateStatus = CertificateStatus.NONE,
    at: datetime | None = None,
    *,
    log_unknown: bool = True,
    certificate_names: tuple[str, ...] = (),
) -> BootRequest:
    """A request whose certificate proves what the test says."""
    request = BootRequest(
        Shape(mac, Kind.BARE), at or datetime.now(UTC), f"/{mac}", "192.0.2.7", log_unknown=log_unknown
    )
    problems = {
        CertificateStatus.NONE: None,
        CertificateStatus.MISMATCH: "expired",
        CertificateStatus.VERIFIED: "",
    }
    request.__dict__["certificate_problem"] = problems[certificate]
    request.certificate = "" if certificate is CertificateStatus.NONE else "a certificate"
    request.__dict__["certificate_subject"] = None
    if certificate is not CertificateStatus.NONE:
        request.__dict__["certificate_names"] = certificate_names or (f"sha256 {'0' * 64}", "1 CN=Some CA")
    return request


def record(batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
    """As the recorders do, but over the test's own connection."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statements.RECORD_REQUESTS, statements.parameters(batch))
            return statements.records_in(cursor.fetchall())[0]
    return sqlite.record_requests(typed(Any, connection.connection), batch)


# --- The statement against decide() ---------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("denied", ["sha256 " + "a" * 64, '7 CN=a "quoted" CA,O=Ac\\\\,me'])
def test_a_denied_certificate_is_refused_in_the_batch_that_reads_it(cast: Cast, denied: str):
    DeniedCertificate.objects.create(name=denied, reason="Stolen")
    mac = make_device(cast.provider, location=make_location(cast.provider, mutual_auth=True)).mac
    names = ("sha256 " + "a" * 64, '7 CN=a "quoted" CA,O=Ac\\\\,me')
    good = boot_request(mac, CertificateStatus.VERIFIED)
    bad = boot_request(mac, CertificateStatus.VERIFIED, certificate_names=names)
    unknown = boot_request(UNKNOWN, CertificateStatus.VERIFIED, certificate_names=names)

    found = record([good, bad, unknown])

    outcomes = [decide(found[mac], mac, one.status_for(found[mac])).outcome for one in (good, bad)]
    assert outcomes == [Outcome.REDIRECTED, Outcome.CERTIFICATE_MISMATCH]
    rows = Access.objects.values_list("mac", "outcome", "certificate_problem", "certificate_fingerprint")
    assert sorted(rows) == sorted(
        [
            (mac, "Redirected", "", "0" * 64),
            (mac, "CertificateMismatch", DENIED, "a" * 64),
            (UNKNOWN, "Unknown", DENIED, "a" * 64),
        ]
    )


@pytest.mark.django_db
def test_when_a_device_last_showed_a_good_certificate(cast: Cast):
    device = make_device(cast.provider)
    seen: list[int | None] = []
    for certificate in ("NONE", "MISMATCH", "VERIFIED", "NONE", "MISMATCH"):
        at = datetime(2026, 1, 1, 12, len(seen), tzinfo=UTC)
        record([boot_request(device.mac, CertificateStatus[certificate], at)])
        device.refresh_from_db()
        seen.append(device.certificate_seen.minute if device.certificate_seen else None)
    assert seen == [None, None, 2, 2, 2]


@pytest.fixture
def phones(cast: Cast) -> dict[str, DeviceRecord | None]:
    """A MAC of every kind with what is to be found of it; the last belongs to nobody."""
    plain, strict = make_location(cast.provider), make_location(cast.sibling, mutual_auth=True)
    return {
        make_device(cast.provider).mac: DeviceRecord(cast.provider.name, None, mutual_auth=False),
        make_device(cast.provider, location=plain).mac: DeviceRecord(
            cast.provider.name, plain.url, mutual_auth=False
        ),
        make_device(cast.sibling, location=strict).mac: DeviceRecord(
            cast.sibling.name, strict.url, mutual_auth=True
        ),
        UNKNOWN: None,
    }


@given(data=st.data())
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_and_the_rule_agree_on_every_request(
    phones: dict[str, DeviceRecord | None], data: st.DataObject
):
    kinds = st.tuples(st.sampled_from(sorted(phones)), st.sampled_from(CertificateStatus))
    batch = [
        boot_request(mac, certificate) for mac, certificate in data.draw(st.lists(kinds, min_size=1, max_size=12))
    ]
    Access.objects.all().delete()
    before = dict(Device.objects.values_list("mac", "num_requests"))

    found = record(batch)

    status = [CertificateStatus.of(one.certificate_problem) for one in batch]
    answers = [
        (one.mac, decide(phones[one.mac], one.mac, shown)) for one, shown in zip(batch, status, strict=True)
    ]
    assert [
        (one.mac, decide(found.get(one.mac), one.mac, one.status_for(found.get(one.mac)))) for one in batch
    ] == answers
    logged = Counter(Access.objects.values_list("mac", "outcome"))
    assert logged == Counter((mac, str(answer.outcome)) for mac, answer in answers)
    after = Device.objects.in_bulk(field_name="mac")
    for mac, device in after.items():
        its = [answer.outcome for answered, answer in answers if answered == mac]
        assert device.num_requests == before[mac] + len(its)
        if its:
            right = AccessStatus.SUCCESS if Outcome.REDIRECTED in its else AccessStatus.FAIL
            assert device.last_access_status == right
            assert device.last_access is not None


@pytest.mark.parametrize("log_unknown", [True, False])
def test_unknown_macs_are_logged_as_told_and_known_ones_always(
    phones: dict[str, DeviceRecord | None], log_unknown: bool
):
    record([boot_request(mac, log_unknown=log_unknown) for mac in phones])
    assert Access.objects.filter(mac=UNKNOWN).exists() is log_unknown
    assert Access.objects.exclude(mac=UNKNOWN).count() == len(phones) - 1


def test_locations_are_touched_when_they_are_handed_out_only(cast: Cast):
    handed_out, strict, unused = (make_location(cast.provider, mutual_auth=auth) for auth in (False, True, False))
    one, two = (make_device(cast.provider, location=location) for location in (handed_out, strict))
    at = datetime(2026, 3, 1, 12, 0, 5, 678_000, tzinfo=UTC)
    record([boot_request(one.mac, at=at), boot_request(two.mac, at=at)])
    touched = dict(Location.objects.values_list("pk", "last_access"))
    assert touched == {handed_out.pk: at.replace(microsecond=0), strict.pk: None, unused.pk: None}


def test_a_request_that_is_recorded_late_turns_no_time_back(cast: Cast):
    if connection.vendor != "postgresql":
        pytest.skip("requests are recorded late only behind a replica")
    location = make_location(cast.provider)
    strict = make_location(cast.provider, mutual_auth=True)
    device, refused = make_device(cast.provider, location=location), make_device(cast.provider, location=strict)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    record([boot_request(mac, CertificateStatus.VERIFIED, now) for mac in (device.mac, refused.mac)])
    late = [boot_request(mac, at=now - timedelta(minutes=1)) for mac in (device.mac, refused.mac)]
    late.append(boot_request(device.mac, CertificateStatus.VERIFIED, now - timedelta(minutes=1)))
    with connection.cursor() as cursor:
        cursor.execute(statements.RECORD_REQUESTS, statements.parameters(late, now + timedelta(minutes=5)))
    for it, requests in ((device, 3), (refused, 2)):
        it.refresh_from_db()
        assert (it.num_requests, it.last_access, it.last_access_status) == (requests, now, AccessStatus.SUCCESS)
        assert it.certificate_seen == now
    assert set(Location.objects.values_list("last_access", flat=True)) == {now}


@pytest.mark.parametrize("locked", [False, True])
def test_after_the_clock_is_set_back_the_last_answer_is_what_is_told(cast: Cast, locked: bool):
    """Not the answer with the greatest time, which lies in the future now."""
    location = make_location(cast.provider)
    device = make_device(cast.provider, location=location)
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    record([boot_request(device.mac, CertificateStatus.VERIFIED, ahead)])
    assert Location.objects.get().last_access == ahead

    set_back = ahead - timedelta(hours=4)
    record([boot_request(device.mac, CertificateStatus.VERIFIED, set_back)])
    device.refresh_from_db()
    assert (device.last_access, device.certificate_seen) == (set_back, set_back)
    assert Location.objects.get().last_access == set_back

    Device.objects.update(location=None, last_access=ahead, certificate_seen=ahead)
    if locked and connection.vendor == "postgresql":  # as if another transaction had held the device
        make_access(device, Outcome.NO_LOCATION, time=set_back, counted=False, certificate_problem="")
        assert postgresql.count_deferred() == 1
    else:
        record([boot_request(device.mac, CertificateStatus.VERIFIED, set_back)])
    device.refresh_from_db()
    assert (device.num_requests, device.last_access_status) == (3, AccessStatus.FAIL)
    assert (device.last_access, device.certificate_seen) == (set_back, set_back)


def test_a_large_batch_is_a_handful_of_statements(cast: Cast, django_assert_max_num_queries: Any):
    location = make_location(cast.provider)
    for _ in range(50):
        make_device(cast.provider, location=location)
    macs = list(Device.objects.values_list("mac", flat=True))
    with django_assert_max_num_queries(1):  # SQLite's go past Django
        found = record([boot_request(mac) for mac in macs * 10])
    assert len(found) == 50
    assert set(Device.objects.values_list("num_requests", flat=True)) == {10}
    assert Access.objects.count() == 500


# --- Rows that somebody else holds ----------------------------------------------------------------------------


@contextmanager
def holding(statement: str, *values: Any) -> Iterator[None]:
    """Another transaction, open while the block runs."""
    if connection.vendor == "postgresql":
        other: Any = psycopg.connect(**connection_parameters())
    else:
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level="IMMEDIATE")
    try:
        other.execute(statement, values)
        yield
    finally:
        other.rollback()
        other.close()


async def answers_of(recorder: Any, *macs: str) -> list[Decision]:
    """What phones get that ask at once."""
    batcher = Batcher(recorder)
    return list(await asyncio.gather(*(batcher.decide(boot_request(mac)) for mac in macs)))


async def until(done: Callable[[], bool]) -> None:
    """Wait for what another connection sees. A test that waits in vain ends by its time-out."""
    while not await asyncio.to_thread(done):
        await asyncio.sleep(0.02)


def test_the_deadlines_leave_a_phone_its_second():
    """Checked as numbers: a busy machine adds its own time to each of them."""
    assert postgresql.SECONDS_FOR_A_STATEMENT + postgresql.SECONDS_FOR_THE_REPLICA < 1
    assert connections.SECONDS_TO_FIRST_CONNECT < 1
    assert sqlite.SECONDS_FOR_A_STATEMENT < 1
    [lock_timeout] = [text for text in statements.DEADLINES if text.startswith("lock_timeout=")]
    assert int(lock_timeout.removeprefix("lock_timeout=")) < 1_000 * postgresql.SECONDS_FOR_A_STATEMENT


@postgresql_only
@committed
def test_a_held_device_is_answered_at_once_and_counted_when_it_is_free(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgresql, "SECONDS_UNTIL_COUNTED", 0.1)
    location = make_location(cast.provider)
    held, unassigned, free = (make_device(cast.provider, location=place) for place in (location, None, location))
    Device.objects.filter(pk=held.pk).update(num_requests=5)

    async def scenario() -> None:
        recorder = open_recorder()
        with holding("SELECT 1 FROM devices_device WHERE id IN (%s, %s) FOR UPDATE", held.pk, unassigned.pk):
            macs = [held.mac, held.mac, unassigned.mac, free.mac]
            answers = await answers_of(recorder, *macs)
            assert [answer.outcome for answer in answers] == [Outcome.REDIRECTED] * 2 + [
                Outcome.NO_LOCATION,
                Outcome.REDIRECTED,
            ]
            rows = await asyncio.to_thread(logged_and_counters)
            assert rows == ({(held.mac, False): 2, (unassigned.mac, False): 1, (free.mac, True): 1}, [5, 0, 1])
            await asyncio.sleep(0.5)  # its attempts in the meantime count nothing
            assert await asyncio.to_thread(logged_and_counters) == rows
        await until(lambda: logged_and_counters()[1] == [7, 1, 1])
        await asyncio.sleep(0.5)  # and no more than that
        assert (await asyncio.to_thread(logged_and_counters))[1] == [7, 1, 1]
        await recorder.close()

    asyncio.run(scenario())
    assert not Access.objects.filter(counted=False).exists()
    held.refresh_from_db()
    unassigned.refresh_from_db()
    assert (held.last_access_status, unassigned.last_access_status) == (AccessStatus.SUCCESS, AccessStatus.FAIL)
    assert held.last_access is not None
    assert held.last_access.microsecond == 0


def logged_and_counters() -> tuple[dict[tuple[str, bool], int], list[int]]:
    try:
        rows = Counter(Access.objects.values_list("mac", "counted"))
        return dict(rows), list(Device.objects.order_by("id").values_list("num_requests", flat=True))
    finally:
        connection.close()


@postgresql_only
@committed
def test_a_held_location_is_handed_out_at_once(cast: Cast):
    location = make_location(cast.provider)
    device = make_device(cast.provider, location=location)

    async def scenario() -> None:
        recorder = open_recorder()
        with holding("SELECT 1 FROM locations_location WHERE id = %s FOR UPDATE", location.pk):
            assert (
                await answers_of(recorder, *[device.mac] * 3) == [Decision(Outcome.REDIRECTED, location.url)] * 3
            )
        await recorder.close()

    asyncio.run(scenario())
    location.refresh_from_db()
    device.refresh_from_db()
    assert (location.last_access, device.num_requests) == (None, 3)
    assert set(Access.objects.values_list("counted", flat=True)) == {True}


@postgresql_only
@committed
def test_a_device_that_is_being_deleted_is_answered_and_its_log_settled(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        with holding("DELETE FROM devices_device WHERE id = %s", device.pk):
            assert [answer.outcome for answer in await answers_of(recorder, device.mac)] == [Outcome.REDIRECTED]
        await recorder.close()

    asyncio.run(scenario())
    Device.objects.all().delete()
    postgresql.count_deferred()
    assert list(Access.objects.values_list("counted", flat=True)) == [True]


@postgresql_only
@committed
def test_a_statement_that_waits_for_a_table_is_given_up_in_time(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        with holding("LOCK TABLE devices_device"), pytest.raises(DatabaseUnavailable):
            await recorder.record([boot_request(device.mac)])
        assert list(await recorder.record([boot_request(device.mac)])) == [device.mac]
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert device.num_requests == 1


@postgresql_only
@committed
def test_counting_late_is_exact_whoever_does_it(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    newest = datetime(2026, 3, 1, 12, 0, 9, 500_000, tzinfo=UTC)
    rows = [
        Access(
            time=newest - timedelta(seconds=n),
            mac=device.mac,
            device_id=device.pk,
            group_id=device.group_id,
            outcome=Outcome.NO_LOCATION if n == 0 else Outcome.REDIRECTED,
            counted=False,
        )
        for n in range(7)
    ]
    Access.objects.bulk_create(rows)
    assert postgresql.count_deferred() == 7
    assert postgresql.count_deferred() == 0
    device.refresh_from_db()
    assert (device.num_requests, device.last_access) == (7, newest.replace(microsecond=0))
    assert device.last_access_status == AccessStatus.FAIL  # as the newest of them ended


@postgresql_only
@committed
def test_a_deadlock_costs_neither_an_answer_nor_a_count(cast: Cast):
    """Two recorders with the same MACs in opposite order, and a bulk call's worth of locks in between."""
    location = make_location(cast.provider)
    macs = [make_device(cast.provider, location=location).mac for _ in range(30)]

    async def scenario() -> None:
        batchers = [Batcher(open_recorder()) for _ in range(2)]
        orders = [macs, macs[::-1]]
        for _ in range(10):
            asking = [
                batcher.decide(boot_request(mac))
                for batcher, order in zip(batchers, orders, strict=True)
                for mac in order
            ]
            answers = await asyncio.gather(*asking)
            assert {answer.outcome for answer in answers} == {Outcome.REDIRECTED}
        for batcher in batchers:
            await batcher.close()

    asyncio.run(scenario())
    postgresql.count_deferred()
    assert set(Device.objects.values_list("num_requests", flat=True)) == {20}
    assert Access.objects.count() == 600


# --- A connection that is lost --------------------------------------------------------------------------------


@postgresql_only
@committed
def test_a_connection_that_is_lost_under_a_statement_is_in_doubt_and_comes_back_by_itself(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        await recorder.record([boot_request(device.mac)])
        with holding("LOCK TABLE devices_device"):
            waiting = asyncio.create_task(recorder.record([boot_request(device.mac)]))
            await until(a_phone_waits_for_a_lock)
            await asyncio.to_thread(end_backends)
            with pytest.raises(DatabaseUnavailable) as raised:
                await waiting
            assert raised.value.in_doubt
        await typed(Any, recorder)._primary.connected.wait()
        assert list(await recorder.record([boot_request(device.mac)])) == [device.mac]
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert device.num_requests == 2


@postgresql_only
@committed
def test_a_primary_that_becomes_read_only_is_left_and_no_request_is_lost(
    cast: Cast, caplog: pytest.LogCaptureFixture
):
    """As one that is demoted: the replica answers, and the next connection finds a server that takes writes."""
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        primary = ReconnectingConnection("database", connection_parameters())
        recorder = PostgreSQLRecorder(primary, ReconnectingConnection("replica", connection_parameters()))
        await recorder.open()
        await primary.execute("SELECT set_config('default_transaction_read_only', 'on', false)", {}, 5)
        demoted = primary.backend
        for _ in range(2):
            assert list(await recorder.record([boot_request(device.mac)])) == [device.mac]
        await until(lambda: logged_and_counters()[1] == [2])
        assert primary.backend != demoted
        await recorder.close()

    asyncio.run(scenario())
    assert "cannot be recorded" not in caplog.text


@postgresql_only
@committed
def test_a_connection_that_was_cut_while_nobody_asked_costs_nobody_an_answer(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        for _ in range(3):
            assert list(await recorder.record([boot_request(device.mac)])) == [device.mac]
            await asyncio.to_thread(end_backends)
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert device.num_requests == 3


@postgresql_only
@committed
def test_what_is_uncounted_at_the_end_is_counted_before_it(cast: Cast):
    device = make_device(cast.provider)

    async def scenario() -> None:
        recorder = open_recorder()
        with holding("SELECT 1 FROM devices_device WHERE id = %s FOR UPDATE", device.pk):
            await recorder.record([boot_request(device.mac)])
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert device.num_requests == 1


@postgresql_only
@committed
def test_what_a_dead_process_left_uncounted_is_counted_by_the_next_one(cast: Cast):
    held, other = make_device(cast.provider), make_device(cast.provider)
    with holding("SELECT 1 FROM devices_device WHERE id = %s FOR UPDATE", held.pk):
        database.record(boot_request(held.mac))

    async def scenario() -> None:
        recorder = open_recorder()
        await recorder.record([boot_request(other.mac)])
        await until(lambda: logged_and_counters()[1] == [1, 1])
        await recorder.close()

    asyncio.run(scenario())


def a_phone_waits_for_a_lock() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'phones' AND wait_event_type = 'Lock'"
            )
            return cursor.fetchone() is not None
    finally:
        connection.close()


def end_backends() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = 'phones'"
            )
    finally:
        connection.close()


def test_a_database_that_is_not_there_is_away_at_once_and_again_at_once():
    async def scenario() -> None:
        primary = ReconnectingConnection(
            "database", {"host": "127.0.0.1", "port": 1, "dbname": "none", "user": "none"}
        )
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable) as raised:
                await primary.execute("SELECT 1", {}, 0.5)
            assert not raised.value.in_doubt
        await primary.close()

    asyncio.run(scenario())


@postgresql_only
@committed
def test_a_store_is_connected_before_the_first_phone_asks():
    async def scenario() -> None:
        primary = ReconnectingConnection("database", connection_parameters())
        away = ReconnectingConnection(
            "replica", {"host": "127.0.0.1", "port": 1, "dbname": "none", "user": "none"}
        )
        recorder = PostgreSQLRecorder(primary, away)
        await recorder.open()  # the one that is away is not waited for
        assert primary.connected.is_set()
        await recorder.close()

    asyncio.run(scenario())


@postgresql_only
@committed
def test_a_statement_over_its_deadline_is_in_doubt_and_the_link_is_new_afterwards():
    async def scenario() -> None:
        primary = ReconnectingConnection("database", connection_parameters())
        assert await primary.execute("SELECT 1", {}, 5) == [(1,)]
        before = primary.backend
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as raised:
            await primary.execute("SELECT pg_sleep(30)", {}, 0.3)
        assert raised.value.in_doubt
        assert time.monotonic() - began < 30
        await primary.connected.wait()
        assert await primary.execute("SELECT 1", {}, 5) == [(1,)]
        assert primary.backend != before
        await primary.close()

    asyncio.run(scenario())


@postgresql_only
@committed
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 / 0", StatementRejected),
        ("SELECT nothing", StatementRejected),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", SerializationConflict),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", SerializationConflict),
        ("DO $$ BEGIN RAISE SQLSTATE '57014'; END $$", DatabaseUnavailable),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", DatabaseUnavailable),
    ],
)
def test_what_each_refusal_of_the_server_means(statement: str, expected: type[Exception]):
    async def scenario() -> None:
        primary = ReconnectingConnection("database", connection_parameters())
        with pytest.raises(expected) as raised:
            await primary.execute(statement, {}, 5)
        assert not getattr(raised.value, "in_doubt", False)
        assert await primary.execute("SELECT 1", {}, 5) == [(1,)]  # over the same connection
        await primary.close()

    asyncio.run(scenario())


def connection_parameters() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password", "dbname") if name in given}


# --- A replica in the place of the primary --------------------------------------------------------------------


class FakeConnection:
    """A connection that can be cut; remembers what was executed."""

    def __init__(self, rows: list[tuple[Any, ...]] | None = None) -> None:
        self.rows = rows or []
        self.connected = asyncio.Event()
        self.connected.set()
        self.executed: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[Exception] = []
        self.away: DatabaseUnavailable | None = None
        self.recorded = False
        self.backend = 77

    async def execute(self, statement: str, values: dict[str, Any], seconds: float) -> list[tuple[Any, ...]]:
        if self.away is not None:
            self.connected.clear()
            raise self.away
        if self.faults:
            raise self.faults.pop(0)
        self.executed.append((statement, values))
        if statement == statements.IS_RECORDED:
            return [(self.recorded,)]
        return self.rows if statement in (statements.RECORD_REQUESTS, statements.LOOK_UP) else []

    def cut(self, *, in_doubt: bool) -> None:
        self.away = DatabaseUnavailable("cut", in_doubt=in_doubt)

    def mend(self) -> None:
        self.away = None
        self.connected.set()

    def count(self, statement: str) -> int:
        return sum(executed == statement for executed, _ in self.executed)

    async def close(self) -> None:
        pass


MAC = "00908F9D8992"
ROW = (MAC, "Acme", "https://pbx.example/", False, "redirect", True, None)


def with_replica() -> tuple[PostgreSQLRecorder, FakeConnection, FakeConnection]:
    primary, replica = FakeConnection([ROW]), FakeConnection([ROW])
    return PostgreSQLRecorder(typed(Any, primary), typed(Any, replica)), primary, replica


async def settled(primary: FakeConnection, records: int) -> None:
    while primary.count(statements.RECORD_REQUESTS) < records:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    assert primary.count(statements.RECORD_REQUESTS) == records


def test_while_the_primary_is_away_the_replica_answers_and_the_requests_are_recorded_later(
    caplog: pytest.LogCaptureFixture,
):
    async def scenario() -> None:
        recorder, primary, replica = with_replica()
        primary.cut(in_doubt=False)
        for _ in range(3):
            assert await recorder.record([boot_request(MAC)]) == {
                MAC: DeviceRecord("Acme", "https://pbx.example/", False)
            }
        assert replica.count(statements.LOOK_UP) == 3
        primary.mend()
        await settled(primary, 3)
        assert primary.count(statements.IS_RECORDED) == 0  # there was never a doubt
        await recorder.close()

    asyncio.run(scenario())
    assert "will never be" not in caplog.text


@pytest.mark.parametrize("recorded", [True, False])
def test_a_batch_in_doubt_is_recorded_once(recorded: bool):
    async def scenario() -> None:
        recorder, primary, _ = with_replica()
        primary.cut(in_doubt=True)
        await recorder.record([boot_request(MAC)])
        primary.recorded = recorded
        primary.mend()
        await settled(primary, 0 if recorded else 1)
        assert (
            primary.executed[0][0] == statements.END_BACKEND
        )  # whoever may still commit it is stopped before the look
        assert primary.executed[0][1] == {"pid": 77}
        assert primary.count(statements.IS_RECORDED) == 1
        await recorder.close()

    asyncio.run(scenario())


def test_what_cannot_be_recorded_holds_up_nobody(caplog: pytest.LogCaptureFixture):
    async def scenario() -> None:
        recorder, primary, _ = with_replica()
        primary.cut(in_doubt=False)
        await recorder.record([boot_request(MAC)])
        await recorder.record([boot_request(MAC)])
        primary.faults = [StatementRejected("no such table")]
        primary.mend()
        await settled(primary, 1)
        await recorder.close()

    asyncio.run(scenario())
    assert "1 requests cannot be recorded" in caplog.text
    assert "will never be" not in caplog.text


def test_what_is_owed_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(postgresql, "UNRECORDED_REQUESTS_AT_MOST", 5)
    monkeypatch.setattr(postgresql, "SECONDS_TO_REPLAY", 0.1)

    async def scenario() -> None:
        recorder, primary, _ = with_replica()
        primary.cut(in_doubt=False)
        await recorder.record([boot_request(MAC)] * 4)
        with pytest.raises(DatabaseUnavailable):
            await recorder.record([boot_request(MAC)] * 2)
        await recorder.record([boot_request(MAC)])
        await recorder.close()

    asyncio.run(scenario())
    assert "5 requests were answered from the replica and are not counted yet: they will never be" in caplog.text


def test_without_a_replica_or_with_both_away_nobody_is_told_a_404():
    async def scenario() -> None:
        primary, replica = FakeConnection(), FakeConnection()
        primary.cut(in_doubt=False)
        replica.cut(in_doubt=False)
        for recorder in (
            PostgreSQLRecorder(typed(Any, primary)),
            PostgreSQLRecorder(typed(Any, primary), typed(Any, replica)),
        ):
            with pytest.raises(DatabaseUnavailable):
                await recorder.record([boot_request(MAC)])
            await recorder.close()

    asyncio.run(scenario())


@postgresql_only
@committed
def test_the_statements_of_a_replica_and_of_settling_are_good_sql(cast: Cast):
    location = make_location(cast.provider)
    device = make_device(cast.provider, location=location)

    async def scenario() -> None:
        primary = ReconnectingConnection("database", connection_parameters(), *statements.DEADLINES)
        rows = await primary.execute(statements.LOOK_UP, {"macs": [device.mac, UNKNOWN], "names": []}, 5)
        assert statements.records_in(rows) == (
            {device.mac: DeviceRecord(cast.provider.name, location.url, mutual_auth=False)},
            False,
        )
        one = boot_request(device.mac)
        recorder = PostgreSQLRecorder(primary)
        await recorder.record([one])
        for at, recorded in ((one.time, True), (one.time + timedelta(microseconds=1), False)):
            values = {"macs": [device.mac], "time": at}
            assert await primary.execute(statements.IS_RECORDED, values, 5) == [(recorded,)]
        other = ReconnectingConnection("other", connection_parameters())
        await other.execute("SELECT 1", {}, 5)
        for application, ended in (("somebody", []), ("phones", [(True,)])):
            await other.execute("SELECT set_config('application_name', %(name)s, false)", {"name": application}, 5)
            assert await primary.execute(statements.END_BACKEND, {"pid": other.backend}, 5) == ended
        before = other.backend
        await other.execute("SELECT 1", {}, 5)
        assert other.backend != before
        await other.close()
        await recorder.close()

    asyncio.run(scenario())


# --- SQLite ---------------------------------------------------------------------------------------------------


@sqlite_only
@committed
def test_a_long_writer_makes_the_phone_wait_less_than_a_second(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        await recorder.record([boot_request(device.mac)])
        with holding("UPDATE devices_device SET description = 'held'"):
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await recorder.record([boot_request(device.mac)])
            assert time.monotonic() - began > 0.5
        assert list(await recorder.record([boot_request(device.mac)])) == [device.mac]
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert device.num_requests == 2
    assert Access.objects.count() == 2


@sqlite_only
@committed
def test_a_bad_row_is_refused_and_rolled_back(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))

    async def scenario() -> None:
        recorder = open_recorder()
        bad = BootRequest(Shape(device.mac, Kind.BARE), datetime.now(UTC), address=typed(Any, None))
        answers = await asyncio.gather(
            *(Batcher(recorder).decide(one) for one in (boot_request(device.mac), bad)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [Decision, DatabaseUnavailable]
        await recorder.close()

    asyncio.run(scenario())
    device.refresh_from_db()
    assert (device.num_requests, Access.objects.count()) == (1, 1)


def test_a_file_that_cannot_be_opened_is_away(tmp_path: Any):
    async def scenario() -> None:
        recorder = SQLiteRecorder(str(tmp_path / "missing" / "file"))
        with pytest.raises(DatabaseUnavailable):
            await recorder.record([boot_request(MAC)])
        await recorder.close()

    asyncio.run(scenario())


# --- One phone, under WSGI ------------------------------------------------------------------------------------


def test_one_phone_over_djangos_connection(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    assert database.record(boot_request(device.mac)).outcome == Outcome.REDIRECTED
    assert database.record(boot_request(UNKNOWN)).outcome == Outcome.UNKNOWN
    device.refresh_from_db()
    assert (device.num_requests, Access.objects.count()) == (1, 2)


@committed
def test_one_phone_while_somebody_holds_what_it_needs(cast: Cast):
    device = make_device(cast.provider, location=make_location(cast.provider))
    statement = "UPDATE devices_device SET description = 'held'"
    with holding(statement):
        if connection.vendor == "postgresql":
            assert database.record(boot_request(device.mac)).outcome == Outcome.REDIRECTED
        else:
            with pytest.raises(OperationalError):
                database.record(boot_request(device.mac))
    postgresql.count_deferred()
    device.refresh_from_db()
    assert device.num_requests == Access.objects.count() == int(connection.vendor == "postgresql")
