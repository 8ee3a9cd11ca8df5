"""Groups: resellers and their providers. Source: manual chapter 7."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.export import GROUP_COLUMNS
from accounts.models import Group, GroupType
from accounts.permissions import Action
from api import csv_lists, fields
from api.generics import DetailView, View, update_fields
from api.schema import NOTHING, answer, example, refusal
from api.serializers import RequestSerializer
from redirect.errors import Conflict, bad_attribute, forbidden

NAME = "Unique among the providers of a reseller, and among resellers."
NAME_TAKEN = "A group of this name exists already."
NAME_TAKEN_REFUSAL = refusal(
    409, "The name is taken among the providers of the reseller, or among resellers.", NAME_TAKEN
)
GROUP = {
    "id": 6,
    "name": "provider 6 of reseller 2",
    "groupType": "Provider",
    "address": "aaa",
    "description": "second provider of reseller 2",
    "resellerId": 2,
    "locationCount": 1,
    "deviceCount": 2,
    "providers": [],
}


@example(GROUP)
class GroupSerializer(serializers.Serializer[Group]):
    """A group, with its providers nested. Source: manual 7.1."""

    id = serializers.IntegerField()
    name = serializers.CharField(help_text=NAME)
    groupType = serializers.ChoiceField(source="group_type", choices=GroupType.choices)
    address = serializers.CharField(allow_null=True, help_text="Its address.")
    description = serializers.CharField(allow_null=True, help_text="Anything else.")
    resellerId = serializers.IntegerField(
        source="reseller_id", allow_null=True, help_text="The reseller of a Provider."
    )
    locationCount = serializers.IntegerField(source="location_count", help_text="Locations of the group itself.")
    deviceCount = serializers.IntegerField(source="device_count", help_text="Devices of the group itself.")
    providers = serializers.SerializerMethodField(help_text="The visible providers of a reseller.")

    @extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/Group"}})
    def get_providers(self, group: Group) -> list[dict[str, Any]]:
        """The visible providers of a reseller, as the context's `providers` (by reseller id) has them."""
        providers = self.context.get("providers", {}).get(group.pk, [])
        return [GroupSerializer(provider).data for provider in providers]


