"""The device page over HTTP: what it tells in each situation, who may read it, and the look-up without a phone."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from boot.rate_limit import unknown_macs
from desk.device_page import REQUESTS_SHOWN
from devices.hints import Hint
from devices.models import Access, AccessStatus, Device, Outcome
from locations.models import Location
from tests.conftest import Cast, make_access, make_device, make_location, make_operator, make_user

MAC = "00908F9D8992"
DEVICES, ACCESSES = "/admin/devices/device/", "/admin/devices/access/"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of()


def browser_of(*permissions: str) -> Client:
    """Of a platform operator, or of support staff with these permissions."""
    user = make_user(None, None, is_staff=True) if permissions else make_operator()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def device(cast: Cast) -> Device:
    return make_device(cast.provider, MAC, make_location(cast.provider, "https://pbx.example/{MAC ADDRESS}.cfg"))


def page_of(device: Device) -> str:
    return f"{DEVICES}{device.pk}/change/"


def text_of(answer: Any) -> str:
    """What a person reads."""
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def ask(**headers: str) -> Any:
    """A real phone asks."""
    return Client().get(f"/{MAC}", headers=headers)


def certificate(mac: str) -> dict[str, str]:
    """The headers by which the proxy hands on a phone's certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Client_{mac}")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, KEY.public_key(), 7, now - timedelta(days=1), now + timedelta(days=1)
    )
    pem = made.sign(KEY, SHA256()).public_bytes(Encoding.PEM).decode()
    return {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": quote(pem, safe="")}


@pytest.fixture
def trusted_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1/32")]


# --- What it tells ----------------------------------------------------------------------------------------------


def test_a_phone_that_never_sent_a_request(operator, device):
    text = text_of(operator.get(page_of(device)))
    for words in (
        "This phone has never sent a request.",
        "Check that the firewall of its site",
        "Berlin Phones",
        "Acme Voice",
        f"https://pbx.example/{MAC}.cfg",
        "Last request Never",
        "Not required",
        "No request in the last 30 days.",
        "None is known.",
        "Created ",
    ):
        assert words in text


def test_a_phone_that_was_redirected(operator, device):
    assert ask(**{"User-Agent": "AUDC-IPPhone-C450HD/1"}).status_code == 302
    text = text_of(operator.get(page_of(device)))
    for words in (
        "The phone was redirected: nothing failed here.",
        "Its request came less than a minute ago (",
        "UTC) from 127.0.0.1",
        "AUDC-IPPhone-C450HD/1",
        "no certificate",
        "Status Success",
        "Requests so far 1",
        "1 request in 30 days: 1 redirected.",
    ):
        assert words in text


@pytest.mark.usefixtures("trusted_proxy")
@pytest.mark.parametrize(
    ("location", "shown", "headline"),
    [
        (None, None, "Refused: the device has no location."),
        ("strict", None, "Refused: the phone showed no certificate."),
        ("strict", "00908FAAAAAA", "Refused: the certificate belongs to another device."),
        ("strict", MAC, "The phone was redirected: nothing failed here."),
    ],
)
def test_what_a_real_request_met_is_told(operator, cast: Cast, location, shown, headline):
    place = make_location(cast.provider, mutual_auth=True) if location else None
    device = make_device(cast.provider, MAC, place)
    ask(**(certificate(shown) if shown else {}))
    text = text_of(operator.get(page_of(device)))
    assert headline in text
    assert "TRUSTED_PROXIES" not in text
    assert Access.objects.get().get_outcome_display() in text
    if shown:
        assert f"Last shown less than a minute ago ({Access.objects.get().time:%Y-%m-%d}" in text
        assert f"CN=Client_{shown}" in text


def test_without_a_trusted_proxy_the_page_says_so(operator, cast: Cast):
    device = make_device(cast.provider, MAC, make_location(cast.provider, mutual_auth=True))
    ask(**certificate(MAC))
    assert "the setting TRUSTED_PROXIES is empty" in text_of(operator.get(page_of(device)))


def test_a_phone_that_sent_a_request_before_its_device_was_added(operator, cast: Cast):
    ask()
    device = make_device(cast.provider, MAC, make_location(cast.provider))
    text = text_of(operator.get(page_of(device)))
    assert "The last request came before the device was added." in text
    assert "no group owned this MAC" in text


def test_a_phone_that_was_moved_shows_who_had_it_at_each_request(operator, cast: Cast, device):
    make_access(device, Outcome.NO_LOCATION)
    Device.objects.filter(pk=device.pk).update(group=cast.sibling, location=None)
    text = text_of(operator.get(page_of(device)))
    assert "No request has come since the device was moved to Munich Phones." in text
    assert "belonged to Berlin Phones" in text
    make_access(Device.objects.get(pk=device.pk), Outcome.NO_LOCATION)
    text = text_of(operator.get(page_of(device)))
    assert "Refused: the device has no location." in text
    assert text.count("belonged to Berlin Phones") == 1


def test_the_newest_requests_are_listed_and_lead_to_all(operator, device):
    for number in range(REQUESTS_SHOWN + 5):
        make_access(device, time=timezone.now() - timedelta(minutes=number), address=f"192.0.2.{number}")
    page = operator.get(page_of(device))
    text = text_of(page)
    assert f"192.0.2.{REQUESTS_SHOWN - 1} " in text
    assert f"192.0.2.{REQUESTS_SHOWN} " not in text
    (link,) = re.findall(rf'href="({ACCESSES}[^"]*)"', page.content.decode().split("Last requests")[1])
    assert len(operator.get(link).context["cl"].result_list) == REQUESTS_SHOWN + 5


def test_the_chart_counts_by_day_and_outcome_and_says_so_in_words(operator, device, monkeypatch):
    now = timezone.now()
    for days, outcome in (
        (0, Outcome.NO_LOCATION),
        (3, Outcome.REDIRECTED),
        (3, Outcome.REDIRECTED),
        (40, "Unknown"),
    ):
        make_access(device, outcome, time=now - timedelta(days=days))
    answer = operator.get(page_of(device))
    page = answer.context["page"]
    assert "3 requests in 30 days: 2 redirected, 1 refused: no location." in text_of(answer)
    day = (now - timedelta(days=3)).date()
    assert page.chart.rows == [(now.date(), [0, 1]), (day, [2, 0])]
    assert b'class="chart"' in answer.content
    monkeypatch.setattr("desk.device_page.REQUESTS_DRAWN", 1)
    assert "The newest 1 request in 30 days" in text_of(operator.get(page_of(device)))


def test_who_changed_it_in_the_admin_is_told(operator, cast: Cast, device):
    sent = {"group": cast.provider.pk, "location": device.location_id, "description": "Lobby"}
    assert operator.post(page_of(device), sent).status_code == 302
    assert "description nothing → Lobby" in text_of(operator.get(page_of(device)))


def test_a_form_that_is_sent_back_leaves_the_diagnosis_true(operator, cast: Cast, device):
    foreign = make_location(cast.sibling)
    text = text_of(operator.post(page_of(device), {"location": foreign.pk}))
    assert "This location belongs to Munich Phones" in text
    assert "Owner Berlin Phones" in text


def test_the_statements_of_the_page_do_not_grow_with_the_log(operator, device):
    def statements() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(page_of(device)).status_code == 200
        return [query["sql"] for query in captured.captured_queries]

    make_access(device)
    statements()  # content types are asked for once
    few = statements()
    now = timezone.now()
    for number in range(500):
        outcome = list(Outcome)[number % 5]
        make_access(device, outcome, time=now - timedelta(hours=number), certificate_subject="CN=x")
    many = statements()
    assert len(many) == len(few), many


def test_a_request_tells_where_its_mac_stood_and_whose_phones_ask_so(operator, device):
    agent = "Mozilla/4.0 (compatible; snom370-SIP 8.4.35 1.1.5-IFX-05.01.12)"
    Client().get(f"/prov/?mac={MAC}", headers={"User-Agent": agent})
    assert "/prov/ with its MAC in the query, as Snom devices do" in text_of(operator.get(page_of(device)))


def test_what_a_phone_says_of_itself_is_text(operator, device):
    ask(**{"User-Agent": "<script>alert(1)</script>"})
    page = operator.get(page_of(device)).content
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert(1)" in page


# --- Who may ----------------------------------------------------------------------------------------------------


def test_who_may_look_reads_the_diagnosis_and_who_may_not_does_not(device):
    viewer = browser_of("view_device")
    page = viewer.get(page_of(device))
    assert "This phone has never sent a request." in text_of(page)
    assert "What is set" in text_of(page)
    assert ACCESSES not in page.content.decode()
    assert viewer.post(f"{DEVICES}{device.pk}/look-up/").status_code == 200
    other = browser_of("view_location", "view_access")
    assert other.get(page_of(device)).status_code == 403
    assert other.post(f"{DEVICES}{device.pk}/look-up/").status_code == 403
    assert Client().post(f"{DEVICES}{device.pk}/look-up/").status_code == 302


def test_the_look_up_takes_a_post_with_its_token(device):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_operator())
    assert strict.post(f"{DEVICES}{device.pk}/look-up/").status_code == 403
    assert strict.get(f"{DEVICES}{device.pk}/look-up/")["Location"] == page_of(device)
    form = strict.get(page_of(device)).content.decode().split("/look-up/")[-1].split("</form>")[0]
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[0]
    sent = {"csrfmiddlewaretoken": token}
    assert strict.post(f"{DEVICES}{device.pk}/look-up/", sent).status_code == 200


