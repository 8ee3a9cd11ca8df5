"""Who had a MAC, for the page of a device and for Find; and the page where a claim is disputed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import Group
from desk.ids import RowField
from devices import claim_history, disputes
from devices.claims import Claim, quotas_shown_to
from devices.models import Device
from redirect.errors import ApiError

SHOWN = 20
PERMISSION = "devices.dispute_claim"


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """Which group had the device, from when until when (None: not known; still), and why staff ended it."""

    group: str
    began: datetime | None
    ended: datetime | None
    dispute: str | None


def lines(macs: Collection[str]) -> dict[str, list[ClaimLine]]:
    """The newest claims of each MAC, newest first; in three statements."""
    found = claim_history.of_macs(macs, SHOWN)
    ids = {claim.group_id for some in found.values() for claim in some}
    groups = Group.objects.select_related("reseller").in_bulk(ids)
    return {mac: [_line(claim, groups) for claim in some] for mac, some in found.items()}


def _line(claim: Claim, groups: dict[int, Group]) -> ClaimLine:
    group = groups.get(claim.group_id)
    name = group.full_name if group else f"a group that was deleted (id {claim.group_id})"
    return ClaimLine(name, claim.began, claim.ended, claim.dispute)


class DisputeForm(forms.Form):
    """Whose the device is, and how that was shown."""

    group = RowField(
        Group.objects.all(),
        label="The device belongs to",
        required=False,
        widget=AutocompleteSelect(Device._meta.get_field("group"), admin.site),
        help_text="Empty: the claim ends, and the device is removed. Its phone becomes unknown and gets 404.",
    )
    reason = forms.CharField(
        min_length=5,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For support staff: who asked for this, and on what proof?",
    )

    def __init__(self, device: Device, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = device

    def clean_group(self) -> Group | None:
        """Another group than the one that has the device."""
        group: Group | None = self.cleaned_data["group"]
        if group is not None and group.pk == self.device.group_id:
            raise forms.ValidationError("This group has the device already.")
        return group


def page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET and POST …/device/<id>/dispute/."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    device = get_object_or_404(Device.objects.select_related("group__reseller"), pk=pk)
    form = DisputeForm(device, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            group, reason = form.cleaned_data["group"], form.cleaned_data["reason"]
            with quotas_shown_to(None):
                disputes.settle(device.mac, group=group, reason=reason)
        except ApiError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The claim of {device.group.full_name} to {device.spelled} has ended.")
            return HttpResponseRedirect(f"{reverse('admin:find')}?{urlencode({'q': device.spelled})}")
    context = {
        **admin.site.each_context(request),
        "opts": Device._meta,
        "title": f"Dispute the claim to {device.spelled}",
        "device": device,
        "form": form,
        "media": form.media,
    }
    return TemplateResponse(request, "admin/devices/device/dispute.html", context)
