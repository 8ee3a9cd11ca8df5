"""Safe retries: a POST with an `Idempotency-Key` is done once, and a repetition gets the first answer.

Source: draft-ietf-httpapi-idempotency-key-header-07 of October 2025, the last one (the header in section 2.1,
422 and 409 in section 2.7).
Beyond the draft a key may also stand without its quotes, as many clients send it.
"""

import re
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.models import ApiKey
from api.exceptions import as_api_error
from jobs.answers import Answer, Asked, answer_once
from redirect.errors import ApiError, ChangedMeanwhile, bad_request

HEADER = "Idempotency-Key"
MAX_LENGTH = 255

# A string of structured fields (RFC 9651), or the same bare, without what has a meaning in them.
QUOTED = r'"(?:[ !#-\[\]-~]|\\["\\])+"'
BARE = r"[!#$%&'*+./0-9:<=>?@A-Z^_`a-z{|}~-]+"
PATTERN = f"(?:{QUOTED}|{BARE})"

PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": f"^{PATTERN}$"},
    OpenApiParameter.HEADER,
    description="A new one, such as a UUID, for each new request; the same one when it is sent again. "
    "It is then done once, and the first answer is given again, for 24 hours.",
)


def key_of(request: Request) -> str | None:
    """The key of a request, None without one; raises ApiError 400 for what is none."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    text = text.strip()
    if len(text) > MAX_LENGTH or not re.fullmatch(PATTERN, text):
        raise bad_request(f'{HEADER}: Send 1 to {MAX_LENGTH} characters of ASCII, such as "<a UUID>".')
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def once(request: Request, key: str, content: bytes, handler: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """The handler of a view, run for the first request with this key, and not for another of the same caller;
    `content` is what must be the same in both.
    """
    who = f"key {request.auth.pk}" if isinstance(request.auth, ApiKey) else f"user {request.user.pk}"
    asked = Asked(who, request.path.rstrip("/"), key, content)

    def run(*args: Any, **kwargs: Any) -> HttpResponse:
        answer = answer_once(asked, lambda: _answer(handler, *args, **kwargs))
        return HttpResponse(answer.content, status=answer.status, content_type="application/json")

    return run


def _answer(handler: Callable[..., Any], *args: Any, **kwargs: Any) -> Answer:
    """What a handler answers, also where it refuses; raises what another attempt may change."""
    try:
        with transaction.atomic():  # a refusal takes back what was done before it, and is kept itself
            response = handler(*args, **kwargs)
    except Exception as exception:
        error = as_api_error(exception)
        if error is None or not _is_final(error):
            raise
        return Answer(error.status, JsonResponse(error.body).content)
    return Answer(response.status_code, JSONRenderer().render(response.data))


def _is_final(error: ApiError) -> bool:
    """Whether the same request is to be refused in the same way for a day."""
    return error.status < 500 and error.status not in (401, 415, 429) and not isinstance(error, ChangedMeanwhile)
