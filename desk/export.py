"""The lists of the admin as csv and xlsx files."""

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path
from unfold.admin import ModelAdmin

from redirect.http import table_file
from redirect.http.table_file import KINDS, Columns, send


class ExportAdmin(ModelAdmin):
    """Gives the list of a table an address for each kind of file, with all rows as filtered and searched."""

    change_list_template: Any = "admin/exported_change_list.html"
    columns: ClassVar[Columns]
    export_related: tuple[str, ...] = ()  # what the columns read of other tables

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = path("export.<str:kind>", self.admin_site.admin_view(self.export), name=name)
        return [own, *super().get_urls()]

    def export(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The rows of the list that the query names."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows: QuerySet[Any] = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect("./?e=1")  # as the list does itself
        if self.export_related:
            rows = rows.select_related(*self.export_related)
        if kind not in KINDS or (kind == "xlsx" and rows.count() > table_file.MOST_ROWS_OF_XLSX):
            text = f"An xlsx file may have {table_file.MOST_ROWS_OF_XLSX:,} rows: filter the list, or take csv."
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(f"./?{request.GET.urlencode()}")
        name = str(self.opts.verbose_name_plural)
        pieces = table_file.cells(self.columns, table_file.pieces_of(rows))
        return send(request, name, kind, list(self.columns), pieces)
