"""Lost updates: a tag of what was read, and a change that is refused if that is not how it is any more.

A tag has two parts: one of what identifies the resource and what can be changed, one of all that is shown. So it
is a strong validator of the bytes, and `If-Match` looks at the first part alone: phones that boot move counters
and times, and a busy location could hardly be changed if these counted. Source: RFC 9110, sections 8.8.3 and 13.1.
"""

import re
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer

from api.serializers import IDENTIFYING
from redirect.errors import ApiError

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')


class ChangedSinceRead(ApiError):
    """412: the resource is not as the caller has read it."""

    def __init__(self) -> None:
        super().__init__(412, "Changed since you read it: read it again, and try then.")


def tag_of(shown: Mapping[str, Any], changeable: Collection[str]) -> str:
    """The tag of a resource as it is shown; `changeable` names the attributes that a PUT takes."""
    lasting = {name: value for name, value in shown.items() if name in changeable or name in IDENTIFYING}
    return f'"{_digest(lasting)}-{_digest(shown)}"'


def check_match(header: str, tag: str) -> None:
    """Raise ChangedSinceRead unless `If-Match` names this tag, or is `*`. A weak tag never matches."""
    lasting = tag.strip('"').partition("-")[0]
    sent = {opaque.partition("-")[0] for weak, opaque in _TAG.findall(header) if not weak}
    if header.strip() != "*" and lasting not in sent:
        raise ChangedSinceRead


def is_same(header: str, tag: str) -> bool:
    """Whether `If-None-Match` names this tag, to the letter, or is `*`."""
    return header.strip() == "*" or tag.strip('"') in {opaque for _, opaque in _TAG.findall(header)}


def _digest(values: Any) -> str:
    return blake2b(JSONRenderer().render(values), digest_size=9).hexdigest()


# --- For the document -----------------------------------------------------------------------------------------

IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The `ETag` that you have read: 412 if something that can be changed was changed since.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The `ETag` that you have read: 304 if the answer would be the same.",
)


def parameters(view: Any, method: str) -> list[OpenApiParameter]:
    """The conditions that a method of this view knows: none, where it is not about a single resource."""
    if not hasattr(view, "answer_one"):
        return []
    return {"GET": [IF_NONE_MATCH], "PUT": [IF_MATCH], "DELETE": [IF_MATCH]}.get(method, [])


def header_of(operation: Mapping[str, Any], status: str) -> str | None:
    """`ETag` where this answer of an operation of the document has one."""
    conditions = {parameter["name"] for parameter in operation.get("parameters", ())}
    changed = "If-Match" in conditions and "requestBody" in operation
    return "ETag" if status in ("200", "304") and ("If-None-Match" in conditions or changed) else None
