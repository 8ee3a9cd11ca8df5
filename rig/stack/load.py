"""Who asks while hosts are lost: phones, and an integrator who creates devices one by one. Each answer is kept."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass

from rig.clients import NO_ANSWER, TOO_LATE, Integrator, Phones
from rig.stack.site import Stack
from rig.tenant import mac, macs

PHONES_A_SECOND = 100.0
WRITES_A_SECOND = 5.0
WRITERS = 4
PATIENCE = 10.0  # seconds
WRITTEN_MAC = 0x0A0000000000

_numbers = itertools.count()


@dataclass(frozen=True)
class Write:
    """One `POST /api/v1/devices` and how it ended."""

    mac: str
    began: float
    ended: float
    status: int


class Writer(threading.Thread):
    """Creates devices, each in a call of its own."""

    def __init__(self, api: Integrator, group: int, location: int, pause: float, delay: float) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._body = {"group": group, "locationId": location, "overrideCurrentAssociation": False}
        self._pause, self._delay = pause, delay
        self._stopping = threading.Event()
        self.writes: list[Write] = []

    def run(self) -> None:
        self._stopping.wait(self._delay)
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic())
            which = mac(WRITTEN_MAC + next(_numbers))
            began = time.monotonic()
            status, answer = self._api.call("POST", "/devices", {**self._body, "macList": [which]})
            ended = time.monotonic()
            self._api.close()  # else nginx may close it at the very moment of the next call
            if status == 201 and answer["success"]["count"] != 1:
                raise RuntimeError(f"a device that is new was not created: {answer}")
            if status == NO_ANSWER and ended - began >= PATIENCE:
                status = TOO_LATE
            self.writes.append(Write(which, began, ended, status))

    def stop(self) -> None:
        """Let the call that is under way come to its end."""
        self._stopping.set()
        self.join()


class Load:
    """Phones and writes while the block of `async with` runs."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.phones = Phones(
            80, macs(), clients=32, rate=PHONES_A_SECOND, keep_alive=False, patience=15, host=stack.front.address
        )
        ((group,),) = stack.databases.rows("SELECT id FROM accounts_group WHERE name = 'Provider'")
        ((location,),) = stack.databases.rows("SELECT min(id) FROM locations_location")
        api = stack.integrator(PATIENCE)
        pause = WRITERS / WRITES_A_SECOND
        self._writers = [
            Writer(api.another(443), group, location, pause, pause * number / WRITERS) for number in range(WRITERS)
        ]
        api.close()

    async def __aenter__(self) -> "Load":
        self.phones.start()
        for writer in self._writers:
            writer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.phones.stop()
        for writer in self._writers:
            await asyncio.to_thread(writer.stop)

    @property
    def writes(self) -> list[Write]:
        """All writes that have ended, in the order of their ends."""
        return sorted(
            (write for writer in self._writers for write in writer.writes), key=lambda write: write.ended
        )

    def statuses(self) -> Counter[int]:
        """How many writes ended how."""
        return Counter(write.status for write in self.writes)

    def longest_gap(self) -> float:
        """The longest time in which no write was acknowledged, in seconds."""
        ends = [write.ended for write in self.writes if write.status == 201]
        return max((later - earlier for earlier, later in itertools.pairwise(ends)), default=float("inf"))

    def in_flight(self, moment: float) -> int:
        """How many writes were under way at a moment of time.monotonic()."""
        return sum(write.began <= moment < write.ended for write in self.writes)

    def lost(self) -> list[str]:
        """The MACs of writes that were acknowledged and are not there."""
        written = "SELECT mac FROM devices_device WHERE mac >= %s"
        there = {found for (found,) in self._stack.databases.rows(written, mac(WRITTEN_MAC))}
        return [write.mac for write in self.writes if write.status == 201 and write.mac not in there]
