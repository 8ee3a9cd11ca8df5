"""Ids of rows as pages send them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


def is_id(text: str) -> bool:
    """Whether a row may have this id, as a page sent it."""
    return text.isascii() and text.isdigit() and len(text) < 19


class RowField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A row that is chosen by its id. What is no id is an error of the form; Django's own field looks it up."""

    def prepare_value(self, value: Any) -> Any:
        return None if _is_no_id(value) else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        if _is_no_id(value):
            raise ValidationError(self.error_messages["invalid_choice"], "invalid_choice", {"value": value[:40]})
        return super().to_python(value)


def _is_no_id(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not is_id(value)
