"""manage.py housekeeping."""

import io
import time
import uuid
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import LoginSource, TokenFamily
from devices.models import Access, Outcome
from tests.conftest import Api, Cast, make_device, make_user


def housekeeping() -> str:
    out = io.StringIO()
    call_command("housekeeping", stdout=out)
    return out.getvalue()


def test_what_is_spent_goes_and_what_is_in_use_stays(cast: Cast, settings: Settings):
    settings.ACCESS_LOG_DAYS = 5
    now = timezone.now()
    user = make_user(cast.provider)
    api = Api(user)
    TokenFamily.objects.create(id=uuid.uuid4(), user=user, refresh_jti="x", expires_at=now - timedelta(seconds=1))
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(days=1))
    minute = int(time.time() // 60)
    LoginSource.objects.create(source="192.0.2.1", minute=minute - 60 * 25)
    LoginSource.objects.create(source="192.0.2.2", minute=minute)
    device = make_device(cast.provider)
    for days, counted in ((7, True), (4, True), (0, False)):
        Access.objects.create(
            time=now - timedelta(days=days),
            mac=device.mac,
            device_id=device.pk,
            group_id=device.group_id,
            outcome=Outcome.NO_LOCATION,
            address="",
            user_agent="",
            counted=counted or connection.vendor != "postgresql",
        )

    said = housekeeping()

    assert api.get("/users/me").status_code == 200
    assert list(TokenFamily.objects.values_list("user", flat=True)) == [user.pk]
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(LoginSource.objects.values_list("source", flat=True)) == ["192.0.2.2"]
    assert Access.objects.count() == 2
    device.refresh_from_db()
    assert device.num_requests == int(connection.vendor == "postgresql")
    assert "Spent logins cleared: 1\n" in said
    assert "Access log: 1 rows deleted, 0 days dropped\n" in said

    again = housekeeping()
    assert "Spent logins cleared: 0\n" in again
    assert "Access log: 0 rows deleted, 0 days dropped\n" in again
    if connection.vendor == "postgresql":
        assert "7 days made ahead" in said
        assert "0 days made ahead" in again


def test_what_is_counted_late_is_counted_before_it_is_pruned(cast: Cast, settings: Settings):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite counts nothing late")
    settings.ACCESS_LOG_DAYS = 0
    device = make_device(cast.provider)
    Access.objects.create(
        time=timezone.now() - timedelta(days=2),
        mac=device.mac,
        device_id=device.pk,
        group_id=cast.provider.pk,
        outcome=Outcome.NO_LOCATION,
        address="",
        user_agent="",
        counted=False,
    )
    housekeeping()
    device.refresh_from_db()
    assert device.num_requests == 1
    assert not Access.objects.exists()
