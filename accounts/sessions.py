"""What is done to the logins of users, one or many: unblock, demand a new password, end what is open."""

from collections.abc import Collection

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import SecondFactor, TokenFamily, User
from audit.models import Changes, Event
from audit.recording import parts_of, record, record_list
from redirect.db.arrays import integers, texts


def unblock(users: Collection[int]) -> None:
    """Let these users, by their ids, log in again at once."""
    failed = Q(fail_login_attempts__gt=0) | Q(user_block_time__isnull=False)
    wrong_codes = SecondFactor.objects.filter(failures__gt=0)
    with transaction.atomic():
        found = _locked(users, failed | Q(Exists(wrong_codes.filter(user=OuterRef("pk")))))
        User.objects.filter(pk__in=integers(list(found))).update(fail_login_attempts=0, user_block_time=None)
        wrong_codes.filter(user__in=integers(list(found))).update(failures=0, blocked_until=None)
        _record(Event.UNBLOCKED, found)


def force_password_change(users: Collection[int]) -> None:
    """Refuse the next login of these users until they change the password. Their tokens stay valid, and
    their sessions in the admin end."""
    with transaction.atomic():
        found = _locked(users, Q(force_change_password=False))
        User.objects.filter(pk__in=integers(list(found))).update(force_change_password=True)
        _record(Event.CHANGED, found, {"force_change_password": [False, True]})


def end_tokens(users: Collection[int]) -> None:
    """End all logins of these users: none of their tokens is valid from now on, and no session in the admin."""
    with transaction.atomic():
        found = _locked(users, Exists(TokenFamily.objects.filter(user=OuterRef("pk"))))
        TokenFamily.objects.filter(user__in=integers(list(found))).delete()
        end_sessions(users)
        _record(Event.TOKENS_ENDED, found)


def reset_second_factor(users: Collection[int], but: str | None = None) -> None:
    """Take the second factors of these users away, with their recovery codes.

    Their sessions in the admin end, but the one with the key `but`.
    """
    with transaction.atomic():
        found = _locked(users, Exists(SecondFactor.objects.filter(user=OuterRef("pk"))))
        SecondFactor.objects.filter(user__in=integers(list(found))).delete()
        end_sessions(list(found), but)
        _record(Event.CHANGED, found, {"second_factor": [True, False]})


def end_sessions(users: Collection[int], but: str | None = None) -> None:
    """End the sessions of those users who are staff, but the one with this key.

    Only staff have any, so there are few to look through.
    """
    staff = {
        str(pk) for pk in User.objects.filter(pk__in=integers(users), is_staff=True).values_list("pk", flat=True)
    }
    if not staff:
        return
    open_now = Session.objects.filter(expire_date__gt=timezone.now())
    ended = [session.pk for session in open_now if session.get_decoded().get("_auth_user_id") in staff]
    ended = [key for key in ended if key != but]
    Session.objects.filter(pk__in=texts(ended)).delete()


def _locked(users: Collection[int], condition: Q | Exists) -> dict[int, int]:
    """Those of the users that meet the condition: their groups (0: none) by their ids."""
    rows = User.objects.filter(condition, pk__in=integers(users)).order_by("pk")
    rows = rows.select_for_update(of=("self",), no_key=True)
    return {pk: group_id or 0 for pk, group_id in rows.values_list("pk", "group_id")}


def _record(event: Event, users: dict[int, int], changes: Changes | None = None) -> None:
    if len(users) == 1:
        record(event, User.objects.get(pk=next(iter(users))), changes)
    else:
        record_list(event, User, parts_of(event, users), changes)
