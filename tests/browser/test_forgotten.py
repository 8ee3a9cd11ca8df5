"""The pages of a forgotten password in a real browser."""

import pytest

from tests.browser.test_second_factor import assert_clean

pytestmark = pytest.mark.browser


def test_asked_for_and_opened(service, open_page):
    page = open_page("/admin/").context.new_page()
    page.context.clear_cookies()
    page.goto("/admin/login/")
    assert_clean(page)
    page.get_by_role("link", name="Forgotten your password?").click()
    assert_clean(page)
    page.get_by_label("Login").fill("no such login")
    page.get_by_role("button", name="Send a link").click()
    page.get_by_text("a link is on its way").wait_for()
    assert_clean(page)
    # The browser keeps what stands behind the # out of its address, and gives it to the form alone.
    page.goto("/admin/password_new/#1.secret")
    assert page.locator("input[name=link]").input_value() == "1.secret"
    assert page.url == f"{service.address}/admin/password_new/"
    assert_clean(page)
    for name in ("new_password1", "new_password2"):
        page.locator(f"[name={name}]").fill("quiet river 9 lantern")
    page.get_by_role("button", name="Change the password").click()
    page.get_by_text("This link was used before").wait_for()
    assert_clean(page)