def test_the_look_up_of_a_device_that_is_gone_leads_back(operator, device):
    assert operator.post(f"{DEVICES}{device.pk + 1}/look-up/").status_code == 302


def test_a_new_device_has_no_diagnosis(operator):
    assert "never sent" not in text_of(operator.get(f"{DEVICES}add/"))


# --- What would this phone get? ---------------------------------------------------------------------------------


def dry_answers(client: Client, device: Device) -> list[str]:
    """The HTTP answers that the page shows: without a certificate, and with the device's own."""
    shown = client.post(f"{DEVICES}{device.pk}/look-up/", headers={"HX-Request": "true"}).content.decode()
    return [unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", shown, re.DOTALL)]


def as_text(answer: Any) -> str:
    headers = [f"{name}: {value}" for name, value in answer.items()]
    lines = [f"{answer.status_code} {answer.reason_phrase}", *headers, "", answer.content.decode()]
    return "\n".join(lines).rstrip()


def as_shown(text: str) -> set[str]:
    return set(text.split("\n"))  # the order of headers has no meaning


@pytest.mark.usefixtures("trusted_proxy")
@pytest.mark.parametrize(
    ("location", "outcomes"),
    [
        (None, [Outcome.NO_LOCATION, Outcome.NO_LOCATION]),
        ({"url": "https://pbx.example/{CUSTOMER NAME}/{MAC ADDRESS}"}, [Outcome.REDIRECTED, Outcome.REDIRECTED]),
        ({"mutual_auth": True}, [Outcome.CERTIFICATE_REQUIRED, Outcome.REDIRECTED]),
    ],
)
def test_the_look_up_shows_what_a_real_request_then_gets(operator, cast: Cast, location, outcomes):
    place = None if location is None else make_location(cast.provider, **location)
    device = make_device(cast.provider, MAC, place)
    without, with_own = dry_answers(operator, device)
    assert not Access.objects.exists()
    assert as_shown(without) == as_shown(as_text(ask()))
    assert as_shown(with_own) == as_shown(as_text(ask(**certificate(MAC))))
    assert list(Access.objects.order_by("pk").values_list("outcome", flat=True)) == outcomes


GRANDSTREAM = f"Grandstream Model HW GXP2135 SW 1.0.7.97 DevId {MAC.lower()}"
SNOM = "Mozilla/4.0 (compatible; snom370-SIP 8.4.35 1.1.5-IFX-05.01.12)"


@pytest.mark.parametrize("answer", ["redirect", "settings"])
@pytest.mark.parametrize(
    "url", ["https://prov.example/mixed/", "https://prov.example/x/{FILE NAME}?m={mac address}"]
)
@pytest.mark.parametrize(
    ("path", "agent", "asked"),
    [
        (f"/{MAC}", "", f"GET /{MAC} , without a User-Agent"),
        (f"/prov/cfg{MAC.lower()}.xml", GRANDSTREAM, f"GET /prov/cfg{MAC.lower()}.xml , User-Agent Grandstream"),
        ("/cfg.xml", GRANDSTREAM, "GET /cfg.xml , User-Agent Grandstream"),
        (f"/{MAC}/phonebook.xml", GRANDSTREAM, f"GET /{MAC}/phonebook.xml , User-Agent"),
        (f"/?mac={MAC}", SNOM, "GET / with its MAC in the query, User-Agent Mozilla"),
        (f"/00:90:8f:9d:89:92-{'x' * 32}.cfg", "SomePhone/1", "User-Agent SomePhone/1"),
    ],
)
def test_the_look_up_repeats_the_last_request(operator, cast: Cast, answer, url, path, agent, asked):
    device = make_device(cast.provider, MAC, make_location(cast.provider, url, answer=answer))
    make_access(device, time=timezone.now() - timedelta(days=1), path="/other.cfg", kind="file")
    real = Client().get(path, headers={"User-Agent": agent} if agent else {})
    assert [as_shown(text) for text in dry_answers(operator, device)] == [as_shown(as_text(real))] * 2
    text = text_of(operator.post(f"{DEVICES}{device.pk}/look-up/"))
    assert asked in text
    assert "as its last request in the log" in text
    page = text_of(operator.get(page_of(device)))
    target = real.headers.get("Location") or "https://prov.example/"
    assert f"URL that it gets now {target}" in page
    assert (f"in settings, a 200 in the format of {agent[:4].replace('Mozi', 'Snom')}" in page) == (
        real.status_code == 200
    )


@pytest.mark.parametrize("url", ["https://prov.example/mixed/", "https://prov.example/{FILE NAME}"])
def test_the_address_is_that_of_the_file_that_was_asked_for(operator, cast: Cast, url):
    location = make_location(cast.provider, url)
    device = make_device(cast.provider, MAC, location)
    assert "If it asks for a file, the name of that file stands in the address." in text_of(
        operator.get(page_of(device))
    )
    real = Client().get(f"/cfg{MAC.lower()}.xml")
    text = text_of(operator.get(page_of(device)))
    assert f"It is the address for cfg{MAC.lower()}.xml, the file of its last request. {real['Location']} " in text
    assert f"URL that it gets now {real['Location']} for cfg{MAC.lower()}.xml , the file of its" in text
    location.url = "https://new.example/"
    location.save()
    text = text_of(operator.get(page_of(device)))
    assert f", to {real['Location']}. No request has come since." in text
    assert f"URL that it gets now https://new.example/cfg{MAC.lower()}.xml" in text


def test_settings_are_told_from_a_redirect(operator, cast: Cast):
    device = make_device(cast.provider, MAC, make_location(cast.provider, "https://p.example/", answer="settings"))
    assert Client().get(f"/{MAC}.xml", headers={"User-Agent": SNOM}).status_code == 200
    text = text_of(operator.get(page_of(device)))
    assert "The phone was answered: nothing failed here." in text
    assert (
        "It gets no redirect: a 200 with settings, in the format of Snom phones, that hold this address." in text
    )
    assert "URL that it gets now https://p.example/ in settings, a 200 in the format of Snom phones" in text
    assert Client().get(f"/{MAC}.xml").status_code == 302
    text = text_of(operator.get(page_of(device)))
    assert "The phone was redirected: nothing failed here." in text
    assert "none are known for a request like its last: such a request is redirected." in text


def test_a_request_that_the_log_does_not_tell_is_asked_by_the_bare_mac(operator, device):
    said = "by its bare MAC, since the log holds no request of it"
    assert said in text_of(operator.post(f"{DEVICES}{device.pk}/look-up/"))
    for known in ({}, {"path": f"/{'x' * 199}", "kind": "file"}):  # older than kinds; cut
        make_access(device, **known)
        text = text_of(operator.post(f"{DEVICES}{device.pk}/look-up/"))
        assert f"GET /{MAC} , User-Agent AUDC/3.4.6.604" in text


@pytest.mark.parametrize("located", [True, False])
def test_a_phone_that_asked_in_no_known_form_is_not_said_to_be_away(operator, cast: Cast, located):
    device = make_device(cast.provider, MAC, make_location(cast.provider) if located else None)
    Hint.objects.create(
        mac=MAC, time=timezone.now(), path="/general.xml", address="192.0.2.9", user_agent=GRANDSTREAM
    )
    text = text_of(operator.get(page_of(device)))
    assert "The phone reaches this service, but has asked only for files that are no known form." in text
    assert "asked for /general.xml less than a minute ago" in text
    assert "Check the auto-provisioning path that is set in the phone" in text
    assert f"in the name of the file (/{MAC}.cfg)" in text
    for words in ("never sent", "firewall", "power", "docs/"):
        assert words not in text
    ask()
    assert "The phone reaches this service, but" not in text_of(operator.get(page_of(device)))


def test_the_look_up_counts_and_limits_nothing(operator, cast: Cast, settings):
    settings.UNKNOWN_MAC_LIMIT_PER_SOURCE = 1
    place = make_location(cast.provider, mutual_auth=True)
    device = make_device(cast.provider, MAC, place)
    before = list(Device.objects.values()), list(Location.objects.values())
    for _ in range(3):
        assert [answer[:3] for answer in dry_answers(operator, device)] == ["404", "302"]
    assert (list(Device.objects.values()), list(Location.objects.values())) == before
    assert Device.objects.get().last_access_status == AccessStatus.AWAIT
    assert not Access.objects.exists()
    assert not unknown_macs.is_exceeded("127.0.0.1", "00908FAAAAAA")
    assert Client().get("/00908FAAAAAA").status_code == 404
    assert Client().get("/00908FBBBBBB").status_code == 429
    assert dry_answers(operator, device)[0].startswith("404")  # the desk is not limited with its phones


def test_without_scripts_the_look_up_is_a_page_of_its_own(operator, device):
    answer = operator.post(f"{DEVICES}{device.pk}/look-up/")
    text = text_of(answer)
    assert "What would 00:90:8F:9D:89:92 get?" in text
    assert text.count(f"302 Found Location: https://pbx.example/{MAC}.cfg") == 2
    assert "Nothing was counted or logged." in text
    assert page_of(device) in answer.content.decode()


# --- The log ----------------------------------------------------------------------------------------------------


def shown(client: Client, **query: str) -> list[Access]:
    answer = client.get(ACCESSES, query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


@pytest.fixture
def log(device) -> dict[str, Access]:
    """Rows by how old they are."""
    other = make_device(device.group)
    now = timezone.now()
    return {
        "now": make_access(other, Outcome.REDIRECTED, address="192.0.2.8"),
        "hours": make_access(device, Outcome.NO_LOCATION, time=now - timedelta(hours=5)),
        "days": make_access(device, Outcome.REDIRECTED, time=now - timedelta(days=5), address="2001:db8::1"),
    }


def test_the_log_shows_the_last_day_and_of_one_mac_all(operator, log):
    answer = operator.get(ACCESSES)
    assert "Time: Last 24 hours" in text_of(answer)
    assert "Refused: no location" in text_of(answer)
    assert shown(operator) == [log["now"], log["hours"]]
    for spelling in (MAC, MAC.lower(), "00:90:8f:9d:89:92", f" {MAC}.cfg"):
        assert shown(operator, q=spelling) == [log["hours"], log["days"]]
    assert "Time: All that is kept (30 days)" in text_of(operator.get(ACCESSES, {"q": MAC}))


def test_the_log_is_filtered_by_time_and_outcome(operator, log):
    day = log["days"].time.date().isoformat()
    assert shown(operator, when="hour") == [log["now"]]
    assert shown(operator, when=day) == [log["days"]]
    assert shown(operator, when=day, q=MAC) == [log["days"]]
    assert shown(operator, when="nonsense") == [log["now"], log["hours"]]
    assert shown(operator, outcome__exact="NoLocation") == [log["hours"]]
    assert shown(operator, outcome__exact="nonsense") == []


def test_the_log_tells_the_kind_of_a_request_and_is_filtered_by_it(operator, device):
    assert Client().get(f"/?mac={MAC}").status_code == 302
    assert Client().get(f"/cfg{MAC}.xml").status_code == 302
    make_access(device)  # older than kinds
    by_file, by_query = Access.objects.get(kind="file"), Access.objects.get(kind="query")
    assert shown(operator, kind__exact="query") == [by_query]
    assert shown(operator, kind__exact="file") == [by_file]
    assert shown(operator, kind__exact="nonsense") == []
    text = text_of(operator.get(ACCESSES, {"kind__exact": "query"}))
    assert "Kind: MAC in the query" in text
    assert "/ MAC in the query" in text


def test_the_log_is_searched_by_whole_addresses_and_by_nothing_less(operator, log):
    assert shown(operator, q="192.0.2.8") == [log["now"]]
    assert shown(operator, q="2001:DB8::1", when=log["days"].time.date().isoformat()) == [log["days"]]
    assert shown(operator, q="192.0.2") == []
    assert "Search for a whole MAC or a whole address." in text_of(operator.get(ACCESSES, {"q": "90:8F"}))


@pytest.mark.usefixtures("log")
def test_the_log_is_never_counted_and_not_turned_forever(operator):
    with CaptureQueriesContext(connection) as captured:
        shown(operator)
    assert not any("COUNT(" in query["sql"] for query in captured.captured_queries)
    assert shown(operator, p="200") == []
    assert operator.get(ACCESSES, {"p": "201"}).status_code == 302


def test_a_row_of_the_log_leads_to_its_device_and_has_no_page_of_its_own(operator, log, device):
    page = operator.get(ACCESSES, {"q": MAC})
    assert page.content.decode().count(f'href="{page_of(device)}"') == 2
    assert operator.get(f"{ACCESSES}{log['now'].pk}/change/").status_code == 302
    for address in ("add/", f"{log['now'].pk}/delete/"):
        assert operator.post(f"{ACCESSES}{address}").status_code in (302, 403)
    assert Access.objects.count() == 3
