"""A real Chromium, and the real service with the demo data, as support staff meet them."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rig import ROOT
from rig.service import Copy, newcomers_copy

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: a root account, such as a container's, can have none. The rest keeps it from calling home.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy of the project, served by `make run`'s own script with its demo data."""
    unlimited = {"LOGIN_LIMIT_PER_SOURCE": "0", "UNKNOWN_MAC_LIMIT_PER_SOURCE": "0"}
    mail = {"EMAIL_URL": "smtp://127.0.0.1:9"}  # takes none: the pages about it are looked at
    with newcomers_copy(tmp_path_factory.mktemp("desk"), **unlimited, **mail) as copy:
        yield copy


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The machine's own browser."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail("No Chromium was found (Debian and Ubuntu: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(service: Copy, chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page of the service for a member of staff who has logged in by the form.

    Whatever the browser complains of fails the test: errors of scripts, of the content policy, of loading.
    """
    complaints: list[str] = []
    contexts = []

    def open_as(path: str, login: str = "demo-operator", password: str = service.password, **options: Any) -> Any:
        context = chromium.new_context(base_url=service.address, **{"viewport": LAPTOP, **options})
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/login/?next=/admin/")
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{service.address}/admin/")
        if path != "/admin/":
            page.goto(path)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert complaints == []


LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TALLEST_PICTURE = 1_700


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Any, str], None]:
    """Takes a picture of a page into the folder that SCREENSHOTS names, if it names one."""
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if folder:
            page.evaluate("document.activeElement && document.activeElement.blur()")
            height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST_PICTURE)
            page.set_viewport_size({"width": LAPTOP["width"], "height": max(height, LAPTOP["height"])})
            page.evaluate("window.scrollTo(0, 0)")
            page.wait_for_timeout(500)  # the charts are drawn anew
            page.screenshot(path=ROOT / folder / f"{name}.png")

    return take
