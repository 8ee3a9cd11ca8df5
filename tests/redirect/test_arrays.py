"""A list of any length as one parameter of a statement."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device
from redirect.db.arrays import integers, literal, table_of, table_of_rows, texts
from tests.conftest import Cast, make_device

ODD_TEXTS = ["", " ", "'", '"', "\\", "{a,b}", "NULL", "null", "é🎉", "%s", "[1]", "\n"]


def echoed(values: list[str] | list[int], kind: str) -> list[object]:
    """What the database makes of a list."""
    source, parameter = table_of(values, kind)  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT value FROM {source}", [parameter])  # noqa: S608 - a table expression, no value
        return [value for (value,) in cursor.fetchall()]


@pytest.mark.django_db
@pytest.mark.parametrize("values", [[], ODD_TEXTS, [str(number) for number in range(50_000)]])
def test_texts_reach_the_database_as_they_are(values: list[str]) -> None:
    assert echoed(values, "text") == values


@pytest.mark.django_db
@pytest.mark.parametrize("values", [[], [0, -1, 2**63 - 1, -(2**63)], list(range(50_000))])
def test_numbers_reach_the_database_as_they_are(values: list[int]) -> None:
    assert echoed(values, "bigint") == values


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, 50_000])
def test_columns_reach_the_database_side_by_side(number: int) -> None:
    names = [*ODD_TEXTS[: number * 20], *map(str, range(number))]
    counts = [None, *range(1, len(names))][: len(names)]
    source, parameters = table_of_rows({"name": "text", "count": "bigint"}, list(zip(names, counts, strict=True)))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, count FROM {source}", parameters)  # noqa: S608 - a table expression
        assert cursor.fetchall() == list(zip(names, counts, strict=True))


def test_in_a_list_of_50000_with_one_statement(cast: Cast) -> None:
    devices = [make_device(cast.provider, f"00908F{number:06X}") for number in range(3)]
    macs = [f"00908F{number:06X}" for number in range(1, 50_001)]
    with CaptureQueriesContext(connection) as queries:
        assert list(Device.objects.filter(mac__in=texts(macs)).order_by("mac")) == devices[1:]
        ids = [devices[0].pk, *range(10**6, 10**6 + 50_000)]
        assert list(Device.objects.filter(pk__in=integers(ids))) == devices[:1]
    assert len(queries) == 2


def test_in_no_list_is_nothing(cast: Cast) -> None:
    make_device(cast.provider)
    assert not Device.objects.filter(mac__in=texts([])).exists()
    assert not Device.objects.filter(pk__in=integers([])).exists()


def test_in_a_set(cast: Cast) -> None:
    device = make_device(cast.provider)
    assert Device.objects.filter(mac__in=texts({device.mac})).get() == device
    assert Device.objects.filter(pk__in=integers({device.pk: None}.keys())).get() == device


PRINTABLE = st.text(st.characters(codec="utf-8").filter(str.isprintable))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="arrays are PostgreSQL's")
@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | PRINTABLE | st.sampled_from(["", "NULL", "null", '"', "\\", "{a,b}", "\\u0041", " "])))
def test_an_array_literal_is_read_as_it_was_meant(values: list[str | None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [literal(values)])
        assert cursor.fetchone() == (values,)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="arrays are PostgreSQL's")
@pytest.mark.django_db
def test_a_literal_of_flags() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::boolean[]", [literal([True, False, None])])
        assert cursor.fetchone() == ([True, False, None],)
