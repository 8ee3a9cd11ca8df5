"""One message to one receiver: to an address that was checked, cut where the answer is long or slow.

The client is loaded where a message is sent, and so not by the processes that answer phones.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings

from redirect.http.addresses import AddressRefused, Rules

SECONDS = 10.0
SECONDS_OF_ANSWER = 2.0  # behind its status, by which the message has arrived: others wait meanwhile
MOST_OF_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Outcome:
    """What became of a message: the status if one was answered, and what was wrong, if something was."""

    status: int | None
    problem: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


def rules() -> Rules:
    """Where receivers may be: at any public address, and in the networks that the deployment allows beside."""
    return Rules(
        tuple(settings.WEBHOOK_NETWORKS),
        tuple(settings.WEBHOOK_PORTS),
        settings.WEBHOOK_LOOPBACK,
        public=True,
        setting="WEBHOOK",
    )


def send(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    """POST the message once. Redirects are not followed."""
    import httpcore
    import httpx

    from redirect.http.outgoing import Backend, Exchange

    exchange = Exchange(time.monotonic() + SECONDS)
    sent = {"Content-Type": "application/json", "User-Agent": "phone-redirect-service", "Connection": "close"}
    try:
        request = httpx.Request(
            "POST", url, headers=sent | {"Accept-Encoding": "identity"} | dict(headers), content=body
        )
    except (httpx.InvalidURL, UnicodeError):
        return Outcome(None, "The address is none: its host is no name.")
    raw = httpcore.Request("POST", str(request.url), headers=request.headers.raw, content=body)
    try:
        with httpcore.ConnectionPool(
            ssl_context=_context(), network_backend=Backend(rules(), exchange, None)
        ) as pool:
            response = pool.handle_request(raw)
            try:
                exchange.deadline = min(exchange.deadline, time.monotonic() + SECONDS_OF_ANSWER)
                return Outcome(response.status, _problem_of(response))
            finally:
                response.close()
    except AddressRefused as error:
        return Outcome(None, str(error))
    except ssl.SSLError as error:
        return Outcome(None, f"The TLS connection was refused: {error}"[:300])
    except httpcore.TimeoutException:
        return Outcome(None, f"No answer within {SECONDS:.0f} seconds.")
    except UnicodeError:
        return Outcome(None, "The address is none: its host is no name.")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        return Outcome(None, f"The receiver cannot be reached: {str(error) or type(error).__name__}"[:300])


def _problem_of(response: Any) -> str:
    """What is wrong with an answer whose status is known; its body is read to the cap and thrown away."""
    import httpcore

    if 300 <= response.status < 400:
        return "The receiver answers with a redirect, which is not followed."
    size = 0
    assert isinstance(response.stream, Iterable)
    try:
        for piece in response.stream:
            size += len(piece)
            if size > MOST_OF_ANSWER:
                return f"The answer was cut after {MOST_OF_ANSWER // 1024} KiB."
    except httpcore.TimeoutException:
        return f"The answer was cut: it did not end within {SECONDS_OF_ANSWER:.0f} seconds of its status."
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
        return "The answer was cut: the receiver ended it too early, or not as HTTP says."
    return "" if 200 <= response.status < 300 else f"The receiver answers {response.status}."


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
