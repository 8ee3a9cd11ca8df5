"""The support desk in a real browser, from the login to the answer."""

import http.client

import pytest

from tests.browser.conftest import PHONE, Service

pytestmark = pytest.mark.browser


def ask(service: Service, path: str) -> None:
    """Ask as a phone does."""
    connection = http.client.HTTPConnection(service.address.removeprefix("http://"), timeout=10)
    connection.request("GET", path, headers={"User-Agent": "AUDC-IPPhone-450HD/3.4.6"})
    assert connection.getresponse().status in (302, 404)
    connection.close()


def test_dashboard(service, open_page, picture):
    for path in ("/00908FDE0001", "/00908FDE0002", "/00A0C914C829"):
        ask(service, path)
    page = open_page("/admin/")
    page.get_by_role("heading", name="Requests per minute").wait_for()
    assert page.locator("canvas.chart").count() == 2
    # The chart library has drawn something.
    assert page.evaluate("Chart.getChart(document.querySelector('canvas.chart')).data.datasets.length") >= 5
    assert page.get_by_role("link", name="00:A0:C9:14:C8:29").is_visible()
    picture(page, "dashboard")


def test_find_by_mac_with_the_keyboard_alone(open_page):
    page = open_page("/admin/")
    page.keyboard.type("GET /00-90-8f-de-00-01.cfg")  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/devices/device/*/change/")
    assert "00:90:8F:DE:00:01" in page.inner_text("body")


def test_a_mac_that_nobody_owns(service, open_page, picture):
    ask(service, "/00A0C914C830")
    page = open_page("/admin/find/?q=00a0.c914.c830")
    page.get_by_text("Nobody owns this MAC").wait_for()
    assert page.get_by_role("cell", name="AUDC-IPPhone-450HD/3.4.6").is_visible()
    picture(page, "find-unknown-mac")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/admin/", "/admin/find/?q=harbour", "/admin/devices/device/"])
def test_it_fits_a_phone(open_page, path, scheme):
    page = open_page(path, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
