"""manage.py backup: the whole database into a folder, while the service goes on."""

import os
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from operations.backups import postgresql, progress, sqlite
from operations.backups.manifest import Manifest, Unusable


class Command(BaseCommand):
    """Writes rows and manifest of one moment, or leaves no folder."""

    help = (
        "Back the whole database up into a new folder, of one moment, while the service goes on: by pg_dump, or by"
        " SQLite's online backup. What `restore` compares with is kept beside it. The folder holds everything that"
        " the service knows, and none of its keys (SECRET_KEY, JWT_SIGNING_KEY, ...): keep these elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            made = back_up(connection, folder)
        except Unusable as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Cannot write {error.filename or folder}: {error.strerror}.") from error
        size = sum(file.stat().st_size for file in folder.iterdir())
        self.stdout.write(
            f"{sum(made.rows.values()):,} rows of {len(made.rows)} tables are in {folder} ({size / 1e6:,.1f} MB)."
        )


def back_up(connection: Any, folder: Path) -> Manifest:
    """Make the folder; raises Unusable or OSError, and leaves nothing behind then."""
    if folder.exists():
        raise Unusable(f"{folder} exists. Name a folder that does not.")
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    tool = postgresql if connection.vendor == "postgresql" else sqlite
    began = timezone.now()
    try:
        with progress.bar("Backing up") as watch:
            rows, definitions = tool.dump(connection, unfinished, watch)
        (unfinished / tool.DATA).chmod(0o600)
        server = ".".join(map(str, connection.get_database_version()))
        made = Manifest(connection.vendor, server, f"{began:%Y-%m-%dT%H:%M:%SZ}", tool.DATA, rows, definitions)
        made = made.write(unfinished)
        for file in unfinished.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return made
