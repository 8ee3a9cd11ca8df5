"""The document says what it said before the views moved to REST framework's hooks. Until the last has moved."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.test import Client

BEFORE = Path(__file__).with_name("openapi_before.json.gz")

EXAMPLES = ("example", "examples")  # their names and number may change; test_openapi.py checks each
ANY_ORDER = ("required", "parameters", "tags", "security")

# Nodes that are meant to differ, by path.
MEANT = {
    "/components/schemas/Access/properties/mac/pattern",  # as that of a device
    "/components/schemas/Entry/description",  # for the reader of the document, not of the code
}


def test_the_document_is_the_same():
    before = json.loads(gzip.decompress(BEFORE.read_bytes()))
    after = json.loads(Client().get("/api/v1/schema").content)
    assert not [line for line in differences(before, after) if line.split(":")[0] not in MEANT]


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """One line for each node that differs: its path, a colon, and both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            if name in EXAMPLES and "properties" not in path.rpartition("/")[2]:
                continue
            yield from differences(before.get(name), after.get(name), f"{path}/{name}")
    elif isinstance(before, list) and isinstance(after, list):
        if path.rpartition("/")[2] in ANY_ORDER:
            before, after = sorted(before, key=json.dumps), sorted(after, key=json.dumps)
            if before and isinstance(before[0], dict) and "name" in before[0]:
                before, after = ({p["name"]: p for p in each} for each in (before, after))
                yield from differences(before, after, path)
                return
        if len(before) != len(after):
            yield f"{path}: {before!r} -> {after!r}"
        for number, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from differences(old, new, f"{path}/{number}")
    elif before != after:
        yield f"{path}: {before!r} -> {after!r}"


def test_a_difference_is_found():
    before = {"a": [{"b": 1}], "required": ["x", "y"], "example": 1}
    assert not list(differences(before, {"a": [{"b": 1}], "required": ["y", "x"], "example": 2}))
    assert list(differences(before, {"a": [{"b": 2}], "required": ["y", "x"]})) == ["/a/0/b: 1 -> 2"]
    assert list(differences(before, {"a": [{"b": 1}, {}], "required": ["x"]}))
