"""The certificate of a device, for locations that want one: key, request, certificate, and the proof of it.

One operation (`certify`) of seven steps. Each is recorded before and after it is sent; an attempt that dies goes
on from there. What was sent and not answered is looked for on the device, and sent again only if it is known that
it was not carried out.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from boot.certificate import DENIED, names_of, problem_with
from boot.database import look_up
from boot.decision import CertificateStatus, decide
from devices.models import DeniedCertificate
from management import local_ca
from management.drivers.base import DeviceError, Driver, Kind, Result
from management.models import Operation
from management.pem import certificates
from redirect.times import exact

STEPS = ("key", "request", "certificate", "install", "trust", "save", "verify")
SENT, DONE, SKIPPED, IN_DOUBT, WAITING = "sent", "done", "skipped", "in doubt", "waiting"
OVER = (DONE, SKIPPED, IN_DOUBT)

Step = dict[str, Any]


class Parked(Exception):
    """Raised when the flow waits for a person, who brings the certificate."""


class Refused(ValueError):
    """A certificate is not the one that is needed. ``str()`` is a sentence for the person who brought it."""


def step(operation: Operation, name: str) -> Step:
    """What is known of a step; empty before it began."""
    return next((known for known in operation.steps if known["step"] == name), {})


def note(operation: Operation, name: str, state: str, **data: Any) -> None:
    """Keep what became of a step, in order; nothing is saved here."""
    known = step(operation, name)
    new = {**known, "step": name, "state": state, "at": exact(timezone.now()), **data}
    others = [each for each in operation.steps if each["step"] != name]
    operation.steps = sorted([*others, new], key=lambda each: STEPS.index(each["step"]))


class Flow:
    """One attempt. `save` keeps the operation's steps; raised errors are the driver's, and Parked."""

    def __init__(
        self, operation: Operation, driver: Driver, arguments: Mapping[str, Any], save: Callable[[], None]
    ) -> None:
        self.operation, self.driver, self.arguments, self.save = operation, driver, arguments, save
        self.context = str(arguments.get("context", "0"))
        self.now = ""

    def before_write(self) -> None:
        """Called by the transport: from now on the step may have been carried out."""
        if self.now != "request":  # a question: nothing is at stake if its answer is lost
            note(self.operation, self.now, SENT)
            self.save()

    def run(self) -> Result:
        """Do what is left; raises DeviceError or Parked."""
        for name in STEPS:
            known = step(self.operation, name)
            if known.get("state") in OVER:
                continue
            self.now = name
            if known.get("state") == SENT and self._was_done(name):
                continue
            if not self._do(name):
                self._do(name)  # it is known that it was not carried out
        doubt = [each["step"] for each in self.operation.steps if each["state"] == IN_DOUBT]
        if "save" in doubt:
            raise DeviceError(
                Kind.UNKNOWN_OUTCOME,
                "The certificate is installed and accepted. Whether the device has saved it is not known: ask for "
                "config_save, or it may be lost at the next restart.",
            )
        return Result({name: value for name, value in step(self.operation, "verify").items() if name != "step"})

    def _do(self, name: str) -> bool:
        """Do a step; False if its answer is missing, and reading tells that nothing came of it."""
        try:
            state, data = getattr(self, f"_{name}")()
        except DeviceError as error:
            if error.sent:
                return self._was_done(name)
            note(self.operation, name, WAITING)  # the device has refused it, or was never asked
            self.save()
            raise
        self._over(state, **data)
        return True

    def _over(self, state: str, **data: Any) -> None:
        note(self.operation, self.now, state, **data)
        self.save()

    def _was_done(self, name: str) -> bool:
        """Whether a step that was sent need not be sent again, as reading tells; raises DeviceError."""
        verified: bool | None = None
        match name:
            case "key":
                wanted = {"context": self.context, "bits": self._bits}
                before = {"size": step(self.operation, "key").get("sizeBefore")}
                verified = self.driver.verify("tls_key_generate", wanted, before)
            case "install":
                wanted = {"context": self.context, "pem": self._pem}
                verified = self.driver.verify("tls_cert_put", wanted, {})
            case "trust":
                wanted = {"context": self.context, "pem": self._trusted}
                verified = self.driver.verify("tls_trust_add", wanted, {})
        if verified is False or name == "request":
            note(self.operation, name, WAITING)
            self.save()
            return False
        # In doubt a key is good if it is there: the request is made of whatever key the device has.
        self._over(DONE if verified else IN_DOUBT)
        return True

    # --- The steps --------------------------------------------------------------------------------------------

    @property
    def _bits(self) -> int:
        return int(self.arguments.get("bits", 2048))

    @property
    def _pem(self) -> str:
        return str(step(self.operation, "certificate")["pem"])

    @property
    def _trusted(self) -> str:
        return str(self.arguments.get("trust") or step(self.operation, "certificate").get("trust") or "")

    def _key(self) -> tuple[str, Step]:
        size = self.driver.do("tls_cert_get", {"context": self.context}).data["privateKey"].get("size")
        note(self.operation, "key", WAITING, sizeBefore=size)
        self.driver.do("tls_key_generate", {"context": self.context, "bits": self._bits})
        return DONE, {"bits": self._bits}

    def _request(self) -> tuple[str, Step]:
        names = ("organizationalUnit", "companyName", "localityName", "state", "countryCode")
        subject = {name: self.arguments[name] for name in names if self.arguments.get(name)}
        hashed = {"signatureAlgorithm": self.arguments.get("signatureAlgorithm", "sha256")}
        mac = self.operation.endpoint.mac
        asked = {"context": self.context, "subjectName": mac, **hashed, **subject}
        return DONE, {"csr": self.driver.do("tls_csr", asked).data["csr"]}

    def _certificate(self) -> tuple[str, Step]:
        csr = step(self.operation, "request")["csr"]
        signed = local_ca.sign(csr, self.operation.endpoint.mac)
        if signed is None:
            note(self.operation, "certificate", WAITING)
            self.save()
            raise Parked
        try:
            check(self.operation, signed.pem)
        except Refused as error:
            raise DeviceError(Kind.PRECONDITION, f"The local CA's certificate is of no use: {error}") from error
        return DONE, {"pem": signed.pem, "trust": signed.ca, "by": "local CA"}

    def _install(self) -> tuple[str, Step]:
        self.driver.do("tls_cert_put", {"context": self.context, "pem": self._pem})
        return DONE, {}

    def _trust(self) -> tuple[str, Step]:
        if not self._trusted:
            return SKIPPED, {}
        self.driver.do("tls_trust_add", {"context": self.context, "pem": self._trusted})
        return DONE, {}

    def _save(self) -> tuple[str, Step]:
        self.driver.do("config_save", {})
        return DONE, {}

    def _verify(self) -> tuple[str, Step]:
        found = self.driver.do("tls_cert_get", {"context": self.context}).data
        if not found["privateKey"].get("valid"):
            raise DeviceError(
                Kind.PRECONDITION, "The device says that its key and certificate do not belong together."
            )
        shown = found["certificates"][0]["pem"] if found["certificates"] else ""
        try:
            told = check(self.operation, shown)
        except Refused as error:
            raise DeviceError(Kind.PRECONDITION, f"The device shows a certificate of no use: {error}") from error
        return DONE, {"fingerprint": found["certificates"][0]["fingerprint"], **told}


def check(operation: Operation, pem: str) -> Step:
    """Whether a certificate is of the key that the request is of, and the redirect accepts it.

    What a phone that shows it would get; raises Refused.
    """
    try:
        [certificate] = certificates(pem)
    except ValueError as error:
        raise Refused("Must be one certificate as PEM, and nothing else.") from error
    request = x509.load_pem_x509_csr(step(operation, "request")["csr"].encode())
    if _public(certificate) != _public(request):
        raise Refused("The certificate is of another key than the device's request.")
    mac = operation.endpoint.mac
    escaped = quote(certificate.public_bytes(Encoding.PEM).decode())
    problem = problem_with(mac, verify="SUCCESS", certificate=escaped)
    if not problem and DeniedCertificate.objects.filter(name__in=names_of(escaped) or ()).exists():
        problem = DENIED
    if problem:
        raise Refused(f"The redirect would not accept it: {problem}.")
    decision = decide(look_up(mac), mac, CertificateStatus.VERIFIED)
    return {"outcome": decision.outcome.value, "url": decision.url}


def _public(of: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
