"""Every address that the service answers, with its view; the pages of the admin count as one."""

from typing import Any

from django.urls import URLPattern, get_resolver


def _routes(patterns: list[Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            found[route] = entry.callback
        elif route == "admin/":
            found[route] = None
        else:
            found |= _routes(entry.url_patterns, route)
    return found


ROUTES = _routes(get_resolver().url_patterns)
