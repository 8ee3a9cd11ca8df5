"""The audit log over HTTP."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api.access import ScopedView
from api.audit.filters import EntryFilters
from api.audit.serializers import EntrySerializer
from api.audit.visibility import visible_to
from api.listing import ListQuery, parameters


class EntriesView(ScopedView):
    """GET /audit: newest first."""

    actions: ClassVar = {"GET": Action.READ_AUDIT}

    def get(self, request: Request) -> Response:
        query = ListQuery.read(request, EntryFilters, "filter", "sort", "page", "limit")
        return query.answer(visible_to(self.user), EntrySerializer, "audit", order=("-timestamp", "-id"))


class EntryView(ScopedView):
    """GET /audit/{id}"""

    actions: ClassVar = {"GET": Action.READ_AUDIT}

    def get(self, request: Request, id: int) -> Response:
        parameters(request)
        entry = visible_to(self.user).filter(pk=id).first()
        context = {"user": self.user, "complete": True}
        return Response(EntrySerializer(entry, context=context).data) if entry else Response(status=204)
