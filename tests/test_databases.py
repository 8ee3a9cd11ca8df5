"""Which tests run on both databases: each that asks for one, however it does."""

from typing import Any

import pytest

from tests.databases import ASKED_LATE, pytest_runtest_teardown, reaches_database


def test_a_test_of_a_function_reaches_none(request: pytest.FixtureRequest) -> None:
    assert not reaches_database(request.node)


def test_a_fixture_of_a_fixture_reaches_it(request: pytest.FixtureRequest, cast: Any) -> None:
    assert reaches_database(request.node)


@pytest.mark.django_db
def test_a_mark_reaches_it(request: pytest.FixtureRequest) -> None:
    assert reaches_database(request.node)


@pytest.mark.skipif("False", reason="for the mark")
def test_a_condition_may_be_the_kind_of_database(request: pytest.FixtureRequest) -> None:
    assert reaches_database(request.node)


def test_what_is_asked_for_at_the_last_moment_fails(request: pytest.FixtureRequest) -> None:
    """The collection could not see it."""
    request.getfixturevalue("db")
    with pytest.raises(pytest.fail.Exception, match="among its arguments"):
        pytest_runtest_teardown(request.node)
    del request.node.stash[ASKED_LATE]
