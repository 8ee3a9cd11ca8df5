#!/usr/bin/env bash
# python-calamine 0.9.1: a cell with a formula whose result was never stored, as every library but a spreadsheet
# program writes it, and a cell with an error value come back as the empty text, exactly as an empty cell does. A list
# of devices with formulas in the column of locations thus reads as a list of devices without locations.
#
# This product looks into the sheet's own XML for such cells and makes each row with one a bad row that says so
# (devices/imports/workbook_xml.py; tests/devices/test_workbook.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check python-calamine==0.9.1 openpyxl==3.1.5 2>/dev/null
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

import python_calamine
from openpyxl import Workbook

book = Workbook()
sheet = book.active
sheet.append(["mac", "group", "location"])
sheet.append(["00:90:8F:9D:89:92", "Acme", '="https://pbx.example/" & "cfg/"'])  # no result is stored
sheet.append(["00:90:8F:9D:89:93", "Acme", "#N/A"])  # openpyxl stores the text of an error as an error
sheet.append(["00:90:8F:9D:89:94", "Acme", None])
assert sheet["C3"].data_type == "e"
book.save("devices.xlsx")
rows = python_calamine.load_workbook("devices.xlsx").get_sheet_by_index(0).to_python()
print("python-calamine", version("python-calamine"))
for title, row in zip(("formula without a result", "error value", "empty"), rows[1:]):
    print(f"{title}: {row[2]!r}")
if [row[2] for row in rows[1:]] != ["", "", ""]:
    sys.exit("CHANGED: not as described")
print("As described: all three look empty.")
PY
