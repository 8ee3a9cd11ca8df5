"""filter=, sort=, depth=, page= and limit= on the lists of devices and locations, against plain Python."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Group
from devices.models import Device
from locations.models import Location
from tests.conftest import Api, Cast, make_device, make_location, make_operator, make_user

CANARY = "canary"
DAY = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Row = dict[str, Any]


@dataclass
class Rows:
    """What the reseller's Administrator is to see, each row with its attributes as Python values."""

    devices: list[Row]
    locations: list[Row]


DESCRIPTIONS = [
    None,
    "",
    "élan vital",
    "ÉLAN VITAL",
    "100% sure",
    "1000 sure",
    "a_b",
    "aXb",
    "It's (so), said; she",
    "back\\slash",
    "lobby",
    "9d:89 lobby",
    "alpha",
    "ALPHA",
    "beta",
]
URLS = [
    "https://a.example/",
    "https://b.example/x_y/{MAC ADDRESS}",
    "tftp://10.1.2.3/100%25",
    "https://B.example/",
]
STATUSES = ["Success", "Fail", "Await access"]


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """15 devices and 6 locations of the reseller and its providers, and a stranger's that no answer may show."""
    groups = [cast.reseller, cast.provider, cast.sibling]
    foreign = [cast.stranger, cast.strangers_provider]
    for group in foreign:
        group.name = f"{CANARY} {group.name}"
    Group.objects.bulk_update(foreign, ["name"])
    last = [None, DAY, DAY + timedelta(seconds=1), None, DAY, DAY - timedelta(days=400)]
    *locations, hidden, hidden_below = Location.objects.bulk_create(
        [
            *(
                Location(
                    group=groups[number % 3],
                    url=url,
                    description=[None, "", "élan", "100%", "a_b", "ALPHA"][number],
                    mutual_auth=number in (1, 2),
                    last_access=last[number],
                )
                for number, url in enumerate([*URLS, URLS[0], URLS[1]])
            ),
            *(
                Location(
                    group=group, url=f"https://{CANARY}.example/", description=f"{CANARY} élan", last_access=DAY
                )
                for group in foreign
            ),
        ]
    )
    devices = []
    for number, description in enumerate(DESCRIPTIONS):
        group = groups[number % 3]
        own = [location for location in locations if location.group_id == group.pk]
        devices.append(
            Device(
                group=group,
                mac=f"00908F{number * 0x1D5A3 % 0xFFFFFF:06X}",
                location=own[number % 2] if number % 4 else None,
                description=description,
                last_access_status=STATUSES[number % 3],
                last_access=DAY + timedelta(seconds=number % 5) if number % 3 else None,
                num_requests=number % 4,
            )
        )
    others = [
        Device(
            group=location.group,
            mac=f"00908FCA{location.group_id % 0xFFFF:04X}",
            location=location,
            description=CANARY,
            num_requests=2,
        )
        for location in (hidden, hidden_below)
    ]
    Device.objects.bulk_create([*devices, *others])
    return Rows([device_row(device) for device in devices], [location_row(it, devices) for it in locations])


def device_row(device: Device) -> Row:
    return {
        "id": device.pk,
        "mac": device.mac,
        "groupId": device.group_id,
        "groupName": device.group.name,
        "locationId": device.location_id,
        "locationUrl": device.location.url if device.location else None,
        "lastAccessStatus": device.last_access_status,
        "lastAccess": device.last_access,
        "numRequests": device.num_requests,
        "description": device.description,
        "group": device.group_id,
        "assigned": device.location_id is not None,
    }


def location_row(location: Location, devices: list[Device]) -> Row:
    return {
        "id": location.pk,
        "url": location.url,
        "groupId": location.group_id,
        "groupName": location.group.name,
        "numDevices": sum(device.location_id == location.pk for device in devices),
        "description": location.description,
        "lastAccess": location.last_access,
        "mutualAuth": location.mutual_auth,
        "answer": location.answer,
        "group": location.group_id,
    }


