"""The pages of the import under the admin: upload, progress, preview, confirm, result.

Each request is short. A page's script asks for the next piece or for the progress; without scripts a button does.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from unfold.widgets import UnfoldAdminFileFieldWidget

from accounts.models import Group
from devices import mac
from devices.imports import imports, spreadsheet
from devices.imports.preview import owners_of
from devices.models import Device, Import, ImportRow, ImportState
from devices.reconcile import BAD, RowOutcome
from jobs import progress
from locations.models import Location
from redirect.db.arrays import integers
from redirect.http.table_file import KINDS, pieces_of, send

ROWS_ON_A_PAGE = 100
SHOWN = 20  # imports below the form
EXAMPLE = ["00:A0:C9:14:C8:29", "Reseller / Provider", "https://pbx.example/{MAC ADDRESS}.cfg", "Lobby"]

Page = Callable[..., HttpResponseBase]


class UploadForm(forms.Form):
    """A file."""

    file = forms.FileField(
        label="File",
        help_text=f"csv, xlsx, xls or ods, at most {spreadsheet.MOST_ROWS:,} rows."
        " The first line names the columns: mac, group, location, description. Others are ignored.",
        widget=UnfoldAdminFileFieldWidget,  # the script of the admin's look wants its shape of every file field
    )
    move = forms.BooleanField(
        label="Move devices that have another location",
        required=False,
        help_text="If not ticked, a device that has a location keeps it.",
    )


def _for_importers(page: Page) -> Page:
    @wraps(page)
    def answer(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm("devices.import_device"):
            raise PermissionDenied
        return page(self, request, *args, **kwargs)

    return answer


class ImportPages:
    """The pages, in an admin site."""

    def __init__(self, site: admin.AdminSite) -> None:
        self.site = site

    def urls(self) -> list[URLPattern]:
        """To stand before those of the devices."""

        def page(route: str, view: Page, name: str) -> URLPattern:
            return path(f"import/{route}", self.site.admin_view(view), name=f"devices_import_{name}")

        return [
            page("", require_http_methods(["GET", "HEAD", "POST"])(self.upload), "upload"),
            page("template.<str:kind>", require_GET(self.template), "template"),
            page("<int:pk>/", require_GET(self.show), "show"),
            page("<int:pk>/next/", require_POST(self.next), "next"),
            page("<int:pk>/progress/", require_GET(self.progress), "progress"),
            page("<int:pk>/confirm/", require_POST(self.confirm), "confirm"),
            page("<int:pk>/sheet/", require_POST(self.sheet), "sheet"),
            page("<int:pk>/numbers/", require_POST(self.numbers), "numbers"),
            page("<int:pk>/again/", require_POST(self.again), "again"),
            page("<int:pk>/discard/", require_POST(self.discard), "discard"),
            page("<int:pk>/bad.<str:kind>", require_GET(self.bad), "bad"),
        ]

    @_for_importers
    def upload(self, request: HttpRequest) -> HttpResponse:
        """The form, and what was imported before."""
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file, move = form.cleaned_data["file"], form.cleaned_data["move"]
            user: Any = request.user
            data = file.read(spreadsheet.MOST_BYTES + 1)  # one byte more tells of more
            upload = imports.receive(user, file.name, data, move=move)
            imports.start_reading(upload)
            if not upload.told:
                return _to(upload)
            imports.discard(upload)
            form.add_error("file", upload.told)
        recent = Import.objects.select_related("user").order_by("-pk")[:SHOWN]
        return self._page(request, "import_upload.html", "Import devices", form=form, recent=recent)

    @_for_importers
    def template(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """An example to fill in."""
        return send(request, "devices", _known(kind), list(spreadsheet.COLUMNS), [[list(EXAMPLE)]])

    @_for_importers
    def show(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What there is to see or to decide at the moment."""
        upload = get_object_or_404(Import.objects.select_related("user", "job"), pk=pk)
        chosen = request.GET.get("verdict", "")
        rows = Paginator(_chosen(upload, chosen), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
        counts = [
            {"verdict": verdict, "number": upload.counts[verdict], "bad": verdict in BAD}
            for verdict in RowOutcome
            if upload.counts.get(verdict)
        ]
        _add_what_was_found(rows.object_list)
        owners, more_owners = owners_of(upload)
        return self._page(
            request,
            "import_show.html",
            f"Import of {upload.file_name}",
            upload=upload,
            progress=_progress(upload),
            rows=rows,
            counts=counts,
            restored=upload.counts.get(RowOutcome.RESTORED, 0),
            owners=owners,
            more_owners=more_owners,
            chosen=chosen,
            mine=_is_theirs(request, upload),
            any_rows=upload.rows.exists(),
            any_changed=upload.rows.exclude(was="").exists(),
        )

    @_for_importers
    def next(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Check the next rows."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        upload = imports.check_next(pk)
        if request.accepts("text/html"):
            return _to(upload)
        return JsonResponse(_progress(upload))

    @_for_importers
    def progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far it is."""
        return JsonResponse(_progress(get_object_or_404(Import.objects.select_related("job"), pk=pk)))

    @_for_importers
    def confirm(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Begin to write."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        if not (upload.good and imports.confirm(upload)):
            messages.error(request, "This import is not to be written now.")
        return _to(upload)

    @_for_importers
    def sheet(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the sheet that was chosen."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        if not imports.choose_sheet(upload, request.POST.get("sheet", "")):
            messages.error(request, "There is no sheet to choose now.")
        return _to(upload)

    @_for_importers
    def numbers(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the rows whose MACs were restored from numbers: their devices were looked at."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        if not imports.check_again(upload, numbers=True):
            messages.error(request, "This import is not to be checked now.")
        return _to(upload)

    @_for_importers
    def again(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Check all rows anew."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        if not imports.check_again(upload):
            messages.error(request, "This import is not to be checked now.")
        return _to(upload)

    @_for_importers
    def discard(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Forget it."""
        upload = get_object_or_404(Import, pk=pk)
        _only_theirs(request, upload)
        if not imports.discard(upload):
            messages.error(request, "This import is being written, or is done.")
            return _to(upload)
        messages.success(request, f"{upload.file_name} was discarded; nothing was written.")
        return HttpResponseRedirect(reverse("admin:devices_import_upload"))

    @_for_importers
    def bad(self, request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
        """The rows that are left out, to be corrected and uploaded again."""
        upload = get_object_or_404(Import, pk=pk)
        pieces = ([imports.bad_cells(row) for row in rows] for rows in pieces_of(imports.bad_rows(upload)))
        return send(request, f"bad-rows-{pk}", _known(kind), list(imports.BAD_COLUMNS), pieces)

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        shared = self.site.each_context(request) | {"title": title, "opts": Device._meta}
        return TemplateResponse(request, f"admin/devices/{template}", shared | context)


def _to(upload: Import) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:devices_import_show", args=[upload.pk]))


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise Http404
    return kind


def _is_theirs(request: HttpRequest, upload: Import) -> bool:
    return upload.user_id is not None and upload.user_id == request.user.pk


def _only_theirs(request: HttpRequest, upload: Import) -> None:
    """Others may look at an import; whoever uploaded it decides."""
    if not _is_theirs(request, upload):
        raise PermissionDenied


def _chosen(upload: Import, verdict: str) -> QuerySet[ImportRow]:
    rows = upload.rows.order_by("number")
    match verdict:
        case "bad":
            return rows.filter(verdict__in=BAD)
        case "changed":
            return rows.exclude(was="")
        case _ if verdict in RowOutcome.values:
            return rows.filter(verdict=verdict)
        case _:
            return rows


def _add_what_was_found(rows: Iterable[Any]) -> None:
    """To each row the names of its group and location as the service has them."""
    rows = list(rows)
    wanted = integers(list({row.group_id for row in rows if row.group_id}))
    groups = {
        group.pk: group.full_name for group in Group.objects.filter(pk__in=wanted).select_related("reseller")
    }
    wanted = integers(list({row.location_id for row in rows if row.location_id}))
    urls = dict(Location.objects.filter(pk__in=wanted).values_list("pk", "url"))
    for row in rows:
        row.mac_shown = mac.display(row.mac) if row.mac else ""
        row.group_name, row.location_url = groups.get(row.group_id), urls.get(row.location_id)


def _progress(upload: Import) -> dict[str, Any]:
    """For the bar: how much is done of how much; `stalled` if nothing goes on by itself."""
    if upload.state in (ImportState.STAGING, ImportState.WRITING):
        total, what = (upload.total, "read") if upload.state == ImportState.STAGING else (upload.good, "written")
        told = progress.shown(upload.job, total, f"rows {what}")
    else:
        told = progress.bar(upload.checked, upload.total, "rows checked")
    return told | {"state": upload.state}
