"""An API key that is ended through one process of the service is refused by all, at their next request."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import ApiKey, Level
from api import tokens
from rig.clients import Integrator
from rig.service import Service, environment
from tests.conftest import Cast, make_key, make_user
from tests.jobs.test_run_jobs import address

# It starts processes, which a busy machine may take a minute to start.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def processes(tmp_path: Path, transactional_db: None) -> Iterator[list[Service]]:
    """Two servers of one process each, on the test's own database."""
    variables = environment(address(), WEB_WORKERS="1", JWT_SIGNING_KEY=settings.JWT_SIGNING_KEY)
    services = [Service(variables, tmp_path / f"{name}.log") for name in ("one", "other")]
    started = []
    try:
        for service in services:
            started.append(service)
            service.start()
        yield services
    finally:
        for service in started:
            service.stop()


@pytest.fixture
def callers(processes: list[Service]) -> Iterator[Callable[[str], list[Integrator]]]:
    """Connections to all processes with this token or key, which stay open."""
    with ExitStack() as stack:

        def connect(token: str) -> list[Integrator]:
            made = [Integrator.holding(service.port, token) for service in processes]
            for api in made:
                stack.callback(api.close)
            return made

        yield connect


def end(api: Integrator, key: ApiKey) -> Any:
    return api.call("DELETE", f"/keys/{key.pk}")


def keep_to_another_network(api: Integrator, key: ApiKey) -> Any:
    return api.call("PUT", f"/keys/{key.pk}", {"allowedNetworks": ["192.0.2.0/24"]})


def test_a_key_is_refused_by_every_process_at_once(callers: Any, cast: Cast) -> None:
    administrators = callers(tokens.open_family(make_user(cast.reseller))["access_token"])
    for change in (end, keep_to_another_network):
        for administrator in administrators:  # through the one process, then through the other
            key, secret = make_key(cast.provider, Level.MONITOR)
            machines = callers(secret)
            assert [machine.call("GET", "/groups")[0] for machine in machines * 3] == [200] * 6
            assert change(administrator, key)[0] == 200
            assert [machine.call("GET", "/groups")[0] for machine in machines] == [401, 401], change.__name__
