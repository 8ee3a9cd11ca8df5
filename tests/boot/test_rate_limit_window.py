"""A source's budget of distinct MACs that were not redirected."""

import threading

import pytest
from pytest_django.fixtures import Settings

from boot import rate_limit as module
from boot.rate_limit import UnknownMacLimiter

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
    unknown_macs = UnknownMacLimiter()
    for _ in range(5):
        assert [unknown_macs.hit(SOURCE, mac) for mac in "ABC"] == [0, 0, 0]
    assert unknown_macs.hit(SOURCE, "D") == 60
    assert unknown_macs.hit(SOURCE, "A") == 0  # those that were within it stay within it
    assert unknown_macs.hit("192.0.2.8", "D") == 0


def test_looking_notes_nothing(clock: Clock):
    unknown_macs = UnknownMacLimiter()
    for mac in "ABCDEF":
        assert not unknown_macs.is_exceeded(SOURCE, mac)
    for mac in "ABC":
        unknown_macs.hit(SOURCE, mac)
    assert unknown_macs.is_exceeded(SOURCE, "D")
    assert not unknown_macs.is_exceeded(SOURCE, "A")
    assert not unknown_macs.is_exceeded("192.0.2.8", "D")


def test_a_new_minute_brings_a_new_budget(clock: Clock):
    unknown_macs = UnknownMacLimiter()
    for mac in "ABC":
        unknown_macs.hit(SOURCE, mac)
    clock.now += 59.4
    assert unknown_macs.hit(SOURCE, "D") == 1  # never "come back in 0 seconds"
    clock.now += 0.6
    assert not unknown_macs.is_exceeded(SOURCE, "D")
    assert [unknown_macs.hit(SOURCE, mac) for mac in "DEF"] == [0, 0, 0]
    assert unknown_macs.hit(SOURCE, "A") == 60


def test_no_limit(settings: Settings, clock: Clock):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 0
    unknown_macs = UnknownMacLimiter()
    for number in range(500):
        assert unknown_macs.hit(SOURCE, str(number)) == 0
        assert not unknown_macs.is_exceeded(SOURCE, str(number))


def test_memory_is_bounded_and_the_oldest_window_goes_first(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    monkeypatch.setattr(module, "SOURCES_KEPT", 10)
    unknown_macs = UnknownMacLimiter()
    for source in range(10):
        for mac in "ABC":
            unknown_macs.hit(str(source), mac)
    assert unknown_macs.is_exceeded("0", "D")
    unknown_macs.hit("10", "A")
    assert not unknown_macs.is_exceeded("0", "D")
    assert unknown_macs.is_exceeded("1", "D")


def test_threads_do_not_stretch_the_budget():
    unknown_macs = UnknownMacLimiter()
    within = []

    def scan(thread: int) -> None:
        for number in range(200):
            if not unknown_macs.hit(SOURCE, f"{thread}-{number}"):
                within.append(1)

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(within) == 3
