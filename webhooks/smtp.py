"""The mail server, with one deadline for each mail, however slowly it answers.

Django's backend has a timeout for each read: a server that sends a byte now and then is waited for without end.
And it does not tell a mail that was not handed over from one that may have been.
"""

import smtplib
import socket
import time
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

SECONDS = 30.0  # to connect and log in; and again for each mail


class InDoubt(smtplib.SMTPServerDisconnected):
    """The mail was handed over whole, and what the server says to it did not come."""


class _Lines:
    """What smtplib reads answers from: a file, but within the deadline."""

    def __init__(self, smtp: "_Deadline") -> None:
        self.smtp, self.waiting = smtp, b""

    def readline(self, limit: int) -> bytes:
        """A line, or what there is of one at the limit or at the end of the connection."""
        while b"\n" not in self.waiting and len(self.waiting) < limit:
            self.smtp.limit_wait()
            received = self.smtp.sock.recv(4096)
            if not received:
                break
            self.waiting += received
        size = min(self.waiting.find(b"\n") + 1 or len(self.waiting), limit)
        line, self.waiting = self.waiting[:size], self.waiting[size:]
        return line

    def close(self) -> None:
        """The socket is closed by who opened it."""


class _Deadline(smtplib.SMTP):
    """A client that gives up at `until`."""

    sock: socket.socket
    file: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.until = time.monotonic() + SECONDS
        self.is_out = False
        super().__init__(*args, **kwargs)

    def limit_wait(self) -> None:
        """Let the next read or write last until the deadline; raises TimeoutError behind it."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {SECONDS:.0f} seconds")
        self.sock.settimeout(left)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _Lines(self)
        return super().getreply()

    def mail(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        self.until, self.is_out = time.monotonic() + SECONDS, False
        return super().mail(*args, **kwargs)

    def quit(self) -> Any:
        self.until = min(self.until, time.monotonic() + 5)
        return super().quit()

    def send(self, s: Any) -> None:
        super().send(s)
        self.is_out = isinstance(s, bytes)  # commands are texts

    def data(self, msg: Any) -> tuple[int, bytes]:
        try:
            return super().data(msg)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            if self.is_out:
                raise InDoubt(str(error)) from error
            raise


class _DeadlineSSL(_Deadline, smtplib.SMTP_SSL):
    """The same where TLS begins with the connection."""


class Backend(EmailBackend):
    """Django's, with these clients."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _DeadlineSSL if self.use_ssl else _Deadline
