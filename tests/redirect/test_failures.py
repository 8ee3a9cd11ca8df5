"""The table of SQLSTATEs, through each door that asks it: phones, API, admin."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from typing import cast as typed
from unittest.mock import patch

import psycopg
import pytest
from django.db import DatabaseError, DataError, IntegrityError, InternalError, OperationalError
from django.test import RequestFactory

from api.exceptions import as_api_error
from boot.connection import ReconnectingConnection
from boot.recorder import DatabaseUnavailable, SerializationConflict, StatementRejected
from desk import error_pages
from redirect.db.failures import Failure, failure_of

AWAY, GAVE_UP, LOST_RACE, REFUSED = Failure.AWAY, Failure.GAVE_UP, Failure.LOST_RACE, Failure.REFUSED

# What each code means, told apart from the table of the service.
MEANT = {
    "08000": AWAY, "08001": AWAY, "08003": AWAY, "08004": AWAY, "08006": AWAY, "08007": AWAY, "08P01": AWAY,
    "25006": AWAY, "25P03": AWAY, "25P04": AWAY, "28000": AWAY, "28P01": AWAY, "3D000": AWAY, "40003": AWAY,
    "53300": AWAY, "57P01": AWAY, "57P02": AWAY, "57P03": AWAY, "57P04": AWAY, "57P05": AWAY,
    "53100": GAVE_UP, "53200": GAVE_UP, "53400": GAVE_UP, "55006": GAVE_UP, "55P03": GAVE_UP, "57014": GAVE_UP,
    "58000": GAVE_UP, "58030": GAVE_UP,
    "40001": LOST_RACE, "40P01": LOST_RACE,
    "22001": REFUSED, "22P02": REFUSED, "23505": REFUSED, "23503": REFUSED, "25P02": REFUSED, "42P01": REFUSED,
    "42501": REFUSED, "54000": REFUSED, "XX000": REFUSED,
}  # fmt: skip


def raised_by_psycopg(code: str) -> psycopg.Error:
    return psycopg.errors.lookup(code)("told by the server")


def raised_by_django(code: str) -> DatabaseError:
    """As Django's wrapper makes it of psycopg's."""
    cause = raised_by_psycopg(code)
    kinds = (IntegrityError, OperationalError, InternalError, DataError, DatabaseError)
    kind = next(kind for kind in kinds if isinstance(cause, getattr(psycopg, kind.__name__)))
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("code", MEANT)
def test_the_code_means_the_same_to_all(code: str):
    assert failure_of(raised_by_psycopg(code)) is MEANT[code]
    assert failure_of(raised_by_django(code)) is MEANT[code]


class Refusing:
    """A connection whose server answers each statement by an error, and stays."""

    closed = False

    def __init__(self, error: psycopg.Error) -> None:
        self.error, self.closed_by_us = error, False

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error

    async def close(self) -> None:
        self.closed_by_us = True


class Opening:
    """In the place of psycopg.AsyncConnection."""

    def __init__(self, connections: Iterator[Refusing]) -> None:
        self.connections = connections

    async def connect(self, **parameters: Any) -> Refusing:
        return next(self.connections)


@pytest.mark.parametrize("code", MEANT)
def test_what_phones_make_of_it(code: str):
    """A server that is away is left, and another connection is opened; nothing else costs a connection."""
    expected = {LOST_RACE: SerializationConflict, REFUSED: StatementRejected}.get(MEANT[code], DatabaseUnavailable)
    opened = [Refusing(raised_by_psycopg(code)) for _ in range(2)]

    async def scenario() -> None:
        connections = iter(opened)
        with (
            patch("boot.connection.psycopg.AsyncConnection", Opening(connections)),
            patch("boot.connection._is_cut", lambda connection: False),
        ):
            link = ReconnectingConnection("database", {})
            with pytest.raises(expected) as raised:
                await link.execute("SELECT 1", {}, 5)
            assert not getattr(raised.value, "in_doubt", False)
            await link.connect()
            assert opened[0].closed_by_us is (MEANT[code] is AWAY)
            assert link._connection is typed(Any, opened[1 if MEANT[code] is AWAY else 0])
            await link.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("code", MEANT)
def test_what_api_and_admin_make_of_it(code: str):
    error = raised_by_django(code)
    if MEANT[code] is REFUSED:
        expected = 409 if isinstance(error, IntegrityError) else 500
    else:
        expected = 409 if MEANT[code] is LOST_RACE else 503
    refusal = as_api_error(error)
    assert (refusal.status if refusal else 500) == expected
    if refusal:
        assert "told by the server" not in json.dumps(refusal.body)
    try:
        raise error
    except DatabaseError:
        page = error_pages.handler500(RequestFactory().get("/admin/"))
    assert page.status_code == expected


def test_errors_without_a_code_are_told_by_their_class():
    assert failure_of(OperationalError("database is locked")) is AWAY  # SQLite
    assert failure_of(psycopg.OperationalError("server closed the connection unexpectedly")) is AWAY
    assert failure_of(psycopg.InterfaceError("the connection is closed")) is AWAY
    assert failure_of(psycopg.DataError("PostgreSQL text fields cannot contain NUL")) is REFUSED
    assert failure_of(IntegrityError("UNIQUE constraint failed")) is REFUSED
