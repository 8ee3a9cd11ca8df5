"""The OpenAPI document, and the page that shows it."""

from functools import cache

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.fields import Schema


class SchemaView(APIView):
    """The document. It is the same for every caller but for its own address, so it is made once."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer,)
    http_method_names = ("get", "head")

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        # Absolute: a client that imports the document from a file knows no address that `/` could stand for.
        (server,) = _document()["servers"]
        here = {"url": request.build_absolute_uri("/").rstrip("/")}
        return Response(_document() | {"servers": [server | here]})


@cache
def _document() -> Schema:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    document: Schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


class DocsView(SpectacularSwaggerSplitView):
    """The document to read and to try, without any inline script: the content policy allows none."""

    authentication_classes = ()
    http_method_names = ("get", "head")
    template_name = "docs.html"
