"""The access log: what phones asked for, and what they got. Beyond the manual."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api import fields, filters
from api.devices import ID_OR_MAC, NO_ID_OR_MAC, MACFilter
from api.generics import ListView
from api.pagination import LogPagination, pages_of
from api.schema import example
from boot.shapes import Kind
from devices.models import Access, Device, Outcome


@example(
    {
        "time": "2019-04-04T09:37:04+0000",
        "mac": "10:22:33:44:44:44",
        "outcome": "Redirected",
        "address": "192.0.2.7",
        "userAgent": "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1",
        "certificateSubject": None,
        "certificateSeen": False,
        "locationUrl": "https://www.google.co.il/",
        "path": "/102233444444.cfg",
        "kind": "file",
    }
)
class AccessSerializer(serializers.Serializer[Access]):
    """A phone's request and what it got."""

    time = serializers.DateTimeField()
    mac = fields.MAC()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    address = serializers.CharField()
    userAgent = serializers.CharField(source="user_agent")
    certificateSubject = serializers.CharField(source="certificate_subject", allow_null=True)
    certificateSeen = serializers.BooleanField(source="certificate_seen")
    locationUrl = serializers.CharField(source="location_url", allow_null=True)
    path = serializers.CharField(
        allow_null=True,
        help_text="The path that the phone asked for, as it was sent, up to 200 characters. Null for requests "
        "that were logged before paths were.",
    )
    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.value) for kind in Kind],
        allow_null=True,
        help_text="Where in the request the MAC stood: alone in the path, in the name of a file, as a directory, "
        "in the query, or, for a file that phones of one maker have in common, in the User-Agent. Null as for "
        "`path`.",
    )


class AccessFilters(filters.ClauseFilterSet):
    """GET /accesses and /devices/{id}/accesses"""

    examples = ("outcome='NoLocation'",)

    time = filters.Date("time")
    mac = MACFilter("mac")
    outcome = filters.Text("outcome")
    address = filters.Text("address")
    userAgent = filters.Text("user_agent")
    certificateSubject = filters.Text("certificate_subject", optional=True)
    locationUrl = filters.Text("location_url", optional=True)
    path = filters.Text("path", optional=True)
    kind = filters.Text("kind", optional=True)


class AccessesView(ListView):
    """GET /accesses: newest first; the operator also sees MACs of no group."""

    actions: ClassVar = {"GET": Action.VIEW}
    query_parameters = ("filter", "sort", "before", "page", "limit")
    tag = "Devices"
    operation_ids: ClassVar = {"GET": "listAccesses"}
    queryset = Access.objects.all()
    serializer_class = AccessSerializer
    filterset_class = AccessFilters
    pagination_class = pages_of("accesses", LogPagination)
    ordering = ("-time", "-id")

    def get(self, request: Request, **key: Any) -> Response:
        """The access log: what phones asked for, and what they got

        Beyond the manual. Newest first; the rows of your groups at that moment, so a MAC that has moved shows its
        new owner nothing of the old one. Rows are kept for 30 days, unless the operator has set another time. The
        platform operator also sees MACs that nobody owns: `filter=(outcome='Unknown')`.
        """
        return self.page()


class DeviceAccessesView(AccessesView):
    """GET /devices/{id}/accesses and /devices/{mac}/accesses"""

    operation_ids: ClassVar = {"GET": "listDeviceAccesses"}
    id_parameter = ID_OR_MAC
    responses: ClassVar = {"GET": NO_ID_OR_MAC}

    def get(self, request: Request, **id_or_mac: int | str) -> Response:
        """The access log of a device

        Beyond the manual. Newest first; the rows of your groups at that moment, so a MAC that has moved shows its
        new owner nothing of the old one. Rows are kept for 30 days, unless the operator has set another time. In
        place of the id there may be the MAC, in any accepted spelling.
        """
        # A foreign one is as none: its rows would take the longer to leave out, the more there are.
        device = Device.objects.visible_to(self.user).filter(**id_or_mac).first()
        return self.page(**{"mac": device.mac, "device_id": device.pk} if device else {"pk__in": ()})
