"""The cast of every test: a reseller, its two providers, and a stranger with a provider of its own."""

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.client import ClientHandler
from django.test.signals import setting_changed
from django.utils import timezone

from accounts import keys, login, second_factors
from accounts.models import ApiKey, Group, GroupType, Level, SecondFactor, User
from api import tokens
from boot.rate_limit import unknown_macs
from boot.user_agent_hints import hints
from devices.models import Access, Device, Import, ImportState, Outcome
from devices.reconcile import RowOutcome
from jobs import runner
from locations.models import Location
from management import secrets, storage
from management.drivers.base import File
from management.models import Credential, Endpoint, Operation, OperationState
from webhooks import secrets as webhook_secrets
from webhooks.models import TEST, Alert, Delivery, Webhook

pytest_plugins = ["tests.databases"]

PASSWORD = "correct horse 7 battery"

_numbers = itertools.count(1)


@dataclass
class Cast:
    """Groups by the part that they play for the reseller."""

    reseller: Group
    provider: Group
    sibling: Group  # the reseller's other provider
    stranger: Group  # another reseller
    strangers_provider: Group


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def make_cast() -> Cast:
    # Two statements and no audit entries: most tests begin so.
    reseller, stranger = Group.objects.bulk_create(
        Group(name=name, group_type=GroupType.RESELLER) for name in ("Acme Voice", "Foreign Telecom")
    )
    provider, sibling, strangers_provider = Group.objects.bulk_create(
        Group(name=name, group_type=GroupType.PROVIDER, reseller=above)
        for name, above in (("Berlin Phones", reseller), ("Munich Phones", reseller), ("Foreign Phones", stranger))
    )
    return Cast(reseller, provider, sibling, stranger, strangers_provider)


def make_group(name: str, reseller: Group | None = None, **attributes: Any) -> Group:
    kind = GroupType.PROVIDER if reseller else GroupType.RESELLER
    return Group.objects.create(name=name, group_type=kind, reseller=reseller, **attributes)


def make_user(group: Group | None = None, level: str | None = Level.ADMINISTRATOR, **attributes: Any) -> User:
    """A user who can log in with PASSWORD."""
    values = {"login": f"user{next(_numbers)}", "first_name": "Ada", "last_name": "Byron"} | attributes
    user = User(group=group, permission_level=level, **values)
    user.set_password(PASSWORD)
    user.save()
    return user


def make_operator(**attributes: Any) -> User:
    """A platform operator."""
    return make_user(None, Level.ADMINISTRATOR, is_superuser=True, is_staff=True, **attributes)


def make_second_factor(user: User, **attributes: Any) -> bytes:
    """A second factor, none of whose codes was used yet: its secret."""
    secret = second_factors.new_secret()
    values = {"secret": second_factors.encrypt(secret), "added_at": timezone.now(), "last_step": 0} | attributes
    SecondFactor.objects.create(user=user, **values)
    return secret


def make_key(group: Group, level: str = Level.ADMINISTRATOR, **attributes: Any) -> tuple[ApiKey, str]:
    """An API key, and its secret."""
    secret = keys.new_secret()
    values = {"name": "Import", "hint": secret[: keys.HINT], "digest": keys.digest_of(secret)} | attributes
    return ApiKey.objects.create(group=group, permission_level=level, **values), secret


def make_location(group: Group, url: str = "https://pbx.example/cfg/", **attributes: Any) -> Location:
    return Location.objects.create(group=group, url=url, **attributes)


def make_device(group: Group, mac: str | None = None, location: Location | None = None, **more: Any) -> Device:
    return Device.objects.create(group=group, mac=mac or f"00908F{next(_numbers):06X}", location=location, **more)


def make_access(device: Device, outcome: str = Outcome.NO_LOCATION, **attributes: Any) -> Access:
    """A row of the access log, of a request a moment ago."""
    values = {"time": timezone.now(), "address": "192.0.2.7", "user_agent": "AUDC/3.4.6.604"} | attributes
    return Access.objects.create(
        mac=device.mac, device_id=device.pk, group_id=device.group.pk, outcome=outcome, **values
    )


def make_import(group: Group | None, mac: str, **attributes: Any) -> Import:
    """An import that can be confirmed: of a row that creates a device of the group."""
    verdict = RowOutcome.CREATED
    values = {"file_name": "devices.csv", "by_job": True, "state": ImportState.CHECKED, "total": 1, "checked": 1}
    upload = Import.objects.create(group=group, counts={verdict: 1}, **values | attributes)
    cells = {"mac_cell": mac, "group_cell": "x", "location_cell": "", "description_cell": ""}
    upload.rows.create(number=2, mac=mac, verdict=verdict, group_id=group.pk if group else None, **cells)
    return upload


def make_endpoint(device: Device, base_url: str = "https://127.0.0.1:1", **attributes: Any) -> Endpoint:
    """The management interface of a device, at which nothing listens, with what was asked and fetched once."""
    endpoint = Endpoint.objects.create(
        group_id=device.group_id,
        mac=device.mac,
        base_url=base_url,
        **{"driver": "mediant-7.2", "summary": SUMMARY, "refreshed_at": timezone.now()} | attributes,
    )
    login = secrets.encrypt(b"a password")
    Credential.objects.create(endpoint=endpoint, user_name="Admin", secret=login)
    for verb in ("alarms", "tls_contexts"):
        done = {"state": OperationState.DONE, "result": {}, "finished_at": timezone.now()}
        Operation.objects.create(endpoint=endpoint, verb=verb, **done)
    storage.keep(endpoint, File("csr", "x.csr", b"a file"))
    return endpoint


