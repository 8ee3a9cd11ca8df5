"""Every form of a maker's request is treated as a bare MAC is, under ASGI and under WSGI."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import override_settings
from pytest_django.fixtures import Settings

from boot.logged import given_now
from devices.models import Access, Device
from locations.models import Answer
from tests.boot.test_app import PROXY, ask, ask_asgi, ask_wsgi, committed, refused, showing
from tests.conftest import Api, Cast, make_device, make_location

MAC = "000B828AA872"
GRANDSTREAM = "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872"
SHAPES = [
    (f"/{MAC}", "bare", ""),
    ("/000b.828a.a872", "bare", ""),
    ("/prov//cfg000b828aa872.xml", "file", "cfg000b828aa872.xml"),
    ("/000b828aa872/x/", "directory", ""),
    ("/cfggxp2135.xml", "common", "cfggxp2135.xml"),
]
AGENT = [("User-Agent", GRANDSTREAM)]
HEADERS_OF_SETTINGS = {"content-type", "content-length", "cache-control", "x-content-type-options"}


@pytest.fixture(autouse=True)
def _proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]


@pytest.mark.parametrize(("path", "kind", "name"), SHAPES)
@committed
def test_each_shape_is_redirected_counted_and_logged(cast: Cast, path: str, kind: str, name: str):
    device = make_device(cast.provider, MAC, make_location(cast.provider, "https://pbx.example/x/"))
    assert ask(path, headers=AGENT).headers["location"] == f"https://pbx.example/x/{name}"
    device.refresh_from_db()
    assert device.num_requests == 2
    assert set(Access.objects.values_list("mac", "path", "kind", "outcome")) == {(MAC, path, kind, "Redirected")}


@pytest.mark.parametrize(
    ("template", "sent_to"),
    [
        ("https://p.example/{FILE NAME}", ["000B828AA872.cfg", "cfg000b828aa872.xml"]),
        ("https://p.example/{mac address}.xml", ["000b828aa872.xml"] * 2),
        ("https://p.example/{MAC ADDRESS}.xml", ["000B828AA872.xml"] * 2),
    ],
)
@committed
def test_the_template_decides_the_name(cast: Cast, template: str, sent_to: list[str]):
    make_device(cast.provider, MAC, make_location(cast.provider, template))
    answers = [ask(path, headers=AGENT) for path in (f"/{MAC}", "/cfg000b828aa872.xml")]
    assert [answer.headers["location"] for answer in answers] == [f"https://p.example/{name}" for name in sent_to]


@pytest.mark.parametrize("directory", ["a" * 185, "a" * 300, "%C3%A9" * 33])
@committed
def test_of_a_long_path_the_log_keeps_the_beginning_and_no_other_mac(cast: Cast, directory: str):
    device = make_device(cast.provider, MAC, make_location(cast.provider, "https://pbx.example/x/"))
    make_device(cast.provider, "000B828AA870", device.location)
    path = f"/{directory}/000b828aa872.cfg"
    assert ask_wsgi(path).headers["location"] == "https://pbx.example/x/000b828aa872.cfg"
    logged = Access.objects.get()
    assert (logged.mac, logged.path, logged.kind) == (MAC, path[:200], "file")
    assert given_now(device, logged).url == "https://pbx.example/x/"  # the log does not tell the file


@pytest.mark.parametrize("path", [path for path, _, _ in SHAPES])
@committed
def test_refusals_have_the_same_bytes_whatever_the_shape(cast: Cast, path: str):
    assert ask(path, headers=AGENT) == refused(MAC)
    make_device(cast.provider, MAC)
    assert ask(path, headers=AGENT) == refused(MAC)
    Device.objects.update(location=make_location(cast.provider, mutual_auth=True))
    assert ask(path, headers=AGENT) == refused(MAC)
    assert ask(path, headers=[*AGENT, *showing("00908FAAAAAA")], source=PROXY) == refused(MAC)
    assert ask(path, headers=[*AGENT, *showing(MAC)], source=PROXY).status == 302


@committed
def test_all_shapes_of_a_mac_are_one_mac_of_the_limit(cast: Cast):
    with override_settings(UNKNOWN_MAC_LIMIT_PER_SOURCE=1):
        assert {ask(path, headers=AGENT).status for path, _, _ in SHAPES} == {404}
        assert ask("/cfg000b828aa873.xml").status == 429


@pytest.mark.parametrize(("path", "kind", "name"), SHAPES)
@committed
def test_a_put_is_refused_and_not_counted(cast: Cast, path: str, kind: str, name: str):
    device = make_device(cast.provider, MAC, make_location(cast.provider))
    answer = ask(path, "PUT", headers=AGENT)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    device.refresh_from_db()
    assert device.num_requests == Access.objects.count() == 0


@committed
def test_a_user_agent_is_believed_for_a_common_file_alone_and_where_the_path_names_no_other(cast: Cast):
    location = make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}")
    make_device(cast.provider, MAC, location)
    other = make_device(cast.provider, location=location)
    assert ask("/firmware.bin", headers=AGENT).status == 404
    assert ask("/cfggxp2135.xml").status == 404
    assert ask(f"/cfg{other.mac}.xml", headers=AGENT).headers["location"].endswith(other.mac)


# --- Settings in place of a redirect --------------------------------------------------------------------------


@pytest.fixture
def pointed(cast: Cast) -> Device:
    location = make_location(cast.provider, "https://pbx.example/a&b/", answer=Answer.SETTINGS)
    return make_device(cast.provider, MAC, location)


@committed
def test_a_phone_of_a_known_maker_gets_settings(pointed: Device):
    answer = ask("/cfg000b828aa872.xml", headers=AGENT)
    assert (answer.status, set(answer.headers)) == (200, HEADERS_OF_SETTINGS)
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert b"<P237>pbx.example/a&amp;b</P237>" in answer.body
    pointed.refresh_from_db()
    assert (pointed.num_requests, pointed.last_access_status) == (2, "Success")


@committed
def test_settings_name_the_file_that_was_asked_for(cast: Cast):
    location = make_location(cast.provider, "https://pbx.example/{FILE NAME}?x=1", answer=Answer.SETTINGS)
    make_device(cast.provider, "00156527C764", location)
    answer = ask("/00156527c764.cfg", headers=[("User-Agent", "Yealink SIP-T46S 66.86.0.15 00:15:65:27:c7:64")])
    assert answer.status == 200
    assert b"url = https://pbx.example/00156527c764.cfg?x=1\n" in answer.body


@pytest.mark.parametrize("user_agent", ["", "curl/8"])
@committed
def test_a_phone_of_an_unknown_maker_is_redirected(pointed: Device, user_agent: str):
    answer = ask("/cfg000b828aa872.xml", headers=[("User-Agent", user_agent)])
    assert (answer.status, answer.headers["location"]) == (302, "https://pbx.example/a&b/cfg000b828aa872.xml")


@committed
def test_settings_are_refused_as_a_redirect_is(pointed: Device):
    assert pointed.location is not None
    pointed.location.mutual_auth = True
    pointed.location.save()
    for one in (ask_asgi, ask_wsgi):
        assert one("/cfg000b828aa872.xml", headers=AGENT) == refused(MAC)


# --- Locations that say so ------------------------------------------------------------------------------------


def test_a_location_says_how_it_answers(administrator: Api, cast: Cast):
    body = {"url": "https://pbx.example/", "groupId": cast.provider.pk}
    location = (
        administrator.post("/locations", body | {"answer": "settings"}).json()["url"].removeprefix("/api/v1")
    )
    assert administrator.get(location).json()["answer"] == "settings"
    assert administrator.put(location, {"url": "https://pbx.example/"}).json()["answer"] == "settings"
    assert administrator.put(location, {"url": "https://pbx.example/", "answer": "redirect"}).status_code == 200
    unsaid = administrator.post("/locations", body | {"answer": None}).json()["url"].removeprefix("/api/v1")
    assert administrator.get(unsaid).json()["answer"] == "redirect"
    wrong: Any
    for wrong in ("", "Settings", 1, True):
        refusal = administrator.post("/locations", body | {"answer": wrong})
        assert (refusal.status_code, refusal.json()["errors"][0]["field"]) == (400, "answer")


@override_settings(ALLOWED_HOSTS=["redirect.example", ".boot.example", "testserver"])
def test_a_location_that_leads_back_here_is_refused_unless_it_stays_as_it_was(administrator: Api, cast: Cast):
    for host in ("redirect.example", "REDIRECT.example:8443", "a.boot.example"):
        answer = administrator.post("/locations", {"url": f"https://{host}/x/", "groupId": cast.provider.pk})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "url"
        assert "this service itself" in answer.json()["description"]
    old = make_location(cast.provider, "https://redirect.example/$mac")
    assert administrator.put(f"/locations/{old.pk}", {"url": old.url, "description": "old"}).status_code == 200
