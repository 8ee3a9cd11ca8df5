"""The days of the access log: partitions on PostgreSQL, rows on SQLite."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from devices import access_log
from devices.models import Access, Outcome
from redirect.db.failures import Failure, failure_of

pytestmark = pytest.mark.django_db
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no partitions")

TODAY = date(2026, 3, 10)
WEEK = [f"devices_access_202603{day}" for day in range(11, 18)]


@pytest.fixture(autouse=True)
def _no_days_yet(request: pytest.FixtureRequest, db: None) -> None:
    """As before `migrate` made those of this week; rolled back with the test."""
    if connection.vendor == "postgresql" and "reader" not in request.node.name:
        with connection.cursor() as cursor:
            for name in set(partitions()) - {"devices_access_default"}:
                cursor.execute(f"DROP TABLE {name}")


def log(at: datetime) -> None:
    Access.objects.create(time=at, mac="00908F9D8992", outcome=Outcome.UNKNOWN, address="", user_agent="")


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def partitions() -> dict[str, int]:
    """How many rows each partition holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text, (SELECT count(*) FROM devices_access a WHERE a.tableoid = inhrelid)"
            " FROM pg_inherits WHERE inhparent = 'devices_access'::regclass"
        )
        return dict(cursor.fetchall())


def log_today() -> None:
    log(noon(TODAY))


@postgresql_only
def test_the_coming_week_is_made_once():
    log_today()
    assert access_log.make_partitions(TODAY) == WEEK
    assert access_log.make_partitions(TODAY) == []
    assert access_log.make_partitions(TODAY + timedelta(days=1)) == ["devices_access_20260318"]
    assert set(partitions()) == {*WEEK, "devices_access_20260318", "devices_access_default"}


@postgresql_only
def test_the_first_day_has_a_partition_while_the_default_is_empty():
    """Else its rows would be deleted one by one a month later."""
    assert access_log.make_partitions(TODAY) == ["devices_access_20260310", *WEEK]
    log_today()
    assert partitions()["devices_access_20260310"] == 1
    assert access_log.days_ahead(TODAY) == 7
    assert access_log.days_ahead(TODAY + timedelta(days=3)) == 4
    assert access_log.days_ahead(TODAY + timedelta(days=7)) == 0


@postgresql_only
def test_no_partition_is_made_by_a_look_through_the_default_under_a_lock(
    monkeypatch: pytest.MonkeyPatch,
):
    """PostgreSQL says what it takes from the constraint; phones wait while it looks for itself."""
    log_today()
    heard: list[str] = []
    connection.connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = debug1")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    access_log.make_partitions(tomorrow)
    with connection.cursor() as cursor:
        cursor.execute("RESET client_min_messages")
        cursor.execute("SELECT conname FROM pg_constraint WHERE conname = %s", [access_log.SCANNED])
        assert cursor.fetchall() == []
    assert sum("is implied by existing constraints" in text for text in heard) == 7


@postgresql_only
def test_the_default_is_pruned_in_steps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access_log, "PAGES_A_STEP", 1)
    for _ in range(300):
        log(noon(TODAY - timedelta(days=40)))
    log_today()
    assert access_log.prune(TODAY, days_kept=30) == (300, [])
    assert Access.objects.count() == 1


@postgresql_only
def test_rows_land_in_their_day_by_utc_or_in_the_default():
    log(noon(TODAY - timedelta(days=1)))
    access_log.make_partitions(TODAY)
    log(datetime(2026, 3, 11, 0, 0, tzinfo=UTC))
    log(datetime(2026, 3, 11, 23, 59, 59, 999_999, tzinfo=UTC))
    log(datetime(2026, 3, 12, 0, 30, tzinfo=datetime.now().astimezone().tzinfo))
    log(noon(TODAY))
    log(noon(TODAY + timedelta(days=30)))
    rows = partitions()
    assert rows["devices_access_20260311"] == 2
    assert rows["devices_access_20260312"] == 1
    assert rows["devices_access_default"] == 3


@postgresql_only
def test_a_day_that_is_in_the_default_already_is_left_there():
    """Housekeeping that was off for weeks must not fail on the rows that came in the meantime."""
    tomorrow = TODAY + timedelta(days=1)
    log(noon(tomorrow))  # a clock that was ahead
    made = access_log.make_partitions(TODAY)
    assert made == WEEK[1:]
    assert partitions()["devices_access_default"] == 1


