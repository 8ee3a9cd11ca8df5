"""Commands that run beside phones on one machine come after them."""

import os
import subprocess
import sys

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from redirect import commands
from rig import ROOT

STARTED = """
import os, sys
os.nice = lambda niceness: print("django" in sys.modules, niceness)
sys.argv = {argv}
{start}
"""
MANAGE = "import runpy; runpy.run_path('manage.py', run_name='__main__')"
SERVICE = "from redirect.command_line import main; main()"


@pytest.mark.parametrize("engine", ["postgresql", "sqlite3"])
@pytest.mark.parametrize("name", [*commands.BACKGROUND, "migrate", ""])
def test_long_work_runs_at_a_lower_priority(name: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", f"django.db.backends.{engine}")
    monkeypatch.setattr(os, "nice", done.append)
    monkeypatch.setattr(os, "SCHED_BATCH", "batch", raising=False)
    monkeypatch.setattr(os, "SCHED_IDLE", "idle", raising=False)
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, param: done.append(policy), raising=False)
    monkeypatch.setattr(os, "sched_param", int, raising=False)
    commands.let_phones_come_first(name)
    # What takes locks that requests wait for must come to its end on a busy machine, too.
    idle = ["idle"] if (name, engine) == ("refresh_endpoints", "postgresql") else []
    assert done == ([10, "batch", *idle] if name in commands.BACKGROUND else [])


def test_where_the_priority_may_not_be_changed_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a unit of systemd without @resources."""

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "nice", refuse)
    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    for name in commands.BACKGROUND:
        commands.let_phones_come_first(name)


@pytest.mark.parametrize(
    ("unit", "weight"), [("jobs", "10"), ("housekeeping", "10"), ("refresh", "idle"), ("@", None)]
)
def test_a_unit_of_systemd_comes_after_the_service(unit: str, weight: str | None) -> None:
    """The priority of a process counts within its unit alone."""
    name = f"phone-redirect{unit if unit == '@' else f'-{unit}'}.service"
    lines = (ROOT / "deploy/systemd" / name).read_text().splitlines()
    said = [line for line in lines if line.startswith(("CPUWeight=", "Nice=", "CPUSchedulingPolicy="))]
    assert said == ([f"CPUWeight={weight}"] if weight else [])


@pytest.mark.parametrize(("container", "shares"), [("jobs", 102), ("housekeeping", 102), ("phones", None)])
def test_a_container_comes_after_the_service(container: str, shares: int | None) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services[container].get("cpu_shares") == shares


def test_the_commands_exist() -> None:
    assert set(commands.BACKGROUND) <= set(get_commands())
    assert set(commands.IDLE) <= set(commands.BACKGROUND)


@pytest.mark.parametrize(
    ("start", "argv"),
    [
        (MANAGE, ["manage.py", "housekeeping", "--help"]),
        (SERVICE, ["redirect-service", "housekeeping", "--help"]),
        (SERVICE, ["redirect-service", "jobs", "--help"]),
        (SERVICE, ["redirect-service", "manage", "backup", "--help"]),
    ],
)
def test_even_the_start_comes_after_phones(start: str, argv: list[str]) -> None:
    """Django takes seconds of a processor to load: by then the priority is low."""
    command = [sys.executable, "-c", STARTED.format(argv=argv, start=start)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith("False 10\n")
