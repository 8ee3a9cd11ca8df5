"""Fields that the calls of device management have."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api import fields
from api.schema import path_id
from devices import mac

ENDPOINT_ID = path_id(examples=[4])


class OptionalMAC(fields.MAC):
    """A MAC of an answer; null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: str) -> Any:
        return super().to_representation(value) if value else None


class OneMAC(fields.Text):
    """A MAC in any accepted spelling; its value has 12 upper-case digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=17, schema={"pattern": f"^({fields.MAC_SPELLINGS})$"}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return mac.parse(super().to_internal_value(data))
        except mac.InvalidMAC as error:
            raise serializers.ValidationError(str(error)) from error


class Fingerprint(fields.Text):
    """SHA-256 in hex digits, with or without colons; empty for none. Its value has no colons."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = {"pattern": "^([0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31})?$"}
        super().__init__(max_length=95, allow_blank=True, schema=pattern, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).replace(":", "").lower()
        if text and not re.fullmatch("[0-9a-f]{64}", text):
            raise serializers.ValidationError("Must be 64 hexadecimal digits.")
        return text


class JSONObject(fields.StrictField):
    """A JSON object, whose attributes are checked by what it is for."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be a JSON object.")
        return data

    def accepted(self) -> fields.Schema:
        return {"type": "object", "additionalProperties": True}


@extend_schema_field({"type": "object", "additionalProperties": True})
class ShownJSON(serializers.JSONField):
    """A JSON object of an answer."""
