"""Where the document shows `RateLimit` and `RateLimit-Policy`: in the answers that tell of a limit."""

from typing import Any

from redirect.http.rate_limit import RATE_LIMIT, RATE_LIMIT_POLICY

# What comes behind the count of a login.
COUNTED = ("200", "401", "403")


def headers_of(operation: dict[str, Any], status: str) -> list[str]:
    """The headers of a limit that the answer with this status may have."""
    if "429" not in operation["responses"] or operation["tags"] == ["Phones"]:
        return []
    counted = operation["tags"] == ["Login"] and status in COUNTED
    return [RATE_LIMIT_POLICY, RATE_LIMIT] if counted or status == "429" else []
