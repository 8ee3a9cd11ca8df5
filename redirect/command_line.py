"""The commands: `redirect-service`, of a service that was installed as a package, and manage.py of a checkout."""

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from redirect.commands import let_phones_come_first

COMMANDS = {
    "serve": "serve phones, API and admin, as the environment says (SERVE, HOST, PORT, WEB_WORKERS)",
    "jobs": "do imports and large bulk actions; a service of its own, beside `serve`",
    "housekeeping": "the daily upkeep, for a timer",
    "backup": "the whole database into a folder, while the service goes on",
    "restore": "a backup into an empty database, and the proof that all of it is there",
    "manage": "any command of manage.py: migrate, collectstatic, createsuperuser, import_devices, ...",
}


def main() -> None:
    """Run the command that stands in sys.argv. Ends the process with its exit code."""
    parser = argparse.ArgumentParser(
        prog="redirect-service", description="The commands of the phone redirect service."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        # What follows is for the command itself, --help too.
        commands.add_parser(name, help=help_text, add_help=False)
    chosen, arguments = parser.parse_known_args(sys.argv[1:2])
    arguments = sys.argv[2:]
    match chosen.command:
        case "serve":
            _serve(arguments)
        case "jobs":
            manage(["redirect-service", "run_jobs", *arguments])
        case "housekeeping" | "backup" | "restore":
            manage(["redirect-service", chosen.command, *arguments])
        case _:
            manage(["redirect-service", *arguments])


def _version() -> str:
    try:
        return version("phone-redirect-service")
    except PackageNotFoundError:
        return "a checkout"


def _serve(arguments: list[str]) -> None:
    # The server takes this process over, so that a signal reaches it and nothing else.
    os.execv(  # noqa: S606
        sys.executable, [sys.executable, "-m", "gunicorn", "-c", "python:redirect.serving", *arguments]
    )


def manage(argv: list[str]) -> None:
    """Run a command of manage.py, whose name is the second of these."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redirect.settings")
    os.environ.setdefault("DATABASE_DEADLINES", "off")  # a migration may take its time; nobody waits for an answer
    name = argv[1] if len(argv) > 1 else ""
    let_phones_come_first(name)
    if _is_switched_off(name):
        sys.exit(f"{name}: device management is off. Set MANAGEMENT_NETWORKS and MANAGEMENT_KEYS to switch it on.")
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)


def _is_switched_off(name: str) -> bool:
    """Whether a command of manage.py is one of device management, which is not loaded while it is off."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import find_commands

    package = find_spec("management")  # found, and not loaded
    if package is None or package.origin is None:
        return False
    if name not in find_commands(str(Path(package.origin).parent / "management")):
        return False
    try:
        return "management" not in settings.INSTALLED_APPS
    except ImproperlyConfigured:
        return False  # Django tells of it
