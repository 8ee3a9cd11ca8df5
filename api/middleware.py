"""What holds for every address of the API: no cache keeps an answer, and no body comes compressed."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from redirect.errors import error_body

PREFIX = "/api/"


class APIMiddleware:
    """Answers 415 for a coded body (RFC 9110 section 15.5.16), and marks answers as not to be stored."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        coding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            body = error_body("Send the request body as it is, without a Content-Encoding.")
            response: HttpResponse = JsonResponse(body, status=415, headers={"Accept-Encoding": "identity"})
        else:
            response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
