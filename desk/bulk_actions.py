"""What staff do to devices that they select in the admin's list, and the page that counts, asks and does it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import Group
from desk.admin.base import TableAdmin, or_try_again
from desk.ids import RowField, is_id
from devices import selection as selections
from devices.models import Device, Selection, SelectionAction
from jobs import progress
from jobs.models import JobState
from locations.models import Location
from redirect.errors import ApiError

TYPED_ABOVE = 1000  # a count that is larger than this is typed to confirm it
SHOWN_MACS = 20
SHOWN_GROUPS = 20
LIST = "admin:devices_device_changelist"
PAGE = "admin:devices_device_selection"


@dataclass(frozen=True)
class Kind:
    """How an action is called, who may do it, and whether all devices must be of one group."""

    title: str
    done: str
    permission: str
    one_group: bool = False
    warning: str = ""


KINDS = {
    SelectionAction.ASSOCIATE: Kind(
        "Associate {} with a location",
        "associated with the location",
        "devices.associate_device",
        one_group=True,
        warning="Devices that have another location get this one instead.",
    ),
    SelectionAction.TAKE_AWAY: Kind(
        "Take the location away from {}",
        "left without a location",
        "devices.associate_device",
        warning="Phones without a location are not redirected: they get 404.",
    ),
    SelectionAction.MOVE: Kind(
        "Move {} to another group",
        "moved to the other group",
        "devices.move_device",
        one_group=True,
        warning="Counters and description begin anew, and the old group sees them no more. The log of their past "
        "requests stays with the old group.",
    ),
    SelectionAction.REMOVE: Kind(
        "Remove {}",
        "removed",
        "devices.delete_device",
        warning="Their phones become unknown: they get 404. This cannot be taken back.",
    ),
}


# --- Forms ------------------------------------------------------------------------------------------------------


class LocationWidget(AutocompleteSelect):
    """Offers the locations of one group."""

    group_id: int | None = None

    def get_url(self) -> str:
        return f"{super().get_url()}?group={self.group_id or ''}"


class TargetForm(forms.Form):
    """Which group the devices are moved to."""

    group = RowField(
        Group.objects.all(),
        label="New group",
        widget=AutocompleteSelect(Device._meta.get_field("group"), admin.site),
    )


class ConfirmForm(forms.Form):
    """What an action needs to know, and for a large selection its number."""

    def __init__(self, selection: Selection, location_of: int | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.total = selection.total
        if location_of is not None:
            widget = LocationWidget(Device._meta.get_field("location"), admin.site)
            widget.group_id = location_of
            self.fields["location"] = RowField(
                Location.objects.filter(group=location_of),
                widget=widget,
                required=selection.action == SelectionAction.ASSOCIATE,
                help_text="" if selection.action == SelectionAction.ASSOCIATE else "May stay empty for now.",
            )
        if selection.action == SelectionAction.MOVE:
            self.fields["reason"] = forms.CharField(
                min_length=5,
                max_length=500,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
                help_text="Both groups' history keeps it: who asked for this, and on what proof?",
            )
        if selection.total > TYPED_ABOVE:
            self.fields["number"] = forms.CharField(
                label=f"Type {selection.total:,} to confirm",
                max_length=20,
                widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "numeric"}),
            )

    def clean_number(self) -> str:
        """With or without the commas."""
        number = str(self.cleaned_data["number"])
        if number.replace(",", "") != str(self.total):
            raise ValidationError(f"This is not the number of devices, which is {self.total:,}.")
        return number

    def details(self) -> dict[str, Any]:
        """What the selection keeps."""
        location = self.cleaned_data.get("location")
        return {"location": location.pk if location else None, "reason": self.cleaned_data.get("reason", "")}


# --- The list's actions, and their page -------------------------------------------------------------------------


class DeviceActions(TableAdmin):
    """The part of the list of devices that acts on many of them at once."""

    actions = ("associate", "take_away_location", "move", "remove")
    row_actions = ("move",)
    actions_ask_first = True

    def has_associate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("devices.associate_device"))

    def has_move_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("devices.move_device"))

    def get_actions(self, request: HttpRequest) -> Any:
        """Without Django's own removal, which loads every row."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description="Associate with a location", permissions=["associate"])
    def associate(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._ask(request, queryset, SelectionAction.ASSOCIATE)

    @admin.action(description="Take away the location", permissions=["associate"])
    def take_away_location(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._ask(request, queryset, SelectionAction.TAKE_AWAY)

    @admin.action(description="Move to another group", permissions=["move"])
    def move(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._ask(request, queryset, SelectionAction.MOVE)

    @admin.action(description="Remove", permissions=["delete"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._ask(request, queryset, SelectionAction.REMOVE)

    def _ask(self, request: HttpRequest, devices: QuerySet[Any], action: SelectionAction) -> HttpResponse:
        user: Any = request.user
        return _to_page(selections.count(user, action, devices))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.selection_page)
        return [path("selection/<int:pk>/", page, name="devices_device_selection"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """With a way back to what was begun and left unfinished."""
        if request.method == "GET" and not request.GET.get("_popup"):
            begun = Selection.objects.filter(user=request.user.pk, finished_at=None, started_at__isnull=False)
            if selection := begun.order_by("pk").first():
                link = format_html('<a href="{}">Continue</a>', reverse(PAGE, args=[selection.pk]))
                told = f"Unfinished: {_title(selection)}; {selection.done:,} of them done so far."
                self.message_user(request, format_html("{} {}", told, link), messages.WARNING)
        return super().changelist_view(request, *args, **kwargs)

    @or_try_again
    def selection_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Counts, asks, does: one page for each selection, seen by whoever made it."""
        selection = get_object_or_404(Selection.objects.select_related("job"), pk=pk, user=request.user.pk)
        kind = KINDS[SelectionAction(selection.action)]
        if not request.user.has_perm(kind.permission):
            raise PermissionDenied
        if request.method != "POST":
            if request.accepts("text/html"):
                return self._show(request, selection)
            return JsonResponse(_progress(selection))
        if "next" in request.POST and selection.started_at:
            selections.go_on(selection, kind.permission)
            return _to_page(selection)
        if "only" in request.POST and not selection.started_at:
            only = request.POST["only"]
            if only not in selection.counts:
                raise Http404
            selections.keep_only(selection, int(only))
            return _to_page(selection)
        if "start" in request.POST and not selection.started_at:
            return self._start(request, selection)
        return _to_page(selection)

    def _start(self, request: HttpRequest, selection: Selection) -> HttpResponse:
        target = _target(request, selection)
        form = _confirm_form(selection, target, request.POST)
        if form is None or not form.is_valid():
            return self._show(request, selection, form)
        if changes := selections.count_again(selection):
            told = "Others have changed some of these devices since they were counted. Look again and confirm."
            listed = format_html_join("", "<br>{}", ((change,) for change in changes))
            self.message_user(request, format_html("{}{}", told, listed), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        details = form.details() | {"group": target.pk if target else None}
        selections.start(selection, **details)
        if selection.total > selections.PIECE:
            selections.go_on(selection, KINDS[SelectionAction(selection.action)].permission)
            return _to_page(selection)
        try:
            selection = selections.do_next_piece(selection)
        except ApiError as error:
            self.message_user(request, f"Nothing was done: {error.body['description']}", messages.ERROR)
            return _to_page(selection)
        for level, told in _result(selection):
            self.message_user(request, told, level)
        return HttpResponseRedirect(reverse(LIST))

    def _show(self, request: HttpRequest, selection: Selection, form: forms.Form | None = None) -> HttpResponse:
        kind = KINDS[SelectionAction(selection.action)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _title(selection),
            "selection": selection,
            "kind": kind,
        }
        if selection.finished_at:
            context["result"] = [told for _, told in _result(selection)]
        elif selection.started_at:
            context["progress"] = _progress(selection)
        else:
            target = _target(request, selection)
            form = form or _confirm_form(selection, target)
            choice = TargetForm() if selection.action == SelectionAction.MOVE and not target else None
            counts = sorted(selection.counts.items(), key=lambda count: -count[1])
            names = Group.objects.in_bulk([int(group) for group, _ in counts[:SHOWN_GROUPS]])
            context |= {
                "groups": [
                    (names.get(int(group)), group, _devices(count)) for group, count in counts[:SHOWN_GROUPS]
                ],
                "more_groups": max(0, len(counts) - SHOWN_GROUPS),
                "too_many_groups": kind.one_group and len(counts) > 1,
                "macs": selections.first_macs(selection, SHOWN_MACS),
                "more_macs": f"{selection.total - SHOWN_MACS:,}" if selection.total > SHOWN_MACS else "",
                "target": target,
                "choice": choice,
                "form": form,
                "media": sum((part.media for part in (form, choice) if part), self.media),
            }
        return TemplateResponse(request, "desk/selection.html", context)


def _progress(selection: Selection) -> dict[str, Any]:
    told = progress.bar(
        selection.looked_at,
        selection.total,
        "devices",
        stalled=not selection.finished_at and (selection.job is None or selection.job.state == JobState.FAILED),
    )
    return told | {"state": "Done" if selection.finished_at else "Running"}


def _to_page(selection: Selection) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(PAGE, args=[selection.pk]))


def _target(request: HttpRequest, selection: Selection) -> Group | None:
    """The group that devices are moved to, once it is chosen; never the one that they are of."""
    chosen = request.GET.get("group", "")
    if selection.action != SelectionAction.MOVE or not is_id(chosen):
        return None
    return Group.objects.filter(pk=int(chosen)).exclude(pk__in=selection.counts).first()


def _confirm_form(selection: Selection, target: Group | None, sent: Any = None) -> ConfirmForm | None:
    """The form of the action; None as long as there is nothing to confirm yet."""
    kind = KINDS[SelectionAction(selection.action)]
    if not selection.total or (kind.one_group and len(selection.counts) > 1):
        return None
    match selection.action:
        case SelectionAction.ASSOCIATE:
            (group,) = selection.counts
            return ConfirmForm(selection, int(group), sent)
        case SelectionAction.MOVE:
            return ConfirmForm(selection, target.pk, sent) if target else None
    return ConfirmForm(selection, None, sent)


def _title(selection: Selection) -> str:
    return KINDS[SelectionAction(selection.action)].title.format(_devices(selection.total))


def _result(selection: Selection) -> list[tuple[int, str]]:
    kind = KINDS[SelectionAction(selection.action)]
    result = [(messages.SUCCESS, f"{_devices(selection.done)} {kind.done}.")]
    if selection.left_alone:
        left = f"{_devices(selection.left_alone)} left alone, since others changed them after they were counted."
        result.append((messages.WARNING, left))
    return result


def _devices(count: int) -> str:
    return f"{count:,} device{'' if count == 1 else 's'}"
