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
from audit import retention
from devices import access_log
from devices.models import Access, Outcome
from operations.models import KEPT, HousekeepingRun, warnings
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


# --- What it tells --------------------------------------------------------------------------------------------


def told() -> list[str]:
    return warnings(HousekeepingRun.newest(), access_log.days_ahead(timezone.now().date()))


def warned() -> str:
    errors = io.StringIO()
    call_command("housekeeping", stdout=io.StringIO(), stderr=errors)
    return errors.getvalue()


def days() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'devices_access'::regclass"
        )
        return {name for (name,) in cursor.fetchall()} - {"devices_access_default"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no partitions")
def test_migrate_makes_the_partitions_of_today_and_tomorrow(db: None):
    today = timezone.now().date()
    with connection.cursor() as cursor:
        for name in days():
            cursor.execute(f"DROP TABLE {name}")
    call_command("migrate", verbosity=0)
    assert {f"devices_access_{today + timedelta(days=n):%Y%m%d}" for n in range(8)} <= days()


def test_a_run_is_kept_with_its_warnings(db: None, monkeypatch: pytest.MonkeyPatch):
    assert "never" in told()[0]
    began = timezone.now()
    assert warned() == ""
    run = HousekeepingRun.objects.get()
    assert began <= run.began <= (run.ended or began) <= timezone.now()
    assert (run.warnings, told()) == ("", [])
    monkeypatch.setattr(access_log, "days_ahead", lambda today: 0)
    assert "tomorrow has no partition" in warned()
    assert "tomorrow has no partition" in HousekeepingRun.objects.latest("pk").warnings


def test_a_run_that_is_long_ago_or_has_failed_is_warned_of(db: None, monkeypatch: pytest.MonkeyPatch):
    long_ago = timezone.now() - timedelta(days=3)
    HousekeepingRun.objects.create(began=long_ago, ended=long_ago)
    monkeypatch.setattr(retention, "prune", lambda before: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        warned()
    assert HousekeepingRun.objects.filter(ended=None).count() == 1
    assert f"last ran at {long_ago:%Y-%m-%d %H:%M} UTC" in told()[0]


def test_old_runs_are_forgotten(db: None):
    long_ago = timezone.now() - timedelta(days=3)
    HousekeepingRun.objects.bulk_create(HousekeepingRun(began=long_ago, ended=long_ago) for _ in range(KEPT + 5))
    warned()
    assert HousekeepingRun.objects.count() == KEPT