@example(
    {
        "name": "group 1",
        "groupType": "Provider",
        "address": "Gan Yavne Israel",
        "description": "Example group description",
        "resellerId": 2,
    }
)
class GroupBody(RequestSerializer):
    """POST /groups. Source: manual 7.1.3."""

    name = fields.PlainText(max_length=150, help_text=NAME)
    groupType = fields.Choice(source="group_type", choices=GroupType.choices)
    address = fields.OptionalText(max_length=1000, help_text="Its address.")
    description = fields.Description(help_text="Anything else.")
    resellerId = fields.Integer(
        source="reseller_id",
        required=False,
        allow_null=True,
        help_text="The reseller of a Provider. Absent or null: your own reseller.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["group_type"] == GroupType.RESELLER and attrs.get("reseller_id") is not None:
            raise serializers.ValidationError({"resellerId": "Only a Provider has a reseller."})
        return attrs


@example({"name": "group 2", "address": "Second address", "description": "New description"})
class GroupChanges(RequestSerializer):
    """PUT /groups/{id}. Source: manual 7.2."""

    resource = GroupSerializer

    name = fields.PlainText(max_length=150, required=False, help_text=NAME)
    address = fields.OptionalText(max_length=1000, help_text="Its address.")
    description = fields.Description(help_text="Anything else.")


GROUPS = inline_serializer("Groups", {"groups": GroupSerializer(many=True)})


class GroupsView(View):
    """GET and POST /groups. Source: manual 7.1."""

    actions: ClassVar = {"GET": Action.VIEW, "POST": Action.CREATE_OR_DELETE_GROUP}
    query_parameters = ("depth",)
    noun, tag = "Group", "Groups"
    operation_ids: ClassVar = {"GET": "listGroups"}
    queryset = Group.objects.with_counts().order_by("id")
    serializer_class = GroupSerializer
    request_class = GroupBody
    columns = GROUP_COLUMNS
    csv_related = ("reseller",)
    responses: ClassVar = {
        "GET": answer(GROUPS, "The groups.", {"groups": [GROUP]}) | NOTHING,
        "POST": NAME_TAKEN_REFUSAL,
    }

    def get(self, request: Request) -> Response:
        """All groups in your scope

        A flat array by id, without pages. Each reseller has its providers also nested in `providers`; with
        `depth=0` there are only the high-level groups, and `providers` is empty. Counts are of the group itself.
        """
        self.rows = self.get_queryset(depth=self.depth)
        if self.as_csv:
            file: Response = csv_lists.answer(self, self.rows, GROUP_COLUMNS)
            return file
        groups = list(self.rows)
        if not groups:
            return Response(status=204)
        context = {"providers": _by_reseller(groups)}
        return Response({"groups": [GroupSerializer(group, context=context).data for group in groups]})

    def post(self, request: Request) -> Response:
        """Create a group

        A reseller's Administrator creates Providers under the own reseller, and may leave out `resellerId`. Only
        the platform operator creates Resellers, and must name the reseller of a Provider.
        """
        body = self.read_body()
        if body["group_type"] == GroupType.RESELLER:
            if not self.user.is_operator:
                raise forbidden("Only the platform operator creates Resellers.")
        else:
            body["reseller_id"] = self._reseller_id(body.get("reseller_id"))
        with transaction.atomic():
            if Group.objects.filter(reseller=body.get("reseller_id"), name=body["name"]).exists():
                raise Conflict(NAME_TAKEN)
            group = Group.objects.create(**body)
        return self.created(group)

    def _reseller_id(self, named: int | None) -> int:
        if named is None:
            if self.user.group is None:
                raise bad_attribute("resellerId", "Name the reseller of the new Provider.")
            return self.user.group.pk
        reseller = self.group_named_in_body(named)
        if not reseller.is_reseller:
            raise bad_attribute("resellerId", "This group is not a Reseller.")
        return reseller.pk


class GroupView(DetailView):
    """GET, PUT and DELETE /groups/{id}. Source: manual 7.1 to 7.3."""

    actions: ClassVar = {
        "GET": Action.VIEW,
        "PUT": Action.CHANGE_GROUP,
        "DELETE": Action.CREATE_OR_DELETE_GROUP,
    }
    query_parameters = ("depth",)
    noun, tag = "Group", "Groups"
    queryset = Group.objects.with_counts()
    serializer_class = GroupSerializer
    request_class = GroupChanges
    responses: ClassVar = {
        "PUT": NAME_TAKEN_REFUSAL,
        "DELETE": refusal(409, "Something still belongs to the group.", "The group still has devices."),
    }

    def get(self, request: Request, id: int) -> Response:
        """One group

        With `depth=0` only a high-level group of your scope, without its providers.
        """
        return self.retrieve(id=id)

    def put(self, request: Request, id: int) -> Response:
        """Change name, address or description of a group

        Administrators only. An attribute that is absent stays as it is.
        """
        return self.update(id)

    def delete(self, request: Request, id: int) -> Response:
        """Delete a group

        A reseller's Administrator deletes Providers of the own reseller; only the platform operator deletes
        Resellers. A group that still has providers, devices, locations, users or
        API keys stays.
        """
        return self.destroy(id)

    def show(self, row: Group) -> dict[str, Any]:
        providers = row.providers.with_counts().order_by("id") if row.is_reseller and self.depth else ()
        shown: dict[str, Any] = GroupSerializer(row, context={"providers": {row.pk: list(providers)}}).data
        return shown

    def change(self, row: Group, changes: dict[str, Any]) -> None:
        namesakes = Group.objects.filter(reseller=row.reseller_id, name=changes.get("name"))
        if namesakes.exclude(pk=row.pk).exists():
            raise Conflict(NAME_TAKEN)
        update_fields(row, changes)

    def check_unused(self, row: Group) -> None:
        if row.is_reseller and not self.user.is_operator:
            raise forbidden("Only the platform operator deletes Resellers.")
        for relation in ("providers", "users", "locations", "devices", "keys"):
            if getattr(row, relation).exists():
                raise Conflict(f"The group still has {relation}.")


def _by_reseller(groups: Iterable[Group]) -> dict[int, list[Group]]:
    providers = defaultdict(list)
    for group in groups:
        if group.reseller_id is not None:
            providers[group.reseller_id].append(group)
    return providers
