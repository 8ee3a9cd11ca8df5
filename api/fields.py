"""Fields that take a JSON type for what it is.

REST framework's own turn "5" into 5, "yes" into true and 5 into "5"; integrators are told instead.
Source: contract section 2.
"""

import unicodedata
from typing import Any, ClassVar

from rest_framework import serializers

INT64 = 2**63


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
