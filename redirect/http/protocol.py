"""HTTP/1.1 as uvicorn's workers read it: limits of address and headers, and errors in the form of all others."""

import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from redirect.http import refusal

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Those that stand in no end of a line: one look for them in all that arrives costs less than one in each header.
_CONTROL_BYTES = bytes(octet for octet in (*range(0x20), 0x7F) if octet not in b"\t\r\n")


class JSONProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits of address and headers. What cannot be read is refused as every other error is."""

    octets = 0  # of the address and headers that are arriving
    carried = 0  # at most so many more arrived with the end of the request before
    in_head = True
    has_control = False  # whether this connection has ever sent a control byte
    status = 400
    latest = b""

    def connection_made(self, transport: Any) -> None:
        """Let the parser pass control bytes in the values of headers: on_header looks at them."""
        super().connection_made(transport)
        self.parser.set_dangerous_leniencies(lenient_headers=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take the control bytes out of a User-Agent, as Avaya's 12xx series sends them; refuse them elsewhere."""
        if self.has_control and CONTROL.search(value):
            if name.lower() != b"user-agent":
                raise ValueError("A header holds a control byte.")
            value = CONTROL.sub(b"?", value)
        super().on_header(name, value)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that grows beyond all limits: the parser would keep it all."""
        self.octets += len(data)
        self.has_control = self.has_control or _may_hold_control(data)
        self.latest = data
        super().data_received(data)
        if self.in_head and self.octets > refusal.MAX_HEADERS and not self.transport.is_closing():
            self.status = 414 if len(self.url) > refusal.MAX_REQUEST_LINE else 431
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Hand the request on. Raises what `refuse_large_head` does."""
        self.refuse_large_head()
        super().on_headers_complete()

    def refuse_large_head(self) -> None:
        """Raise ValueError, which the parser reports, if the head of the request is too large."""
        self.in_head = False
        if len(self.url) > refusal.MAX_REQUEST_LINE:
            self.status = 414
        elif self.carried + self.octets > refusal.MAX_HEADERS and self._head_is_too_large():
            self.status = 431
        else:
            return
        raise ValueError("The head of the request is too large.")

    def _head_is_too_large(self) -> bool:
        return sum(len(name) + len(value) for name, value in self.headers) > refusal.MAX_HEADERS

    def on_message_complete(self) -> None:
        """Expect the next request on this connection."""
        super().on_message_complete()
        self.in_head, self.octets, self.carried = True, 0, len(self.latest)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that reaches no application, and close.

        A phone whose User-Agent holds control characters is answered all the same: Avaya's 12xx send some. So is a
        method that the parser does not know, as any other that an address does not have.
        """
        mended, self.latest = _without_control_characters(self.latest) or _with_known_method(self.latest), b""
        if self.in_head and self.status == 400 and mended is not None:
            self.parser = httptools.HttpRequestParser(self)
            super().data_received(mended)
            return
        self.transport.write(refusal.message(self.status))
        self.transport.close()


def _may_hold_control(data: bytes) -> bool:
    """Whether a header in these octets may hold one: a carriage return alone counts, and so does a folded line."""
    return (
        len(data.translate(None, _CONTROL_BYTES)) != len(data)
        or data.count(b"\r") != data.count(b"\r\n")
        or b"\n " in data
        or b"\n\t" in data
    )


_USER_AGENT = re.compile(rb"(?<=\n)user-agent:[^\r\n]*", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _without_control_characters(data: bytes) -> bytes | None:
    """These octets, if they are one request without a body, with ``?`` for each in its User-Agent; else None."""
    if not data.startswith((b"GET ", b"HEAD ")) or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    mended = _USER_AGENT.sub(lambda found: _CONTROL.sub(b"?", found[0]), data)
    return None if mended == data else mended


_FIRST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40})(?= [!-~]+ HTTP/1\.[01]\r\n)")
_KNOWN_AND_NOWHERE_ALLOWED = b"PROPFIND"


def _with_known_method(data: bytes) -> bytes | None:
    """These octets, if the parser refuses their method, with one that each address refuses; else None."""
    found = _FIRST_LINE.match(data)
    if found is None or b"\r\n\r\n" not in data:
        return None
    try:
        httptools.HttpRequestParser(object()).feed_data(found[1] + b" ")
    except httptools.HttpParserInvalidMethodError:
        return _KNOWN_AND_NOWHERE_ALLOWED + data[found.end() :]
    except httptools.HttpParserError:
        pass
    return None
