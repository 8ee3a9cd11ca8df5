"""What every answer must be, whatever was asked; and how many there were of each."""

import collections
import json
from typing import Any

answers: collections.Counter[tuple[str, int]] = collections.Counter()


def error_problem(status: int, content_type: str, content: bytes) -> str | None:
    """What is wrong with an answer, whatever was asked."""
    if status >= 500 and status != 503:
        return f"{status}: {content[:200]!r}"
    if status < 400:
        return None
    try:
        body = json.loads(content)
    except ValueError:
        return f"{status} is no JSON: {content[:200]!r}"
    if content_type.partition(";")[0] != "application/json":
        return f"{status} is {content_type!r}"
    if not isinstance(body, dict) or not isinstance(body.get("description"), str) or not body["description"]:
        return f"{status} has no description: {content[:200]!r}"
    return None


def answer_problem(method: str, answer: Any) -> str | None:
    """The same of an http.client response that holds its content."""
    if method == "HEAD":
        return f"{answer.status}" if answer.status >= 500 else None
    return error_problem(answer.status, answer.headers.get("Content-Type", ""), answer.content)
