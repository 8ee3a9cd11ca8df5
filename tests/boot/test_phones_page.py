import runpy
import tomllib
from pathlib import Path

from boot import makers
from boot.settings_file import FORMS

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_tables_say() -> None:
    """`tools/phones` writes it anew."""
    page = runpy.run_path(str(ROOT / "tools/phones"))["page"]

    assert (ROOT / "docs/phones.md").read_text("utf-8") == page()


def test_every_maker_is_on_the_page() -> None:
    entries = tomllib.loads((ROOT / "docs/phones.toml").read_text("utf-8"))["maker"]
    named = {name for entry in entries for name in (entry["name"], *entry.get("also", ()))}
    known = {row.maker for table in (makers.AGENTS, makers.STARTS) for row in table}
    known |= {row.maker for row in makers.NAMED} | {maker for row in makers.COMMON for maker in row.makers}

    assert known | set(FORMS) <= named | {""}


def test_every_maker_whose_requests_are_tested_has_a_section_of_its_own() -> None:
    entries = tomllib.loads((ROOT / "docs/phones.toml").read_text("utf-8"))["maker"]
    names = tuple(name for entry in entries for name in (entry["name"], *entry.get("also", ())))
    requests = tomllib.loads((ROOT / "tests/boot/shapes.toml").read_text("utf-8"))["requests"]

    assert {row[1] for row in requests if not row[1].startswith(names)} == {"any", "none"}
