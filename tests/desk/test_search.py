"""The find field of the admin: whatever the caller has at hand leads to the phone."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from desk import search
from devices import mac
from devices.models import Access, Device, Outcome
from tests.conftest import Cast, make_access, make_device, make_group, make_location, make_operator, make_user
from tests.desk.test_admin import browser_of, make_staff, text_of

MAC = "00A0C914C829"
SPELLINGS = [
    "00A0C914C829",
    "00a0c914c829",
    "00:A0:C9:14:C8:29",
    "00-a0-c9-14-c8-29",
    "00a0.c914.c829",
    "00A0-C914-C829",
    "00 A0 C9 14 C8 29",
    "00.a0.c9.14.c8.29",
    "00a0c9-14c829",
    "00_a0_c9_14_c8_29",
    "00\u2013a0\u2013c9\u201314\u2013c8\u201329",
    "00\uff1aa0\uff1ac9\uff1a14\uff1ac8\uff1a29",
]


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of(make_operator())


def staff(*permissions: str) -> Client:
    return browser_of(make_staff(*permissions))


def find(client: Client, text: str) -> Any:
    return client.get("/admin/find/", {"q": text})


def page_of(row: Any) -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


# --- MACs in a text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("text", ["{}", " {} ", "GET /{}.cfg HTTP/1.1", "{}.xml", "mac={}, model=450HD", "(“{}”)"])
def test_a_mac_is_recognised_anywhere(text: str, spelling: str):
    assert mac.mentioned_in(text.format(spelling)) == [MAC]


@pytest.mark.parametrize(
    "text",
    [
        "00A0C914C82",
        "00A0C914C8290",
        "00:A0:C9:14:C8",
        "00A0C914C82G",
        "0" * 32,
        "request=550e8400-e29b-41d4-a716-446655440000",
        "",
        "harbour",
        "1.56512340000E+07",
        "1,56512340000e+07",
        "restored from 1.5651234E+10, was 1.56512340000E7",
        "y000000000065.cfg",
        'GET /prov/r000000000024.cfg HTTP/1.1" 302',
    ],
)
def test_what_is_no_mac_is_none(text: str):
    assert mac.mentioned_in(text) == []


def test_several():
    text = "/00:A0:C9:14:C8:29 then 00908f000001, 00:90:8F:00:00:01"
    assert mac.mentioned_in(text) == [MAC, "00908F000001"]


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str):
    assert all(mac.normalize(found) == found for found in mac.mentioned_in(text))


POLY = "FileTransport PolycomSoundPointIP-SPIP_550-UA/4.0.15.1047 (SN:00a0c914c829) Type/Application"
LINES = [
    "GET /phone00a0c914c829.cfg HTTP/1.1",
    "/phone00a0c914c829.cfg",
    "no file: /prov/phone00A0C914C829.cfg, and then 404.",
    "https://redirect.example/spa00a0c914c829.xml is empty",
    "GET /ata00%2da0%2dc9-14-c8-29.cnf.xml HTTP/1.0",
    "PUT /service.do?method=redirect&MAC=00-a0-c9-14-c8-29&x=0004f2e765da HTTP/1.1",
    "GET http://redirect.example/phone00a0c914c829.cfg#x HTTP/1.1",
    '192.0.2.7 - - [27/Nov/2026:10:00:00 +0000] "GET /phone00a0c914c829.cfg HTTP/1.1" 404 27 "-" "x 0004f2e765da"',
    f'192.0.2.7 - - [27/Nov/2026:10:00:00 +0000] "GET /000000000000.cfg HTTP/1.1" 302 0 "-" "{POLY}" "10.0.0.1"',
    f'redirect.example:80 192.0.2.7 - - [27/Nov/2026:10:00:00 +0000] "GET /x/sip.cfg HTTP/1.1" 302 0 "-" "{POLY}"',
    f'192.0.2.7 - - [27/Nov/2026:10:00:00 +0000] "GET /sip.ld HTTP/1.1" 404 27 "-" "{POLY}"',
    '[error] 7#7: *1 open() "/srv/phone00a0c914c829.cfg" failed, request: "GET /phone00a0c914c829.cfg HTTP/1.1"',
    "INFO redirect.access request=550e8400e29b41d4a716446655440000 GET /phone00a0c914c829.cfg 302 Redirected",
    '{"method": "GET", "path": "/spa00a0c914c829.xml", "status": 302, "mac": "00A0C914C829"}',
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_a_log_tells_the_phone_as_the_boot_path_does(operator: Client, cast: Cast, line: str):
    device = make_device(cast.provider, MAC)
    make_device(cast.stranger, "0004F2E765DA")
    assert find(operator, line)["Location"] == page_of(device)


def test_each_line_tells_its_own_phone():
    lines = [
        'GET /phone00a0c914c829.cfg HTTP/1.1" 302',
        "0004f2e765da",
        'GET /y000000000065.cfg HTTP/1.1" 404 "-" "Yealink SIP-T46S 66.86.0.15 00:15:65:27:c7:64"',
        'GET /y000000000065.cfg HTTP/1.1" 404 "-" "-"',
    ]
    assert search.macs_in("\n".join(lines)) == [MAC, "0004F2E765DA", "00156527C764"]
    assert search.macs_in("".join(reversed(lines))) == ["00156527C764", MAC]
    assert search.macs_in('"GET /firmware/550e8400-e29b-41d4-a716-446655440000/x HTTP/1.1" 404 27') == []
    assert len(search.macs_in(" ".join(f"/phone00a0c914c8{number:02x}.cfg" for number in range(60)))) == 60


@given(
    st.text(max_size=200) | st.lists(st.sampled_from([*LINES, "/", '"', " ", "%", "\n"]), max_size=6).map("".join)
)
def test_no_line_breaks_it(text: str):
    assert all(mac.parse(found) == found for found in search.macs_in(text))


# --- The page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        *SPELLINGS,
        f"{MAC}.cfg",
        f"prov/cfg{MAC}.xml",
        "/00%3AA0%3AC9%3A14%3AC8%3A29",
        f"AUDC-IPPhone-450HD/3.4 {MAC}",
    ],
)
def test_a_device_is_opened_at_once(operator: Client, cast: Cast, spelling: str):
    device = make_device(cast.provider, MAC)
    make_device(cast.stranger)
    answer = find(operator, spelling)
    assert (answer.status_code, answer["Location"]) == (302, page_of(device))


def test_a_url_as_a_phone_got_it_leads_to_the_phone_and_without_a_mac_to_the_location(
    operator: Client, cast: Cast
):
    location = make_location(cast.provider, "https://pbx7.example/{CUSTOMER NAME}/{MAC ADDRESS}.cfg")
    make_location(cast.provider, "https://pbx71.example/")
    device = make_device(cast.provider, MAC, location)
    assert find(operator, f"https://pbx7.example/Berlin%20Phones/{MAC}.cfg")["Location"] == page_of(device)
    assert find(operator, "https://pbx7.example/Berlin%20Phones/")["Location"] == page_of(location)


def test_a_mac_that_nobody_owns_shows_who_asked_when_and_from_where(operator: Client, cast: Cast):
    for minute in range(25):
        Access.objects.create(
            time=timezone.now() - timedelta(minutes=minute),
            mac=MAC,
            outcome=Outcome.UNKNOWN,
            address=f"192.0.2.{minute}",
            user_agent="SpecialPhone/1.0 <b>",
            path="/prov/cfg00a0c914c829.xml",
            kind="file",
        )
    page = find(operator, "00-a0-c9-14-c8-29").content.decode()
    assert "No group owns this MAC" in page
    assert "192.0.2.0<" in page
    assert "192.0.2.19<" in page
    assert "192.0.2.20<" not in page
    assert "SpecialPhone/1.0 &lt;b&gt;" in page
    assert "/prov/cfg00a0c914c829.xml" in page
    assert "MAC in the file's name" in unescape(page)


def test_a_mac_whose_device_is_gone_shows_what_it_got(operator: Client, cast: Cast):
    device = make_device(cast.provider, MAC)
    make_access(device, address="192.0.2.99")
    Device.objects.all().delete()
    assert "192.0.2.99" in find(operator, MAC).content.decode()


def test_a_mac_that_never_asked_says_so(operator: Client):
    assert "The log holds no request of such a phone" in find(operator, MAC).content.decode()


@pytest.mark.parametrize(
    "text", ["000000000000", "000000000000.cfg", "FF:FF:FF:FF:FF:FF", "01005E000001", "01-00-5e-00-00-01"]
)
def test_a_reserved_mac_can_be_no_device(operator: Client, text: str):
    page = text_of(find(operator, text))
    assert "This MAC is reserved: no phone can have it." in page
    for words in ("No group owns", "Add it as a device", "is registered to"):
        assert words not in page


@pytest.mark.parametrize("text", ["y000000000065.cfg", "GET /prov/y000000000065.cfg HTTP/1.1"])
def test_a_file_of_all_phones_of_a_model_is_no_device(operator: Client, cast: Cast, text: str):
    make_device(cast.provider, "000000000065")
    page = find(operator, text)
    assert page.status_code == 200
    assert "Nothing was found" in text_of(page)


def test_several_macs_are_listed(operator: Client, cast: Cast):
    device = make_device(cast.provider, MAC)
    page = find(operator, f"{MAC} 00:90:8F:00:00:01").content.decode()
    assert page_of(device) in page
    assert "00:90:8F:00:00:01" in page


def test_groups_users_locations_and_devices_by_a_part_of_their_names(operator: Client, cast: Cast):
    user = make_user(cast.provider, login="berlin.admin")
    location = make_location(cast.provider, "https://berlin.example/")
    device = make_device(cast.stranger, description="moved from Berlin")
    page = find(operator, "bErLiN").content.decode()
    for row in (cast.provider, user, location, device):
        assert page_of(row) in page
    assert page_of(cast.sibling) not in page


def test_one_hit_of_any_kind_is_opened(operator: Client, cast: Cast):
    user = make_user(cast.provider, login="only.one")
    assert find(operator, "only.o")["Location"] == page_of(user)


def test_many_hits_are_cut_and_lead_to_the_list(operator: Client, cast: Cast):
    for number in range(12):
        make_group(f"Hotel {number:02}", cast.reseller)
    page = find(operator, "hotel").content.decode()
    assert page.count("Hotel ") == 10
    assert "/admin/accounts/group/?q=hotel" in page


@pytest.mark.parametrize(
    "text",
    ["", "   ", "nothing like it", "%", "_", "\x00", "'", "x" * 5000, "550e8400-e29b-41d4-a716-446655440000"],
)
def test_nothing_found_says_what_to_do(operator: Client, cast: Cast, text: str):
    make_device(cast.provider)
    answer = find(operator, text)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert ("What can be found" in page) == (not text.strip("\x00 "))
    assert ("Nothing was found" in page) == bool(text.strip("\x00 "))


def test_one_sees_only_what_one_may(cast: Cast):
    make_user(cast.provider, login="berlin.admin")
    device = make_device(cast.provider, MAC, description="Berlin")
    Access.objects.create(time=timezone.now(), mac="00908F000001", outcome=Outcome.UNKNOWN, address="192.0.2.55")
    nobody = staff()
    for text in ("berlin", MAC, "00908F000001"):
        page = find(nobody, text)
        assert page.status_code == 200
        assert "192.0.2.55" not in page.content.decode()
        assert "/change/" not in page.content.decode()
    assert find(staff("view_device"), MAC)["Location"] == page_of(device)
    assert "192.0.2.55" not in find(staff("view_device"), "00908F000001").content.decode()
    assert "192.0.2.55" in find(staff("view_device", "view_access"), "00908F000001").content.decode()
    assert find(Client(), MAC)["Location"].startswith("/admin/login/")


def test_the_looks_own_search_leads_here(operator: Client):
    answer = operator.get("/admin/search/", {"s": "a b", "page": "x"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/find/?q=a+b")


def test_statements_do_not_depend_on_rows(operator: Client, cast: Cast):
    def statements(text: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert find(operator, text).status_code == 200
        return len(queries)

    for number in range(2):
        make_group(f"Hotel {number}", cast.reseller)
        make_device(cast.provider, f"00908F00000{number}", description="hotel")
    few = statements("hotel"), statements("00908F000000 00908F000001 00908F0000FF")
    for number in range(2, 9):
        make_group(f"Hotel {number}", make_group(f"Reseller {number}"))
        device = make_device(make_group(f"Own {number}"), f"00908F00000{number}", description="hotel")
        make_access(device)
    many = statements("hotel"), statements(" ".join(f"00908F0000{number:02X}" for number in range(12)))
    assert few == many


@pytest.mark.parametrize("spelled", ["00a0.c914.c829", "00 a0 c9 14 c8 29", "0:a0:c9:14:c8:29", "00A0C9-14C829"])
def test_a_mac_in_any_spelling_leads_to_its_device(operator: Client, cast: Cast, spelled: str):
    device = make_device(cast.provider, "00A0C914C829")
    assert find(operator, spelled)["Location"] == page_of(device)


def test_find_says_when_it_shows_less_than_was_pasted(operator: Client):
    macs = [f"00:90:8F:00:00:{number:02X}" for number in range(12)]
    page = find(operator, "\n".join(macs)).content.decode()
    assert "The text has 12 MACs. Only the first 10 are shown" in page
    assert (macs[9] in page, macs[10] + "</h2>" in page) == (True, False)
    assert "Only the first" not in find(operator, "\n".join(macs[:10])).content.decode()
    assert "only its first 2,000 characters" in find(operator, "lobby " * 400 + macs[0]).content.decode()
    assert "only its first" not in find(operator, macs[0]).content.decode()
