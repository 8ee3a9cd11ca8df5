"""Commands that run beside phones on one machine come after them."""

import os
from types import SimpleNamespace

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class

from redirect import commands

BACKGROUND = ["run_jobs", "housekeeping", "import_devices", "refresh_endpoints", "backup", "check_counters"]


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
@pytest.mark.parametrize("name", BACKGROUND)
def test_long_work_runs_at_a_lower_priority(name: str, vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line alone: a request that calls a command would slow its own process down for good."""
    done: list[object] = []
    monkeypatch.setattr(commands, "connection", SimpleNamespace(vendor=vendor))
    monkeypatch.setattr(os, "nice", done.append)
    monkeypatch.setattr(os, "SCHED_BATCH", "batch", raising=False)
    monkeypatch.setattr(os, "SCHED_IDLE", "idle", raising=False)
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, param: done.append(policy), raising=False)
    monkeypatch.setattr(os, "sched_param", int, raising=False)
    monkeypatch.setattr(BaseCommand, "run_from_argv", lambda _, argv: done.append(argv))
    load_command_class(get_commands()[name], name).run_from_argv(["manage.py", name])
    # What takes locks that requests wait for must come to its end on a busy machine, too.
    policy = "idle" if (name, vendor) == ("refresh_endpoints", "postgresql") else "batch"
    assert done == [10, policy, ["manage.py", name]]
