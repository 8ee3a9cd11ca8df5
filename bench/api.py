"""Lists, searches and bulk calls of the service, over HTTP, with a token, on all its data."""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from bench.data import LOGIN_OPERATOR, LOGIN_RESELLER, PASSWORD, Data, random_macs
from bench.servers import SERVICE, running
from rig.clients import Integrator

BULK = 5_000
SORTABLE = (
    "id",
    "mac",
    "groupId",
    "groupName",
    "locationId",
    "locationUrl",
    "lastAccessStatus",
    "lastAccess",
    "numRequests",
    "description",
)

# What the lists must count, said in SQL of the bench's own.
COUNT = """
SELECT count(*) FROM devices_device
WHERE group_id IN (SELECT id FROM accounts_group WHERE {groups}) AND {condition}
"""
SEARCH = """(
    mac ILIKE '%{term}%' OR mac LIKE '%{digits}%' OR description ILIKE '%{term}%'
    OR group_id IN (SELECT id FROM accounts_group WHERE name ILIKE '%{term}%' AND {groups})
    OR location_id::text LIKE '%{term}%'
)"""


@dataclass(frozen=True)
class Timed:
    """One call: how many rows it found, and how long each try took, in ms."""

    kind: str
    title: str
    who: str
    total: int
    expected: int | None
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The time in the middle."""
        return statistics.median(self.times)

    @property
    def exact(self) -> bool:
        """Whether the total is what the database itself counts."""
        return self.expected is None or self.expected == self.total


def lists(data: Data, tries: int, progress: "tqdm[Any]") -> list[Timed]:
    """Each list so many times, after a first try that does not count; in turn for the operator and a reseller."""
    results = []
    with running(SERVICE, data.url) as on:
        for who in (LOGIN_OPERATOR, LOGIN_RESELLER):
            client = Integrator(on.port, who, PASSWORD)
            for kind, title, query, condition in queries(data):
                expected = _count(data, condition, who) if condition is not None else None
                total, times = 0, []
                for attempt in range(tries + 1):
                    status, answer = client.call("GET", "/devices", **query)
                    if status not in (200, 204):
                        progress.write(f"{title}: {status} {answer}", file=sys.stderr)
                    total = answer["pages"]["totalElements"] if status == 200 else 0
                    if attempt:
                        times.append(client.took * 1000)
                results.append(Timed(kind, title, who, total, expected, times))
                _tell(progress, results[-1])
    return results


def bulk(data: Data, tries: int, progress: "tqdm[Any]") -> list[Timed]:
    """5,000 devices are created, associated, disassociated, removed, so many times."""
    group = 12
    places = [group, group + data.groups]
    times: dict[str, list[float]] = {}
    made: dict[str, int] = {}
    with running(SERVICE, data.url) as on:
        client = Integrator(on.port, LOGIN_OPERATOR, PASSWORD)
        for attempt in range(tries + 1):
            macs = random_macs(BULK)
            keep = {"overrideCurrentAssociation": False}
            new = {"macList": macs, "description": "Made in bulk, on trial", **keep}
            for title, path, body in (
                ("create", "devices", {**new, "group": group}),
                ("associate", f"locations/{places[0]}/devices/associate", {"macList": macs, **keep}),
                (
                    "associate with another location",
                    f"locations/{places[1]}/devices/associate",
                    {"macList": macs, "overrideCurrentAssociation": True},
                ),
                ("disassociate", f"locations/{places[1]}/devices/disassociate", {"macList": macs}),
                ("remove", "devices/remove", {"macList": macs}),
            ):
                status, answer = client.call("POST", f"/{path}", body)
                made[title] = _changed(answer) if status < 300 else 0
                if made[title] != BULK:
                    progress.write(f"{title}: {status} {str(answer)[:200]}", file=sys.stderr)
                if attempt:
                    times.setdefault(title, []).append(client.took * 1000)
    results = [Timed("bulk", title, LOGIN_OPERATOR, made[title], BULK, times[title]) for title in times]
    for result in results:
        _tell(progress, result)
    return results


def _changed(answer: dict[str, Any]) -> int:
    """How many devices a bulk call says it has changed."""
    if "success" in answer:
        return int(answer["success"]["count"])
    if "deleted" in answer:
        return int(answer["deleted"])
    return int(answer["description"].split(" ", 1)[0])


def queries(data: Data) -> Iterator[tuple[str, str, dict[str, Any], str | None]]:
    """Kind, title, query string, and the same condition in SQL."""
    everything = "true"
    last = (data.devices + data.hot) // 25
    mac = data.one("SELECT mac FROM devices_device WHERE location_id = 7 ORDER BY id LIMIT 1")
    yield "list", "first page", {}, everything
    yield "list", "first page of 1,000", {"limit": 1000}, everything
    yield "list", "deep page (half-way)", {"page": last // 2}, everything
    yield "list", "deep page (the last of the reseller's)", {"page": max(last // 2 - 10, 1)}, everything
    yield "filter", "one group", {"filter": "(group=12)"}, "group_id = 12"
    yield (
        "filter",
        "one group of the reseller's",
        {"filter": f"(group={data.groups})"},
        f"group_id = {data.groups}",
    )
    yield "filter", "one location", {"filter": f"(locationId={data.groups})"}, f"location_id = {data.groups}"
    yield (
        "filter",
        "the large location",
        {"filter": f"(locationId={data.locations})"},
        f"location_id = {data.locations}",
    )
    yield "filter", "one MAC", {"filter": f"(mac='{mac}')"}, f"mac = '{mac}'"
    yield "filter", "assigned", {"filter": "(assigned=true)"}, "location_id IS NOT NULL"
    yield "filter", "not assigned", {"filter": "(assigned=false)"}, "location_id IS NULL"
    yield "filter", "status Success", {"filter": "(lastAccessStatus='Success')"}, "last_access_status = 'Success'"
    yield "filter", "numRequests>1", {"filter": "(numRequests>1)"}, "num_requests > 1"
    yield (
        "filter",
        "location URL contains",
        {"filter": "(locationUrl~'pbx77.')"},
        "location_id IN (SELECT id FROM locations_location WHERE url ILIKE '%pbx77.%')",
    )
    yield (
        "filter",
        "group name contains",
        {"filter": "(groupName~'0077')"},
        "group_id IN (SELECT id FROM accounts_group WHERE name ILIKE '%0077%')",
    )
    for title, term in (
        ("rare term", "defibrillator"),
        ("no hit", "zanzibar"),
        ("common word", "lobby"),
        ("part of a MAC", mac[2:9]),
        ("whole MAC", ":".join(mac[i : i + 2] for i in range(0, 12, 2))),
        ("group name", f"Provider {data.groups:04}"),
        ("all groups", "networks"),
        ("two letters", "on"),
        ("number", "977"),
    ):
        condition = SEARCH.replace("{term}", term).replace("{digits}", _hex(term))
        yield "search", title, {"filter": f"(search~'{term}')"}, condition
    yield "search", "common word, deep page", {"filter": "(search~'lobby')", "page": last // 20}, None
    yield "search", "common word, by last access", {"filter": "(search~'lobby')", "sort": "-lastAccess"}, None
    for attribute in SORTABLE:
        for sign in ("", "-"):
            yield "sort", sign + attribute, {"sort": sign + attribute}, None


def _hex(term: str) -> str:
    """A term as it could stand in a MAC, or what stands in none."""
    digits = term.replace(":", "").replace("-", "").upper()
    return digits if digits and set(digits) <= set("0123456789ABCDEF") else "-"


def _count(data: Data, condition: str, who: str) -> int:
    """What the list must tell as its total."""
    groups = "(id = 1 OR reseller_id = 1)" if who == LOGIN_RESELLER else "true"
    return int(data.one(COUNT.replace("{condition}", condition).replace("{groups}", groups)))


def _tell(progress: "tqdm[Any]", timed: Timed) -> None:
    wrong = "" if timed.exact else f"  EXPECTED {timed.expected:,}"
    who = "operator" if timed.who == LOGIN_OPERATOR else "reseller"
    progress.write(
        f"{timed.kind:7} {timed.title:40} {who:9} {timed.total:9,} rows  {timed.median:8.1f} ms"
        f"  ({min(timed.times):.1f} to {max(timed.times):.1f}){wrong}",
        file=sys.stderr,
    )
    progress.update()
