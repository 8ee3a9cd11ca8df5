"""What is kept of the access log is at any moment what counting the log tells."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count
from django.db.models.functions import TruncMinute

from devices import request_counts, request_upkeep
from devices.models import Access, Outcome
from devices.request_counts import CountedLog, FailureCount, RequestCount
from jobs import turns
from tests.test_concurrency import at_once

NOW = datetime(2026, 11, 22, 12, 30, 20, 500_000, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Clock:
    """What the service takes for now."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", clock)
    return clock


def log(time: datetime, outcome: str = Outcome.REDIRECTED, group_id: int | None = 1, number: int = 1) -> None:
    row = {"mac": "00908F9D8992", "device_id": group_id, "group_id": group_id, "address": "", "user_agent": ""}
    Access.objects.bulk_create(Access(time=time, outcome=outcome, **row) for _ in range(number))


def told(now: datetime) -> tuple[Counter[Any], Counter[Any]]:
    """What the dashboard asks for, of the last day."""
    start = _start(now)
    minutes, groups = Counter[Any](), Counter[Any]()
    for minute, outcome, number in request_counts.by_minute(start, now):
        minutes[minute, outcome] += number
    for group_id, outcome, number in request_counts.failures(start, now):
        groups[group_id, outcome] += number
    return minutes, groups


def counted(now: datetime) -> tuple[Counter[Any], Counter[Any]]:
    """The same, counted from the log."""
    day = Access.objects.filter(time__range=(_start(now), now)).order_by()
    minutes = day.annotate(minute=TruncMinute("time")).values_list("minute", "outcome").annotate(n=Count("pk"))
    failed = day.exclude(outcome=Outcome.REDIRECTED).exclude(group_id=None)
    groups = failed.values_list("group_id", "outcome").annotate(n=Count("pk"))
    return (
        Counter({(minute, outcome): n for minute, outcome, n in minutes}),
        Counter({(group_id, outcome): n for group_id, outcome, n in groups}),
    )


def _start(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) - 23 * HOUR


def differences() -> int:
    return sum(len(request_upkeep.wrong(hour)) for hour in request_upkeep.hours())


