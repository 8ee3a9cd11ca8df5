"""A member of staff with a browser."""

import http.cookiejar
import urllib.parse
import urllib.request

from bench.data import LOGIN_OPERATOR, PASSWORD
from rig.clients import form


class Browser:
    """A member of staff who has logged in."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self.get("/admin/login/")
        self.post("/admin/login/?next=/admin/", {"username": LOGIN_OPERATOR, "password": PASSWORD})

    @property
    def token(self) -> str:
        """What a form must hold."""
        return next(str(cookie.value) for cookie in self._jar if cookie.name == "csrftoken")

    def get(self, path: str) -> tuple[str, str]:
        """The page, and its address after redirects."""
        with self._opener.open(self.address + path, timeout=60) as answer:
            return answer.read().decode(), answer.geturl().removeprefix(self.address)

    def post(self, path: str, values: dict[str, str], **headers: str) -> tuple[str, str]:
        """Send a form."""
        body = urllib.parse.urlencode({**values, "csrfmiddlewaretoken": self.token}).encode()
        return self._send(path, body, headers)

    def upload(self, path: str, name: str, data: bytes) -> tuple[str, str]:
        """Send a file."""
        body, content_type = form(name, data, csrfmiddlewaretoken=self.token)
        return self._send(path, body, {"Content-Type": content_type})

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, str]:
        request = urllib.request.Request(self.address + path, body, headers)  # noqa: S310 - our own server
        with self._opener.open(request, timeout=60) as answer:
            return answer.read().decode(), answer.geturl().removeprefix(self.address)
