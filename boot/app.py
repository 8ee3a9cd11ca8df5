"""The ASGI application in front of Django: it answers phones, and passes on what is not for them.

A phone is answered in the same bytes under WSGI (boot/middleware.py), and by boot/protocol.py, which spares it the
way through here. Source: contract section 8 (the "MAC API"
that the manual only names).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.db import connections

from boot import database, request, request_log
from boot.batcher import Batcher
from boot.metrics import Refusal, count_refusal
from boot.recorder import DatabaseUnavailable, Overloaded
from boot.request import BootRequest, UnknownRequest
from boot.response import (
    METHOD_NOT_ALLOWED,
    READS,
    UNKNOWN_ADDRESS,
    Response,
    answer_to,
    not_a_phones_response,
    unavailable_response,
)
from boot.user_agent_hints import hints, may_stand_in
from devices.models import Outcome
from redirect import logs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

# A request that is no phone's waits so long while phones do: a flood of them takes no phone's turn.
SECONDS_BEHIND_PHONES = 0.02


HINTS_WAIT = 1.0  # seconds, in which hints gather


def _write_hints() -> None:
    try:
        hints.write()
    finally:
        connections.close_all()  # those of this thread, which writes once in a while


class BootApplication:
    """Answers phones by way of the batcher, passes the service's own addresses on to `django`, and answers 404 to
    everything else: phones ask for many files that are no phone's. Methods that send a file get 405.
    """

    def __init__(self, django: Application) -> None:
        self.django = django
        self._batcher: Batcher | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        began = time.perf_counter()
        boot_request = request.from_scope(scope)
        if boot_request is None and request.is_own(scope):
            await self.django(scope, receive, send)
            return
        if boot_request is None and may_stand_in(request.user_agent_of(scope)):
            self.note_hint(request.unknown_from_scope(scope))
        response, outcome = await self._respond(boot_request, scope["method"])
        count_refusal(outcome)
        if logs.is_logged():
            request_log.write_scope(scope, boot_request, response.status, outcome, began)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, boot_request: BootRequest | None, method: str) -> tuple[Response, Outcome | Refusal]:
        """What the phone gets, and why: the outcome of the decision, or the reason why none was made."""
        if boot_request is None and method in UNKNOWN_ADDRESS:
            if self.batcher.is_busy:
                await asyncio.sleep(SECONDS_BEHIND_PHONES)
            return not_a_phones_response(), Refusal.NOT_A_PHONE
        if boot_request is None or method not in READS:
            return METHOD_NOT_ALLOWED, Refusal.METHOD
        try:
            decision = await self.batcher.decide(boot_request)
        # Batcher and recorder have logged the reason, once for all phones.
        except Overloaded:
            return unavailable_response(), Refusal.OVERLOADED
        except DatabaseUnavailable:
            return unavailable_response(), Refusal.UNAVAILABLE
        return answer_to(boot_request, decision)

    def note_hint(self, unknown: UnknownRequest) -> None:
        """Keep a request that is no phone's for staff, if its User-Agent hints at a phone."""
        if hints.note(unknown) and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_hints())

    async def _keep_hints(self) -> None:
        """Write, a moment later and beside the phones, what the User-Agents of this moment hint at."""
        try:
            await asyncio.sleep(HINTS_WAIT)
            await asyncio.to_thread(_write_hints)
        finally:
            self._keeping = None

    @property
    def batcher(self) -> Batcher:
        """The batcher of this process, made for its first phone."""
        if self._batcher is None:
            self._batcher = Batcher(database.open_recorder())
        return self._batcher

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        """Connect before the first phone asks; answer the pending requests before the process ends.

        Source: the ASGI lifespan protocol.
        """
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                recorder = self.batcher.recorder
                await recorder.open()
                database.serving = recorder
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                database.serving = None
                if self._batcher is not None:
                    await self._batcher.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