def make_server(location: Location) -> Endpoint:
    """The management interface of a location's server, at which nothing listens, with what it said once."""
    values = {"driver": "sipxcom", "base_url": "https://127.0.0.1:1", "location": location}
    endpoint = Endpoint.objects.create(group_id=location.group_id, **values)
    Credential.objects.create(endpoint=endpoint, user_name="superadmin", secret=secrets.encrypt(b"a password"))
    done = {"state": OperationState.DONE, "result": {"phones": [], "registered": []}}
    Operation.objects.create(endpoint=endpoint, verb="consistency", finished_at=timezone.now(), **done)
    return endpoint


def make_webhook(group: Group, url: str = "http://127.0.0.1:1/", **attributes: Any) -> Webhook:
    """A webhook, at whose address nothing listens, with a delivery that is pending."""
    webhook = Webhook.objects.create(group=group, url=url, secret=webhook_secrets.encrypt(SECRET), **attributes)
    Delivery.objects.create(webhook=webhook, event=TEST, data={})
    return webhook


def make_alert(group: Group, **attributes: Any) -> Alert:
    """An alert that sends to an address of nobody."""
    return Alert.objects.create(group=group, **{"addresses": ["noc@acme.example"]} | attributes)


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

SUMMARY = {
    name: {"ok": False, "kind": "unsupported", "message": "no"}
    for name in ("identity", "firmware", "status", "provisioning", "registration")
}


def run_due_jobs() -> None:
    """What `manage.py run_jobs` does in one turn, here and now."""
    # A test's transaction goes on: its connection is not to be looked after between two jobs.
    with patch("django_tasks_db.management.commands.db_worker.close_old_connections"):
        worker = runner.make_worker()
        while runner.run_due(worker):
            pass


class Form(dict[str, Any]):
    """A body that is sent as multipart/form-data; `file` is the content of one."""

    def encoded(self) -> dict[str, Any]:
        content = self.get("file", b"")
        content = content.encode() if isinstance(content, str) else content
        file = {"file": SimpleUploadedFile(self.pop("name", "devices.csv"), content)} if "file" in self else {}
        return {**self, **file}


class Api:
    """Calls the API as one user, with a key, or as nobody: `api.get("/devices")`, `api.post("/groups", {...})`."""

    def __init__(self, user: User | None = None, *, key: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {"Authorization": f"Bearer {key}"} if key else {}
        if user is not None:
            self.headers["Authorization"] = "Bearer " + tokens.open_family(user)["access_token"]

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        return self.client.get("/api/v1" + path, query, headers=self.headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self._send(self.client.post, path, body)

    def put(self, path: str, body: Any = None) -> Any:
        return self._send(self.client.put, path, body)

    def delete(self, path: str) -> Any:
        return self.client.delete("/api/v1" + path, headers=self.headers)

    def _send(self, method: Callable[..., Any], path: str, body: Any) -> Any:
        if isinstance(body, Form):
            return method("/api/v1" + path, body.encoded(), headers=self.headers)
        return method("/api/v1" + path, body, content_type="application/json", headers=self.headers)


@pytest.fixture
def administrator(cast: Cast) -> Api:
    """The reseller's Administrator."""
    return Api(make_user(cast.reseller))


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def shared_rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database for a fixture that makes the rows of all tests of a module: taken back behind the last.

    Each test goes on in a savepoint, by `db` as ever.
    """
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as monkeypatch, undone():
        # Behind each test Django closes the connection, and would with it end the transaction of the module.
        monkeypatch.setattr(connection, "close", lambda: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _middleware_is_loaded_once() -> Iterator[None]:
    """Each test client would load all middleware anew, which takes longer than most requests."""
    load, loaded = ClientHandler.load_middleware, dict[str, Any]()

    def load_once(handler: ClientHandler) -> None:
        if not loaded:
            load(handler)
            loaded.update(vars(handler))
        vars(handler).update(loaded | {"enforce_csrf_checks": handler.enforce_csrf_checks})

    def forget(**_: Any) -> None:
        loaded.clear()  # middleware may have read the setting

    setting_changed.connect(forget)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ClientHandler, "load_middleware", load_once)
        yield
    setting_changed.disconnect(forget)


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """What a test leaves ignored, the processes of later tests inherit: they could not be told to stop."""
    told_to_stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(signum) for signum in told_to_stop]
    yield
    assert [signal.getsignal(signum) for signum in told_to_stop] == before


@pytest.fixture(autouse=True)
def _no_unknown_macs_yet() -> None:
    unknown_macs.clear()
    hints.clear()


@pytest.fixture(autouse=True)
def _no_minute_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logins are counted by the minute of the clock: none ends between two logins of one test."""
    begun = time.time()
    monkeypatch.setattr(login, "time", SimpleNamespace(time=lambda: begun))


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries at a device, and until one that restarts is asked again."""
    monkeypatch.setattr("management.transport.PAUSES", (0.0, 0.0))
    monkeypatch.setattr("management.drivers.restart.BACK_STEP", 0.02)
    monkeypatch.setattr("management.drivers.restart.BACK_WITHIN", 5.0)


@pytest.fixture(autouse=True, scope="session")
def _static_files_are_collected_elsewhere() -> Iterator[None]:
    """A test that collects static files where all tests look makes each of them slow, in later runs too."""
    yield
    found = [path.name for path in Path(settings.STATIC_ROOT).iterdir()]
    assert not found, f"Remove {settings.STATIC_ROOT}, and find the test that fills it."
