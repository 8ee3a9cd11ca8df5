"""The process that reads a workbook (`workbook.py`), from the side of the caller."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from devices.imports.errors import SheetNotChosen, Unreadable

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # and no secret: the file comes from outside

_TOO_MUCH = (
    "The file takes too much memory or work to read: perhaps a cell far below or far beside the list is not empty."
    " Copy the list to a new workbook, or save it as .csv."
)


class Workbook(NamedTuple):
    """A sheet of a workbook. The rows are as `workbook.py` answers them; to drop them ends the process."""

    sheet: str
    others: list[str]
    expected: int
    rows: Iterator[tuple[int, list[Any]]]


def open_workbook(data: bytes, sheet: str | None) -> Workbook:
    """Open the sheet of that name, or the only visible one that has anything in it.

    Raises SheetNotChosen if there are several, Unreadable if the file cannot be read; the rows may raise it too.
    """
    lines = _lines(data, sheet)
    first = next(lines)
    if "refused" in first:
        raise Unreadable(first["refused"])
    if "sheets" in first:
        raise SheetNotChosen(first["sheets"])
    return Workbook(first["sheet"], first["others"], first["rows"], _rows(lines))


def _rows(lines: Iterator[Any]) -> Iterator[tuple[int, list[Any]]]:
    with contextlib.closing(lines):  # type: ignore[type-var]
        for line in lines:
            if isinstance(line, dict):
                if "refused" in line:
                    raise Unreadable(line["refused"])
                return
            yield line[0], line[1]


def _lines(data: bytes, sheet: str | None) -> Iterator[Any]:
    """What the process answers, until its end; raises Unreadable if that comes too early."""
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "devices.imports.workbook"],
            cwd=_ROOT,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps({"sheet": sheet}).encode() + b"\n" + data)
                process.stdin.close()
            for line in process.stdout:
                if line.endswith(b"\n"):  # else it was killed while it wrote
                    yield json.loads(line)
            if process.wait() != 0:
                complaints.seek(0)
                last = complaints.read()[-500:].decode(errors="replace")
                logger.warning("A workbook was not read (status %s): %s", process.returncode, last)
                raise Unreadable(_TOO_MUCH)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
