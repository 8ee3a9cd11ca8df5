"""Simulated devices for the tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import Level
from management.models import Endpoint
from tests.conftest import Api, Cast, make_device, make_location, make_user, run_due_jobs
from tests.simulators.mediant import Mediant
from tests.simulators.mediant_tls import new_key
from tests.simulators.poly import PolyTrio
from tests.simulators.server import Authority, Served
from tests.simulators.sipxcom import Sipxcom


@pytest.fixture(scope="session")
def key() -> bytes:
    """The private key that devices have from the factory: one for all, as making one takes long."""
    return new_key(1024)


@pytest.fixture
def mediant(key: bytes) -> Iterator[Served]:
    """A Mediant of firmware 7.2."""
    with Served(Mediant("7.2", key=key)) as served:
        yield served


@pytest.fixture
def old_mediant(key: bytes) -> Iterator[Served]:
    """A Mediant of firmware 7.0."""
    with Served(Mediant("7.0", key=key)) as served:
        yield served


PASSWORD_OF_DEVICE = "Canary-7f3a-of-the-device"


@dataclass
class Managed:
    """A simulated device with its endpoint, and callers of each level of the provider that has it."""

    served: Served
    endpoint: Endpoint
    administrator: Api
    operator: Api
    monitor: Api

    @property
    def device(self) -> Mediant:
        assert isinstance(self.served.device, Mediant)
        return self.served.device

    @property
    def phone(self) -> PolyTrio:
        assert isinstance(self.served.device, PolyTrio)
        return self.served.device

    @property
    def server(self) -> Sipxcom:
        assert isinstance(self.served.device, Sipxcom)
        return self.served.device

    @property
    def path(self) -> str:
        return f"/management/endpoints/{self.endpoint.pk}"

    def ask(self, verb: str, status: int = 202, **arguments: Any) -> Any:
        """Ask by the API, as an Administrator; the id of the operation, or the answer that it was refused with."""
        answer = self.administrator.post(f"{self.path}/operations", {"verb": verb, "arguments": arguments})
        assert answer.status_code == status, answer.content
        return answer.json()["id"] if status == 202 else answer

    def do(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Ask by the API, let the worker do it, and read what became of it by the API."""
        id = self.ask(verb, **arguments)
        run_due_jobs()
        return self.operation(id)

    def operation(self, id: int) -> dict[str, Any]:
        answer = self.administrator.get(f"/management/operations/{id}")
        assert answer.status_code == 200, answer.content
        shown: dict[str, Any] = answer.json()
        return shown

    def requests(self, *methods: str) -> list[str]:
        """What the device was asked, without the questions what it is."""
        journal = [entry for entry in self.served.device.journal if not methods or entry.method in methods]
        return [f"{entry.method} {entry.target.removeprefix('/api/v1')}" for entry in journal]


def manage(cast: Cast, served: Served, driver: str, **more: Any) -> Managed:
    """Register a simulated device by the API."""
    device = served.device
    user, (_, level) = next(iter(device.users.items()))
    device.users[user] = (PASSWORD_OF_DEVICE, level)
    subject: dict[str, Any]
    if isinstance(device, Mediant | PolyTrio):
        make_device(cast.provider, device.mac)
        subject = {"mac": device.mac}
    else:
        subject = {"locationId": make_location(cast.provider, "https://pbx.example/provision/").pk}
    callers = [
        Api(make_user(cast.provider, level)) for level in (Level.ADMINISTRATOR, Level.OPERATOR, Level.MONITOR)
    ]
    body = {
        "groupId": cast.provider.pk,
        "driver": driver,
        "baseUrl": served.url,
        **subject,
        "userName": user,
        "password": PASSWORD_OF_DEVICE,
        "allowHttp": True,
    }
    answer = callers[0].post("/management/endpoints", body | more)
    assert answer.status_code == 201, answer.content
    return Managed(served, Endpoint.objects.get(pk=answer.json()["id"]), *callers)


@pytest.fixture
def managed(cast: Cast, mediant: Served) -> Managed:
    """A Mediant of firmware 7.2 with an endpoint."""
    return manage(cast, mediant, "mediant-7.2")


@pytest.fixture
def managed_old(cast: Cast, old_mediant: Served) -> Managed:
    """A Mediant of firmware 7.0 with an endpoint."""
    return manage(cast, old_mediant, "mediant-7.0")


@pytest.fixture
def trio() -> Iterator[Served]:
    """A Poly Trio."""
    with Served(PolyTrio()) as served:
        yield served


@pytest.fixture
def managed_trio(cast: Cast, trio: Served) -> Managed:
    """A Poly Trio with an endpoint."""
    return manage(cast, trio, "poly-trio")


@pytest.fixture
def managed_server(cast: Cast, authority: Authority) -> Iterator[Managed]:
    """A sipXcom with an endpoint of a location."""
    with Served(Sipxcom(), authority=authority) as served:
        yield manage(cast, served, "sipxcom", tlsPolicy="ca", tlsCA=authority.pem)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA of devices that speak HTTPS."""
    return Authority()
