"""JSON on the wire: how a body is read, and fields that take a JSON type for what it is.

REST framework's own fields turn "5" into 5, "yes" into true and 5 into "5"; integrators are told instead.
Source: contract section 2.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import IO, Any, ClassVar

from django.db.models import Model
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from api import strict_json
from api.listing import parameters

# What tells one object from another: a PUT may send it back, and may not change it.
IDENTIFYING = frozenset({"id", "login", "group", "groupId", "groupType", "resellerId", "permissionLevel"})


LONGEST_NAME_SHOWN = 100
INT64 = 2**63


class StrictJSONParser(BaseParser):
    """application/json and nothing else: REST framework answers 415 for other types."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return strict_json.load(stream)


class AlwaysJSON(BaseContentNegotiation):
    """`Accept` is ignored: the manual knows no other form than JSON, and 406 would help nobody."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Text(serializers.CharField):
    """A JSON string, kept as it was sent; no control characters but, where `lines` is set, line breaks."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_string": "Must be a string.",
        "control": "Must not hold control characters.",
    }

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        self.allowed_controls = "\r\n" if lines else ""
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if any(unicodedata.category(c) == "Cc" and c not in self.allowed_controls for c in data):
            self.fail("control")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and data.isspace() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class Description(Text):
    """The optional free text that groups, devices, locations and users have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"lines": True, "max_length": 1000, "allow_null": True, "allow_blank": True, "required": False}
            | kwargs
        )


class Integer(serializers.IntegerField):
    """A JSON number without a fraction, within 64 bit."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be a whole number."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=-INT64, max_value=INT64 - 1, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Boolean(serializers.BooleanField):
    """true or false."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Choice(serializers.ChoiceField):
    """One of the strings that the manual lists."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid_choice": "Must be one of {choices}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(self.choices))
        return data


class Array(serializers.ListField):
    """1 to `max_length` values of one JSON type, checked in one pass: 5,000 child validations are dear."""

    item_name: str

    def __init__(self, *, max_length: int = 5000, **kwargs: Any) -> None:
        self.max_items = max_length
        super().__init__(min_length=1, max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not 1 <= len(data) <= self.max_items:
            raise serializers.ValidationError(f"Must be an array of 1 to {self.max_items} {self.item_name}s.")
        wrong = [i for i, item in enumerate(data) if not self.takes(item)]
        if wrong:
            problem = f"Must be a {self.item_name}."
            raise serializers.ValidationError(dict.fromkeys(wrong, problem))  # type: ignore[arg-type]
        return data

    def takes(self, item: Any) -> bool:
        """Whether this may be an entry."""
        raise NotImplementedError


class TextArray(Array):
    """A JSON array of strings."""

    item_name = "string"
    child = serializers.CharField()

    def takes(self, item: Any) -> bool:
        return isinstance(item, str)


class IntegerArray(Array):
    """A JSON array of whole numbers."""

    item_name = "whole number"
    child = serializers.IntegerField()

    def takes(self, item: Any) -> bool:
        return type(item) is int


class Body(serializers.Serializer[Any]):
    """The attributes of a request body; any other attribute is refused.

    For a PUT, `resource` names the serializer of the resource: what it shows may be sent back. Attributes that
    identify must be unchanged, the other read-only ones are ignored, so that GET, edit, PUT works.
    """

    resource: ClassVar[type[serializers.Serializer[Any]] | None] = None

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "The request body must be a JSON object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError({"": [self.error_messages["invalid"]]})
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


def read_body(body: type[Body], request: Request, instance: Model | None = None) -> dict[str, Any]:
    """The values of a request's body by the names of the model; raises ValidationError (400) naming attributes."""
    parameters(request)  # a body has no query string beside it
    serializer = body(instance, data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values
