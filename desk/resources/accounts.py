"""What the exported lists of groups and users have in each column; no secrets."""

from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource

from accounts.models import Group, User
from desk.export import time_text


class GroupResource(ModelResource):
    """A group."""

    name = Field("name", column_name="name")
    group_type = Field("group_type", column_name="groupType")
    reseller = Field("reseller__name", column_name="reseller")
    address = Field("address", column_name="address")
    description = Field("description", column_name="description")

    class Meta:
        model = Group
        fields = ("name", "group_type", "reseller", "address", "description")


class UserResource(ModelResource):
    """A user, without anything that helps to log in as one."""

    login = Field("login", column_name="login")
    group = Field(column_name="group")
    permission_level = Field("permission_level", column_name="permissionLevel")
    first_name = Field("first_name", column_name="firstName")
    last_name = Field("last_name", column_name="lastName")
    email = Field("email", column_name="email")
    phone1 = Field("phone1", column_name="phone1")
    phone2 = Field("phone2", column_name="phone2")
    description = Field("description", column_name="description")
    is_active = Field("is_active", column_name="isActive")
    last_login = Field(column_name="lastLogin")
    last_login_status = Field("last_login_status", column_name="lastLoginStatus")

    class Meta:
        model = User
        fields = (
            "login",
            "group",
            "permission_level",
            "first_name",
            "last_name",
            "email",
            "phone1",
            "phone2",
            "description",
            "is_active",
            "last_login",
            "last_login_status",
        )

    def dehydrate_group(self, user: Any) -> str:
        return str(user.group.full_name) if user.group else ""

    def dehydrate_last_login(self, user: Any) -> str:
        return time_text(user.last_login)
