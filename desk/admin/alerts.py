"""Alerts in the admin: which mails a group gets about its devices."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from desk.admin.base import TableAdmin, TableForm, link_to
from desk.filters import GroupFilter
from redirect.errors import Conflict
from webhooks import alerts
from webhooks.models import ALARMS, Alert, EventType


class AlertForm(TableForm):
    """An alert, by the rules of the API."""

    events = forms.MultipleChoiceField(
        choices=[(each.value, each.value) for each in EventType],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=f"None: {', '.join(ALARMS)}.",
    )
    hour = forms.IntegerField(
        min_value=0,
        max_value=23,
        initial=7,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Of a daily mail, 0 to 23, in the time zone.",
    )
    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in sorted(alerts.time_zones())],
        initial="UTC",
        widget=UnfoldAdminSelectWidget,
    )
    addresses = forms.CharField(
        required=False,
        max_length=3_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=f"One a line, at most {alerts.MOST_ADDRESSES}. None: those of the group's Administrators.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["addresses"] = "\n".join(self.instance.addresses or ())

    def clean_events(self) -> list[str] | None:
        """None for none."""
        return self.cleaned_data["events"] or None

    def clean_addresses(self) -> list[str] | None:
        """None for none."""
        found = list(dict.fromkeys(self.cleaned_data["addresses"].split()))
        if len(found) > alerts.MOST_ADDRESSES:
            raise ValidationError(f"At most {alerts.MOST_ADDRESSES} addresses.")
        for address in found:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(f"{address} is no e-mail address.") from error
        return found or None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        try:
            if cleaned.get("enabled") and (self.instance.pk is None or "enabled" in self.changed_data):
                alerts.check_on()
            if self.instance.pk is None and cleaned.get("group"):
                alerts.check_room(cleaned["group"])
        except Conflict as error:
            self.add_error(None, str(error))
        return cleaned

    class Meta:
        model = Alert
        fields: ClassVar = [
            "group",
            "mode",
            "events",
            "hour",
            "time_zone",
            "addresses",
            "description",
            "enabled",
        ]


@admin.register(Alert)
class AlertAdmin(TableAdmin):
    """Mails about what happens to devices, at once or once a day."""

    form = AlertForm
    fields = (*AlertForm.Meta.fields, "created_at", "sent_at", "problem")
    fixed_fields = ("group",)
    readonly_fields = ("created_at", "sent_at", "problem")
    list_display = ("description", "group_link", "mode", "enabled", "sent_at", "problem")
    list_display_links = ("description", "mode")
    list_filter = (GroupFilter, "mode", "enabled")
    list_select_related = ("group",)
    search_fields = ("description", "group__name")
    autocomplete_fields = ("group",)
    sortable_by = ("sent_at",)
    ordering = ("-pk",)

    @admin.display(description="group", ordering="group__name")
    def group_link(self, alert: Alert) -> SafeString:
        return link_to(alert.group, alert.group.name)
