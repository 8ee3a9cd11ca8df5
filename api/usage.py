"""Usage: what each group has had and asked for in a month. Beyond the manual."""

import re
from datetime import date
from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Group
from accounts.permissions import Action
from api.generics import View
from api.schema import NOTHING, answer, example
from devices import usage
from redirect.db.time import now
from redirect.errors import bad_request
from redirect.http import table_file
from redirect.http.table_file import Columns

MONTH_PATTERN = "^[0-9]{4}-(0[1-9]|1[0-2])$"
MONTH = OpenApiParameter(
    "month",
    {"type": "string", "pattern": MONTH_PATTERN},
    description="A month of the calendar (UTC). Default: the current one, until now.",
    examples=[OpenApiExample("Example 1", "2026-11")],
)
FORMAT = OpenApiParameter(
    "format",
    {"type": "string", "enum": ["json", "csv"], "default": "json"},
    description="csv: one line for each group, with the attributes of the JSON as columns.",
)
Row = dict[str, Any]
GROUP = {
    "groupId": 2,
    "groupName": "provider of id 2",
    "resellerId": 1,
    "devices": 120,
    "peakDevices": 125,
    "redirectedDevices": 118,
    "requests": 4213,
}
COLUMNS: Columns = {name: lambda row, _, name=name: row[name] for name in GROUP}  # type: ignore[misc]


@example(GROUP)
class GroupUsage(serializers.Serializer[Any]):
    """What one group has used."""

    groupId = serializers.IntegerField()
    groupName = serializers.CharField()
    resellerId = serializers.IntegerField(allow_null=True, help_text="Null for a reseller.")
    devices = serializers.IntegerField(help_text="Its devices at the end of the month, or now.")
    peakDevices = serializers.IntegerField(help_text="The most devices that it had at any moment of the month.")
    redirectedDevices = serializers.IntegerField(
        help_text="How many of its devices were redirected at least once in the month."
    )
    requests = serializers.IntegerField(
        help_text="How often its devices asked in the month, whatever they were answered."
    )


@example({"month": "2026-11", "usage": [GROUP]})
class UsageOfMonth(serializers.Serializer[Any]):
    """The usage of the groups in the caller's scope, in the order of their ids."""

    month = serializers.RegexField(MONTH_PATTERN)
    usage = GroupUsage(many=True)


class UsageView(View):
    """GET /usage"""

    actions: ClassVar = {"GET": Action.VIEW}
    query_parameters = ("month", "format")
    more_parameters = (MONTH, FORMAT)
    tag = "Groups"
    operation_ids: ClassVar = {"GET": "getUsage"}
    queryset = Group.objects.order_by("pk")
    columns = COLUMNS
    responses: ClassVar = {"GET": answer(UsageOfMonth, "The usage.") | NOTHING}

    def get(self, request: Request) -> HttpResponseBase:
        """What each group of your scope has used in a month

        Beyond the manual. Flat: the numbers of a reseller do not include those of its providers, which have their
        own. A device that moves counts for each of its groups, for the time that it was theirs.
        """
        month, kind = _month(self.query.get("month")), self.query.get("format", "json")
        if kind not in ("json", "csv"):
            raise bad_request("format must be json or csv.")
        groups = list(self.get_queryset().values_list("pk", "name", "reseller_id"))
        used = usage.of_month(month, [pk for pk, _, _ in groups])
        rows = [_row(group, used[group[0]]) for group in groups]
        if kind == "csv" or self.as_csv:
            lines = table_file.cells(COLUMNS, [rows])
            return table_file.send(request._request, f"usage-{month.isoformat()[:7]}", "csv", list(COLUMNS), lines)
        return Response({"month": month.isoformat()[:7], "usage": rows}) if rows else Response(status=204)


def _row(group: tuple[int, str, int | None], used: usage.Usage) -> Row:
    """A group's usage on the wire."""
    numbers = (used.devices, used.peak, used.redirected, used.requests)
    return dict(zip(GROUP, (*group, *numbers), strict=True))


def _month(text: str | None) -> date:
    """The first day of the month; raises ApiError 400 for what is none, and for one that has not begun."""
    current = now().date().replace(day=1)
    if text is None:
        return current
    if not re.fullmatch(MONTH_PATTERN, text, re.ASCII) or text.startswith("0000"):
        raise bad_request("month must be a month such as 2026-11.")
    month = date(int(text[:4]), int(text[5:]), 1)
    if month > current:
        raise bad_request("month must not be in the future.")
    return month
