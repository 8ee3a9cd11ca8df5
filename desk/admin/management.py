"""Device management in the admin: interfaces of devices, what was asked of them, and the files that they gave."""

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from audit import recording
from audit.models import HIDDEN, Event
from desk import management_page
from desk.admin.base import TableAdmin, TableForm, link_to
from desk.filters import GroupFilter
from devices import mac
from management import endpoints, operations, pem, secrets
from management.drivers.catalogue import DRIVERS
from management.models import Artefact, Credential, Endpoint, Operation, OperationState
from redirect.errors import ApiError
from redirect.http.addresses import AddressRefused

STATE_COLORS = {
    OperationState.DONE: "success",
    OperationState.FAILED: "danger",
    OperationState.UNKNOWN: "warning",
    OperationState.PARKED: "warning",
    OperationState.WAITING: "info",
    OperationState.RUNNING: "info",
    OperationState.SENT: "info",
}
# The field of the form, by what the API calls the attribute.
FIELDS = {"mac": "mac", "locationId": "location", "baseUrl": "base_url", "tlsCA": "tls_ca",
          "tlsFingerprint": "tls_fingerprint"}  # fmt: skip


class EndpointForm(TableForm):
    """An interface and its login. The password is written, and never shown again."""

    driver = forms.ChoiceField(choices=[(name, name) for name in DRIVERS], widget=UnfoldAdminSelectWidget)
    mac = forms.CharField(
        label="MAC", required=False, widget=UnfoldAdminTextInputWidget, help_text="Of a device; none of a server."
    )
    user_name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    password = forms.CharField(
        max_length=200,
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted, and never shown again. Empty: it stays as it is.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "user_name" in self.fields:
            self.fields["user_name"].initial = self.instance.credential.user_name

    def clean_mac(self) -> str:
        """12 upper-case digits, or nothing."""
        text = str(self.cleaned_data["mac"])
        try:
            return mac.parse(text) if text else ""
        except mac.InvalidMAC as error:
            raise ValidationError(str(error)) from error

    def clean_base_url(self) -> str:
        """An address that the deployment allows."""
        try:
            return endpoints.checked_base_url(self.cleaned_data["base_url"])
        except (AddressRefused, ValueError) as error:
            raise ValidationError(str(error)) from error

    def clean_tls_ca(self) -> str:
        """CA certificates as they were read, or nothing."""
        text = self.cleaned_data["tls_ca"]
        try:
            return pem.normal(text) if text else ""
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            self._check_subject(cleaned)
            self._check_password(cleaned)
        return cleaned

    def _check_subject(self, cleaned: dict[str, Any]) -> None:
        row, location = self.instance, cleaned.get("location")
        group = cleaned.get("group") or row.group
        values = {**cleaned, "location_id": location.pk if location else None}
        if row.pk and DRIVERS[row.driver].is_server != DRIVERS[values["driver"]].is_server:
            raise ValidationError({"driver": "A server does not become a device, nor a device a server."})
        try:
            endpoints.check_tls(values)
            endpoints.check_subject(group.pk, values, pk=row.pk or 0)
        except ApiError as error:
            told = error.body.get("errors", [{"field": "", "description": str(error)}])[0]
            raise ValidationError({FIELDS.get(told["field"], "__all__"): told["description"]}) from error

    def _check_password(self, cleaned: dict[str, Any]) -> None:
        """Who changes where the login goes must know it."""
        if cleaned["password"]:
            return
        if not self.instance.pk:
            raise ValidationError({"password": "Must be given."})
        # Not by what was typed: a browser sends other line breaks than are kept.
        if any(getattr(self.instance, name) != cleaned[name] for name in endpoints.GUARD):
            raise ValidationError({"password": "Must be given when the address or the TLS settings change."})


class EndpointAdmin(TableAdmin):
    """Interfaces: what each device said when it was last asked, and buttons for what the user may do."""

    names = ("interface", "interfaces")
    form = EndpointForm
    fields = ("driver", "group", "mac", "location", "base_url", "user_name", "password", "tls_policy", "tls_ca",
              "tls_fingerprint", "allow_http")  # fmt: skip
    fixed_fields = ("group",)
    list_display = ("subject", "driver", "base_url", "group", "reached", "refreshed_at")
    list_filter = (GroupFilter, "driver", "login_refused")
    list_select_related = ("group__reseller", "location__group")
    search_fields = ("mac", "base_url")
    autocomplete_fields = ("group", "location")
    sortable_by = ("refreshed_at",)
    ordering = ("-pk",)
    change_form_template = "admin/management/endpoint_change_form.html"

    class Media:
        css: ClassVar = {"all": ("desk/device_page.css",)}

    def get_actions(self, request: HttpRequest) -> Any:
        """None for many at once: each device is asked on its own page."""
        return {}

    @admin.display(description="of")
    def subject(self, endpoint: Endpoint) -> str:
        return mac.display(endpoint.mac) if endpoint.mac else str(endpoint.location)

    @display(label={"yes": "success", "no": "danger", "never asked": "info"})  # type: ignore[untyped-decorator]
    def reached(self, endpoint: Endpoint) -> str:
        if endpoint.summary is None:
            return "never asked"
        return "yes" if endpoint.summary["identity"]["ok"] else "no"

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With the login, and what is told of it. What the device itself said counts as unknown afterwards."""
        before = Endpoint.objects.get(pk=obj.pk) if change else Endpoint()
        super().save_model(request, obj, form, change)
        Endpoint.objects.filter(pk=obj.pk).update(**endpoints.forgotten(before, vars(obj)))
        user_name, password = form.cleaned_data["user_name"], form.cleaned_data["password"]
        login = Credential.objects.filter(endpoint=obj).first() or Credential(endpoint=obj)
        told: dict[str, list[Any]] = {}
        if login.user_name != user_name:
            told["userName"] = [login.user_name or None, user_name]
            login.user_name = user_name
        if password:
            told |= {"secret": [HIDDEN, HIDDEN]} if change else {}
            login.secret = secrets.encrypt(password.encode())
        if told:
            login.save()
            recording.record(Event.CHANGED if change else Event.CREATED, obj, told)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """With what is known of the device above the form."""
        if (row := kwargs.get("obj")) is not None:
            context = {**context, "managed": management_page.of_endpoint(row, request.user)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        ask = self.admin_site.admin_view(self.ask)
        return [path("<int:pk>/ask/", ask, name="management_endpoint_ask"), *super().get_urls()]

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST …/<id>/ask/: an operation without arguments; its page shows how far it is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        here = reverse("admin:management_endpoint_change", args=[pk])
        if request.method != "POST":
            return HttpResponseRedirect(here)
        verb, user = request.POST.get("verb", ""), request.user
        assert user.is_authenticated
        try:
            with transaction.atomic():
                endpoint = Endpoint.objects.select_for_update(of=("self",), no_key=True).filter(pk=pk).first()
                if endpoint is None:
                    return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
                if verb not in management_page.verbs_for(endpoint, user):
                    raise PermissionDenied
                operations.check(endpoint, verb, {})
                operation = operations.ask(endpoint, user, verb, {})
        except ApiError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(here)
        if not request.user.has_perm("management.view_operation"):
            return HttpResponseRedirect(here)
        return HttpResponseRedirect(reverse("admin:management_operation_change", args=[operation.pk]))


class ReadOnlyAdmin(TableAdmin):
    """A table that is looked at."""

    def get_actions(self, request: HttpRequest) -> Any:
        return {}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_of(self, row: Any) -> Any:
        """What is told of an interface is told of all that is asked of it."""
        return super().history_of(row.endpoint)

    @admin.display(description="interface")
    def interface(self, row: Any) -> str:
        return link_to(row.endpoint, str(row.endpoint))


class OperationAdmin(ReadOnlyAdmin):
    """What was asked of devices, and how far it is."""

    fields = ("verb", "interface", "user_login", "told_arguments", "told_state", "message", "told_result",
              "created_at", "finished_at")  # fmt: skip
    readonly_fields = fields
    list_display = ("verb", "interface", "state_label", "user_login", "created_at", "finished_at")
    list_filter = ("state", "verb", "kind")
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__mac", "endpoint__base_url", "user_login")
    sortable_by = ("created_at",)
    ordering = ("-pk",)
    change_form_template = "admin/management/operation_change_form.html"

    class Media:
        css: ClassVar = {"all": ("desk/device_page.css",)}
        js: ClassVar = ("desk/progress.js",)

    @display(description="state", label=STATE_COLORS)  # type: ignore[untyped-decorator]
    def state_label(self, operation: Operation) -> tuple[str, str]:
        return operation.state, operation.get_state_display()

    @admin.display(description="state")
    def told_state(self, operation: Operation) -> str:
        return f"{operation.get_state_display()}{f' ({operation.kind})' if operation.kind else ''}"

    @admin.display(description="arguments")
    def told_arguments(self, operation: Operation) -> str:
        return _pretty(operation.arguments)

    @admin.display(description="result")
    def told_result(self, operation: Operation) -> str:
        return _pretty(operation.result)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """With the bar, the steps and the files above."""
        row: Any = kwargs["obj"]
        more = {"progress": management_page.progress(row), "steps": row.steps}
        more["files"] = row.artefacts.defer("data")
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        how_far = self.admin_site.admin_view(self.progress)
        return [path("<int:pk>/progress/", how_far, name="management_operation_progress"), *super().get_urls()]

    def progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET …/<id>/progress/: how far it is, for the bar."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        operation = Operation.objects.filter(pk=pk).first()
        if operation is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        return JsonResponse(management_page.progress(operation))


class ArtefactAdmin(ReadOnlyAdmin):
    """Files of devices. What is in them is told to those alone who may download them."""

    names = ("file", "files")
    fields = ("name", "kind", "interface", "size", "sha256", "firmware", "created_at", "expires_at", "content")
    readonly_fields = fields
    list_display = ("name", "interface", "size", "firmware", "created_at", "expires_at")
    list_filter = ("kind",)
    list_select_related = ("endpoint",)
    search_fields = ("endpoint__mac", "name", "sha256")
    sortable_by = ("created_at",)
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")

    @admin.display
    def content(self, artefact: Artefact) -> str:
        address = reverse("admin:management_artefact_download", args=[artefact.pk])
        return format_html('<a class="desk-link" href="{}">Download</a>', address)

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<int:pk>/download/", download, name="management_artefact_download"), *super().get_urls()]

    @transaction.atomic
    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET …/<id>/download/: the file. The audit log tells who took it."""
        if not request.user.has_perm("management.download_artefact"):
            raise PermissionDenied
        artefact = Artefact.objects.select_related("endpoint").filter(pk=pk).first()
        if artefact is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        recording.record(Event.CHANGED, artefact.endpoint, {"download": [None, f"{artefact.pk} {artefact.name}"]})
        file = HttpResponse(secrets.decrypt(artefact.data), content_type="application/octet-stream")
        file["Content-Disposition"] = f'attachment; filename="{artefact.name}"'
        return file


def _pretty(value: Any) -> str:
    if value in (None, {}, []):
        return "None"
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


admin.site.register(Endpoint, EndpointAdmin)
admin.site.register(Operation, OperationAdmin)
admin.site.register(Artefact, ArtefactAdmin)
