"""manage.py rotate_credentials: encrypt all secrets anew with the first of MANAGEMENT_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model
from tqdm import tqdm

from audit import context
from management import secrets
from management.models import Artefact, Credential, Operation

PIECE = 200

# What is kept encrypted, by model.
COLUMNS: dict[type[Model], str] = {Credential: "secret", Operation: "sealed", Artefact: "data"}


class Command(BaseCommand):
    """Rotates the keys."""

    help = (
        "Encrypt logins, arguments and files of devices anew with the first of MANAGEMENT_KEYS. Put a new key in"
        " front, restart the service, run this, and only then take the old key away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with context.of_command("rotate_credentials"):
            done, unreadable = 0, 0
            for model, column in COLUMNS.items():
                filled = model._default_manager.filter(**{f"{column}__isnull": False})
                ids = list(filled.order_by("pk").values_list("pk", flat=True))
                with tqdm(total=len(ids), desc=str(model._meta.verbose_name_plural), disable=None) as bar:
                    for start in range(0, len(ids), PIECE):
                        good, bad = _rotate(model, column, ids[start : start + PIECE])
                        done, unreadable = done + good, unreadable + bad
                        bar.update(good + bad)
        if unreadable:
            raise CommandError(
                f"{done} encrypted anew; {unreadable} were left alone: none of MANAGEMENT_KEYS reads them."
            )
        self.stdout.write(f"{done} encrypted anew.")


def _rotate(model: type[Model], column: str, ids: list[Any]) -> tuple[int, int]:
    """How many rows were written, and how many no key reads."""
    good, bad = [], 0
    with transaction.atomic():
        rows = model._default_manager.select_for_update(no_key=True).filter(pk__in=ids)
        for row in rows.filter(**{f"{column}__isnull": False}):
            try:
                setattr(row, column, secrets.rotated(getattr(row, column)))
            except secrets.SecretUnreadable:
                bad += 1
            else:
                good.append(row)
        model._default_manager.bulk_update(good, [column], batch_size=PIECE)
    return len(good), bad
