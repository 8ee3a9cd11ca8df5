"""Where devices push files: an address of its own for each file, which needs no login and takes one file."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from management.receiver import receive
from redirect.errors import error_body


@method_decorator(csrf_exempt, name="dispatch")
class UploadView(View):
    """PUT and POST /uploads/{token}."""

    http_method_names = ["put", "post"]

    def put(self, request: HttpRequest, token: str) -> HttpResponse:
        """204; 404 for an address that is unknown, was used, or is too old: alike."""
        if receive(token, request.body) is None:
            return JsonResponse(error_body("Not found."), status=404)
        return HttpResponse(status=204)

    post = put
