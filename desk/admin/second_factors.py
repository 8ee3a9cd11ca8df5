"""What the pages of users tell of second factors, and how one is taken away from a colleague."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format

from accounts import second_factors
from accounts.models import SecondFactor
from accounts.sessions import reset_second_factor


class SecondFactorFilter(admin.SimpleListFilter):
    """Support staff with and without a second factor."""

    title = "second factor"
    parameter_name = "second_factor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Staff with one"), ("no", "Staff without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        has_one = Exists(SecondFactor.objects.filter(user=OuterRef("pk")))
        return queryset.filter(has_one if self.value() == "yes" else ~has_one, is_staff=True)


class SecondFactorActions:
    """The part of the page of users that is about second factors."""

    message_user: Any

    @admin.display(description="second factor")
    def second_factor(self, user: Any) -> str:
        factor = second_factors.of(user)
        if factor is None:
            return "-"
        since = date_format(factor.added_at, "DATETIME_FORMAT")
        return f"since {since}; recovery codes left: {factor.recovery_codes.count()}"

    def second_factor_actions_of(self, request: HttpRequest, row: Any) -> tuple[str, ...]:
        """Taking the factor away, where there is one that this member of staff may take away."""
        users = _in_reach(request, type(row).objects.get_queryset().filter(pk=row.pk))
        return ("reset_second_factor",) if users and second_factors.of(row) else ()

    def has_reset_second_factor_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.reset_second_factor_user"))

    @admin.action(description="Take the second factor away", permissions=["reset_second_factor"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """For a colleague who has lost the phone; ends the colleague's sessions. One's own takes a code."""
        selected = queryset.count()
        with transaction.atomic():
            users = list(_in_reach(request, queryset).order_by("pk").values_list("pk", flat=True))
            had_one = SecondFactor.objects.filter(user__in=users).count()
            reset_second_factor(users)
        if refused := selected - len(users):
            told = "your own takes a code, and those of platform operators take one of them"
            self.message_user(request, f"{refused} left alone: {told}.", messages.WARNING)
        self.message_user(request, f"Second factors taken away: {had_one}.")


def _in_reach(request: HttpRequest, users: QuerySet[Any]) -> QuerySet[Any]:
    """Those whose second factor this member of staff, with the permission, may take away."""
    others = users.exclude(pk=request.user.pk)
    return others if request.user.is_superuser else others.filter(is_superuser=False)
