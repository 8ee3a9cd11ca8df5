"""A source's budget of distinct MACs that were not redirected."""

import threading

import pytest
from pytest_django.fixtures import Settings

from boot import rate_limit as module
from boot.rate_limit import Misses

SOURCE = "192.0.2.7"


@pytest.fixture(autouse=True)
def _limit(settings: Settings) -> None:
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Clock:
    """In the place of the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_distinct_macs_up_to_the_limit(clock: Clock):
    misses = Misses()
    for _ in range(5):
        assert [misses.over_budget(SOURCE, mac) for mac in "ABC"] == [0, 0, 0]
    assert misses.over_budget(SOURCE, "D") == 60
    assert misses.over_budget(SOURCE, "A") == 0  # those that were within it stay within it
    assert misses.over_budget("192.0.2.8", "D") == 0


def test_looking_notes_nothing(clock: Clock):
    misses = Misses()
    for mac in "ABCDEF":
        assert not misses.is_over_budget(SOURCE, mac)
    for mac in "ABC":
        misses.over_budget(SOURCE, mac)
    assert misses.is_over_budget(SOURCE, "D")
    assert not misses.is_over_budget(SOURCE, "A")
    assert not misses.is_over_budget("192.0.2.8", "D")


def test_a_new_minute_brings_a_new_budget(clock: Clock):
    misses = Misses()
    for mac in "ABC":
        misses.over_budget(SOURCE, mac)
    clock.now += 59.4
    assert misses.over_budget(SOURCE, "D") == 1  # never "come back in 0 seconds"
    clock.now += 0.6
    assert not misses.is_over_budget(SOURCE, "D")
    assert [misses.over_budget(SOURCE, mac) for mac in "DEF"] == [0, 0, 0]
    assert misses.over_budget(SOURCE, "A") == 60


def test_no_limit(settings: Settings, clock: Clock):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 0
    misses = Misses()
    for number in range(500):
        assert misses.over_budget(SOURCE, str(number)) == 0
        assert not misses.is_over_budget(SOURCE, str(number))


def test_memory_is_bounded_and_the_oldest_window_goes_first(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    monkeypatch.setattr(module, "SOURCES_KEPT", 10)
    misses = Misses()
    for source in range(10):
        for mac in "ABC":
            misses.over_budget(str(source), mac)
    assert misses.is_over_budget("0", "D")
    misses.over_budget("10", "A")
    assert not misses.is_over_budget("0", "D")
    assert misses.is_over_budget("1", "D")


def test_threads_do_not_stretch_the_budget():
    misses = Misses()
    within = []

    def scan(thread: int) -> None:
        for number in range(200):
            if not misses.over_budget(SOURCE, f"{thread}-{number}"):
                within.append(1)

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(within) == 3
