"""What is owed outlasts its process: a file per process of the requests that are answered and not recorded yet.

Each batch is a line, on the disk before its phones are answered. A file is locked for as long as its process
lives; a process that starts takes over the files that nobody locks. Lines: `{"batch": [...], "backend": pid or
null}`, and `{"replay": pid}` before that process of the database server is given what is owed.
"""

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from boot.recorder import UnrecordedBatch
from boot.request import BootRequest
from boot.shapes import Kind, Shape

logger = logging.getLogger(__name__)

SUFFIX = ".owed"
ATTRIBUTES = ("path", "address", "user_agent", "certificate_verified", "certificate", "log_unknown")


class Spool:
    """The files of one process in a folder; with None, or where files cannot be written, it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: int | None = None
        self._path: Path | None = None
        self._taken: list[tuple[int, Path]] = []
        self._failed = False

    @property
    def is_kept(self) -> bool:
        """Whether what is owed stands on the disk, as far as is known."""
        return self._own is not None and not self._failed

    def take_over(self) -> list[UnrecordedBatch]:
        """Lock the files of processes that have ended, and return what they owe, in the order of its times.

        Each batch names the processes of the database server that may have recorded it already.
        """
        found: list[UnrecordedBatch] = []
        if self._folder is None or not self._folder.is_dir():
            return found
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path == self._path:
                continue
            try:
                file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            except OSError as error:
                logger.error("What an ended process owes cannot be read: %s", error)
                continue
            if not _lock(file) or os.fstat(file).st_nlink == 0:  # its process lives, or another one was first
                os.close(file)
                continue
            self._taken.append((file, path))
            found += _read(file)
        return sorted(found, key=lambda owed: owed.batch[0].time)

    def add(self, batch: Sequence[BootRequest], backend: int | None) -> None:
        """Write a batch to the disk; if that fails it is owed in memory alone, which the log says."""
        if self._folder is None:
            return
        line = {"batch": [_as_json(request) for request in batch], "backend": backend}
        try:
            if self._own is None:
                self._own, self._path = _create(self._folder)
        except OSError as error:
            self._fail(error)
        else:
            self._write(self._own, line)

    def begin_replay(self, backend: int | None) -> None:
        """Note the process of the database server that is about to record what is owed."""
        for file in self._files() if backend is not None else ():
            self._write(file, {"replay": backend})

    def clear(self) -> None:
        """Nothing is owed any more."""
        try:
            if self._own is not None:
                os.ftruncate(self._own, 0)
                os.fdatasync(self._own)
            for file, path in self._taken:
                path.unlink(missing_ok=True)
                os.close(file)
        except OSError as error:
            logger.error("The spool cannot be cleared; what it holds is compared with the log again: %s", error)
        self._taken.clear()

    def close(self, *, owed: bool) -> None:
        """Give the files up, to the next process if something is still owed."""
        if self._own is not None and self._path is not None and not owed:
            self._path.unlink(missing_ok=True)
        for file in self._files():
            os.close(file)
        self._own, self._taken = None, []

    def _files(self) -> list[int]:
        return [file for file in (self._own, *(file for file, _ in self._taken)) if file is not None]

    def _write(self, file: int, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode("ascii") + b"\n"
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fdatasync(file)
            self._failed = False
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            logger.error("The spool cannot be written: a crash now would lose what is owed: %s", error)
        self._failed = True


def _create(folder: Path) -> tuple[int, Path]:
    """Make a file that is locked before it has a name that is looked for."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{os.getpid()}-{secrets.token_hex(8)}"
    hidden, path = folder / f"{name}.new", folder / f"{name}{SUFFIX}"
    file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if not _lock(file):
        raise OSError(f"{hidden} cannot be locked")
    hidden.rename(path)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)  # the name must be on the disk, too
    os.close(directory)
    return file, path


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(file: int) -> Iterator[UnrecordedBatch]:
    """The batches of a file; a last line that was not finished belongs to phones that were not answered."""
    lines = []
    with os.fdopen(os.dup(file), "rb") as opened:
        opened.seek(0)
        for data in opened:
            try:
                lines.append(json.loads(data))
            except ValueError:
                logger.warning("A line of the spool is not whole; its phones were not answered")
    replayed_by = {line["replay"] for line in lines if "replay" in line}
    for line in lines:
        if "batch" in line:
            backends = replayed_by | ({line["backend"]} - {None})
            yield UnrecordedBatch(
                [_as_request(one) for one in line["batch"]], tuple(sorted(backends)), in_doubt=True
            )


def _as_json(request: BootRequest) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in ATTRIBUTES}
    return {"shape": list(request.shape), "time": request.time.isoformat(), **values}


def _as_request(values: dict[str, Any]) -> BootRequest:
    mac, kind, *more = values["shape"]
    attributes = {name: values[name] for name in ATTRIBUTES}
    return BootRequest(Shape(mac, Kind(kind), *more), datetime.fromisoformat(values["time"]), **attributes)
