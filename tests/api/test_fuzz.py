"""No request makes the service fail, and every refusal is the documented JSON: a short `make fuzz`, in process."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from api import tokens
from redirect.wsgi import application
from tests.conftest import Cast, make_device, make_location, make_operator, make_user
from tests.fuzz import corpus, generated
from tests.fuzz.answers import error_problem


def service(environ: dict[str, Any], start_response: Any) -> Any:
    """The service behind a server, which says who asks."""
    return application(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)


load_all_checks()
CLIENT = Client(raise_request_exception=False, enforce_csrf_checks=True)  # one: middleware is dear to load
PROMISES = CHECKS.get_by_names(generated.CHECKS.split(","))
DOCUMENT = schemathesis.openapi.from_wsgi("/api/v1/schema", service).exclude(path="/api/v1/logout")
OPERATIONS = [result.ok() for result in DOCUMENT.get_all_operations() if isinstance(result, Ok)]
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # These have nothing that could be wrong.
    if mode is GenerationMode.POSITIVE or operation.path not in ("/healthz", "/readyz")
]


@pytest.fixture
def token(cast: Cast) -> str:
    """A platform operator's, with something to work on."""
    location = make_location(cast.provider)
    for _ in range(3):
        make_device(cast.provider, location=location)
    make_user(cast.reseller)
    operator = make_operator()
    generated.own_id["operator"] = operator.pk
    return str(tokens.open_family(operator)["access_token"])


@pytest.fixture
def _connection_stays(db: None) -> Iterator[None]:
    """As Django's own test client does: the end of a request must not close the connection of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("_connection_stays")
@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_what_the_document_knows(operation, mode, token):
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=4,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=PROMISES)

    check()


@pytest.mark.parametrize(("method", "path"), corpus.TARGETS[::2])
def test_bodies_that_no_client_sends(token, method, path):
    for body in corpus.BODIES:
        _send(token, method, corpus.API + path, body)


@pytest.mark.parametrize("path", corpus.LISTS)
def test_queries_that_no_client_sends(token, path):
    for query in corpus.QUERIES:
        _send(token, "GET", f"{corpus.API}{path}?{query}")


@pytest.mark.parametrize("kind", corpus.KINDS)
def test_ids_that_nobody_has(token, kind):
    for identity in corpus.IDS:
        _send(token, "GET", f"{corpus.API}/{kind}/{identity}")


@pytest.mark.parametrize("method", corpus.METHODS)
def test_methods_that_nobody_knows(token, method):
    for path in corpus.METHOD_PATHS:
        _send(token, method, path, b"{}")


@pytest.mark.parametrize("kind", corpus.CONTENT_TYPES)
def test_content_types_that_nobody_knows(token, kind):
    _send(token, "POST", corpus.API + "/groups", b'{"name":"x","groupType":"Reseller"}', kind)


def _send(token: str, method: str, target: str, body: bytes = b"", content_type: str = "application/json") -> None:
    path, _, query = target.partition("?")
    answer: Any = CLIENT.generic(
        method,
        path,
        body,
        content_type=content_type,
        QUERY_STRING=query,
        headers={"Authorization": f"Bearer {token}"},
    )
    if method != "HEAD":
        problem = error_problem(answer.status_code, answer.get("Content-Type", ""), answer.content)
        assert problem is None, (method, target[:200], body[:200])