TEXT, NUMBER, DATE, FLAG, MAC, SEARCH = "text", "number", "date", "flag", "mac", "search"
DEVICE_ATTRIBUTES = {
    "id": NUMBER,
    "mac": MAC,
    "groupId": NUMBER,
    "groupName": TEXT,
    "locationId": NUMBER,
    "locationUrl": TEXT,
    "lastAccessStatus": TEXT,
    "lastAccess": DATE,
    "numRequests": NUMBER,
    "description": TEXT,
}
LOCATION_ATTRIBUTES = {
    "id": NUMBER,
    "url": TEXT,
    "groupId": NUMBER,
    "groupName": TEXT,
    "numDevices": NUMBER,
    "description": TEXT,
    "lastAccess": DATE,
    "mutualAuth": FLAG,
    "answer": TEXT,
}
FIELDS = {
    "devices": DEVICE_ATTRIBUTES | {"group": NUMBER, "assigned": FLAG, "search": SEARCH},
    "locations": LOCATION_ATTRIBUTES | {"group": NUMBER, "search": SEARCH},
}
ATTRIBUTES = {"devices": DEVICE_ATTRIBUTES, "locations": LOCATION_ATTRIBUTES}
OPERATORS = {
    TEXT: ["=", "!=", "~", "!~"],
    MAC: ["=", "!=", "~", "!~"],
    NUMBER: ["=", "!=", "<", ">", "<=", ">="],
    DATE: ["=", "!=", "<", ">", "<=", ">="],
    FLAG: ["=", "!="],
    SEARCH: ["~", "!~"],
}
ALL_OPERATORS = ["=", "!=", "<", ">", "<=", ">=", "~", "!~"]


# --- The oracle: a filter evaluated in Python -----------------------------------------------------------------


def is_part(term: str, text: str | None) -> bool:
    return term.lower() in (text or "").lower()


def is_part_of_mac(term: str, mac: str) -> bool:
    digits = term.replace(":", "").replace("-", "")
    return bool(re.fullmatch("[0-9A-Fa-f]+", digits)) and is_part(digits, mac)


def found(row: Row, term: str) -> bool:
    """Whether a search finds the row: the attributes that the manual lists for its resource."""
    texts = ("groupName", "description", "url")
    ids = ("locationId",) if "mac" in row else ("id", "groupId")
    return (
        any(is_part(term, row.get(name)) for name in texts)
        or is_part_of_mac(term, row.get("mac", ""))
        or any(term.isdigit() and term in str(row[name]) for name in ids if row[name] is not None)
    )


def matches(row: Row, field: str, operator: str, value: Any) -> bool:
    """One comparison with one value; `operator` is none of the negated ones."""
    if field == "search":
        return found(row, value)
    held = row[field]
    if value == "":
        return held in (None, "")
    if field == "mac":
        return is_part_of_mac(value, held) if operator == "~" else re.sub("[:-]", "", value).upper() == held
    if operator == "~":
        return is_part(value, held)
    if operator == "=":
        return bool(held == value)
    comparisons: dict[str, Callable[[], bool]] = {
        "<": lambda: held < value,
        ">": lambda: held > value,
        "<=": lambda: held <= value,
        ">=": lambda: held >= value,
    }
    return held is not None and comparisons[operator]()


@dataclass
class Term:
    """`field operator value;value` with Python values."""

    field: str
    operator: str
    values: list[Any]

    def lets_through(self, row: Row) -> bool:
        positive = {"!=": "=", "!~": "~"}.get(self.operator, self.operator)
        return any(matches(row, self.field, positive, value) for value in self.values) == (
            positive == self.operator
        )


