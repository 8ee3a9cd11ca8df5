"""Why a phone failed, in words: each diagnosis by example, without a database."""

from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Group
from boot.diagnosis import BY_OUTCOME, diagnose
from boot.diagnosis_facts import Diagnosis, Severity
from desk.charts import COLORS
from devices.models import Access, AccessStatus, Device, Outcome
from locations.models import Location
from redirect.times import ago, exact, moment

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=3)
MAC = "00908F9D8992"
OWNER = Group(pk=1, name="Berlin Phones")
URL = "https://pbx.example/{MAC ADDRESS}.cfg"
EXPANDED = f"https://pbx.example/{MAC}.cfg"
OPEN = Location(pk=7, group=OWNER, url=URL)
STRICT = Location(pk=8, group=OWNER, url=URL, mutual_auth=True)
OWN, FOREIGN = f"O=ACL,CN=Client_{MAC}", "O=ACL,CN=Client_00908FAAAAAA"


def replace(access: Access, **changes: Any) -> Access:
    """A copy with some attributes changed."""
    changed = copy(access)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


NO_LOCATION = Access(time=EARLIER, outcome=Outcome.NO_LOCATION, address="192.0.2.7", group_id=1)
REDIRECTED = replace(NO_LOCATION, outcome=Outcome.REDIRECTED, location_url=URL)
NO_CERTIFICATE = replace(REDIRECTED, outcome=Outcome.CERTIFICATE_REQUIRED)
MISMATCH = replace(REDIRECTED, outcome=Outcome.CERTIFICATE_MISMATCH, certificate_subject=FOREIGN)
UNKNOWN = Access(time=EARLIER, outcome=Outcome.UNKNOWN, address="192.0.2.7")


def told(last: Access | None, location: Location | None, **more: Any) -> Diagnosis:
    facts = {n: more.pop(n) for n in ("last_owner", "certificate_shown", "proxy_trusted") if n in more}
    return diagnose(Device(pk=5, mac=MAC, group=OWNER, location=location, **more), last, now=NOW, **facts)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_words_and_every_diagnosis_is_complete(outcome: Outcome):
    assert outcome.label
    assert COLORS[outcome]
    assert outcome in BY_OUTCOME
    for location in (None, OPEN, STRICT):
        for subject in (None, OWN, FOREIGN, "CN=Somebody"):
            for trusted in (False, True):
                last = replace(REDIRECTED, outcome=outcome, certificate_subject=subject)
                found = told(last, location, proxy_trusted=trusted)
                for sentence in (found.headline, found.why, *found.steps):
                    assert sentence.endswith(".")
                    assert "None" not in sentence
                assert "3 minutes ago (2026-03-01 11:57:00 UTC) from 192.0.2.7" in found.why
                assert found.steps
                assert found.severity in (Severity.BAD, Severity.WARNING) or found.url


@pytest.mark.parametrize(
    ("last", "location", "severity", "headline", "sentences"),
    [
        (
            None,
            OPEN,
            Severity.WAITING,
            "never sent a request",
            ["00:90:8F:9D:89:92", "DHCP", "firewall", "has power"],
        ),
        (
            None,
            None,
            Severity.WARNING,
            "never sent a request",
            ["will be refused", "Give the device a location", "DHCP"],
        ),
        (None, STRICT, Severity.WAITING, "never sent a request", ["must begin with https://"]),
        (UNKNOWN, OPEN, Severity.WAITING, "before the device was added", ["no group owned this MAC", "Restart"]),
        (UNKNOWN, None, Severity.BAD, "before the device was added", ["Give the device a location"]),
        (
            REDIRECTED,
            OPEN,
            Severity.GOOD,
            "nothing failed here",
            ["fault lies behind that address", "pbx.example"],
        ),
        (REDIRECTED, None, Severity.BAD, "was removed", [EXPANDED, "Give the device a location"]),
        (REDIRECTED, STRICT, Severity.WARNING, "unless the phone shows", ["must begin with https://", "Restart"]),
        (NO_LOCATION, None, Severity.BAD, "has no location", ["Berlin Phones", "Give the device a location"]),
        (NO_LOCATION, OPEN, Severity.WAITING, "Corrected since", ["had no location, and now it has", "Restart"]),
        (NO_LOCATION, STRICT, Severity.WAITING, "Corrected since", ["which its location requires"]),
        (NO_CERTIFICATE, STRICT, Severity.BAD, "showed no certificate", ["https://", "proxy or firewall"]),
        (NO_CERTIFICATE, OPEN, Severity.WAITING, "Corrected since", ["no longer requires one", "Restart"]),
        (NO_CERTIFICATE, None, Severity.BAD, "was removed", ["Give the device a location"]),
        (MISMATCH, STRICT, Severity.BAD, "belongs to another device", [FOREIGN, "00:90:8F:AA:AA:AA"]),
        (MISMATCH, OPEN, Severity.WAITING, "Corrected since", ["no longer requires one"]),
        (MISMATCH, None, Severity.BAD, "was removed", ["Give the device a location"]),
    ],
)
def test_a_diagnosis(last, location, severity, headline, sentences):
    found = told(last, location)
    assert found.severity is severity
    assert headline in found.headline
    everything = " ".join((found.why, *found.steps))
    for sentence in sentences:
        assert sentence in everything
    assert found.url == (EXPANDED if location is not None and severity is not Severity.BAD else None)


