"""Columns for texts that people type: kept in one form, by whatever door they come in."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from redirect.texts import control_character, normalize


class NormalizedCharField(models.CharField):  # type: ignore[type-arg]
    """A text that is normalized when it is written and looked for; `lines`: it may have line breaks.

    Forms refuse control characters in it. To migrations it is a CharField.
    """

    def __init__(self, *args: Any, lines: bool = False, **kwargs: Any) -> None:
        self.lines = lines
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalize(value) if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        if isinstance(value, str):
            setattr(model_instance, self.attname, value)
        return value

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        if isinstance(value, str) and (control := control_character(value, lines=self.lines)):
            raise ValidationError(f"Remove the control character {control}.")


def normalize_rows(model: type[models.Model], *names: str) -> None:
    """Bring the texts of rows into their form that were written before there was one. A name that its group's
    neighbour has already stays as it is.
    """
    for row in model._default_manager.only("pk", *names).iterator(chunk_size=2_000):
        texts = {name: getattr(row, name) for name in names if isinstance(getattr(row, name), str)}
        changed = {name: new for name, text in texts.items() if (new := normalize(text)) != text}
        if changed:
            try:
                with transaction.atomic():
                    model._default_manager.filter(pk=row.pk).update(**changed)
            except IntegrityError:
                continue
