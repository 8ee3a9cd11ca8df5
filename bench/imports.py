"""A file of devices by the support desk's page and by the API, which must be no slower."""

import io
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openpyxl import Workbook
from tqdm import tqdm

from bench.browser import Browser
from bench.data import LOGIN_OPERATOR, PASSWORD, Data
from bench.servers import FILES, SERVICE, running, service_environment
from rig import service
from rig.clients import Integrator
from rig.processes import processor_seconds

PAUSE = 0.5  # seconds between two looks at how far it is; each costs both doors a request
PREFIXES = {"csv": "0ABC", "xlsx": "0ABD"}  # of the MACs


@dataclass(frozen=True)
class Imported:
    """Seconds from the file until its rows are checked, and from then until they are written.

    `slowest` is the longest of all requests, `steps` is how many states of the bar were seen.
    """

    check: float
    write: float
    slowest: float
    steps: int

    @property
    def total(self) -> float:
        """Of all of it."""
        return self.check + self.write


def measure(data: Data, rounds: int, rows: int, progress: "tqdm[Any]") -> dict[str, list[float]]:
    """What each import took, by door, in turn on the same database; a first one of each does not count.

    Seconds by the clock, and, as `… processor`, of all processes of the service and of PostgreSQL.
    """
    file = file_of("csv", rows, data.groups)
    took: dict[str, list[float]] = {}
    postmaster = data.postmaster()
    variables = service_environment(data.url)
    with running(SERVICE, data.url) as on, service.jobs(variables, FILES / "jobs.log") as worker:

        def used() -> float:
            return on.processor_seconds() + processor_seconds(worker.pid) + processor_seconds(postmaster)

        browser, user = Browser(on.port), Integrator(on.port, LOGIN_OPERATOR, PASSWORD)
        doors: dict[str, Callable[[], Imported]] = {
            "page": lambda: by_page(browser, "csv", file, rows),
            # A connection of its own: one that idles while the page imports is closed by the server.
            "api": lambda: by_api(user.another(on.port), "csv", file, rows),
        }
        for number in range(rounds + 1):
            for door in list(doors)[:: -1 if number % 2 else 1]:
                before = used()
                one = doors[door]()
                spent = used() - before
                forget(data, "csv")
                progress.update()
                if number:
                    took.setdefault(door, []).append(one.total)
                    took.setdefault(f"{door} processor", []).append(spent)
                    progress.write(
                        f"import  {rows:,} rows by {door:24} checked {one.check:5.1f} s"
                        f", written {one.write:5.1f} s, {spent:5.1f} s of processor time",
                        file=sys.stderr,
                    )
    return took


def by_page(browser: Browser, kind: str, file: bytes, rows: int) -> Imported:
    """Upload, check, confirm, as the page's script does it; ends the program if it does not succeed."""
    requests: list[float] = []

    def ask(call: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        began = time.perf_counter()
        answer = call()
        requests.append(time.perf_counter() - began)
        return answer

    began = time.perf_counter()
    _, page = ask(lambda: browser.upload("/admin/devices/device/import/", f"phones.{kind}", file))
    steps = set()
    json_too = {"Accept": "application/json"}
    while (state := json.loads(ask(lambda: browser.get(f"{page}progress/"))[0]))["state"] == "Staging":
        steps.add(("read", state["done"]))
        time.sleep(PAUSE)
    while state["state"] == "Reading":
        state = json.loads(ask(lambda: browser.post(f"{page}next/", {}, **json_too))[0])
        steps.add(("checked", state["done"]))
    checked = time.perf_counter()
    ask(lambda: browser.get(page))
    ask(lambda: browser.post(f"{page}confirm/", {}))
    while (state := json.loads(ask(lambda: browser.get(f"{page}progress/"))[0]))["state"] == "Writing":
        steps.add(("written", state["done"]))
        time.sleep(PAUSE)
    written = time.perf_counter()
    shown, _ = browser.get(page)
    if not re.search(rf"{rows:,} devices imported", shown):
        sys.exit(f"The import did not succeed: {re.sub('<[^>]*>', ' ', shown)[-1500:]}")
    return Imported(checked - began, written - checked, max(requests), len(steps))


def by_api(client: Integrator, kind: str, file: bytes, rows: int) -> Imported:
    """The same by the API."""
    requests: list[float] = []
    steps = set()

    def ask(call: Callable[[], tuple[int, Any]]) -> dict[str, Any]:
        status, answer = call()
        requests.append(client.took)
        if status not in (200, 201):
            sys.exit(f"The import did not succeed: {status} {answer}")
        steps.add((answer.get("state"), answer.get("checked")))
        found: dict[str, Any] = answer
        return found

    began = time.perf_counter()
    path = f"/imports/{ask(lambda: client.upload('/imports', f'phones.{kind}', file))['id']}"
    while (upload := ask(lambda: client.call("GET", path)))["state"] in ("Reading", "Checking"):
        time.sleep(PAUSE)
    checked = time.perf_counter()
    ask(lambda: client.call("POST", f"{path}/confirm", {}))
    while (upload := ask(lambda: client.call("GET", path)))["state"] == "Writing":
        time.sleep(PAUSE)
    written = time.perf_counter()
    if upload["state"] != "Done" or upload["counts"] != {"Created": rows}:
        sys.exit(f"The import did not succeed: {upload}")
    return Imported(checked - began, written - checked, max(requests), len(steps))


def forget(data: Data, kind: str) -> None:
    """Delete the devices of the file, so that the next import finds what this one has found."""
    with data.connect() as connection:
        connection.execute("DELETE FROM devices_device WHERE mac LIKE %s", [f"{PREFIXES[kind]}%"])
        connection.execute("VACUUM (ANALYZE)")


def file_of(kind: str, rows: int, groups: int) -> bytes:
    """A spreadsheet of devices that are new, for a hundred groups."""
    lines = [["mac", "group", "location", "description"]]
    lines += [
        [f"{PREFIXES[kind]}{n:08X}", f"Provider {12 + n % min(100, groups - 12):04} Networks", "", f"Desk {n}"]
        for n in range(rows)
    ]
    if kind == "csv":
        return "\n".join(",".join(line) for line in lines).encode()
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for line in lines:
        sheet.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
