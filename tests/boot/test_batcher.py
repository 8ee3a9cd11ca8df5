"""The batcher over a recorder that does what a test tells it to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest

from boot import batcher, decision
from boot.batcher import LARGEST_BATCH, QUEUED_AT_LEAST, Batcher
from boot.decision import CertificateStatus, Decision, DeviceRecord
from boot.recorder import DatabaseUnavailable, Overloaded, SerializationConflict, StatementRejected
from boot.request import BootRequest
from boot.shapes import Kind, Shape
from devices.models import Outcome

URL = "https://pbx.example/cfg/{MAC ADDRESS}/"
BAD = "00908FBAD000"


class FakeRecorder:
    """Knows every MAC but those that begin with FF; `faults` are raised by the next calls, one each."""

    from_replica = 0
    is_connected = True
    owed = 0

    def __init__(self, *faults: Exception | None, bad: str | None = None) -> None:
        self.batches: list[list[str]] = []
        self.faults = list(faults)
        self.bad = bad
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = False

    async def open(self) -> None:
        pass

    async def record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        macs = [request.mac for request in batch]
        self.batches.append(macs)
        await self.gate.wait()
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        if self.bad in macs:
            raise StatementRejected("this row is no good")
        return {mac: DeviceRecord("Acme", URL, mutual_auth=False) for mac in macs if not mac.startswith("FF")}

    async def close(self) -> None:
        self.closed = True


def phone(number: int) -> str:
    return f"00908F{number:06X}"


def boot_request(mac: str) -> BootRequest:
    return BootRequest(Shape(mac, Kind.BARE), datetime.now(UTC))


async def all_of(batch: Batcher, *macs: str) -> list[Decision | BaseException]:
    """The answers to phones that ask at the same moment; nobody may be left waiting."""
    asking = asyncio.gather(*(batch.decide(boot_request(mac)) for mac in macs), return_exceptions=True)
    return await asyncio.wait_for(asking, 60)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 120))


def redirected(mac: str) -> Decision:
    return Decision(Outcome.REDIRECTED, f"https://pbx.example/cfg/{mac}/")


def test_each_phone_gets_its_own_answer():
    async def scenario() -> None:
        answers = await all_of(Batcher(FakeRecorder()), phone(1), "FF908F000001", phone(2))
        assert answers == [redirected(phone(1)), Decision(Outcome.UNKNOWN), redirected(phone(2))]

    run(scenario)


def test_who_asks_while_a_statement_is_under_way_goes_out_with_the_next_one():
    async def scenario() -> None:
        recorder = FakeRecorder()
        recorder.gate.clear()
        batch = Batcher(recorder)
        first = asyncio.create_task(batch.decide(boot_request(phone(0))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        later = [asyncio.create_task(batch.decide(boot_request(phone(n)))) for n in range(1, LARGEST_BATCH + 101)]
        await asyncio.sleep(0)
        assert [len(sent) for sent in recorder.batches] == [1]  # not a moment's wait for company
        recorder.gate.set()
        answers = await asyncio.gather(first, *later)
        assert [len(sent) for sent in recorder.batches] == [1, LARGEST_BATCH, 100]
        assert answers == [redirected(phone(n)) for n in range(LARGEST_BATCH + 101)]

    run(scenario)


def test_a_phone_that_asks_twice_is_recorded_twice():
    async def scenario() -> None:
        recorder = FakeRecorder()
        assert await all_of(Batcher(recorder), *[phone(1)] * 3) == [redirected(phone(1))] * 3
        assert sum(len(sent) for sent in recorder.batches) == 3

    run(scenario)


def test_more_phones_than_can_be_answered_in_time_are_turned_away_at_once(caplog: pytest.LogCaptureFixture):
    async def scenario() -> None:
        recorder = FakeRecorder()
        recorder.gate.clear()
        batch = Batcher(recorder)
        asking = [asyncio.create_task(batch.decide(boot_request(phone(n)))) for n in range(QUEUED_AT_LEAST + 50)]
        await asyncio.sleep(0)
        turned_away = [task for task in asking if task.done()]
        # One batch may be on its way already; all the others are queued.
        assert 0 < len(turned_away) <= 50
        for task in turned_away:
            assert isinstance(task.exception(), Overloaded)
        recorder.gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 60)
        assert sum(isinstance(answer, Decision) for answer in answers) == len(asking) - len(turned_away)
        await all_of(batch, phone(1))  # there is room again

    run(scenario)
    assert sum("more asked than could be answered" in record.message for record in caplog.records) == 1


def test_a_quick_database_lets_more_phones_wait():
    async def scenario() -> None:
        recorder = FakeRecorder()
        batch = Batcher(recorder)
        for _ in range(20):
            await all_of(batch, *[phone(n) for n in range(LARGEST_BATCH)])
        recorder.gate.clear()
        asking = [asyncio.create_task(batch.decide(boot_request(phone(n)))) for n in range(2 * QUEUED_AT_LEAST)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in asking)
        recorder.gate.set()
        await asyncio.gather(*asking)

    run(scenario)


def test_a_lost_race_is_run_again_once():
    async def scenario() -> None:
        recorder = FakeRecorder(SerializationConflict("deadlock detected"))
        assert await all_of(Batcher(recorder), phone(1), phone(2)) == [redirected(phone(1)), redirected(phone(2))]
        assert [len(sent) for sent in recorder.batches] == [2, 2]

    run(scenario)


def test_a_race_lost_twice_fails_the_batch_and_nothing_else():
    async def scenario() -> None:
        recorder = FakeRecorder(
            SerializationConflict("deadlock detected"), SerializationConflict("deadlock detected")
        )
        batch = Batcher(recorder)
        assert [type(answer) for answer in await all_of(batch, phone(1), phone(2))] == [
            DatabaseUnavailable,
            DatabaseUnavailable,
        ]
        assert len(recorder.batches) == 2
        assert await all_of(batch, phone(3)) == [redirected(phone(3))]

    run(scenario)


def test_one_bad_row_does_not_fail_its_neighbours():
    async def scenario() -> None:
        recorder = FakeRecorder(bad=BAD)
        answers = await all_of(Batcher(recorder), phone(1), BAD, phone(2))
        assert answers[0] == redirected(phone(1))
        assert isinstance(answers[1], DatabaseUnavailable)
        assert answers[2] == redirected(phone(2))
        assert recorder.batches == [[phone(1), BAD, phone(2)], [phone(1)], [BAD], [phone(2)]]

    run(scenario)


@pytest.mark.parametrize(
    "fault", [DatabaseUnavailable("no answer", in_doubt=True), KeyError("a bug"), RuntimeError("another")]
)
def test_an_outage_or_a_bug_fails_the_batch_and_leaves_nobody_waiting(fault: Exception):
    async def scenario() -> None:
        recorder = FakeRecorder(fault)
        batch = Batcher(recorder)
        assert [type(answer) for answer in await all_of(batch, phone(1), phone(2))] == [
            DatabaseUnavailable,
            DatabaseUnavailable,
        ]
        assert len(recorder.batches) == 1  # never blindly again
        assert await all_of(batch, phone(3)) == [redirected(phone(3))]

    run(scenario)


def test_an_outage_during_one_by_one_leaves_nobody_waiting():
    async def scenario() -> None:
        recorder = FakeRecorder(
            StatementRejected("some row"), None, DatabaseUnavailable("gone"), KeyError("a bug"), None
        )
        answers = await all_of(Batcher(recorder), *(phone(n) for n in range(4)))
        assert [type(answer) for answer in answers] == [
            Decision,
            DatabaseUnavailable,
            DatabaseUnavailable,
            Decision,
        ]

    run(scenario)


def test_an_answer_that_cannot_be_made_fails_that_phone_only(monkeypatch: pytest.MonkeyPatch):

    def decide_but_not_bad(
        record: DeviceRecord | None, mac: str, certificate: CertificateStatus, file_name: str
    ) -> Decision:
        if mac == BAD:
            raise ValueError("a template that cannot be expanded")
        return decision.decide(record, mac, certificate, file_name)

    monkeypatch.setattr(batcher, "decide", decide_but_not_bad)

    async def scenario() -> None:
        batch = Batcher(FakeRecorder())
        answers = await all_of(batch, phone(1), BAD, phone(2))
        assert answers[0] == redirected(phone(1))
        assert isinstance(answers[1], DatabaseUnavailable)
        assert answers[2] == redirected(phone(2))

    run(scenario)


def test_a_phone_that_hangs_up_harms_nobody():
    async def scenario() -> None:
        recorder = FakeRecorder()
        recorder.gate.clear()
        batch = Batcher(recorder)
        asking = [asyncio.create_task(batch.decide(boot_request(phone(n)))) for n in range(3)]
        await asyncio.sleep(0)
        asking[1].cancel()
        await asyncio.sleep(0)
        recorder.gate.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[1], asyncio.CancelledError)
        assert [answers[0], answers[2]] == [redirected(phone(0)), redirected(phone(2))]

    run(scenario)


def test_closing_answers_those_who_wait_first():
    async def scenario() -> None:
        recorder = FakeRecorder()
        recorder.gate.clear()
        batch = Batcher(recorder)
        asking = [asyncio.create_task(batch.decide(boot_request(phone(n)))) for n in range(LARGEST_BATCH + 5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(batch.close())
        await asyncio.sleep(0)
        assert not recorder.closed
        recorder.gate.set()
        await closing
        assert recorder.closed
        assert all(task.done() and task.exception() is None for task in asking)

    run(scenario)


def test_closing_an_idle_batcher():
    async def scenario() -> None:
        recorder = FakeRecorder()
        await Batcher(recorder).close()
        assert recorder.closed

    run(scenario)