def test_a_certificate_that_shows_the_mac_was_demanded_and_is_shown_again():
    assert told(replace(REDIRECTED, certificate_subject=OWN), STRICT).severity is Severity.GOOD


@pytest.mark.parametrize(
    ("subject", "headline", "sentence"),
    [
        (OWN, "is not valid", "may have expired"),
        (f"CN={MAC.lower()}", "is not valid", "issuer (CA)"),
        ("CN=00:90:8F:AA:AA:AA,O=x", "belongs to another device", "00:90:8F:AA:AA:AA"),
        ("CN=Lobby", "not this phone's own", "whose subject is CN=Lobby"),
        ("O=00908FAAAAAA", "not this phone's own", "from the factory"),
        (None, "not this phone's own", "cannot be read"),
    ],
)
def test_a_certificate_that_does_not_fit_is_told_from_another(subject, headline, sentence):
    found = told(replace(MISMATCH, certificate_subject=subject), STRICT)
    assert headline in found.headline
    assert sentence in " ".join((found.why, *found.steps))


def test_a_phone_that_has_shown_a_certificate_before_has_one():
    found = told(NO_CERTIFICATE, STRICT, certificate_shown=NOW - timedelta(days=2))
    assert "did show one 2 days ago (2026-02-27 12:00:00 UTC), so it has one" in found.why
    assert "did show" not in told(NO_CERTIFICATE, STRICT).why


@pytest.mark.parametrize("last", [NO_CERTIFICATE, MISMATCH, NO_LOCATION, None])
def test_without_a_trusted_proxy_no_certificate_is_seen_at_all(last):
    assert any("TRUSTED_PROXIES" in step for step in told(last, STRICT, proxy_trusted=False).steps)
    assert not any("TRUSTED_PROXIES" in step for step in told(last, STRICT).steps)


def test_a_location_that_has_changed_since_is_told_with_both_urls():
    elsewhere = Location(pk=9, group=OWNER, url="https://new.example/{CUSTOMER NAME}")
    found = told(REDIRECTED, elsewhere)
    assert found.severity is Severity.WAITING
    assert found.headline == "Its location has changed since its last request."
    assert EXPANDED in found.why
    assert found.url == "https://new.example/Berlin%20Phones"


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN])
@pytest.mark.parametrize(
    ("group", "words"), [("Munich Phones", "Munich Phones"), (None, "a group that was deleted")]
)
def test_what_a_phone_got_as_another_groups_tells_nothing_about_now(outcome, group, words):
    last = replace(REDIRECTED, outcome=outcome, group_id=2)
    found = told(last, OPEN, last_owner=group)
    assert found.severity is Severity.WAITING
    assert found.headline == "No request has come since the device was moved to Berlin Phones."
    assert f"belonged to {words}" in found.why
    assert told(last, None).severity is Severity.BAD


@pytest.mark.parametrize(
    ("status", "headline"),
    [(AccessStatus.FAIL, "does not go back far enough"), (AccessStatus.SUCCESS, "a long time ago")],
)
def test_a_request_that_is_no_longer_in_the_log_is_told_by_the_device(status, headline):
    found = told(None, OPEN, last_access=NOW - timedelta(days=40), last_access_status=status)
    assert headline in found.headline
    assert "1 month ago (2026-01-20 12:00:00 UTC)" in found.why


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=59), "less than a minute ago"),
        (timedelta(seconds=-5), "less than a minute ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5, minutes=30), "5 hours ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_times_are_told_at_a_glance_and_exactly(before, words):
    time = NOW - before
    assert ago(time, NOW) == words
    assert moment(time, NOW) == f"{words} ({exact(time)})"
    assert exact(NOW) == "2026-03-01 12:00:00 UTC"
