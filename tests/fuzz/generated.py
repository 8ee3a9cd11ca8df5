"""Requests that schemathesis makes from the service's own document."""

import contextlib
from collections.abc import Callable
from typing import Any

import schemathesis
from click.testing import CliRunner
from schemathesis.cli import schemathesis as command_line

from tests.fuzz.answers import answers, error_problem
from tests.fuzz.corpus import API, NOBODY

# Left out: positive_data_acceptance, as the service also refuses what no schema can tell (a common password, a
# host that is none, a MAC that nobody has); object_level_authorization, which needs accounts with rows of their
# own and is what tests/api proves by a table. ensure_resource_availability and use_after_free expect 404 for what
# does not exist, where the manual wants 204.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,"
    "allow_header_conformance,ignored_auth,json_error"
)

own_id: dict[str, int] = {}  # of the users that requests are made as, by login


@schemathesis.check
def json_error(ctx: Any, response: Any, case: Any) -> None:
    """From 400 up the answer is {"description": "<a sentence>"}."""
    problem = error_problem(
        response.status_code, response.headers.get("content-type", [""])[0], response.content or b""
    )
    if problem:
        raise AssertionError(problem)


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Ids that exist, most of the time; what breaks the schema stays as it is."""
    for name, value in (path_parameters or {}).items():
        path_parameters[name] = _likely(value)
    return path_parameters


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Ids and MACs that exist, most of the time; nothing that a PUT would have to send back unchanged."""
    if isinstance(body, dict):
        if context.operation.method.upper() == "PUT":
            for name, valid in UNCHANGEABLE.items():
                if valid(body.get(name)):
                    del body[name]
        for name in {"group", "groupId", "resellerId", "locationId"} & body.keys():
            body[name] = _likely(body[name])
        for name, item in (("idList", int), ("macList", str)):
            if isinstance(body.get(name), list) and all(type(value) is item for value in body[name]):
                body[name] = [_likely(value) for value in body[name]]
    return body


UNCHANGEABLE: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("id", "group", "groupId", "resellerId"), lambda value: type(value) is int and -(2**63) <= value < 2**63
    ),
    "login": lambda value: isinstance(value, str),
    "groupType": lambda value: value in ("Reseller", "Provider"),
    "permissionLevel": lambda value: value in ("Administrator", "Operator", "Monitor"),
}


def _likely(value: Any) -> Any:
    if type(value) is int and 100 < value < 2**63:
        return value % 40
    if isinstance(value, str) and value[2:3] == value[5:6] == ":" and len(value) == 17:
        return f"00:90:8F:14:10:{hash(value) % 64:02X}"
    return value


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """The accounts that fuzz must neither be deleted nor get another password, which would end their tokens."""
    if case.operation.path == f"{API}/users/{{id}}" and case.method in ("PUT", "DELETE"):
        with contextlib.suppress(ValueError, TypeError):
            if int(case.path_parameters["id"]) in own_id.values():
                case.path_parameters["id"] = NOBODY


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """What is not a failure.

    An id beyond 64 bit breaks the schema, but is answered like any other id that nobody has: with 204. An address
    of more than 8 KiB is refused by the HTTP server before the application sees it.
    """
    if response.status_code == 414:
        return False
    if response.status_code != 204 or type(failure).__name__ != "AcceptedNegativeData":
        return True
    return not str((case.path_parameters or {}).get("id")).isdecimal()


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    answers[f"{case.method} {case.operation.path}", response.status_code] += 1


def run_schemathesis(port: int, token: str, examples: int, seed: int) -> bool:
    """Whether it found nothing. Prints what it found."""
    arguments = [
        "run",
        f"http://127.0.0.1:{port}{API}/schema",
        f"--header=Authorization: Bearer {token}",
        f"--checks={CHECKS}",
        f"--max-examples={examples}",
        f"--seed={seed}",
        f"--exclude-path={API}/logout",  # it would end the token; the list below has it
        "--continue-on-failure",
        "--no-shrink",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--warnings=off",
        "--no-color",
        "--workers=1",  # threads meet a bug of Python 3.11 (gh-106905) while hypothesis reads its own source
        "--max-redirects=0",
    ]
    result = CliRunner().invoke(command_line, arguments)
    if result.exit_code:
        print(result.output)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
    return result.exit_code == 0
