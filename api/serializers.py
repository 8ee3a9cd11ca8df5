"""The attributes of a request body, and how they are read. Source: contract section 2."""

from typing import Any, ClassVar

from rest_framework import serializers

# What tells one object from another: a PUT may send it back, and may not change it.
IDENTIFYING = frozenset({"id", "login", "group", "groupId", "groupType", "resellerId", "permissionLevel"})

LONGEST_NAME_SHOWN = 100

# What a JSON text can be beside an object, by the type that it is read as.
JSON_KINDS = {
    type(None): "null",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
}


class RequestSerializer(serializers.Serializer[Any]):
    """The attributes of a request body; any other attribute is refused.

    For a PUT, `resource` names the serializer of the resource: what it shows may be sent back. Attributes that
    identify must be unchanged, the other read-only ones are ignored, so that GET, edit, PUT works.
    """

    resource: ClassVar[type[serializers.Serializer[Any]] | None] = None

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError({"": [self.not_an_object(data)]})
        return super().run_validation(data)

    def not_an_object(self, data: Any) -> str:
        """What a caller is told who sends another JSON value."""
        required = [name for name, field in self.fields.items() if field.required]
        expected = f" with {', '.join(required)}" if required else ""
        return f"The request body must be a JSON object{expected}, not {JSON_KINDS[type(data)]}."

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        errors = self._errors_of_attributes_outside(data)
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            detail: Any = error.detail
            raise serializers.ValidationError({**errors, **detail}) from error
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _errors_of_attributes_outside(self, data: dict[str, Any]) -> dict[str, list[str]]:
        """What is wrong with the attributes that this body does not declare."""
        outside = [name for name in data if name not in self.fields]
        readable = self.resource().fields if self.resource is not None else {}
        # Without an instance the answer will be 404, whatever the attributes that identify say.
        stored = self.resource(self.instance).data if outside and self.resource and self.instance else {}
        errors = {}
        for name in outside:
            if name not in readable:
                errors[name[:LONGEST_NAME_SHOWN]] = ["Unknown attribute."]
            elif name in IDENTIFYING and name in stored and not _same(data[name], stored[name]):
                errors[name] = ["The attribute is not modifiable."]
        return errors


def _same(sent: Any, stored: Any) -> bool:
    return type(sent) is type(stored) and sent == stored


# --- Answers that several addresses give ----------------------------------------------------------------------


class Error(serializers.Serializer[Any]):
    """What every answer from 400 up says."""

    class ErrorAttribute(serializers.Serializer[Any]):
        """What is wrong with one attribute of the body."""

        field = serializers.CharField()
        description = serializers.CharField()

    description = serializers.CharField()
    errors = serializers.ListField(child=ErrorAttribute(), required=False)  # type: ignore[assignment]


class Done(serializers.Serializer[Any]):
    """What was done, in a sentence."""

    description = serializers.CharField()


class Created(serializers.Serializer[Any]):
    """What was created, and its address."""

    id = serializers.IntegerField()
    url = serializers.CharField()
