"""API keys: credentials of a group's machines, which outlive the users who make them. Beyond the manual."""

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import keys
from accounts.models import ApiKey, Group, Level, User
from accounts.permissions import Action
from api import fields, filters
from api.generics import DetailView, ListView
from api.pagination import pages_of
from api.schema import answer, example
from api.serializers import Created, RequestSerializer
from redirect.db.search import among, contains
from redirect.db.time import now

NAME = "What the key is for."
GROUP = "The id of the group whose key it is: the own one, or one below it."
LEVEL = "What the key may do, as for a user."
EXPIRES = "From when on it is refused. Null: never."
NETWORKS = "IPv4 and IPv6 networks or addresses that it is accepted from. Null: from everywhere."
SECRET = "The key. It is shown in this answer and never again."  # noqa: S105 - a sentence

CHANGES = {
    "name": "Billing import",
    "expiresAt": "2099-01-01T00:00:00+0000",
    "allowedNetworks": ["192.0.2.0/24", "2001:db8::/32"],
}
KEY = {
    "id": 3,
    "group": 1,
    "groupName": "provider 1",
    "permissionLevel": "Operator",
    "hint": "prsk_7Hq2",
    "lastUsed": "2019-04-28T18:16:04+0000",
    "lastAddress": "192.0.2.7",
} | CHANGES


@example(KEY)
class KeySerializer(serializers.Serializer[Any]):
    """An API key, without its secret."""

    id = serializers.IntegerField()
    name = serializers.CharField(help_text=NAME)
    group = serializers.IntegerField(source="group_id", help_text=GROUP)
    groupName = serializers.CharField(source="group.name")
    permissionLevel = serializers.ChoiceField(source="permission_level", choices=Level.choices, help_text=LEVEL)
    hint = serializers.CharField(help_text="How the key begins, to tell it from others.")
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True, help_text=EXPIRES)
    allowedNetworks = serializers.ListField(
        source="allowed_networks", child=serializers.CharField(), allow_null=True, help_text=NETWORKS
    )
    lastUsed = serializers.DateTimeField(
        source="last_used", allow_null=True, help_text="When it was used last, to the minute; null if never."
    )
    lastAddress = serializers.CharField(
        source="last_address", allow_null=True, help_text="From where it was used then."
    )


class Networks(fields.TextArray):
    """Networks in CIDR notation, each in its one spelling."""

    item_name = "network"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=20, required=False, allow_null=True, source="allowed_networks", help_text=NETWORKS, **kwargs
        )

    def to_internal_value(self, data: Any) -> list[Any]:
        networks, wrong = {}, {}
        for index, text in enumerate(super().to_internal_value(data)):
            try:
                networks[keys.network_of(text)] = True
            except ValueError as error:
                wrong[index] = str(error)
        if wrong:
            raise serializers.ValidationError(wrong)  # type: ignore[arg-type]
        return list(networks)


class Expiry(fields.Moment):
    """A moment in the future. A key that has expired may be sent back as it is shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="expires_at", required=False, allow_null=True, help_text=EXPIRES, **kwargs)

    def to_internal_value(self, data: Any) -> datetime:
        moment = super().to_internal_value(data)
        key: Any = self.root.instance
        if moment <= now() and (key is None or moment != key.expires_at):
            raise serializers.ValidationError("Must be in the future.")
        return moment


@example(CHANGES)
class KeyChanges(RequestSerializer):
    """PUT /keys/{id}."""

    resource = KeySerializer

    name = fields.PlainText(max_length=100, required=False, help_text=NAME)
    expiresAt = Expiry()
    allowedNetworks = Networks()


@example(CHANGES | {"group": 1, "permissionLevel": "Operator"})
class KeyBody(RequestSerializer):
    """POST /keys."""

    name = fields.PlainText(max_length=100, help_text=NAME)
    group = fields.Integer(help_text=GROUP)
    permissionLevel = fields.Choice(source="permission_level", choices=Level.choices, help_text=LEVEL)
    expiresAt = Expiry()
    allowedNetworks = Networks()


@example({"id": 3, "url": "/api/v1/keys/3", "key": "prsk_" + "0" * 49})
class KeyCreated(Created):
    """A new key."""

    key = serializers.RegexField(f"^{keys.PATTERN}$", help_text=SECRET)


def matching_keys(user: User, term: str) -> Q:
    """The keys in whose attributes the term stands, in any case."""
    groups = contains(term, texts=("name",), ids=("id",))
    texts = ("name", "permission_level", "hint")
    return contains(term, texts=texts, ids=("id",)) | among("group", Group.objects.visible_to(user), groups)


class KeyFilters(filters.ClauseFilterSet):
    """GET /keys"""

    examples = ("(group=1,search~'import')", "lastUsed<'2026-01-01T00:00:00+0000'")

    id = filters.Number("id")
    name = filters.Text("name")
    group = filters.Number("group_id")
    groupName = filters.Text("group__name")
    permissionLevel = filters.Text("permission_level")
    hint = filters.Text("hint")
    expiresAt = filters.Date("expires_at", optional=True)
    lastUsed = filters.Date("last_used", optional=True)
    lastAddress = filters.Address("last_address", optional=True)
    search = filters.Search(matching_keys, "ids, names, level and hint")


class KeysView(ListView):
    """GET and POST /keys."""

    actions: ClassVar = {"GET": Action.MANAGE_KEYS, "POST": Action.MANAGE_KEYS}
    not_for_keys = ("POST",)
    noun, tag = "Key", "Keys"
    queryset = ApiKey.objects.select_related("group")
    serializer_class = KeySerializer
    request_class = KeyBody
    filterset_class = KeyFilters
    pagination_class = pages_of("keys")
    responses: ClassVar = {"POST": answer(KeyCreated, "Created. The key is shown this once.", status=201)}

    def get(self, request: Request) -> Response:
        """API keys in your scope

        Administrators only. Of a key only its beginning is shown.
        """
        return self.page()

    def post(self, request: Request) -> Response:
        """Create an API key

        Administrators only, for the own group or one below it; not with an API key. The answer shows the key,
        once. It stays valid when the user who made it leaves, until it expires or an Administrator deletes it.
        """
        body = self.read_body()
        body["group"] = self.group_named_in_body(body["group"])
        secret = keys.new_secret()
        key = ApiKey(**body, hint=secret[: keys.HINT], digest=keys.digest_of(secret))
        key.save(force_insert=True)
        return Response({"id": key.pk, "url": reverse("key", args=[key.pk]), "key": secret}, status=201)


class KeyView(DetailView):
    """GET, PUT and DELETE /keys/{id}."""

    actions: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), Action.MANAGE_KEYS)
    not_for_keys = ("PUT",)
    noun, tag = "Key", "Keys"
    queryset = KeysView.queryset
    serializer_class = KeySerializer
    request_class = KeyChanges

    def get(self, request: Request, id: int) -> Response:
        """One API key

        Administrators only.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change the name, expiry or networks of an API key

        Administrators only; not with an API key. An attribute that is absent stays as it is. Group and level
        cannot be changed: create another key.
        """
        return self.update(id)

    def delete(self, request: Request, id: int) -> Response:
        """End an API key

        Administrators only. It is refused from now on. An API key of that level may end itself.
        """
        return self.destroy(id)
