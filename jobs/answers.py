"""Work that a caller may ask for twice, and that is done once: the answer is kept in the transaction of the work.

A row is found by a digest of who asks, where, and the caller's key; the answer is encrypted by a secret that only
a caller who knows the key can have made again. So an answer may hold a secret, and a body a password.
"""

import hmac
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from jobs.models import KeptAnswer
from redirect.errors import ApiError, Conflict

KEPT_FOR = timedelta(hours=24)
PIECE = 500
NONCE = 12


@dataclass(frozen=True)
class Answer:
    """The status and the bytes of an answer; `kept`: whether a repetition is to get it again."""

    status: int
    content: bytes
    kept: bool = True


@dataclass(frozen=True)
class Asked:
    """A request that may come again: who asks, where, the caller's key for it, and the bytes of its body."""

    caller: str
    route: str
    key: str
    body: bytes


class StillRunning(Conflict):
    """409: the first request of this key is not answered yet."""

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running, try again.")


class OtherBody(ApiError):
    """422: the key was used for a request with another body."""

    def __init__(self) -> None:
        super().__init__(422, "This Idempotency-Key was sent with another body before: use a new key.")


def answer_once(asked: Asked, work: Callable[[], Answer]) -> Answer:
    """The answer of `work`, or what it was when the same was asked within 24 hours.

    Raises StillRunning and OtherBody. What `work` raises takes all back, and nothing is kept.
    """
    digest = _derived(asked, b"row").hex()
    fingerprint = _derived(asked, b"body", asked.body).hex()
    with transaction.atomic():
        _claim(digest)
        kept = KeptAnswer.objects.filter(pk=digest).first()
        if kept is not None and kept.created_at > timezone.now() - KEPT_FOR:
            if not hmac.compare_digest(kept.fingerprint, fingerprint):
                raise OtherBody
            return Answer(kept.status, _opened(asked, bytes(kept.content)))
        answer = work()
        if answer.kept:
            values = {"fingerprint": fingerprint, "status": answer.status, "created_at": timezone.now()}
            sealed = _sealed(asked, answer.content)
            KeptAnswer.objects.update_or_create(pk=digest, defaults=values | {"content": sealed})
        return answer


def forget_old() -> int:
    """Delete the answers that are kept no longer, in pieces, so that no other writer waits long; how many."""
    old = KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).values_list("pk", flat=True)
    deleted = 0
    while piece := list(old[:PIECE]):
        deleted += KeptAnswer.objects.filter(pk__in=piece)._raw_delete(KeptAnswer.objects.db)
    return deleted


def _claim(digest: str) -> None:
    """Be the only one at this row until the transaction ends; the database lets go of it, whatever happens.

    On SQLite the transaction itself is the only one that writes: a second request waits for its turn.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(('x' || %s)::bit(64)::bigint)", [digest[:16]])
        if not cursor.fetchone()[0]:
            raise StillRunning


def _derived(asked: Asked, purpose: bytes, content: bytes = b"") -> bytes:
    named = [b"kept answer", purpose, asked.caller.encode(), asked.route.encode(), asked.key.encode(), content]
    return hmac.digest(settings.SECRET_KEY.encode(), b"\0".join(named), "sha256")


def _sealed(asked: Asked, content: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(_derived(asked, b"seal")).encrypt(nonce, zlib.compress(content, 1), None)


def _opened(asked: Asked, sealed: bytes) -> bytes:
    return zlib.decompress(AESGCM(_derived(asked, b"seal")).decrypt(sealed[:NONCE], sealed[NONCE:], None))
