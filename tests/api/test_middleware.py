"""What holds for every address of the API."""

import gzip

import pytest
from django.test import Client

from tests.conftest import Api, Cast

BODY = b'{"groupId": 1, "macList": ["00908F9D8992"]}'


@pytest.mark.parametrize("path", ["/devices", "/users/me", "/groups/999999", "/no/such/address", "/openapi.json"])
def test_no_cache_keeps_an_answer(administrator: Api, path: str) -> None:
    """Tokens and customers' data come in them, and a 404 may be a row a moment later."""
    assert administrator.get(path)["Cache-Control"] == "no-store"


def test_no_cache_keeps_a_refusal_or_a_token(cast: Cast) -> None:
    assert Api().get("/devices")["Cache-Control"] == "no-store"
    assert Api().post("/login", {"userName": "x", "password": "y"})["Cache-Control"] == "no-store"


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_coded_body_is_415(administrator: Api, coding: str) -> None:
    answer = administrator.client.post(
        "/api/v1/devices/remove",
        gzip.compress(BODY),
        content_type="application/json",
        headers={**administrator.headers, "Content-Encoding": coding},
    )
    assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json()["description"]


def test_a_body_as_it_is_may_say_so(administrator: Api) -> None:
    answer = administrator.client.post(
        "/api/v1/devices/remove",
        BODY,
        content_type="application/json",
        headers={**administrator.headers, "Content-Encoding": "identity"},
    )
    assert answer.status_code != 415


def test_a_refused_host_is_told_how_long_the_answer_is(client: Client) -> None:
    answer = client.get("/", headers={"host": "192.0.2.7"})
    assert answer.status_code == 400
    assert answer.headers["Content-Length"] == str(len(answer.content))
