"""What answers in the place of device management as long as it is off."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Action
from api.generics import View
from redirect.errors import ApiError


class ManagementOffView(View):
    """501 for everything below /management."""

    actions: ClassVar = dict.fromkeys(("GET", "POST", "PUT", "DELETE"), Action.VIEW)
    schema = None  # type: ignore[assignment]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Whatever the query string says."""
        self.check_permissions(request)

    def get(self, request: Request, **rest: str) -> Response:
        raise ApiError(
            501,
            "Device management is off. To switch it on, set MANAGEMENT_NETWORKS to the networks in which devices "
            "may be reached, and MANAGEMENT_KEYS; then run manage.py migrate.",
        )

    post = put = delete = get
