"""manage.py import_devices: a spreadsheet of devices, by the rules and the code of the admin's import."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from devices.imports import imports, spreadsheet
from devices.imports.preview import owners_of
from devices.models import Import, ImportState
from devices.reconcile import BAD, RowOutcome
from redirect.http.table_file import csv_line, pieces_of


class Command(BaseCommand):
    """Checks a file, and writes it whole or not at all."""

    help = (
        "Create and move devices as a csv, xlsx, xls or ods file has them: columns mac, group, location,"
        " description. The file is checked first, and nothing is written if a row is bad (exit code 1), unless"
        " --skip-bad."
        " Write MACs with : or - between the digits, which stay a text: spreadsheet programs take 001565123456 and"
        " 0015651234E2 for numbers, and lose digits of them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="a .csv, .xlsx, .xls or .ods file")
        parser.add_argument("--sheet", default="", metavar="NAME", help="the sheet to read, if there are several")
        parser.add_argument("--dry-run", action="store_true", help="check the file and write nothing")
        parser.add_argument("--move", action="store_true", help="move devices that have another location")
        parser.add_argument(
            "--skip-bad", action="store_true", help="write the good rows and leave the bad ones out"
        )
        parser.add_argument(
            "--numbers",
            action="store_true",
            help="take MACs that a spreadsheet program has made numbers of, with zeros at the front"
            " (without it they are bad rows; compare them with the devices first)",
        )
        parser.add_argument("--errors", type=Path, metavar="FILE", help="write the bad rows to this csv file")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["errors"] and _is_same(options["file"], options["errors"]):
            raise CommandError("--errors names the file to import, which would be overwritten. Name another file.")
        upload = self._checked(
            options["file"], move=options["move"], numbers=options["numbers"], sheet=options["sheet"]
        )
        written = False
        try:
            self._tell(upload)
            if options["errors"]:
                self._write_errors(upload, options["errors"])
            if upload.bad and not (options["skip_bad"] or options["dry_run"]):
                raise CommandError(
                    f"Nothing was written: {upload.bad:,} bad rows. Correct them, or leave them out by --skip-bad."
                )
            if not options["dry_run"]:
                written = self._write(upload)
                self.stdout.write(f"Devices imported: {upload.changes:,}")
            elif upload.bad:
                raise CommandError(f"Nothing was written (dry run): {upload.bad:,} bad rows.")
            else:
                self.stdout.write("Nothing was written (dry run).")
        finally:
            if not written:
                imports.discard(upload)

    def _checked(self, file: Path, **options: Any) -> Import:
        try:
            if file.stat().st_size > spreadsheet.MOST_BYTES:
                raise CommandError(f"{file} is larger than {spreadsheet.MOST_BYTES // 1_000_000} MB. Split it.")
            data = file.read_bytes()
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
        upload = imports.receive(None, file.name, data, **options)
        with _bar("Reading", None) as watch:
            imports.read_here(upload, watch)
        if upload.state == ImportState.CHOICE:
            names = ", ".join(upload.other_sheets)
            imports.discard(upload)
            raise CommandError(f"{file} has several sheets: {names}. Name the one to read by --sheet NAME.")
        if upload.told:
            imports.discard(upload)
            raise CommandError(f"{file}: {upload.told}")
        if upload.other_sheets:
            self.stderr.write(f"Sheet {upload.sheet} is read; not read: {', '.join(upload.other_sheets)}")
        if upload.ignored_columns:
            self.stderr.write(f"Columns that mean nothing here: {upload.ignored_columns}")
        with _bar("Checking", upload.total) as watch:
            while upload.state == ImportState.READING:
                upload = imports.check_next(upload.pk)
                watch(upload.checked)
        return upload

    def _write(self, upload: Import) -> bool:
        with _bar("Writing", upload.good) as watch:
            imports.confirm(upload, here=True, watch=watch)
        if upload.state != ImportState.DONE:
            raise CommandError(upload.told)
        return True

    def _tell(self, upload: Import) -> None:
        width = max(len(verdict.label) for verdict in RowOutcome)
        for verdict in RowOutcome:
            if number := upload.counts.get(verdict):
                self.stdout.write(f"{verdict.label:{width}} {number:9,}" + ("  bad" if verdict in BAD else ""))
        self.stdout.write(f"{'Rows':{width}} {upload.total:9,}")
        owners, more = owners_of(upload)
        for owner in owners:
            self.stdout.write(f"For {owner.name}: {owner.rows:,}")
        if more:
            self.stdout.write(f"For {more:,} more groups")

    def _write_errors(self, upload: Import, file: Path) -> None:
        try:
            with file.open("w", encoding="utf-8-sig", newline="") as opened:
                opened.write(csv_line(imports.BAD_COLUMNS))
                for rows in pieces_of(imports.bad_rows(upload)):
                    opened.writelines(csv_line(imports.bad_cells(row)) for row in rows)
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error.strerror}.") from error
        self.stdout.write(f"Bad rows: {file}")


def _is_same(file: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links too."""
    try:
        return file.samefile(other)
    except OSError:  # the second does not exist yet
        return file.resolve() == other.resolve()


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal."""
    with tqdm(total=total, desc=what, unit=" rows", disable=None) as bar:
        yield lambda number: _move(bar, number)


def _move(bar: Any, number: int) -> None:
    bar.update(number - bar.n)
