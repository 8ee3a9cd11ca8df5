"""tools/stack: its command line, what it says is missing, and what a killed one leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig import ROOT
from rig.stack import command, enclosure, events, figures, needs


def tools_stack(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "tools/stack", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_events_rounds_and_shorter_waits_are_chosen() -> None:
    options = command.options_of(["test", "--quick", "--rounds", "5", "crash", "host-gone"])
    assert (options.quick, options.rounds, options.events) == (True, 5, ["crash", "host-gone"])
    assert command.options_of(["test"]).rounds == 1
    assert command.options_of(["run"]).command == "run"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["test", "earthquake"], "no such event: earthquake (known: switchover, crash"),
        (["test", "--rounds", "0"], "0 is no number from 1"),
        (["test", "--rounds", "many"], "many is no number from 1"),
        (["fly"], "invalid choice: 'fly'"),
        ([], "command"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_told(arguments: list[str], told: str) -> None:
    done = tools_stack(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_missing_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(needs, "PATH", str(tmp_path))
    monkeypatch.setattr(needs, "has_programs", lambda: False)
    monkeypatch.setattr(needs, "PATRONI", ROOT / "var/stack/none")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    packages = "etcd-server haproxy iproute2 iptables nginx-light pgbackrest pgbouncer postgresql util-linux"
    assert needs.missing() == (
        f"The stack needs root, for its network namespaces; programs (apt-get install {packages});"
        " Patroni in var/stack/none, where `make stack` puts it."
    )


def test_the_command_ends_with_2_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/stack", "test"])
    monkeypatch.setattr(needs, "missing", lambda: "The stack needs root.")
    assert command.main() == 2
    assert capsys.readouterr().err == "The stack needs root.\n"


def test_a_folder_that_a_killed_stack_left_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / f"{enclosure.PREFIX}left"
    (left / "db1").mkdir(parents=True)
    (left / enclosure.LOCK).touch()
    other = tmp_path / "other"
    other.mkdir()
    with enclosure.folder(tmp_path) as used:
        assert enclosure.remove_leftovers(tmp_path) == [left]
        assert sorted(tmp_path.iterdir()) == sorted([other, used])
    assert sorted(tmp_path.iterdir()) == [other]


def test_each_event_says_what_happens_and_names_figures_of_the_table() -> None:
    for name, event in events.EVENTS.items():
        assert event.says.endswith("."), name
        assert event.must.keys() <= figures.COLUMNS.keys(), name
