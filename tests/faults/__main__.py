"""Break real processes in every way that the service promises to survive, and print what that cost.

    make faults                          all of it, about a quarter of an hour
    make faults ARGS=--quick             all of it, shorter
    make faults ARGS="freeze scan"       some of it

It makes a PostgreSQL cluster of its own, as safe as a real one, with a replica where a test needs one, and starts
gunicorn with two workers and nginx with the project's own configuration. Everything listens on 127.0.0.1, and is
stopped and removed at the end. The exit code is 1 if a promise is broken.
"""

import argparse
import asyncio
import os
import signal
import sys
import time

from tests.faults import crowds, database, managed, retries, upkeep, webhooks
from tests.faults.site import site

FAULTS = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        database.kills,
        database.restart,
        database.restart_replica,
        database.owed,
        database.freeze,
        database.freeze_replica,
        retries.same_key,
        retries.lost_answers,
        crowds.locks,
        crowds.bulk,
        crowds.logins,
        crowds.storm,
        crowds.scan,
        crowds.slow,
        managed.worker_kills,
        upkeep.absence,
        webhooks.webhook_kills,
        webhooks.phone_kills,
    )
}
LONGEST = 7_200  # seconds


def stop_request(signum: int, frame: object) -> None:
    """Ends the run, so that the clean-up follows."""
    sys.exit(128 + signum)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="make faults ARGS=…", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter waits")
    parser.add_argument("faults", nargs="*", metavar="NAME", help=f"of: {', '.join(FAULTS)}")
    options = parser.parse_args()
    if unknown := set(options.faults) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))} (known: {', '.join(FAULTS)})")
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, stop_request)
    print("A cluster, tables and phones are made ...", flush=True)
    with site(quick=options.quick) as made:
        for name in options.faults or FAULTS:
            began, broken = time.monotonic(), len(made.broken)
            load = os.getloadavg()[0]
            print(f"{name}: {FAULTS[name].__doc__}", flush=True)
            try:
                asyncio.run(asyncio.wait_for(FAULTS[name](made), LONGEST))
            except Exception as error:
                made.check(False, f"{name} runs to its end ({type(error).__name__}: {error})")
            if len(made.broken) > broken:
                print(made.log_tail(), file=sys.stderr, flush=True)
            print(f"    {time.monotonic() - began:.0f} s, load average {load:.1f} before", flush=True)
        for promise in made.broken:
            print(f"BROKEN: {promise}", file=sys.stderr)
        if not made.broken:
            print("All promises are kept.")
        return 1 if made.broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
