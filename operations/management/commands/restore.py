"""manage.py restore: a backup into an empty database, and the proof that all of it is there."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from operations.backups import manifest, postgresql, progress, sqlite
from operations.backups.manifest import Manifest, Unusable


class Command(BaseCommand):
    """Fills an empty database, and compares it; `--check` only compares."""

    help = (
        "Restore a backup into the database of DATABASE_URL, which must be empty: all of it or nothing. Then the"
        " rows of each table and each constraint, index and trigger are compared with the backup's; exit code 1 if"
        " anything differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that `backup` has made")
        parser.add_argument(
            "--check", action="store_true", help="only compare, a database that was restored by other means"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            made = manifest.read(folder)
            if not options["check"]:
                restore(connection, folder, made)
            found = differences(connection, made)
        except Unusable as error:
            raise CommandError(str(error)) from error
        if found:
            raise CommandError("\n".join(["The database is not as the backup has it.", *found]))
        self.stdout.write(
            f"{sum(made.rows.values()):,} rows of {len(made.rows)} tables and {len(made.definitions)} constraints,"
            f" indexes and triggers are as in the backup of {made.made_at}."
        )


def restore(connection: Any, folder: Path, made: Manifest) -> None:
    """Fill the database, which must be empty; raises Unusable."""
    if made.vendor != connection.vendor:
        raise Unusable(f"The backup is of {made.vendor}, and DATABASE_URL names {connection.vendor}.")
    with connection.cursor() as cursor:
        if tables := manifest.tables_of(cursor, connection.vendor):
            raise Unusable(
                f"The database of DATABASE_URL has {len(tables)} tables already, and nothing is restored over it."
                " Make an empty one, restore into that, and let DATABASE_URL name it from then on."
            )
    tool = postgresql if connection.vendor == "postgresql" else sqlite
    with progress.bar("Restoring") as watch:
        tool.load(connection, folder / tool.DATA, watch)


def differences(connection: Any, made: Manifest) -> list[str]:
    """What of the database is not as the backup has it, a sentence each."""
    with connection.cursor() as cursor:
        return list(manifest.differences(made, *manifest.contents(cursor, connection.vendor)))
