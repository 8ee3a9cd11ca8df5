"""A second factor in a real browser: added, and asked for at the next login; each page is clean by axe's rules."""

import base64
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.browser.conftest import LAPTOP, PHONE
from tests.browser.test_accessibility import RULES, faults

pytestmark = pytest.mark.browser

PASSWORD = "quiet river 9 lantern"
STEP = 30


def step_now() -> int:
    return int(time.time()) // STEP


def code_of(letters: str, step: int) -> str:
    secret = base64.b32decode(letters.replace(" ", ""))
    return TOTP(secret, 6, SHA1(), STEP).generate(step * STEP).decode()  # noqa: S303 - what all apps know


def assert_clean(page: Any) -> None:
    found = {}
    for size in (LAPTOP, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            if wrong := faults(page, scheme, RULES):
                found[f"{page.url} {scheme} {size['width']}"] = wrong
    page.set_viewport_size(LAPTOP)
    assert found == {}


def make_colleague(page: Any, login: str) -> None:
    """By the form of the operator who is logged in."""
    page.goto("/admin/accounts/user/add-staff/")
    page.locator("[name=login]").fill(login)
    page.locator("[name=role]").first.check()
    for name in ("password1", "password2"):
        page.locator(f"[name={name}]").fill(PASSWORD)
    page.locator("[name=force_change_password]").uncheck()
    page.locator("[name=_save]").first.click()
    page.get_by_text("was added successfully").wait_for()


def test_added_and_asked_for(service, open_page):
    make_colleague(open_page("/admin/"), "grace")
    page = open_page("/admin/second_factor/", login="grace", password=PASSWORD)
    assert page.url.endswith("/second_factor/add/")
    picture = page.get_by_alt_text("QR code of the secret below")
    assert picture.evaluate("image => image.naturalWidth") > 100
    assert_clean(page)
    letters = page.locator(".desk-secret").inner_text()
    used = step_now()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("The code that the app shows").fill(code_of(letters, used))
    page.get_by_role("button", name="Add").click()
    page.locator(".desk-codes").wait_for()
    assert page.locator(".desk-codes li").count() == 10
    recovery_code = page.locator(".desk-codes li").first.inner_text()
    assert_clean(page)
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text("Recovery codes left: 10.").wait_for()
    assert_clean(page)

    for code in (None, recovery_code):
        page.evaluate("document.querySelector('#logout-form').submit()")
        page.get_by_text("logged out", exact=False).first.wait_for()
        page.goto("/admin/login/?next=/admin/find/")
        page.get_by_label("Login").fill("grace")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/second_factor/code/")
        assert_clean(page)
        # The next step's code is accepted already, and that of `used` not any more.
        page.get_by_label("Code").fill(code or code_of(letters, max(step_now(), used + 1)))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/find/")
    page.get_by_text("Recovery codes left: 9.").wait_for()
