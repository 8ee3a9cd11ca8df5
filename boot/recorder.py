"""What a recorder is: it looks up devices, and records requests before they are answered. With its errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from boot.decision import DeviceRecord
from boot.request import BootRequest


class Overloaded(Exception):
    """More phones ask than can be answered in time."""


class DatabaseUnavailable(Exception):
    """The database did not answer, or not in time; `in_doubt` if it may have committed all the same."""

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt


class SerializationConflict(Exception):
    """The database cancelled the statement in favour of another transaction; nothing was written."""


class StatementRejected(Exception):
    """The database would not run the statement on this batch; nothing was written."""


class Recorder(Protocol):
    """Looks up devices and records requests in one database.

    `from_replica` is how many requests a replica has answered so far; `owed`, how many of these are not recorded.
    `is_connected` says whether there is a connection on which requests are recorded.
    """

    from_replica: int

    @property
    def owed(self) -> int: ...

    @property
    def is_connected(self) -> bool: ...

    async def open(self) -> None:
        """Connect, if that is quick; never raises."""

    async def record(self, batch: Sequence[BootRequest]) -> dict[str, DeviceRecord]:
        """Commit the requests; return the devices that exist, by MAC.

        Raises DatabaseUnavailable, SerializationConflict or StatementRejected.
        """

    async def close(self) -> None:
        """Disconnect."""


@dataclass(slots=True)
class UnrecordedBatch:
    """Requests that were answered from the replica and are not recorded yet.

    `in_doubt` if they may have been recorded after all; `backends` are the processes of the database server that
    may still be about to.
    """

    batch: Sequence[BootRequest]
    backends: tuple[int, ...] = ()
    in_doubt: bool = False
