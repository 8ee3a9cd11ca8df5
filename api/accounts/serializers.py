"""Groups and users on the wire: each name of the manual is spelled here."""

import re
from typing import Any

from rest_framework import serializers

from accounts.models import LOGIN_PATTERN, GroupType, Level, LoginStatus
from api.fields import Boolean, Choice, Description, Integer, Text
from api.serializers import RequestSerializer


class UserSerializer(serializers.Serializer[Any]):
    """A user. Source: manual 10.2."""

    id = serializers.IntegerField()
    firstName = serializers.CharField(source="first_name", allow_null=True)
    lastName = serializers.CharField(source="last_name", allow_null=True)
    groupType = serializers.ChoiceField(source="group.group_type", choices=GroupType.choices, allow_null=True)
    groupName = serializers.CharField(source="group.name", allow_null=True)
    permissionLevel = serializers.ChoiceField(source="permission_level", choices=Level.choices, allow_null=True)
    email = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    forceChangePasswordNextLogin = serializers.BooleanField(source="force_change_password")
    lastLoginStatus = serializers.ChoiceField(
        source="last_login_status", choices=LoginStatus.choices, allow_null=True
    )
    failLoginAttempts = serializers.IntegerField(source="fail_login_attempts")
    login = serializers.CharField()
    group = serializers.IntegerField(source="group_id", allow_null=True)
    phone1 = serializers.CharField(allow_null=True)
    phone2 = serializers.CharField(allow_null=True)
    lastLogin = serializers.DateTimeField(source="last_login", allow_null=True)
    userBlockTime = serializers.DateTimeField(source="blocked_since", allow_null=True)


class Email(Text, serializers.EmailField):
    """An e-mail address."""


class UserBody(RequestSerializer):
    """POST /users. Source: manual 10.3."""

    firstName = Text(source="first_name", max_length=150)
    lastName = Text(source="last_name", max_length=150)
    password = Text(max_length=1000)
    permissionLevel = Choice(source="permission_level", choices=Level.choices)
    email = Email(max_length=254, required=False, allow_null=True, allow_blank=True)
    description = Description()
    login = Text(max_length=150)
    group = Integer()
    phone1 = Text(max_length=40, required=False, allow_null=True, allow_blank=True)
    phone2 = Text(max_length=40, required=False, allow_null=True, allow_blank=True)
    forceChangePasswordNextLogin = Boolean(source="force_change_password", required=False, allow_null=True)

    def validate_login(self, login: str) -> str:
        """ASCII, so that comparing in any case means the same everywhere."""
        if not re.match(LOGIN_PATTERN, login):
            raise serializers.ValidationError("Use ASCII letters, digits and . _ @ + - only.")
        return login


class UserChanges(RequestSerializer):
    """PUT /users/{id}: at least one of these. Source: manual 10.4."""

    resource = UserSerializer

    firstName = Text(source="first_name", max_length=150, required=False, allow_null=True, allow_blank=True)
    lastName = Text(source="last_name", max_length=150, required=False, allow_null=True, allow_blank=True)
    password = Text(max_length=1000, required=False, allow_null=True)
    email = Email(max_length=254, required=False, allow_null=True, allow_blank=True)
    description = Description()
    phone1 = Text(max_length=40, required=False, allow_null=True, allow_blank=True)
    phone2 = Text(max_length=40, required=False, allow_null=True, allow_blank=True)
    forceChangePasswordNextLogin = Boolean(source="force_change_password", required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(f"Send at least one of {', '.join(self.fields)}.")
        return attrs


class LoginBody(RequestSerializer):
    """POST /login. Source: manual chapter 2."""

    userName = Text(max_length=1000, allow_blank=True)
    password = Text(max_length=1000, allow_blank=True)


class ChangePasswordBody(RequestSerializer):
    """POST /changePassword. Source: manual chapter 3."""

    userName = Text(max_length=1000, allow_blank=True)
    oldPassword = Text(max_length=1000, allow_blank=True)
    newPassword = Text(max_length=1000, allow_blank=True)


class RefreshBody(RequestSerializer):
    """POST /refresh."""

    refresh_token = Text(max_length=4000)


class EmptyBody(RequestSerializer):
    """No attributes."""


class LoginAnswer(serializers.Serializer[Any]):
    """What a login answers. Source: manual chapter 2."""

    user = UserSerializer()
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()
    refresh_token = serializers.CharField()
    id_token = serializers.CharField()
    description = serializers.CharField()
