"""The support desk in a real browser, from the login to the answer."""

import http.client
import json

import pytest

from rig.service import Copy
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser


def redirect_of(service: Copy, path: str, user_agent: str = "AUDC-IPPhone-450HD/3.4.6") -> str:
    """Ask as a phone does; where it is sent ("" if nowhere)."""
    connection = http.client.HTTPConnection(service.address.removeprefix("http://"), timeout=10)
    connection.request("GET", path, headers={"User-Agent": user_agent})
    answer = connection.getresponse()
    connection.close()
    assert answer.status in (302, 404)
    return answer.headers.get("Location", "")


def test_dashboard(service, open_page, picture):
    for path in ("/00908FDE0001", "/00908FDE0002", *["/00A0C914C829"] * 20):
        redirect_of(service, path)
    page = open_page("/admin/")
    page.get_by_role("heading", name="Requests per minute").wait_for()
    assert page.locator("canvas.chart").count() == 2
    # The chart library has drawn something.
    assert page.evaluate("Chart.getChart(document.querySelector('canvas.chart')).data.datasets.length") >= 2
    assert page.get_by_role("link", name="00:A0:C9:14:C8:29").is_visible()
    picture(page, "dashboard")


def test_find_by_mac_with_the_keyboard_alone(open_page):
    page = open_page("/admin/")
    page.wait_for_function("document.activeElement.id === 'find'")
    page.keyboard.type("GET /00-90-8f-de-00-01.cfg")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/devices/device/*/change/")
    assert "00:90:8F:DE:00:01" in page.inner_text("body")


def test_a_mac_that_nobody_owns(service, open_page, picture):
    redirect_of(service, "/00A0C914C830")
    page = open_page("/admin/find/?q=00a0.c914.c830")
    page.get_by_text("No group owns this MAC").wait_for()
    assert page.get_by_role("cell", name="AUDC-IPPhone-450HD/3.4.6").first.is_visible()
    picture(page, "find-unknown-mac")


def test_the_page_of_a_phone_that_failed(service, open_page, picture):
    page = open_page("/admin/devices/device/?last_access_status__exact=Fail")
    page.locator("#result_list tbody a").first.click()
    page.get_by_text("What to do").wait_for()
    assert page.get_by_text("Refused").first.is_visible()
    page.get_by_role("button", name="What would this phone get?").click()
    page.get_by_text("Without a certificate").wait_for()
    picture(page, "device")


def test_the_dry_look_up_is_what_the_phone_gets_and_counts_nothing(service, open_page, picture):
    page = open_page("/admin/find/?q=00908FDE0001")
    before = page.inner_text(".device")
    page.get_by_role("button", name="What would this phone get?").click()
    page.get_by_text("Without a certificate").wait_for()
    url = redirect_of(service, "/00908FDE0001")
    assert url in page.inner_text("body")
    picture(page, "look-up")
    page.reload()
    assert page.inner_text(".device") != before  # the phone's own request is told; ours was not


def test_a_file_with_good_and_bad_rows_goes_in(open_page, picture, tmp_path):
    rows = ["mac,group,location,description"]
    rows += [f"00:90:8F:AB:{n >> 8:02X}:{n & 255:02X},Harbour Hotels,,Room {n}" for n in range(4_000)]
    rows += ["no-MAC-at-all,Harbour Hotels,,", "00908FDE0001,City Hospital,,", "00908FABFFFF,Nobody knows,,"]
    (tmp_path / "rooms.csv").write_text("\n".join(rows))
    page = open_page("/admin/devices/device/import/")
    page.set_input_files("input[type=file]", tmp_path / "rooms.csv")
    page.get_by_role("button", name="Check the file").click()
    confirm = page.get_by_role("button", name="Import 4,000 devices, leave 3 out")
    confirm.wait_for()
    for words in ("Invalid MAC", "Owned by another group", "Unknown group"):
        assert page.get_by_role("link", name=words).is_visible()
    page.get_by_role("link", name="Left out").click()
    page.locator("tbody tr", has_text="no-MAC-at-all").wait_for()
    picture(page, "import-preview")
    with page.expect_download() as download:
        page.get_by_role("link", name="csv").click()
    bad = download.value.path().read_text()
    assert bad.count("\n") == 4
    assert "00:90:8F:DE:00:01" in bad
    page.get_by_role("button", name="Import 4,000 devices").click()
    page.get_by_text("4,000 devices imported").wait_for()
    picture(page, "import-result")
    page.goto("/admin/find/?q=00-90-8f-ab-0f-9f")
    assert "Harbour Hotels" in page.inner_text(".device")
    assert "Devices imported" in page.inner_text("body")


def test_a_blocked_user_is_unblocked(service, open_page, picture):
    for _ in range(10):
        connection = http.client.HTTPConnection(service.address.removeprefix("http://"), timeout=10)
        body = json.dumps({"userName": "harbour-monitor", "password": "wrong"})
        connection.request("POST", "/api/v1/login", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 401
        connection.close()
    page = open_page("/admin/")
    page.get_by_role("link", name="harbour-monitor").click()
    picture(page, "user")
    page.get_by_role("button", name="Unblock").click()
    page.get_by_text("Unblocked: 1.").wait_for()
    page.goto("/admin/")
    page.get_by_role("heading", name="Users who are blocked now").wait_for()
    assert not page.get_by_role("link", name="harbour-monitor").is_visible()


def test_a_disputed_mac_is_moved(service, open_page, picture):
    page = open_page("/admin/find/?q=00908FDE0020")
    page.get_by_role("button", name="Move to another group").click()
    page.locator(".select2-selection").click()
    page.keyboard.type("City Hosp")
    page.get_by_role("option", name="City Hospital").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Reason").fill("Invoice 4711 of the hospital shows it.")
    picture(page, "move")
    page.get_by_role("button", name="Move 1 device to another group").click()
    page.get_by_text("moved to the other group").wait_for()
    page.goto("/admin/find/?q=00908FDE0020")
    assert "City Hospital" in page.inner_text(".device")
    assert "Invoice 4711 of the hospital shows it." in page.inner_text("body")


def test_the_location_of_a_device_is_chosen_among_its_owners(open_page):
    page = open_page("/admin/devices/device/add/")
    selections = page.locator(".select2-selection")
    selections.nth(0).click()
    page.keyboard.type("City Hosp")
    page.get_by_role("option", name="City Hospital").click()
    selections.nth(1).click()
    page.get_by_role("option", name="https://secure.hospital.example").wait_for()
    assert all("hospital" in text for text in page.get_by_role("option").all_inner_texts())
    page.goto("/admin/find/?q=00908FDE0002")
    page.locator(".device-location .select2-selection").click()
    page.get_by_role("option", name="https://spare.north.example").click()
    page.get_by_role("button", name="Save the location").click()
    page.get_by_text("was changed successfully").wait_for()
    assert "https://spare.north.example/" in page.inner_text(".device dl")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/find/?q=harbour",
        "/admin/find/?q=00908FDE0001",
        "/admin/devices/device/",
        "/admin/devices/device/import/",
    ],
)
def test_it_fits_a_phone(open_page, path, scheme):
    page = open_page(path, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


# What a phone of another maker asks for when it boots, in its order; and what the page of its device says of it.
GRANDSTREAM = "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b82de0001"
POLYCOM = "FileTransport PolycomVVX-VVX_411-UA/5.9.5.0614 (SN:0004f2de0001) Type/Application"


def test_the_page_of_a_grandstream_says_what_it_asks(service, open_page):
    url = redirect_of(service, "/cfg000b82de0001.xml", GRANDSTREAM)
    assert url == "https://files.harbour.example/cfg000b82de0001.xml"
    page = open_page("/admin/find/?q=00:0b:82:de:00:01")
    page.get_by_text("The phone was redirected").wait_for()
    assert "cfg000b82de0001.xml" in page.locator("section", has_text="Last requests").last.inner_text()
    assert "as Grandstream devices do" in page.inner_text(".device")


def test_the_page_of_a_polycom_says_what_it_asks(service, open_page, picture):
    files = ("000000000000.cfg", "0004f2de0001.cfg", "0004f2de0001-phone.cfg")
    for file in files:
        assert redirect_of(service, f"/{file}", POLYCOM) == f"https://files.harbour.example/{file}"
    # Its firmware is no phone's file: the service answers 404, and what the phone got before stands.
    assert redirect_of(service, "/3111-48450-001.sip.ld", POLYCOM) == ""
    page = open_page("/admin/find/?q=0004f2de0001")
    page.get_by_text("The phone was redirected").wait_for()
    shown = page.inner_text(".device")
    assert all(file in shown for file in files)
    assert shown.count("as Poly devices do") == len(files)
    assert "no known form" not in shown
    picture(page, "device-of-another-maker")


def test_a_phone_that_asks_for_an_unknown_file_is_a_hint(service, open_page):
    stranger = POLYCOM.replace("0004f2de0001", "0004f2de0099")
    assert redirect_of(service, "/boot/own-name.txt", stranger) == ""
    page = open_page("/admin/find/?q=0004f2de0099")
    for _ in range(20):  # it is written a moment later
        if page.get_by_text("which is no known form").is_visible():
            break
        page.wait_for_timeout(500)
        page.reload()
    assert "/boot/own-name.txt" in page.inner_text(".desk")
    assert "registered to Polycom" in page.inner_text(".desk")
