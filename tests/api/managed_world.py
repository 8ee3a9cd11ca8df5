"""What the examples of device management speak of: a device and a server, and what was asked of them."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from api.management_results import AlarmsView, SummarySerializer, TlsView
from devices.models import Device
from management import secrets
from management.models import Artefact, Credential, Endpoint, Operation, OperationState

MAC = "00908FA16301"
SHOWN = datetime(2019, 4, 28, 18, 16, 4, tzinfo=UTC)
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CSR = (
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIHRMHkCAQAwFzEVMBMGA1UEAwwMMDA5MDhGQTE2MzAxMFkwEwYHKoZIzj0CAQYI\n"
    "KoZIzj0DAQcDQgAEzLBGfE8JcnDZ9d/4URcxuB+y0p91dtZFLlUkRtWaVOdkDM+l\n"
    "IJoVjyrBnUayIYSTQrZXPGJR+jN9T89Gouk/0aAAMAoGCCqGSM49BAMCA0gAMEUC\n"
    "IFD/xdLdt+DsjJz4ZOZ3HTVtza6uGyODg19i2ssDiU8uAiEAugpE0HjdtzS8GHEg\n"
    "Fzs+Cq9mZqWavS2pPEKhur6R0rA=\n"
    "-----END CERTIFICATE REQUEST-----\n"
)
MODELS: list[type[Model]] = [Endpoint, Operation, Artefact]


def make() -> None:
    """Endpoint 4 of a device and 5 of a server, operations 4 to 10, and file 2."""
    Device.objects.create(id=20, mac=MAC, group_id=6)
    endpoint = Endpoint.objects.create(
        id=4,
        group_id=6,
        driver="mediant-7.2",
        base_url="https://10.4.219.229",
        mac=MAC,
        tls_policy="fingerprint",
        tls_fingerprint=SHA256,
        seen_mac=MAC,
        summary=shown_in(SummarySerializer),
        refreshed_at=SHOWN,
    )
    server = Endpoint.objects.create(
        id=5, group_id=2, driver="sipxcom", base_url="https://10.4.0.5", location_id=7, login_refused=True
    )
    for each, name in ((endpoint, "Admin"), (server, "superadmin")):
        Credential.objects.create(endpoint=each, user_name=name, secret=secrets.encrypt(b"a long one"))
    phones = {"phones": ["00908F9D8992"], "registered": []}
    _operation(4, endpoint, "config_backup", result={})
    _operation(5, server, "consistency", result=phones)
    _operation(6, endpoint, "tls_contexts", result=result_of(TlsView))
    _operation(7, endpoint, "alarms", result=result_of(AlarmsView))
    late = datetime(2026, 2, 1, tzinfo=UTC)
    _operation(8, endpoint, "restart", state=OperationState.FAILED, kind="busy", created_at=late)
    _operation(
        9,
        endpoint,
        "restart",
        arguments={"mode": "graceful", "wait": 60},
        user_id=2,
        user_login="ada",
        attempts=1,
        result={"description": "Device will reset now", "back": None},
    )
    steps = [{"step": "request", "state": "done", "at": "2019-04-28 18:16:04 UTC", "csr": CSR}]
    _operation(10, endpoint, "certify", state=OperationState.PARKED, steps=steps, finished_at=None)
    Artefact.objects.create(
        id=2,
        endpoint=endpoint,
        operation_id=4,
        kind="configuration-ini",
        name="configuration.ini",
        size=20412,
        sha256=SHA256,
        firmware="7.20A.200.014",
        created_at=SHOWN,
        expires_at=SHOWN,
        data=secrets.encrypt(b";** Ini File **"),
    )


def _operation(id: int, endpoint: Endpoint, verb: str, **more: Any) -> None:
    times = {"created_at": SHOWN, "started_at": SHOWN, "finished_at": SHOWN}
    values = {"state": OperationState.DONE, "arguments": {}} | times | more
    Operation.objects.create(id=id, endpoint=endpoint, verb=verb, **values)


def shown_in(serializer: Any) -> dict[str, Any]:
    """The parts of the summary that the document shows."""
    [shown] = serializer._spectacular_annotation["examples"]
    return {name: part for name, part in shown.value.items() if name != "refreshedAt"}


def result_of(view: Any) -> dict[str, Any]:
    """The result that the document shows for an address."""
    [shown] = view.responses["GET"][200].examples
    found: dict[str, Any] = shown.value["result"]
    return found


# --- What an operation finds -----------------------------------------------------------------------------------


def no_endpoint_yet() -> None:
    Endpoint.objects.filter(id=4).delete()


def the_flow_has_failed() -> None:
    Operation.objects.filter(id=10).update(state=OperationState.FAILED)
