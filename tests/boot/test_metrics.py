"""What the batcher counts of its phones."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from boot.batcher import Batcher
from boot.recorder import DatabaseUnavailable
from redirect.metrics import Tally
from tests.boot.test_batcher import FakeRecorder, all_of, phone


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"redirect_phone_{name}", labels) or 0


def grown(*macs: str, recorder: FakeRecorder | None = None) -> Callable[..., float]:
    """How much a number has grown when these phones have been answered and the batcher has ended."""
    before = {(m.name, tuple(m.labels.items())): m.value for f in REGISTRY.collect() for m in f.samples}

    async def ask() -> None:
        batcher = Batcher(recorder or FakeRecorder())
        await all_of(batcher, *macs)
        await batcher.close()

    asyncio.run(ask())

    def of(name: str, **labels: str) -> float:
        return value(name, **labels) - before.get((f"redirect_phone_{name}", tuple(labels.items())), 0)

    return of


def test_each_phone_once_by_its_outcome() -> None:
    of = grown(phone(1), phone(2), "FF908F000001")
    assert of("requests_total", outcome="Redirected", kind="bare") == 2
    assert of("requests_total", outcome="Unknown", kind="bare") == 1


def test_a_batch_counts_with_its_size_and_its_time() -> None:
    of = grown(*(phone(number) for number in range(20)))
    assert of("batch_size_sum") == 20
    assert of("batch_seconds_count") == of("batch_size_count")
    assert of("batch_size_bucket", le="+Inf") == of("batch_size_count") >= 1


def test_a_phone_that_cannot_be_answered_has_no_outcome() -> None:
    of = grown(phone(1), recorder=FakeRecorder(DatabaseUnavailable("away")))
    assert of("requests_total", outcome="Redirected", kind="bare") == 0
    assert of("batch_size_count") == 1


def test_what_the_replica_answered_and_what_is_owed() -> None:
    recorder = FakeRecorder()
    recorder.from_replica, recorder.owed = 7, 4
    of = grown(phone(1), recorder=recorder)
    assert of("replica_requests_total") == 7
    assert value("owed_requests") == 4
    grown(phone(2))
    assert value("owed_requests") == 0


@pytest.mark.parametrize("amount", [0, 1, 1.5, 2, 1000])
def test_a_tally_is_what_a_histogram_would_have_counted(amount: float) -> None:
    from prometheus_client import CollectorRegistry, Histogram

    registries = CollectorRegistry(), CollectorRegistry()
    slow, quick = (Histogram("h", "h", registry=registry, buckets=(1, 2)) for registry in registries)
    slow.observe(amount)
    tally = Tally(quick, (1, 2))
    tally.observe(amount)
    tally.hand_on()
    tally.hand_on()
    assert list(slow.collect()) == list(quick.collect())
