"""What ends a session of the admin."""

from django.test import Client

from accounts.models import User
from accounts.sessions import force_password_change
from tests.conftest import Cast, make_user


def test_staff_whose_password_is_forced_lose_their_session(cast: Cast) -> None:
    """Else a leaked password stays in use until the session ends by itself."""
    staff: User = make_user(None, None, login="helper", is_staff=True)
    browser = Client()
    browser.force_login(staff)
    assert browser.get("/admin/").status_code == 200
    force_password_change([staff.pk])
    answer = browser.get("/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/")
