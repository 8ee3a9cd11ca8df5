"""Control bytes in headers, as the workers' parser of HTTP meets them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from redirect.http.protocol import JSONProtocol


async def application(scope: dict[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    agent = dict(scope["headers"]).get(b"user-agent", b"none")
    await send({"type": "http.response.start", "status": 302, "headers": [(b"x-agent", agent)]})
    await send({"type": "http.response.body", "body": b""})


def answer_to(*lines: bytes) -> bytes:
    """What a phone reads that sends these header lines."""

    async def talk() -> bytes:
        config = Config(app=application, lifespan="off", server_header=False)
        config.load()
        transport = Mock(is_closing=Mock(return_value=False))
        transport.get_extra_info.return_value = None
        protocol = JSONProtocol(config, ServerState(), {})
        protocol.connection_made(transport)
        protocol.data_received(b"\r\n".join([b"GET /00908F9D8992 HTTP/1.1", b"Host: x", *lines, b"", b""]))
        for _ in range(5):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return b"".join(call.args[0] for call in transport.write.call_args_list)

    return asyncio.run(talk())


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"AVAYA/SIP12x0\x17/04.00.04.00", b"AVAYA/SIP12x0?/04.00.04.00"),
        (b"a\x00b\x7fc\td", b"a?b?c\td"),
        (b"a\xffb", b"a\xffb"),
    ],
)
def test_a_control_byte_in_a_user_agent_does_not_cost_the_phone_its_answer(sent: bytes, seen: bytes) -> None:
    answer = answer_to(b"User-Agent: " + sent)
    assert answer.startswith(b"HTTP/1.1 302 ")
    assert b"x-agent: " + seen + b"\r\n" in answer


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-For: 192.0.2.7\x17",
        b"Connection: close\x01",
        b"X: a\x00b",
        b"X: a\rb",
        b"User-Agent: a\rb",
        b"User-Agent\x17: a",
        b"Content-Length: 1\x17",
        b"Transfer-Encoding: chunked\x17",
    ],
)
def test_elsewhere_a_control_byte_is_refused(line: bytes) -> None:
    assert answer_to(line).startswith(b"HTTP/1.1 400 ")
