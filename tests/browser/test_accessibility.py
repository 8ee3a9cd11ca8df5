"""Every page of the desk by axe-core's rules for WCAG 2.1, level AA: light and dark, on a laptop and a phone."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import LAPTOP, PHONE
from tests.browser.test_desk import redirect_of

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
}
LISTS = [
    "devices/device",
    "devices/access",
    "devices/deniedcertificate",
    "locations/location",
    "accounts/group",
    "accounts/user",
    "accounts/apikey",
    "auth/group",
    "audit/entry",
]
READ_ONLY = ("devices/access", "audit/entry", "accounts/apikey")
PAGES = [
    "/admin/",
    "/admin/find/",
    "/admin/find/?q=harbour",
    "/admin/find/?q=00A0C914C830",
    "/admin/find/?q=00908FDE0001",
    "/admin/devices/device/import/",
    "/admin/accounts/user/add-staff/",
    "/admin/webhooks/alert/",
    "/admin/webhooks/alert/add/",
    "/admin/password_change/",
    "/admin/second_factor/add/",
    "/admin/password_forgotten/",
    "/admin/password_new/",
    "/admin/devices/device/?last_access_status__exact=Fail&group__id__exact=2",
    *(f"/admin/{table}/" for table in LISTS),
    *(
        f"/admin/{table}/add/"
        for table in LISTS
        if table not in ("devices/access", "audit/entry", "accounts/apikey")
    ),
    *(
        f"/admin/{table}/{{first}}/change/"
        for table in LISTS
        if table not in ("devices/access", "accounts/apikey")
    ),
    *(f"/admin/{table}/{{first}}/history/" for table in ("devices/device", "accounts/group")),
    *(f"/admin/{table}/{{first}}/delete/" for table in ("devices/device", "accounts/user")),
    "/admin/accounts/user/{first}/password/",
    "/",
]


# The rules that depend on colours alone are enough for the second look at a page.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# Of a list's rows the first three stand for all.
LOOKED_AT = {"exclude": [["#result_list tbody:nth-of-type(n+4)"]]}


def faults(page: Any, scheme: str, rules: dict[str, Any]) -> list[str]:
    """What axe finds wrong: the rule, where, and what it says."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(
        """dark => {
            document.documentElement.classList.toggle("dark", dark);
            for (const animation of document.getAnimations()) {
                try { animation.finish() } catch { animation.cancel() }
            }
        }""",
        scheme == "dark",
    )
    # Nothing is loaded anew: the rules that would need it are not for pages without films.
    found = Axe().run(page, LOOKED_AT, {**rules, "preload": False, "resultTypes": ["violations"]}).response
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def address_of(page: Any, path: str) -> str | None:
    """The path, with the id of the first row of its list in it; None for an empty list."""
    before, first, after = path.partition("{first}")
    if not first:
        return path
    page.goto(before)
    links = page.locator("#result_list a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    ids = [found[1] for link in links if (found := re.search(rf"{before}(\d+)/change/", link))]
    return f"{before}{ids[0]}{after}" if ids else None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(2))
def test_every_page_is_clean(service, open_page, part):
    redirect_of(service, "/00A0C914C830")
    page = open_page("/admin/")
    found: dict[str, list[str]] = {}
    for path in PAGES[part::2]:
        address = address_of(page, path)
        if address is None:
            continue
        page.set_viewport_size(LAPTOP)
        page.goto(address)
        for size in (LAPTOP, PHONE):
            page.set_viewport_size(size)
            for scheme in ("light", "dark"):
                everything = (size, scheme) in ((LAPTOP, "light"), (PHONE, "dark"))
                if wrong := faults(page, scheme, RULES if everything else COLOURS):
                    found[f"{address} {scheme} {size['width']}"] = wrong
    assert found == {}


def test_rows_on_a_phone_are_cards_of_two_lines(service, open_page):
    redirect_of(service, "/00A0C914C830")
    page = open_page("/admin/")
    page.set_viewport_size(PHONE)
    for table in LISTS:
        page.goto(f"/admin/{table}/")
        rows = page.locator("#result_list tr.data-row")
        assert rows.evaluate_all("rows => rows.filter(row => row.offsetHeight >= 3 * 24).length") == 0, table
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_error_pages_are_clean(open_page):
    # A page of its own: the browser reports each status from 400 up as an error.
    page = open_page("/admin/", login="demo-support").context.new_page()
    found: dict[str, Any] = {}
    for path, title in {"/admin/no-such-page/": "Not found", "/admin/accounts/group/add/": "Not allowed"}.items():
        page.goto(path)
        assert title in page.title()
        found |= faults_of_error_page(page, path)
    page.goto("/admin/password_change/")
    page.evaluate("document.querySelector('[name=csrfmiddlewaretoken]').form.id = 'guarded'")
    page.evaluate("document.querySelector('#guarded [name=csrfmiddlewaretoken]').value = ''")
    with page.expect_navigation():
        page.evaluate("document.querySelector('#guarded').submit()")
    assert "not accepted" in page.title()
    found |= faults_of_error_page(page, "form without its token")
    assert found == {}


def faults_of_error_page(page: Any, name: str) -> dict[str, list[str]]:
    found: dict[str, Any] = {}
    for size in (LAPTOP, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            if wrong := faults(page, scheme, RULES):
                found[f"{name} {scheme} {size['width']}"] = wrong
    return found