@pytest.mark.parametrize("seed", range(3))
def test_any_log_is_told_as_it_is(clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Rows in any order, late or from the future, with upkeep at any time and clocks that are set back."""
    dice = random.Random(seed)
    monkeypatch.setattr(request_upkeep, "STEP", dice.choice([3, 10, 1000]))
    for _ in range(25):
        match dice.randrange(8):
            case 0 | 1 | 2:
                for _ in range(dice.randrange(12)):
                    late = dice.choice([0, 0, 1, 90, 3600, 30 * 3600, 80 * 3600, -20, -4000])
                    time = clock.now - timedelta(
                        seconds=late + dice.randrange(100), microseconds=dice.randrange(2)
                    )
                    log(time, dice.choice(Outcome.values), dice.choice([1, 2, 3, None]), dice.randrange(1, 4))
            case 3 | 4:
                request_upkeep.keep_up()
            case 5:
                request_upkeep.forget_old()
            case 6:
                clock.now += timedelta(seconds=dice.choice([1, 31, 600, 7200, 86400]))
            case _:
                clock.now -= timedelta(seconds=dice.choice([1, 31, 600, 7200, 86400]))
        for now in (clock.now, clock.now - timedelta(seconds=45), clock.now + MINUTE, clock.now + 2 * DAY):
            assert told(now) == counted(now)
        assert differences() == 0


def test_the_log_is_read_once(clock: Clock) -> None:
    """What is added up is not counted from the log again; what came since then is, and what is young."""
    log(NOW - 5 * HOUR, number=3)
    log(NOW - 3 * MINUTE, Outcome.NO_LOCATION, number=2)
    log(NOW - timedelta(seconds=5), Outcome.NO_LOCATION)
    assert request_upkeep.keep_up() == 5
    minutes, groups = counted(NOW)
    Access.objects.filter(time__lt=NOW - MINUTE).delete()
    log(NOW - 2 * HOUR, Outcome.CERTIFICATE_REQUIRED, group_id=7)
    late_minute = (NOW - 2 * HOUR).replace(second=0, microsecond=0)
    assert told(NOW) == (
        minutes + Counter({(late_minute, Outcome.CERTIFICATE_REQUIRED.value): 1}),
        groups + Counter({(7, Outcome.CERTIFICATE_REQUIRED.value): 1}),
    )
    assert groups == Counter({(1, Outcome.NO_LOCATION.value): 3})


def test_what_is_recorded_late_is_counted(clock: Clock) -> None:
    """As the requests are that a replica answered: their times are those of the requests."""
    log(NOW - 10 * MINUTE)
    request_upkeep.keep_up()
    log(NOW - 10 * MINUTE, number=4)
    log(NOW - 20 * HOUR, Outcome.NO_LOCATION, number=2)
    for _ in range(2):
        assert told(NOW) == counted(NOW)
        assert sum(told(NOW)[0].values()) == 7
        request_upkeep.keep_up()


def test_a_clock_that_was_ahead_hides_nothing(clock: Clock) -> None:
    clock.now = NOW + 2 * HOUR
    log(clock.now - MINUTE)
    request_upkeep.keep_up()
    clock.now = NOW
    log(NOW - MINUTE)
    request_upkeep.keep_up()
    assert told(NOW) == counted(NOW)
    assert sum(told(NOW)[0].values()) == 1
    assert sum(told(NOW + 2 * HOUR)[0].values()) == 2


def test_upkeep_begins_with_yesterday(clock: Clock) -> None:
    log(NOW - 10 * DAY, number=5)
    log(NOW - 2 * HOUR)
    assert request_upkeep.keep_up() == 1
    assert CountedLog.objects.get().since == datetime(2026, 11, 21, tzinfo=UTC)
    assert RequestCount.objects.count() == 1


def test_what_no_page_tells_of_is_forgotten(clock: Clock) -> None:
    log(NOW - HOUR, Outcome.NO_LOCATION)
    request_upkeep.keep_up()
    clock.now = NOW + 3 * DAY
    log(clock.now - HOUR, Outcome.NO_LOCATION)
    call_command("housekeeping", verbosity=0)
    assert (RequestCount.objects.count(), FailureCount.objects.count()) == (1, 1)
    assert told(clock.now) == counted(clock.now)
    log(NOW - HOUR)  # comes too late for any page
    request_upkeep.keep_up()
    assert differences() == 0


def test_a_step_that_fails_adds_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    log(NOW - HOUR, Outcome.NO_LOCATION)
    request_upkeep.keep_up()
    log(NOW - HOUR, Outcome.NO_LOCATION)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(CountedLog, "save", fail)
        with pytest.raises(RuntimeError):
            request_upkeep.keep_up()
    assert RequestCount.objects.get().number == 1
    assert told(NOW) == counted(NOW)
    request_upkeep.keep_up()
    assert RequestCount.objects.get().number == 2
    assert differences() == 0


def test_the_worker_keeps_it_up() -> None:
    assert request_upkeep.turn in [turn.work for turn in turns._turns]


@pytest.mark.django_db(transaction=True)
def test_two_that_keep_it_up_at_once_count_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_upkeep, "STEP", 5)
    now = datetime.now(UTC)
    for ago in reversed(range(30)):
        log(now - ago * MINUTE, Outcome.NO_LOCATION, number=3)
    request_upkeep.keep_up(0)
    assert 0 < RequestCount.objects.count() < 29
    writes = [partial(log, now - MINUTE, Outcome.UNKNOWN, None) for _ in range(4)]
    at_once(*[request_upkeep.keep_up] * 6, *writes, threads=4)
    assert told(now) == counted(now)
    request_upkeep.keep_up()
    assert CountedLog.objects.get().read_to > 80  # the rows of a moment ago wait
    assert differences() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_row_of_a_transaction_that_is_still_open_is_not_passed_over() -> None:
    now = datetime.now(UTC)
    values = connection.get_connection_params()
    with psycopg.connect(
        **{name: values[name] for name in values if name in ("host", "port", "dbname", "user", "password")}
    ) as other:
        other.execute(
            "INSERT INTO devices_access (time, mac, outcome, address, user_agent, counted)"
            " VALUES (%s, '00908F9D8992', 'Unknown', '', '', true)",
            [now - HOUR],
        )
        log(now - HOUR, Outcome.UNKNOWN, None)  # has the greater id, and is there first
        assert request_upkeep.keep_up() == 0
        assert sum(told(now)[0].values()) == 1
    assert sum(told(now)[0].values()) == 2
    request_upkeep.keep_up()
    assert sum(told(now)[0].values()) == 2
    assert differences() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no partitions")
def test_rows_that_are_being_moved_are_waited_for(clock: Clock) -> None:
    """Housekeeping was stopped while it moved a day to a table of its own."""
    log(NOW - HOUR)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE devices_access_20261120 (LIKE devices_access INCLUDING ALL)")
        assert request_upkeep.keep_up() == 0
        cursor.execute("DROP TABLE devices_access_20261120")
        assert request_upkeep.keep_up() == 1
        cursor.execute("CREATE TABLE devices_access_20261120 (LIKE devices_access INCLUDING ALL)")
    log(NOW - HOUR)
    assert request_upkeep.keep_up() == 0
    assert told(NOW) == counted(NOW)
    with pytest.raises(CommandError, match="housekeeping"):
        call_command("check_counters")


def test_the_command(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    log(NOW - HOUR, Outcome.NO_LOCATION, group_id=4, number=3)
    log(NOW - 5 * HOUR, number=2)
    call_command("check_counters")
    assert "The sums of phones' requests are right.\n" in capsys.readouterr().out
    request_upkeep.keep_up()
    right = told(NOW)
    call_command("check_counters")
    assert "The sums of phones' requests are right.\n" in capsys.readouterr().out
    RequestCount.objects.filter(outcome=Outcome.REDIRECTED).delete()
    FailureCount.objects.update(number=9)
    FailureCount.objects.create(
        hour=NOW.replace(minute=0, second=0, microsecond=0), group_id=5, outcome="x", number=1
    )
    assert told(NOW) != right
    with pytest.raises(CommandError, match="3 sums of phones' requests are wrong"):
        call_command("check_counters")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "2026-11-22 07:30 Redirected: 2 requests; 0 are kept.",
        "2026-11-22 11:00 4 NoLocation: 3 requests; 9 are kept.",
        "2026-11-22 12:00 5 x: 0 requests; 1 are kept.",
    ]
    call_command("check_counters", "--repair")
    assert capsys.readouterr().out.endswith("Made right: 3 sums of phones' requests.\n")
    assert told(NOW) == right == counted(NOW)
    call_command("check_counters")
