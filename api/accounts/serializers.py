"""Groups and users on the wire: each name of the manual is spelled here."""

from typing import Any

from rest_framework import serializers

from api.fields import Text
from api.serializers import RequestSerializer
from api.users import UserSerializer


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
