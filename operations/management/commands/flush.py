"""Django's `flush` would empty every table, the audit log too: here it does nothing."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import flush


class Command(flush.Command):
    """Refuses."""

    help = "Not available: it would empty the audit log. For an empty service make a new database."

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(self.help)
