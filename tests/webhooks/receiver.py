"""A receiver of webhooks on a port of this machine: keeps what it gets, and answers as it is told."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Message:
    """What came."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


Answer = Callable[[Any, Message], int | None]


class Receiver:
    """Answers 204, or what `answer` makes of a request: a status, or None where it has answered by itself."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answer: Answer = lambda handler, message: 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                message = Message({k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
                receiver.messages.append(message)
                status = receiver.answer(self, message)
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def types(self) -> list[str]:
        """The types of the messages, in order."""
        return [message.json["type"] for message in self.messages]

    @property
    def macs(self) -> list[str]:
        """The MACs of the messages, in order."""
        return [message.json["data"]["mac"] for message in self.messages]
