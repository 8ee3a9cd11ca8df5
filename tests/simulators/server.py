"""The sockets of simulated devices: a listener that can be closed and opened again, and faults on the wire."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.simulators.device import Answer, Device, Entry, Fault, Request

MAX_BODY = 64 * 1024 * 1024
DROP = struct.pack("ii", 1, 0)  # linger 0: the connection is reset, not closed


class Listener:
    """A listening socket on a port that stays the same when it is closed and opened again.

    `handle` is called with each connection, in a thread of its own. `tls` wraps it first.
    """

    def __init__(
        self,
        handle: Callable[[socket.socket], None],
        *,
        port: int = 0,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._handle, self._tls = handle, tls
        self.address, self.port = address, port
        self._socket: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_gone = False

    def open(self) -> None:
        """Listen; nothing if it does already, or its end was told."""
        with self._lock:
            if self._socket is not None or self._is_gone:
                return
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            listening = socket.socket(family)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.address, self.port))
            listening.listen(256)
            self.port = listening.getsockname()[1]
            self._socket = listening
        threading.Thread(target=self._accept, args=[listening], daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections from now on; those that are open go on."""
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._socket.close()
            self._socket = None  # only now: `is_open` tells whether connections are accepted

    def close(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        self.refuse()
        with self._lock:
            open_ones = list(self._connections)
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close, and never open again: a device may want to come back after its test is over."""
        self._is_gone = True
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._socket is not None

    @property
    def is_tls(self) -> bool:
        """Whether it speaks HTTPS."""
        return self._tls is not None

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._connections.add(connection)
            self._handle(connection)
        except OSError:
            pass  # the other side went away, or does not like our certificate
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def drop(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
    connection.close()


class _Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection and writes what the device answers."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 30

    server: Any  # the device

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = MAX_BODY + 1
        if length > MAX_BODY or self.headers.get("Transfer-Encoding"):
            self._write(Answer(411 if length <= MAX_BODY else 413))
            self.close_connection = True
            return
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        device: Device = self.server
        entry = device.note(request)
        self._serve(device, request, entry, device.fault_of(request))

    def _serve(self, device: Device, request: Request, entry: Entry, fault: Fault | None) -> None:
        kind = entry.fault = fault.kind if fault else None
        if fault is not None and fault.seconds:
            time.sleep(fault.seconds)
        answer = Answer(500, b'{"description": "Internal Server Error"}', "application/json")
        if kind not in ("drop-before", "error"):
            answer = device.answer(request)
            entry.processed = True
        # Before the answer is out: who has read it may look at the journal, or send the next request.
        entry.ended = time.monotonic()
        if kind in ("drop-before", "drop-after"):
            self._drop()
        elif kind == "noise":
            self.wfile.write(b"\x15\x03\x01\x00\x02\x02\x16 this is no HTTP\r\n\r\n")
            self._end()
        else:
            if kind == "garbage":
                answer = Answer(200, b'{"description": \xff\xfe<<<', "application/json", after=answer.after)
            entry.status = answer.status
            self._write(answer, cut=kind == "cut")
        if answer.after is not None:
            answer.after()

    def _write(self, answer: Answer, *, cut: bool = False) -> None:
        body = answer.body
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body) + (40 if cut else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        if cut:
            self._end()

    def _drop(self) -> None:
        self.close_connection = True
        drop(self.connection)

    def _end(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """The journal tells more."""

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()


def handler_of(device: Device) -> Callable[[socket.socket], None]:
    """What a listener calls with each connection to the device."""

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            _Handler(connection, ("", 0), device)  # type: ignore[arg-type]

    return handle


class Served:
    """A device that listens: `with Served(device) as served:`"""

    def __init__(
        self, device: Device, *, port: int = 0, address: str = "127.0.0.1", authority: "Authority | None" = None
    ) -> None:
        self.device = device
        self.authority = authority
        tls = authority.server_context(address) if authority else None
        self.listener = Listener(handler_of(device), port=port, address=address, tls=tls)
        device.listener = self.listener

    @property
    def url(self) -> str:
        """The base address of the device's interface."""
        host = f"[{self.listener.address}]" if ":" in self.listener.address else self.listener.address
        return f"{'https' if self.authority else 'http'}://{host}:{self.listener.port}"

    def __enter__(self) -> Self:
        self.listener.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.listener.end()


class Authority:
    """A throw-away CA for the devices' own HTTPS."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated devices")])
        usage = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self._sign(name, name, self._key.public_key(), usage)

    @property
    def pem(self) -> str:
        """The certificate of the CA."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def server_context(self, address: str) -> ssl.SSLContext:
        """The TLS settings of a server at this address, which is also called localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
        )
        certificate = self._sign(subject, self.certificate.subject, key.public_key(), names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder) / "both.pem"
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            both.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
            context.load_cert_chain(both)
        return context

    def _sign(
        self, subject: x509.Name, issuer: x509.Name, key: Any, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(extension, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, SHA256())
        )
