"""What a caller is told of a limit: the fields `RateLimit` and `RateLimit-Policy`.

Source: draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4 (structured fields, RFC 9651).
"""

from collections.abc import Mapping
from dataclasses import dataclass

RATE_LIMIT, RATE_LIMIT_POLICY = "RateLimit", "RateLimit-Policy"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a limit is left: `limit` requests in `window` seconds, `left` of them for the next `seconds`.

    Without a window, `limit` is how many requests may be at work at a time.
    """

    name: str
    limit: int
    left: int
    seconds: int
    window: int | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Both fields by name.

        >>> Quota("login", 60, 59, 17, 60).headers
        {'RateLimit-Policy': '"login";q=60;w=60', 'RateLimit': '"login";r=59;t=17'}
        >>> Quota("hashing", 33, 0, 2).headers["RateLimit-Policy"]
        '"hashing";q=33;qu="concurrent-requests"'
        """
        unit = 'qu="concurrent-requests"' if self.window is None else f"w={self.window}"
        return {
            RATE_LIMIT_POLICY: f'"{self.name}";q={self.limit};{unit}',
            RATE_LIMIT: f'"{self.name}";r={self.left};t={self.seconds}',
        }
