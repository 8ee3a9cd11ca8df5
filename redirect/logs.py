"""What a line of the log looks like, for the service and for the server that runs it; the line of a request.

No secret may reach the log: of a request it tells the path without the query, and never a header or the body.
"""

import logging
import re
from typing import Any

from django_guid.context import guid
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

FORMATS = ("line", "json")

access = logging.getLogger("redirect.access")

_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")


class RequestId(logging.Filter):
    """Gives each line the id of the request that is answered, unless it has one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line pass."""
        if not hasattr(record, "request_id"):
            record.request_id = guid.get()
        return True


class LineFormatter(logging.Formatter):
    """A line for people: time, level, who says it, the request's id, and what."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} request={request_id} {message}", style="{")


class JSONFormatter(JsonFormatter):
    """The same as one JSON object a line, with what else is known about the request as attributes."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}",
            style="{",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            # Django adds the request to some lines, and its text has the query.
            reserved_attrs=[*RESERVED_ATTRS, "request"],
        )


def formatter(log_format: str) -> logging.Formatter:
    """The formatter for LOG_FORMAT."""
    return JSONFormatter() if log_format == "json" else LineFormatter()


def configuration(log_format: str, level: str, *, requests: bool) -> dict[str, Any]:
    """The configuration of Python's logging: format, least level, and whether each request gets a line."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestId}},
        "formatters": {"chosen": {"()": formatter, "log_format": log_format}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["request_id"]}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "redirect.access": {"level": "INFO" if requests else "CRITICAL"},
            "django_guid": {"level": "WARNING"},
            "django_tasks": {"level": "WARNING"},
            "django_tasks_db": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},  # a 4xx is the client's affair
            "django.security.DisallowedHost": {"level": "CRITICAL"},  # and so is a wrong Host
        },
    }


def is_logged() -> bool:
    """Whether each request gets its line."""
    return access.isEnabledFor(logging.INFO)


def write_request(
    method: str,
    path: str,
    status: int,
    seconds: float,
    *,
    address: str,
    outcome: str,
    user: int | None = None,
    group: int | None = None,
    **more: str,
) -> None:
    """Write the line of a request. `path` has no query, and only printable characters.

    `user` and `group` are ids. `more` are attributes that JSON shows as well; a `request_id` that a client sent is
    kept if it looks like one.
    """
    if "request_id" in more and not _ID.fullmatch(more["request_id"]):
        del more["request_id"]
    milliseconds = round(seconds * 1000, 1)
    access.info(
        "%s %s %d %s in %s ms, address=%s user=%s group=%s",
        *(method, path, status, outcome, milliseconds, address, user, group),
        extra={
            "method": method,
            "path": path,
            "status": status,
            "outcome": outcome,
            "duration_ms": milliseconds,
            "address": address,
            "user": user,
            "group": group,
            **more,
        },
    )
