"""Files of devices that are imported, as the support desk's page does it."""

import io
import json
import re
import sys
import time
from collections.abc import Callable

from openpyxl import Workbook

from bench.browser import Browser


def spreadsheet(browser: Browser, kind: str, rows: int, groups: int) -> str:
    """Upload, check, confirm, as the page's script does it."""
    name, data = f"phones.{kind}", file_of(kind, rows, groups)
    requests: list[float] = []

    def ask(call: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        began = time.perf_counter()
        answer = call()
        requests.append(time.perf_counter() - began)
        return answer

    began = time.perf_counter()
    _, page = ask(lambda: browser.upload("/admin/devices/device/import/", name, data))
    steps = set()
    json_too = {"Accept": "application/json"}
    while (state := json.loads(ask(lambda: browser.get(f"{page}progress/"))[0]))["state"] == "Staging":
        steps.add(("read", state["done"]))
        time.sleep(0.3)
    while state["state"] == "Reading":
        state = json.loads(ask(lambda: browser.post(f"{page}next/", {}, **json_too))[0])
        steps.add(("checked", state["done"]))
    previewed = time.perf_counter()
    ask(lambda: browser.get(page))
    ask(lambda: browser.post(f"{page}confirm/", {}))
    while (state := json.loads(ask(lambda: browser.get(f"{page}progress/"))[0]))["state"] == "Writing":
        steps.add(("written", state["done"]))
        time.sleep(0.3)
    written = time.perf_counter()
    shown, _ = browser.get(page)
    if not re.search(rf"{rows:,} devices imported", shown):
        sys.exit(f"The import did not succeed: {re.sub('<[^>]*>', ' ', shown)[-1500:]}")
    return f"{previewed - began:.1f} | {written - previewed:.1f} | {max(requests):.1f} | {len(steps)}"


def file_of(kind: str, rows: int, groups: int) -> bytes:
    """A spreadsheet of devices that are new, for a hundred groups."""
    prefix = {"csv": "0ABC", "xlsx": "0ABD"}[kind]
    lines = [["mac", "group", "location", "description"]]
    lines += [
        [f"{prefix}{n:08X}", f"Provider {12 + n % min(100, groups - 12):04} Networks", "", f"Desk {n}"]
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
