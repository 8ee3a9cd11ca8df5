"""Fields that take a JSON type for what it is.

REST framework's own turn "5" into 5, "yes" into true and 5 into "5"; integrators are told instead.
Source: contract section 2.
"""

from datetime import datetime
from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api import filter_grammar
from devices import mac
from redirect.texts import control_character, normalize

INT64 = 2**63

CONTROLS = r"\x00-\x1F\x7F-\x9F"
CONTROLS_BUT_LINE_BREAKS = r"\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\x9F"

_PAIR = "[0-9A-Fa-f]{2}"
MAC_SPELLINGS = f"{_PAIR}(:{_PAIR}){{5}}|{_PAIR}(-{_PAIR}){{5}}|[0-9A-Fa-f]{{12}}"

Schema = dict[str, Any]


@extend_schema_field({"type": "string", "pattern": "^[0-9A-F]{2}(:[0-9A-F]{2}){5}$"})
class MAC(serializers.CharField):
    """Six pairs joined by colons, as every answer shows a MAC. Source: manual 8.1."""

    def to_representation(self, value: str) -> str:
        return mac.display(value)


class StrictField(serializers.Field[Any, Any, Any, Any]):
    """A field of a request body that tells the document what it takes; `schema` adds to that.

    null for an optional attribute that cannot be none is as if it were absent.
    """

    def __init__(self, *, schema: Schema | None = None, **kwargs: Any) -> None:
        self.schema = schema or {}
        super().__init__(**kwargs)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        is_absent = data is None and not self.required and not self.allow_null
        return super().validate_empty_values(serializers.empty if is_absent else data)

    def documented(self) -> Schema:
        """The field's JSON Schema."""
        schema = self.accepted()
        if self.allow_null or not self.required:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        description = {"description": self.help_text} if self.help_text else {}
        return schema | description | self.schema

    def accepted(self) -> Schema:
        """What a value must be, null apart."""
        raise NotImplementedError


class Text(StrictField, serializers.CharField):
    """A JSON string, kept as it was sent; no control characters but, where `lines` is set, line breaks."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_string": "Must be a string.",
        "control": "Must not hold control characters.",
    }

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        self.lines = lines
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_string")
        if control_character(data, lines=self.lines):
            self.fail("control")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and data.isspace() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)

    def accepted(self) -> Schema:
        controls = CONTROLS_BUT_LINE_BREAKS if self.lines else CONTROLS
        schema: Schema = {"type": "string", "maxLength": self.max_length}
        if self.allow_blank:
            return schema | {"pattern": f"^[^{controls}]*$"}
        # something else than spaces
        return schema | {"minLength": 1, "pattern": rf"^[^{controls}]*[^\s{controls}][^{controls}]*$"}


class PlainText(Text):
    """A text that people read, kept in the one form that `redirect.texts.normalize` gives it."""

    def to_internal_value(self, data: Any) -> str:
        return normalize(super().to_internal_value(data))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and not normalize(data) and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class OptionalText(PlainText):
    """A string that may be absent, null or empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, allow_blank=True, required=False, **kwargs)


class Description(OptionalText):
    """The optional free text that groups, devices, locations and users have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lines=True, max_length=1000, **kwargs)


class Integer(StrictField, serializers.IntegerField):
    """A JSON number without a fraction, within 64 bit."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be a whole number."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=-INT64, max_value=INT64 - 1, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data

    def accepted(self) -> Schema:
        return {"type": "integer", "format": "int64", "minimum": -INT64, "maximum": INT64 - 1}


class Moment(StrictField, serializers.DateTimeField):
    """A date and time, in whole seconds, as a filter takes it: without offset it is UTC."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Must be a date such as 2019-04-28T18:16:04+0000.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            moment = filter_grammar.parse_datetime(filter_grammar.Value(data, quoted=True, position=1))
        except filter_grammar.FilterError:
            self.fail("invalid")
        return moment.replace(microsecond=0)

    def accepted(self) -> Schema:
        return {"type": "string", "maxLength": 40, "format": "date-time"}


class Boolean(StrictField, serializers.BooleanField):
    """true or false."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def accepted(self) -> Schema:
        return {"type": "boolean"}


class OptionalBoolean(Boolean):
    """true or false; null means false, as the manual's attributes have it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, required=False, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> bool:
        return bool(super().run_validation(data))


class FormBoolean(OptionalBoolean):
    """`true` or `false`, which a form has as a text; in any case, as Python's clients write `True`."""

    def to_internal_value(self, data: Any) -> bool:
        text = data.lower() if isinstance(data, str) else ""
        return super().to_internal_value({"true": True, "false": False}.get(text, data))


class File(StrictField):
    """The file of a form; who reads it refuses what is longer than `max_bytes`."""

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        self.max_bytes = max_bytes
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, UploadedFile):
            raise serializers.ValidationError("Must be a file.")
        return data

    def accepted(self) -> Schema:
        return {"type": "string", "format": "binary", "maxLength": self.max_bytes}


class Choice(StrictField, serializers.ChoiceField):
    """One of the strings that the manual lists."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid_choice": "Must be one of {choices}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(self.choices))
        return data

    def accepted(self) -> Schema:
        return {"type": "string", "enum": list(self.choices)}


class Array(StrictField, serializers.ListField):
    """1 to `max_length` values of one JSON type, checked in one pass: 5,000 child validations are dear."""

    item_name: str
    item_type: str

    def __init__(self, *, max_length: int = 5000, **kwargs: Any) -> None:
        self.max_items = max_length
        super().__init__(min_length=1, max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not 1 <= len(data) <= self.max_items:
            raise serializers.ValidationError(f"Must be an array of 1 to {self.max_items} {self.item_name}s.")
        wrong = [i for i, item in enumerate(data) if not self.takes(item)]
        if wrong:
            raise serializers.ValidationError(dict.fromkeys(wrong, self.problem))  # type: ignore[arg-type]
        return data

    @property
    def problem(self) -> str:
        """What is wrong with an entry that it does not take."""
        return f"Must be a {self.item_name}."

    def takes(self, item: Any) -> bool:
        """Whether this may be an entry."""
        raise NotImplementedError

    def accepted(self) -> Schema:
        items = {"type": self.item_type}
        return {"type": "array", "items": items, "minItems": 1, "maxItems": self.max_items}


class TextArray(Array):
    """A JSON array of strings."""

    item_name = item_type = "string"
    child = serializers.CharField()

    def takes(self, item: Any) -> bool:
        return isinstance(item, str)


class IntegerArray(Array):
    """A JSON array of whole numbers."""

    item_name, item_type = "whole number", "integer"
    child = serializers.IntegerField()

    def takes(self, item: Any) -> bool:
        return type(item) is int
