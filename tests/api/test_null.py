"""null for an attribute that cannot be none: in a PUT it stays as it is, in a POST it has its default."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Group
from locations.models import Answer
from tests.conftest import Api, Cast, make_alert, make_key, make_location, make_webhook
from webhooks.models import Mode

MADE: dict[str, tuple[Callable[[Group], Any], tuple[str, ...]]] = {
    "groups": (lambda group: group, ("name",)),
    "keys": (lambda group: make_key(group)[0], ("name",)),
    "locations": (lambda group: make_location(group, answer=Answer.SETTINGS), ("answer",)),
    "webhooks": (make_webhook, ("url", "enabled")),
    "alerts": (
        lambda group: make_alert(group, mode=Mode.AT_ONCE, hour=9, time_zone="Asia/Kolkata"),
        ("mode", "hour", "timeZone", "enabled"),
    ),
}


@pytest.mark.parametrize("resource", MADE)
def test_null_in_a_put_leaves_it(administrator: Api, cast: Cast, resource: str) -> None:
    make, names = MADE[resource]
    path = f"/{resource}/{make(cast.provider).pk}"
    before = administrator.get(path).json()
    more = {"url": before["url"]} if resource == "locations" else {}
    for sent in (dict.fromkeys(names), *({name: None} for name in names)):
        answer = administrator.put(path, more | sent)
        assert (answer.status_code, answer.json()) == (200, before)


@pytest.mark.parametrize(
    ("resource", "body", "default"),
    [
        ("webhooks", {"url": "http://127.0.0.1:1/"}, {"enabled": True}),
        ("alerts", {}, {"mode": "Daily", "hour": 7, "timeZone": "UTC"}),
        ("locations", {"url": "https://pbx.example/"}, {"answer": Answer.REDIRECT.value}),
    ],
)
def test_null_in_a_post_is_the_default(
    administrator: Api, cast: Cast, resource: str, body: dict[str, Any], default: dict[str, Any]
) -> None:
    made = administrator.post(f"/{resource}", {"groupId": cast.provider.pk} | body | dict.fromkeys(default))
    assert made.status_code == 201, made.content
    shown = administrator.get(made.json()["url"].removeprefix("/api/v1")).json()
    assert shown == shown | default


def test_false_is_no_null(administrator: Api, cast: Cast) -> None:
    """A webhook may be made switched off, and is switched off and on."""
    body = {"groupId": cast.provider.pk, "url": "http://127.0.0.1:1/", "enabled": False}
    path = administrator.post("/webhooks", body).json()["url"].removeprefix("/api/v1")
    assert [administrator.put(path, {"enabled": to}).json()["enabled"] for to in (None, True, None, False)] == [
        False,
        True,
        True,
        False,
    ]
