"""The HTTP protocol of the workers that phones ask: it answers a phone without ASGI's scope, cycle and task.

They are much of what a redirect costs an ASGI server between the parser and the application. boot/app.py stays the
reference: it answers in the same bytes what this protocol passes on, and a test compares the two. The cycle below
stands where uvicorn keeps its own, so that uvicorn's pipelining, keep-alive and shutdown go on to work.
"""

import logging
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from boot import request
from boot.app import SECONDS_BEHIND_PHONES, BootApplication
from boot.decision import Decision
from boot.metrics import Refusal, count_refusal
from boot.recorder import Overloaded
from boot.request import BootRequest
from boot.response import METHOD_NOT_ALLOWED, Response, answer_to, not_a_phones_response, unavailable_response
from boot.user_agent_hints import may_stand_in
from devices.models import Outcome
from redirect import logs
from redirect.http.protocol import JSONProtocol

logger = logging.getLogger(__name__)

# Path and query of a target that every parser of addresses takes apart alike.
_TARGET = re.compile(rb"(/(?!/)[!-\"$->@-~]*)(?:\?([!-\"$-~]*))?")


class PhoneProtocol(JSONProtocol):
    """Answers phones, and what is nobody's; passes all else on to the ASGI application."""

    def on_headers_complete(self) -> None:
        """Answer a phone, or go uvicorn's way. Raises what JSONProtocol does."""
        self.refuse_large_head()
        if not self._is_answered_here():
            super().on_headers_complete()

    def _is_answered_here(self) -> bool:
        app = self.app
        found = _TARGET.fullmatch(self.url)
        if (
            found is None
            or self.access_log
            or logs.is_logged()
            or self.limit_concurrency is not None
            or not isinstance(app, BootApplication)
            or self.parser.should_upgrade()
        ):
            return False
        path = found[1]
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["raw_path"], scope["query_string"] = path, found[2] or b""
        boot_request = request.from_scope(scope)
        if boot_request is None:
            if request.is_own(scope):
                return False
            if may_stand_in(request.user_agent_of(scope)):
                app.note_hint(request.unknown_from_scope(scope))
        earlier: Any = self.cycle
        cycle: Any = PhoneCycle(self, app, boot_request)
        self.cycle = cycle
        if earlier is None or earlier.response_complete:
            cycle.start()
        else:  # they are answered in their order
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))  # type: ignore[arg-type]  # as uvicorn's own application
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, PhoneCycle):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)


class _NothingWaits:
    """Stands for the event that wakes an ASGI application: nothing waits for more of a phone's request."""

    def set(self) -> None:
        pass


_NOTHING_WAITS = _NothingWaits()


class PhoneCycle:
    """A request and its response, as uvicorn's RequestResponseCycle is one; for the batcher, a pending request."""

    __slots__ = (
        "app",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "method",
        "more_body",
        "protocol",
        "request",
        "response_complete",
    )

    request: BootRequest

    def __init__(self, protocol: PhoneProtocol, app: BootApplication, boot_request: BootRequest | None) -> None:
        parser = protocol.parser
        self.protocol = protocol
        self.app = app
        self.request = boot_request  # type: ignore[assignment]  # None is answered before the batcher sees it
        self.method = parser.get_method()
        self.keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        self.disconnected = False
        self.response_complete = False
        self.body = bytearray()  # uvicorn puts a request's body here; nothing reads a phone's
        self.more_body = True
        self.message_event = _NOTHING_WAITS

    def start(self) -> None:
        """Answer at once, or after the commit."""
        if self.request is None and self.method in (b"GET", b"HEAD", b"POST"):
            response = not_a_phones_response(), Refusal.NOT_A_PHONE
            if self.app.batcher.is_busy:
                self.protocol.loop.call_later(SECONDS_BEHIND_PHONES, self._send, *response)
            else:
                self._send(*response)
        elif self.method not in (b"GET", b"HEAD"):
            self._send(METHOD_NOT_ALLOWED, Refusal.METHOD)
        else:
            try:
                self.app.batcher.submit(self)
            except Overloaded:
                self._send(unavailable_response(), Refusal.OVERLOADED)

    def settle(self, decision: Decision) -> None:
        """Answer with what was decided."""
        try:
            response, outcome = answer_to(self.request, decision)
        except Exception as error:  # a bug, and it costs this phone only
            logger.exception("No answer can be made for phone %s", self.request.mac)
            self.fail(error)
        else:
            self._send(response, outcome)

    def fail(self, error: Exception) -> None:
        """Answer that the phone may come back later."""
        self._send(unavailable_response(), Refusal.UNAVAILABLE)

    def _send(self, response: Response, outcome: Outcome | Refusal) -> None:
        count_refusal(outcome)
        self._write(response)

    def _write(self, response: Response) -> None:
        protocol = self.protocol
        if self.disconnected or protocol.transport.is_closing():
            self.response_complete = True
            return
        if protocol.flow.write_paused:
            task = protocol.loop.create_task(self._write_later(response))
            protocol.tasks.add(task)  # or it may be collected before it ends
            task.add_done_callback(protocol.tasks.discard)
            return
        message = [STATUS_LINE[response.status]]
        for name, value in protocol.server_state.default_headers:
            message += (name, b": ", value, b"\r\n")
        for name, value in response.headers:
            message += (name.lower(), b": ", value, b"\r\n")
        message.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        if self.method != b"HEAD":
            message.append(response.body)
        protocol.transport.write(b"".join(message))
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    async def _write_later(self, response: Response) -> None:
        await self.protocol.flow.drain()
        self._write(response)
