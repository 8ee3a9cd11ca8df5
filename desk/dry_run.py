"""What a phone would get now: the real look-up and the real rule, but nothing is counted, logged or limited."""

from dataclasses import dataclass
from http import HTTPStatus

from boot.database import look_up
from boot.decision import CertificateStatus, decide
from boot.request import BootRequest
from boot.response import Response, response_for, settings_for
from devices.mac import is_reserved
from devices.models import Outcome


@dataclass(frozen=True, slots=True)
class DryAnswer:
    """What a phone would get that shows no certificate, or its own."""

    certificate: CertificateStatus
    outcome: Outcome
    response: Response

    @property
    def text(self) -> str:
        """The HTTP answer to read: status, headers, body."""
        status = f"{self.response.status} {HTTPStatus(self.response.status).phrase}"
        headers = [f"{name.decode()}: {value.decode()}" for name, value in self.response.headers]
        return "\n".join([status, *headers, "", self.response.body.decode()]).rstrip()


def ask(request: BootRequest) -> list[DryAnswer]:
    """The answers to a phone's request: without a certificate, and with its own, whatever the request shows."""
    mac = request.mac
    record = None if is_reserved(mac) else look_up(mac)
    answers = []
    for certificate in (CertificateStatus.NONE, CertificateStatus.VERIFIED):
        decision = decide(record, mac, certificate, request.shape.file_name)
        response = settings_for(request, decision) or response_for(mac, decision)
        answers.append(DryAnswer(certificate, decision.outcome, response))
    return answers