def spelled(draw: st.DrawFn, value: Any) -> str:
    """A value in one of the ways a caller may write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return draw(st.sampled_from([f"{value}", f"'{value}'"]))
    if isinstance(value, datetime):
        berlin = timezone(timedelta(hours=2))
        ways = ["%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S+00:00"]
        texts = [value.strftime(way) for way in ways]
        texts.append(value.astimezone(berlin).strftime("%Y-%m-%dT%H:%M:%S+0200"))
        return "'" + draw(st.sampled_from(texts)) + "'"
    return "'" + str(value).replace("'", "''") + "'"


def values_of(rows: list[Row], field: str, kind: str) -> st.SearchStrategy[Any]:
    """Values that are there, values beside them, and where it makes sense the empty one."""
    held = [row[field] for row in rows if row.get(field) is not None] if kind != SEARCH else []
    if kind == FLAG:
        return st.booleans()
    if kind == NUMBER:
        return st.sampled_from(sorted({number + step for number in held for step in (-1, 0, 1)}))
    if kind == DATE:
        return st.sampled_from(sorted({date + timedelta(seconds=step) for date in held for step in (-1, 0, 1)}))
    if kind == MAC:
        macs = [*held, *(":".join(re.findall("..", mac)).lower() for mac in held)]
        return st.sampled_from(macs + [mac[2:9] for mac in macs] + ["00-90-8f", "zz", "%", "a"])
    texts = [text for row in rows for text in row.values() if isinstance(text, str) and text]
    parts = ["élan", "ÉLAN", "É", "%", "_", "\\", "'", "a_b", "0%", "e", "1", "12", "9d:89", "0090", ":", CANARY]
    whole = st.sampled_from(held if held else texts).filter(bool)
    return whole | st.sampled_from(parts) | st.sampled_from(texts).map(lambda text: text[1:4] or text)


@st.composite
def filters(draw: st.DrawFn, rows: list[Row], fields: dict[str, str]) -> tuple[str, list[Term]]:
    """A filter as text, and as terms with Python values."""
    terms, texts = [], []
    for _ in range(draw(st.integers(1, 3))):
        field, kind = draw(st.sampled_from(sorted(fields.items())))
        operator = draw(st.sampled_from(OPERATORS[kind]))
        values = values_of(rows, field, kind)
        if operator in ("=", "!=") and field != "assigned":
            values |= st.just("")
        chosen = draw(st.lists(values, min_size=1, max_size=3))
        space = draw(st.sampled_from(["", " "]))
        texts.append(field + space + operator + space + f"{space};".join(spelled(draw, it) for it in chosen))
        terms.append(Term(field, operator, chosen))
    text = f",{draw(st.sampled_from(['', ' ']))}".join(texts)
    return draw(st.sampled_from([text, f"({text})"])), terms


def listed(api: Api, resource: str, **query: Any) -> list[Row]:
    answer = api.get(f"/{resource}", {"limit": 1000} | query)
    assert answer.status_code in (200, 204), answer.content
    assert CANARY.encode() not in answer.content
    found: list[Row] = answer.json()[resource] if answer.content else []
    return found


def ids(api: Api, resource: str, **query: Any) -> list[int]:
    return [row["id"] for row in listed(api, resource, **query)]


@given(data=st.data())
@settings(PROPERTY, max_examples=150)
@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_a_filter_lets_through_what_plain_python_does(administrator: Api, rows: Rows, resource: str, data) -> None:
    all_rows = getattr(rows, resource)
    text, terms = data.draw(filters(all_rows, FIELDS[resource]))
    expected = [row["id"] for row in all_rows if all(term.lets_through(row) for term in terms)]
    assert ids(administrator, resource, filter=text) == expected


@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_every_attribute_of_the_table_is_shown_and_can_be_filtered_by(administrator, rows: Rows, resource) -> None:
    """Some rows are found by each of their own values, and show exactly the attributes of the table."""
    for row in listed(administrator, resource)[::4]:
        assert set(row) == set(ATTRIBUTES[resource])
        for name, value in row.items():
            written = "''" if value is None else str(value).lower()
            if isinstance(value, str):
                written = "'" + value.replace("'", "''") + "'"
            assert row["id"] in ids(administrator, resource, filter=f"({name}={written})"), (name, value)
            assert row["id"] not in ids(administrator, resource, filter=f"({name}!={written})"), (name, value)


def test_a_list_shows_a_device_as_its_own_address_does(administrator: Api, rows: Rows) -> None:
    location = next(row["locationId"] for row in rows.devices if row["locationId"])

    for path in ("/devices", f"/locations/{location}/devices"):
        shown = administrator.get(path).json()["devices"]

        assert shown
        for row in shown:
            own = administrator.get(f"/devices/{row['id']}").json()
            assert json.dumps(row) == json.dumps(own)  # the order of the attributes as well


@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_an_operator_that_makes_no_sense_for_the_type_is_refused(administrator: Api, rows: Rows, resource) -> None:
    samples = {TEXT: "'a'", MAC: "'a'", NUMBER: "1", DATE: f"'{DAY.isoformat()}'", FLAG: "true", SEARCH: "'a'"}
    for field, kind in FIELDS[resource].items():
        for operator in ALL_OPERATORS:
            answer = administrator.get(f"/{resource}", {"filter": f"({field}{operator}{samples[kind]})"})
            good = operator in OPERATORS[kind]
            assert (answer.status_code in (200, 204)) is good, (field, operator)
            if not good:
                assert answer.status_code == 400
                assert "character 2" in answer.json()["description"]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("()", 2),
        ("(id=1", 6),
        ("id=1)", 5),
        ("(id=1)x", 7),
        ("(id=1,)", 7),
        ("(id=1;)", 7),
        ("(id)", 4),
        ("(nosuch=1)", 2),
        ("(id=1,nosuch=1)", 7),
        ("(ID=1)", 2),
        ("(description=lobby)", 14),
        ("(description='lobby)", 14),
        ("(description=5)", 14),
        ("(id='x')", 5),
        ("(id=true)", 5),
        ("(id=9223372036854775808)", 5),
        ("(assigned='true')", 11),
        ("(assigned=1)", 11),
        ("(lastAccess='yesterday')", 13),
        ("(lastAccess=5)", 13),
        ("(lastAccess='2026-02-30T00:00:00Z')", 13),
        ("(lastAccess<'')", 13),
        ("(numRequests>'')", 14),
        ("(search='')", 2),
        ("(" + ",".join(["id=1"] * 21) + ")", 102),
        ("(id=" + ";".join(["1"] * 101) + ")", 205),
        ("(search~'" + "x" * 2000 + "')", 2001),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_saying_where(
    administrator: Api, rows: Rows, text, position
) -> None:
    answer = administrator.get("/devices", {"filter": text})
    assert answer.status_code == 400
    assert f"character {position}." in answer.json()["description"]


def test_a_filter_may_hold_20_terms_and_100_values(administrator: Api, rows: Rows) -> None:
    terms = ",".join(["id>0"] * 19) + ",id=" + ";".join(str(row["id"]) for row in rows.devices[:5]) + ";0" * 76
    assert ids(administrator, "devices", filter=terms) == [row["id"] for row in rows.devices[:5]]


def test_the_plus_of_an_offset_may_stand_raw_in_the_query_string(administrator: Api, rows: Rows) -> None:
    expected = [row["id"] for row in rows.devices if row["lastAccess"] == DAY]
    for text in ("2026-03-01T12:00:00+0000", "2026-03-01T14:00:00+02:00", "2026-03-01T14:00:00%2B0200"):
        answer = administrator.get(f"/devices?filter=(lastAccess='{text}')")
        assert [row["id"] for row in answer.json()["devices"]] == expected


@pytest.mark.parametrize(
    ("term", "descriptions"),
    [
        ("élan", ["élan vital", "ÉLAN VITAL"]),
        ("ÉLAN", ["élan vital", "ÉLAN VITAL"]),
        ("%", ["100% sure"]),
        ("0% S", ["100% sure"]),
        ("a_b", ["a_b"]),
        ("_", ["a_b"]),
        ("\\", ["back\\slash"]),
        ("it''s (so), said; SHE", ["It's (so), said; she"]),
        ("vital", ["élan vital", "ÉLAN VITAL"]),
        (CANARY, []),
    ],
)
@pytest.mark.parametrize("field", ["search", "description"])
def test_contains_is_literal_and_knows_no_case(administrator: Api, rows: Rows, field, term, descriptions) -> None:
    found = listed(administrator, "devices", filter=f"({field}~'{term}')")
    assert [row["description"] for row in found] == descriptions


@pytest.mark.parametrize(
    "spelling", ["00908F0758D4", "00:90:8f:07:58:d4", "00-90-8F-07-58-d4", "07:58", "7:58-d", "0758d4"]
)
@pytest.mark.parametrize("field", ["search", "mac"])
def test_a_mac_is_found_in_any_spelling_and_by_a_part(administrator: Api, cast: Cast, field, spelling) -> None:
    device = make_device(cast.provider, "00908F0758D4")
    make_device(cast.provider, "00908F111111")
    assert ids(administrator, "devices", filter=f"({field}~'{spelling}')") == [device.pk]
    assert device.pk not in ids(administrator, "devices", filter=f"({field}!~'{spelling}')")


def test_a_search_looks_into_no_other_attribute(administrator: Api, cast: Cast) -> None:
    """Not into dates, counts, statuses or the URL of a device's location, says the manual's list."""
    location = make_location(cast.provider, "https://zzz.example/")
    make_device(cast.provider, "00908F000000", location, num_requests=777777, last_access=DAY)
    for term in ("zzz", "777777", "2026", "Await"):
        assert ids(administrator, "devices", filter=f"(search~'{term}')") == [], term
    for term in ("false", "2026"):
        assert ids(administrator, "locations", filter=f"(search~'{term}')") == [], term


def test_ids_are_found_in_decimal(administrator: Api, cast: Cast) -> None:
    location = make_location(cast.provider, "https://pbx.example/", id=7654321)
    other = make_location(cast.provider, "https://pbx.example/", id=7654399)
    device = make_device(cast.provider, "00908F000000", location)
    make_device(cast.provider, "00908F000001", other)
    assert ids(administrator, "devices", filter="(search~'54321')") == [device.pk]
    assert ids(administrator, "locations", filter="(search~'54321')") == [location.pk]
    assert ids(administrator, "locations", filter="(search~'76543')") == [location.pk, other.pk]


@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_filters_of_foreign_groups_find_nothing_as_if_there_were_none(administrator, cast, rows, resource) -> None:
    foreign = Location.objects.filter(group__in=[cast.stranger, cast.strangers_provider])
    texts = [f"group={cast.stranger.pk}", f"group={cast.strangers_provider.pk}", "group=999999"]
    texts += [
        f"groupId={cast.stranger.pk}",
        f"groupName~'{CANARY}'",
        f"search~'{CANARY}'",
        f"description~'{CANARY}'",
    ]
    if resource == "devices":
        texts += [f"locationId={foreign[0].pk}", f"locationUrl~'{CANARY}'", "mac~'8FCA'"]
    for text in texts:
        answer = administrator.get(f"/{resource}", {"filter": f"({text})"})
        assert (answer.status_code, answer.content) == (204, b""), text


def test_group_is_that_group_alone(administrator: Api, cast: Cast, rows: Rows) -> None:
    for group in (cast.reseller, cast.provider):
        expected = [row["id"] for row in rows.devices if row["groupId"] == group.pk]
        assert ids(administrator, "devices", filter=f"(group={group.pk})") == expected
    both = f"(group={cast.reseller.pk};{cast.stranger.pk};{cast.sibling.pk})"
    expected = [row["id"] for row in rows.devices if row["groupId"] in (cast.reseller.pk, cast.sibling.pk)]
    assert ids(administrator, "devices", filter=both) == expected


# --- Sort -----------------------------------------------------------------------------------------------------


def in_order(rows: list[Row], names: list[tuple[str, bool]]) -> list[int]:
    """The ids as `sort` is to give them: (attribute, descending), empty values last, the id breaks ties."""
    rows = sorted(rows, key=lambda row: int(row["id"]))
    for name, descending in reversed(names):
        full = [row for row in rows if row[name] not in (None, "")]
        full.sort(key=lambda row: row[name], reverse=False)
        if descending:
            values = sorted({row[name] for row in full}, reverse=True)
            full = [row for value in values for row in full if row[name] == value]
        rows = full + [row for row in rows if row[name] in (None, "")]
    return [row["id"] for row in rows]


@pytest.fixture
def plain_rows(cast: Cast, rows: Rows) -> Rows:
    """The same rows with texts whose order no collation argues about."""
    words = ["alpha", "beta", "gamma", None, ""]
    for number, row in enumerate(rows.devices):
        row["description"] = words[number % 5]
        Device.objects.filter(pk=row["id"]).update(description=words[number % 5])
    for number, row in enumerate(rows.locations):
        row |= {"description": words[number % 5], "url": f"https://{'abc'[number % 3]}.example/"}
        Location.objects.filter(pk=row["id"]).update(description=row["description"], url=row["url"])
    urls = {row["id"]: row["url"] for row in rows.locations}
    for row in rows.devices:
        row["locationUrl"] = urls.get(row["locationId"])
    return rows


@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_sort_takes_every_attribute_both_ways(administrator: Api, plain_rows: Rows, resource: str) -> None:
    all_rows = getattr(plain_rows, resource)
    for name in ATTRIBUTES[resource]:
        for descending in (False, True):
            got = ids(administrator, resource, sort="-" * descending + name)
            assert got == in_order(all_rows, [(name, descending)]), (name, descending)


@given(data=st.data())
@settings(PROPERTY, max_examples=40)
@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_sort_takes_several_attributes(administrator: Api, plain_rows: Rows, resource: str, data) -> None:
    one = st.tuples(st.sampled_from(sorted(ATTRIBUTES[resource])), st.booleans())
    names = data.draw(st.lists(one, min_size=1, max_size=4))
    text = ",".join("-" * descending + name for name, descending in names)
    assert ids(administrator, resource, sort=text) == in_order(getattr(plain_rows, resource), names)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "nosuch",
        "ID",
        "--id",
        "+id",
        "id;mac",
        "id,",
        ",id",
        "group",
        "search",
        "assigned",
        "group__name",
        "?",
    ],
)
def test_an_unknown_sort_is_refused(administrator: Api, rows: Rows, text: str) -> None:
    answer = administrator.get("/devices", {"sort": text})
    assert answer.status_code == 400
    assert "sort" in answer.json()["description"]


# --- Pages ----------------------------------------------------------------------------------------------------


@given(data=st.data())
@settings(PROPERTY, max_examples=15)
@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_the_pages_together_are_the_whole(administrator: Api, rows: Rows, resource: str, data) -> None:
    """Whatever the order: no page repeats or skips a row."""
    limit = data.draw(st.integers(1, 17))
    sort = data.draw(
        st.sampled_from(["id", *("-" + name for name in ATTRIBUTES[resource]), *ATTRIBUTES[resource]])
    )
    whole = ids(administrator, resource, sort=sort)
    seen: list[int] = []
    total = -(-len(whole) // limit)
    for page in range(1, total + 1):
        answer = administrator.get(f"/{resource}", {"sort": sort, "limit": limit, "page": page})
        assert list(answer.json()) == [resource, "pages"]
        pages = {"total": total, "totalElements": len(whole), "size": limit, "current": page}
        assert answer.json()["pages"] == pages
        seen += [row["id"] for row in answer.json()[resource]]
    assert seen == whole
    past = administrator.get(f"/{resource}", {"sort": sort, "limit": limit, "page": total + 1})
    assert (past.status_code, past.content) == (204, b"")


def test_a_page_has_25_rows_unless_told_otherwise(administrator: Api, cast: Cast) -> None:
    Device.objects.bulk_create(Device(group=cast.provider, mac=f"00908F{number:06X}") for number in range(26))
    answer = administrator.get("/devices").json()
    assert len(answer["devices"]) == 25
    assert answer["pages"] == {"total": 2, "totalElements": 26, "size": 25, "current": 1}


@pytest.mark.parametrize("limit", [1001, 999_999_999])
def test_a_limit_over_1000_is_served_and_shown_as_1000(administrator: Api, cast: Cast, limit: int) -> None:
    Device.objects.bulk_create(Device(group=cast.provider, mac=f"00908F{number:06X}") for number in range(1001))
    first = administrator.get("/devices", {"limit": limit}).json()
    assert len(first["devices"]) == 1000
    assert first["pages"] == {"total": 2, "totalElements": 1001, "size": 1000, "current": 1}
    second = administrator.get("/devices", {"limit": limit, "page": 2}).json()
    assert [device["mac"] for device in second["devices"]] == ["00:90:8F:00:03:E8"]


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize(
    "text", ["0", "-1", "+1", "1.0", "1e2", "x", "", " 1", "1 ", "٣", "²", "0x1", "1000000000"]
)
def test_a_page_or_limit_that_is_no_number_from_1_is_refused(administrator, rows, name: str, text: str) -> None:
    answer = administrator.get("/devices", {name: text})
    assert answer.status_code == 400
    assert name in answer.json()["description"]


def test_the_largest_page_is_past_the_end(administrator: Api, rows: Rows) -> None:
    assert administrator.get("/devices", {"page": "999999999", "limit": "999999999"}).status_code == 204


# --- Depth ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", ["devices", "locations"])
@pytest.mark.parametrize(
    ("who", "high_level", "all_groups"),
    [
        ("reseller", ["reseller"], ["reseller", "provider", "sibling"]),
        ("provider", ["provider"], ["provider"]),
        (
            "operator",
            ["reseller", "stranger"],
            ["reseller", "provider", "sibling", "stranger", "strangers_provider"],
        ),
    ],
)
def test_depth(cast: Cast, resource: str, who: str, high_level: list[str], all_groups: list[str]) -> None:
    for group in vars(cast).values():
        make_device(group, location=make_location(group))
    api = Api(make_operator() if who == "operator" else make_user(getattr(cast, who)))

    def groups(**query: Any) -> set[int]:
        return {row["groupId"] for row in listed(api, resource, **query)}

    def expected(names: list[str]) -> set[int]:
        return {getattr(cast, name).pk for name in names}

    assert groups(depth=0) == expected(high_level)
    assert groups(depth=1) == groups() == expected(all_groups)
    # Scope, depth and filter all must hold.
    one = cast.provider.pk
    assert groups(depth=0, filter=f"(group={one})") == ({one} if who == "provider" else set())


@pytest.mark.parametrize("text", ["2", "-1", "", "x", "01", "true", "0.0"])
def test_another_depth_is_refused(administrator: Api, rows: Rows, text: str) -> None:
    assert administrator.get("/devices", {"depth": text}).status_code == 400


# --- The query string -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", ["devices", "locations"])
@pytest.mark.parametrize(
    "query",
    [
        "x=1",
        "Page=1",
        "page=1&page=1",
        "filter=id=1&filter=id=1",
        "sort=id&sort=id",
        "depth=1&depth=1",
        "format=json",
        "=",
    ],
)
def test_an_unknown_or_repeated_parameter_is_refused(administrator: Api, rows: Rows, resource, query) -> None:
    assert administrator.get(f"/{resource}?{query}").status_code == 400


@pytest.mark.parametrize("resource", ["devices", "locations"])
def test_a_list_with_nothing_in_it_is_no_content(administrator: Api, resource: str) -> None:
    answer = administrator.get(f"/{resource}")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "query", ["filter=%00", "filter=(search~'%ED%A0%80')", "sort=%00", "page=%00", "%00=1", "filter=%FF"]
)
def test_bytes_that_are_no_text_are_never_a_server_error(administrator: Api, rows: Rows, query: str) -> None:
    assert administrator.get(f"/devices?{query}").status_code in (204, 400)
