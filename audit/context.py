"""Who is writing, from where and by which door: known for as long as a request or a command lasts."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.db.models import TextChoices
from django.http import HttpRequest
from django_guid import get_guid, set_guid

ADMIN = "/admin/"


class Source(TextChoices):
    """The door that a write came through."""

    API = "API", "API"
    ADMIN = "Admin"
    COMMAND = "Command"


@dataclass(eq=False)
class Context:
    """What an entry of the audit log says of its origin.

    `entries` are those written so far, by object, so that one request leaves one entry for each object. It is None
    where the end of the work is unknown: there each write has an entry of its own.
    """

    source: Source
    address: str | None = None
    command: str | None = None
    request: HttpRequest | None = None
    caller: Any = None
    entries: dict[tuple[int, str], Any] | None = field(default_factory=dict)

    @property
    def actor(self) -> Any:
        """The user who writes; None for a command, and before a login."""
        if self.caller is None and self.source == Source.ADMIN:
            user = getattr(self.request, "user", None)
            return user if user is not None and user.is_authenticated else None
        return self.caller


@dataclass
class NoUser:
    """Who writes with an API key, as far as an entry names it."""

    login: str
    group_id: int | None
    pk = None


_current: ContextVar[Context | None] = ContextVar("audit_context", default=None)


def current() -> Context:
    """The request or command under way; outside of both, the command line of this process."""
    return _current.get() or Context(Source.COMMAND, command=_command_line(), entries=None)


def act_as(user: Any) -> None:
    """From now on this request is the user's: its token, key or password was right."""
    current().caller = user


@contextmanager
def of_request(request: HttpRequest) -> Iterator[None]:
    """All writes inside are this request's."""
    source = Source.ADMIN if request.path_info.startswith(ADMIN) else Source.API
    with _entered(Context(source, address=_address(request.META.get("REMOTE_ADDR", "")), request=request)):
        yield


@contextmanager
def of_command(name: str) -> Iterator[None]:
    """All writes inside are this command's."""
    with _entered(Context(Source.COMMAND, command=f"manage.py {name}")):
        yield


def origin() -> dict[str, Any]:
    """What a job keeps of who asked for it, as JSON, so that `of_job` can say so later in another process."""
    now, actor = current(), current().actor
    kept = {"source": now.source, "address": now.address, "command": now.command, "request_id": get_guid()}
    if actor is not None and not actor.pk:
        kept |= {"login": actor.login, "group_id": actor.group_id}
    return kept


@contextmanager
def of_job(origin: dict[str, Any], caller: Any) -> Iterator[None]:
    """All writes inside are those of the request or command that `origin` tells of, and of its user."""
    before = get_guid()
    set_guid(origin["request_id"])
    source = Source(origin["source"])
    try:
        if caller is None and "login" in origin:
            caller = NoUser(origin["login"], origin["group_id"])
        with _entered(Context(source, address=origin["address"], command=origin["command"], caller=caller)):
            yield
    finally:
        set_guid(before)


@contextmanager
def _entered(context: Context) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def _command_line() -> str:
    """The command and its first word: what comes after may be a secret."""
    program, *arguments = sys.argv or ["python"]
    return " ".join([Path(program).name, *arguments[:1]])[:150]


def _address(text: str) -> str | None:
    """An address without the zone that an IPv6 one may have, or None: a socket file has none."""
    try:
        return str(ip_address(text.strip().partition("%")[0]))
    except ValueError:
        return None
