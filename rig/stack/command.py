"""Start the whole service on six hosts of this machine, each a network namespace; or break it and count.

    make stack                                          runs until Ctrl-C
    make stack-test                                     every event once, a quarter of an hour
    make stack-test ARGS="--quick crash"                some events, with shorter waits
    make stack-test ARGS="--rounds 5"                   every event five times, the worst is shown

Needs root and programs of Debian, and says which. Exit code: 0; 1 if a figure of the test is above what it must
be; 2 if something is missing.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rig import tenant
from rig.stack import enclosure, events, needs, site, trial

CALM, QUICK_CALM = 6.0, 3.0  # seconds of load before and after each event


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; ends the process with 2 and a sentence if it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="tools/stack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for_all = argparse.ArgumentParser(add_help=False)
    for_all.add_argument("--without-pgbouncer", action="store_true", help="the API goes to HAProxy itself")
    commands.add_parser("run", parents=[for_all], help="start it, and stop it on Ctrl-C")
    test = commands.add_parser("test", parents=[for_all], help="do events to it, and print what each cost")
    test.add_argument("--quick", action="store_true", help="shorter waits")
    test.add_argument("--rounds", type=_rounds, default=1, metavar="N", help="how often each event is tried")
    test.add_argument("events", nargs="*", metavar="EVENT", help=f"of: {', '.join(events.EVENTS)}")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(getattr(options, "events", ())) - events.EVENTS.keys()):
        test.error(f"no such event: {', '.join(unknown)} (known: {', '.join(events.EVENTS)})")
    return options


def main() -> int:
    """Run the command in namespaces of its own; the exit code."""
    arguments = sys.argv[1:]
    options_of(arguments)
    if sentence := needs.missing():
        print(sentence, file=sys.stderr)
        return 2
    return enclosure.run_enclosed("rig.stack", *arguments)


def inside(home: Path, arguments: Sequence[str]) -> int:
    """What is left to do within the namespaces; the exit code."""
    for signum in enclosure.SIGNALS:
        signal.signal(signum, _stop)
    options = options_of(arguments)
    try:
        running = site.start(home, pgbouncer=not options.without_pgbouncer)
    except (RuntimeError, TimeoutError, OSError) as error:
        for log in sorted(home.glob("*/log/*.log")):
            print(f"--- {log.parent.parent.name}, {log.stem}:\n{last_lines(log)}", file=sys.stderr)
        print(f"The stack does not start: {error}", file=sys.stderr)
        return 1
    if options.command == "test":
        calm = QUICK_CALM if options.quick else CALM
        names = list(dict.fromkeys(options.events or events.EVENTS))
        return trial.run(running, names, options.rounds, calm)
    site.say(addresses(running))
    signal.pause()
    return 0


def addresses(running: site.Stack) -> str:
    """What runs where, and how to get there."""
    databases = ", ".join(f"{host.name} {host.address}" for host in running.databases.hosts)
    apps = ", ".join(f"{app.host.name} {app.host.address}" for app in running.apps)
    front = running.front.address
    primary = running.databases.primary()
    return "\n".join(
        (
            f"phones     http://{front}/<MAC>  https://{front}/<MAC>",
            f"API        https://{front}/api/v1  (login {tenant.LOGIN}, password {tenant.PASSWORD})",
            f"databases  {databases}; the primary is {primary.name if primary else 'none'}",
            f"apps       {apps}; nginx on front {front}",
            f"files      {running.front.folder.parent}/HOST: configurations, data, log/",
            f"The network is reached from within: nsenter --target {os.environ['STACK_PID']} --net --mount bash",
            "Runs until Ctrl-C.",
        )
    )


def last_lines(log: Path) -> str:
    """The last words of a program."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])


def _rounds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number from 1")
    return int(text)


def _stop(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)