@postgresql_only
def test_old_days_are_dropped_and_the_default_pruned():
    log(noon(TODAY - timedelta(days=1)))
    access_log.make_partitions(TODAY)
    for ahead in range(8):
        log(noon(TODAY + timedelta(days=ahead)))
    log(noon(TODAY - timedelta(days=40)))
    later = TODAY + timedelta(days=33)
    deleted, dropped = access_log.prune(later, days_kept=30)
    assert dropped == WEEK[:2]
    assert deleted == 3  # of yesterday, today and 40 days ago, all in the default
    assert Access.objects.count() == 5
    assert access_log.prune(later, days_kept=30) == (0, [])


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_change_of_partitions_waits_for_readers_without_holding_up_phones(monkeypatch: pytest.MonkeyPatch):
    attempts: list[float] = []
    monkeypatch.setattr(access_log, "time", SimpleNamespace(sleep=attempts.append))
    monkeypatch.setattr(access_log, "ATTEMPTS", 1_000)
    log_today()
    given = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    reader, phone = (psycopg.connect(**{name: given[name] for name in names}) for _ in range(2))
    phone.autocommit = True
    reader.execute("SELECT 1 FROM devices_access")  # and its transaction goes on
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(make_and_close)
        while len(attempts) < 5:  # each insert comes through, whatever waits: the reader is still there
            phone.execute(
                "INSERT INTO devices_access (time, mac, outcome, address, user_agent, counted)"
                " VALUES (now(), '00908F9D8992', 'Unknown', '', '', true)"
            )
        assert not making.done()
        reader.close()
        made = making.result(10)
    phone.close()
    try:
        assert made == WEEK
        assert access_log.PATIENCE == "100ms"  # no phone waits longer than that
    finally:
        access_log.prune(TODAY + timedelta(days=100), 0)


def make_and_close() -> list[str]:
    try:
        return access_log.make_partitions(TODAY)
    finally:
        connection.close()


def test_rows_are_kept_for_so_many_whole_days():
    first_kept = TODAY - timedelta(days=30)
    midnight = datetime(first_kept.year, first_kept.month, first_kept.day, tzinfo=UTC)
    log(midnight - timedelta(microseconds=1))
    log(midnight)
    log(noon(TODAY))
    deleted, _ = access_log.prune(TODAY, days_kept=30)
    assert deleted == 1
    assert Access.objects.count() == 2


# --- After weeks without housekeeping -------------------------------------------------------------------------


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty days whose rows came into the default partition, and today."""
    monkeypatch.setattr(access_log, "PAGES_MOVED_A_STEP", 1)
    for days in range(21):
        for _ in range(30):
            log(noon(TODAY - timedelta(days=days)))


def ids() -> list[int]:
    return list(Access.objects.order_by("id").values_list("id", flat=True))


@postgresql_only
def test_rows_of_days_without_a_partition_are_moved_into_one(absent: None):
    before = ids()
    assert access_log.move_out_of_default(TODAY) == 600
    rows = partitions()
    assert rows.pop("devices_access_default") == 30  # today's go on to arrive there
    assert set(rows.values()) == {30}
    assert len(rows) == 20
    assert ids() == before
    assert access_log.move_out_of_default(TODAY) == 0
    assert access_log.move_out_of_default(TODAY + timedelta(days=1)) == 30
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE conname ~ '_(day|scanned)$'")
        assert cursor.fetchall() == []
        # The indexes are those of the log, and no other.
        cursor.execute(
            "SELECT count(*) FILTER (WHERE i.relispartition), count(*) FROM pg_index JOIN pg_class i ON i.oid ="
            " indexrelid WHERE indrelid = 'devices_access_20260301'::regclass"
        )
        attached, all_of_them = cursor.fetchone()
        assert attached == all_of_them > 0


@postgresql_only
def test_a_run_that_was_killed_is_gone_on_with(absent: None, monkeypatch: pytest.MonkeyPatch):
    before = ids()

    def die(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(access_log, "time", SimpleNamespace(sleep=die, monotonic=lambda: 0.0))
        with pytest.raises(KeyboardInterrupt):
            access_log.move_out_of_default(TODAY)
    assert len(ids()) < len(before)  # those of a half-moved day are out of sight
    access_log.move_out_of_default(TODAY)
    assert ids() == before
    assert partitions()["devices_access_default"] == 30


@postgresql_only
def test_a_clock_far_ahead_makes_no_partition():
    log(noon(TODAY + timedelta(days=400)))
    assert access_log.move_out_of_default(TODAY) == 0
    assert set(partitions()) == {"devices_access_default"}


@postgresql_only
def test_a_late_row_that_meets_the_constraint_is_tried_again():
    """It stands for moments; what was answered from the replica yesterday must not be thrown away."""
    error = None
    with access_log._scanned_before(TODAY, TODAY + timedelta(days=1)):
        try:
            with transaction.atomic():
                log(noon(TODAY))
        except IntegrityError as refused:
            error = refused
    assert error is not None
    assert failure_of(error) is Failure.GAVE_UP


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL has partitions")
def test_sqlite_has_one_table():
    assert access_log.make_partitions(TODAY) == []
    assert access_log.move_out_of_default(TODAY) == 0
    assert access_log.days_ahead(TODAY) is None
