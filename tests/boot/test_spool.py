"""What is owed outlasts its process: by files, and by the recorder that takes them over."""

import asyncio
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from typing import cast as typed

import pytest

from boot import statements
from boot.postgresql import PostgreSQLRecorder
from boot.request import BootRequest
from boot.shapes import Kind, Shape
from boot.spool import Spool
from tests.boot.test_recorders import MAC, ROW, FakeConnection, boot_request, settled

NOW = datetime(2026, 3, 1, 12, 0, 5, 678_901, tzinfo=UTC)
WHOLE = BootRequest(
    Shape(MAC, Kind.FILE, "cfg%C3%A4.xml", "Maker"),
    NOW,
    path="/x/\u00e4\ud83d.xml",
    address="2001:db8::1",
    user_agent='say "hi" \\',
    certificate_verified="SUCCESS",
    certificate="-----BEGIN%20",
    log_unknown=False,
)


def die(spool: Spool) -> None:
    """As a process that is killed: the files stay, and nobody locks them."""
    for file in spool._files():
        os.close(file)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_batch_is_read_as_it_was_written(tmp_path: Path):
    folder = tmp_path / "spool"
    first = Spool(folder)
    first.add([WHOLE, boot_request(MAC, at=NOW)], 77)
    first.add([boot_request(MAC, at=NOW - timedelta(seconds=1))], None)
    [path] = files(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    die(first)
    older, newer = Spool(folder).take_over()
    assert list(newer.batch) == [WHOLE, boot_request(MAC, at=NOW)]
    assert (newer.backends, newer.in_doubt) == ((77,), True)
    assert (older.backends, older.in_doubt) == ((), True)


def test_what_a_living_process_owes_is_its_own(tmp_path: Path):
    living, other = Spool(tmp_path), Spool(tmp_path)
    living.add([WHOLE], None)
    assert other.take_over() == []
    die(living)
    assert len(other.take_over()) == 1
    assert Spool(tmp_path).take_over() == []  # other has it now
    other.clear()
    assert files(tmp_path) == []


def test_a_process_that_dies_over_it_leaves_it_to_the_next_one(tmp_path: Path):
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.add([WHOLE], 77)
    die(first)
    second.take_over()
    second.begin_replay(88)  # that server process may have recorded it
    die(second)
    [owed] = Spool(tmp_path).take_over()
    assert owed.backends == (77, 88)


def test_a_line_that_was_not_finished_was_not_answered(tmp_path: Path):
    first = Spool(tmp_path)
    first.add([WHOLE], None)
    first.add([WHOLE], None)
    die(first)
    [path] = files(tmp_path)
    os.truncate(path, path.stat().st_size - 5)
    assert len(Spool(tmp_path).take_over()) == 1


def test_what_was_recorded_is_not_owed_any_more(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.add([WHOLE], None)
    spool.clear()
    assert [path.stat().st_size for path in files(tmp_path)] == [0]
    spool.add([WHOLE], None)
    die(spool)
    assert len(Spool(tmp_path).take_over()) == 1


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "spool")
    for _ in range(2):
        spool.add([WHOLE], None)
    assert caplog.text.count("cannot be written") == 1
    assert not spool.is_kept
    assert spool.take_over() == []


# --- The recorder ---------------------------------------------------------------------------------------------


def recorder_over(folder: Path) -> tuple[PostgreSQLRecorder, FakeConnection]:
    primary, replica = FakeConnection([ROW]), FakeConnection([ROW])
    for server in (primary, replica):
        server.connect = lambda: asyncio.ensure_future(asyncio.sleep(0))  # type: ignore[attr-defined]
    return PostgreSQLRecorder(typed(Any, primary), typed(Any, replica), folder), primary


@pytest.mark.parametrize("recorded", [True, False])
def test_the_next_process_records_what_this_one_owes_once(tmp_path: Path, recorded: bool):
    """Also where the dead process had recorded it already, and could not say so any more."""

    async def owe() -> None:
        recorder, primary = recorder_over(tmp_path)
        primary.cut(in_doubt=True)
        for _ in range(3):
            await recorder.record([boot_request(MAC)])
        assert recorder.owed == 3
        die(recorder._spool)

    async def start_again() -> None:
        recorder, primary = recorder_over(tmp_path)
        primary.recorded = recorded
        await recorder.open()
        await settled(primary, 0 if recorded else 3)
        assert primary.count(statements.END_BACKEND) == 3 * 1
        assert primary.count(statements.IS_RECORDED) == 3
        assert recorder.owed == 0
        await recorder.close()

    asyncio.run(owe())
    asyncio.run(start_again())
    assert files(tmp_path) == []


def test_a_stop_leaves_to_the_next_start_what_is_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("boot.postgresql.SECONDS_TO_REPLAY", 0.1)

    async def scenario() -> None:
        recorder, primary = recorder_over(tmp_path)
        primary.cut(in_doubt=False)
        await recorder.record([boot_request(MAC)] * 4)
        await recorder.close()

    asyncio.run(scenario())
    assert "the next start counts them" in caplog.text
    assert len(Spool(tmp_path).take_over()) == 1


def test_nothing_is_written_while_the_primary_answers(tmp_path: Path):
    async def scenario() -> None:
        recorder, _ = recorder_over(tmp_path / "spool")
        await recorder.open()
        await recorder.record([boot_request(MAC)])
        await recorder.close()

    asyncio.run(scenario())
    assert files(tmp_path / "spool") == []
