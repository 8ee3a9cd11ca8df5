"""Phones with certificates of every kind, through a real nginx: what they get, and what staff read of it."""

import itertools
import ssl
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.utils import timezone

from boot import certificate
from boot.diagnosis import diagnose
from desk.admin.certificates import DeniedCertificateForm
from devices.models import Access, DeniedCertificate, Device, Outcome
from rig import nginx
from rig.nginx import Nginx
from tests.certificates import CA, key_pem, make_ca, named, pem
from tests.conftest import Cast, make_device, make_location
from tests.edge.conftest import ABSENT, any_server, ask

MAC = "00908F9D8992"
OTHER = "00908FAAAAAA"
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
# What every maker may do: a leaf that says that it is none of a CA, whose usual extensions nginx looks at.
USUAL = (x509.BasicConstraints(ca=False, path_length=None), CLIENT)


class Makers:
    """Device CAs, each with a rule of its own, in the folder of the service and in the file of nginx."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "device-ca"
        self.folder.mkdir()
        self.audiocodes = self._add("audiocodes")
        self.poly = self._add("poly", 'mac = ["CN={MAC}"]\nexpired = true\n')
        self.cisco = self._add("cisco", 'mac = ["ST={MAC}"]\n')
        self.dns = self._add("dns", 'mac = ["DNS={MAC}.phones.example"]\n')
        self.proxy_only = make_ca("Known to the proxy only")
        self.stranger = make_ca("Stranger")
        deep = [self.audiocodes]
        for number in range(5):
            deep.append(make_ca(f"Deep {number}", issuer=deep[-1]))
        self.deep = deep[1:]
        self._number = itertools.count()

    def _add(self, name: str, rule: str = "") -> CA:
        ca = make_ca(name)
        (self.folder / f"{name}.pem").write_text(pem(ca.certificate))
        if rule:
            (self.folder / f"{name}.toml").write_text(rule)
        return ca

    @property
    def of_the_proxy(self) -> bytes:
        """As `cat *.pem` makes it, and one more."""
        texts = [file.read_text() for file in sorted(self.folder.glob("*.pem"))]
        return "".join([*texts, pem(self.proxy_only.certificate)]).encode()

    def client(self, shown: x509.Certificate, key: Any, *chain: CA) -> ssl.SSLContext:
        """A phone that shows a certificate."""
        file = self.home / f"phone-{next(self._number)}.pem"
        file.write_text(key_pem(key) + pem(shown) + "".join(pem(ca.certificate) for ca in chain))
        context = any_server()
        context.set_ciphers("ALL:@SECLEVEL=0")  # a phone may well show a weak one
        context.load_cert_chain(file)
        return context


@pytest.fixture(scope="session")
def makers(tmp_path_factory: pytest.TempPathFactory) -> Makers:
    return Makers(tmp_path_factory.mktemp("makers"))


@pytest.fixture(scope="session")
def front(live_server: Any, makers: Makers) -> Iterator[Nginx]:
    """nginx in front of the service."""
    if nginx.program() is None:
        pytest.skip(ABSENT)
    server, key = make_ca("Server").issue(named(CN="redirect.example"))
    certificates = {
        "server.crt": pem(server).encode(),
        "server.key": key_pem(key).encode(),
        "device-ca.crt": makers.of_the_proxy,
    }
    port = int(live_server.url.rsplit(":", 1)[1])
    running = nginx.of_the_project(makers.home / "nginx", port, certificates=certificates)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def device(transactional_db: None, cast: Cast, settings: Any, makers: Makers) -> Device:
    """A device at a location with mutualAuth, of a service that knows the CAs."""
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1/32")]
    settings.DEVICE_CA_DIR = str(makers.folder)
    return make_device(cast.provider, MAC, make_location(cast.provider, mutual_auth=True))


def boot(front: Nginx, client: ssl.SSLContext) -> int:
    return ask(front.tls_port, f"GET /{MAC}", tls=client).status


def story(device: Device) -> str:
    """What the page of the device says."""
    device.refresh_from_db()
    found = diagnose(device, Access.objects.get(), now=timezone.now())
    return f"{found.headline} {found.why} {' '.join(found.steps)}"


def check_good(front: Nginx, device: Device, client: ssl.SSLContext) -> None:
    assert boot(front, client) == 302
    access = Access.objects.get()
    assert (access.outcome, access.certificate_problem) == (Outcome.REDIRECTED, "")
    device.refresh_from_db()
    assert device.certificate_seen == device.last_access


def check_refused(front: Nginx, device: Device, client: ssl.SSLContext, problem: str, *words: str) -> None:
    assert boot(front, client) == 404
    access = Access.objects.get()
    assert (access.outcome, access.certificate_problem) == (Outcome.CERTIFICATE_MISMATCH, problem)
    assert all(word in story(device) for word in words), story(device)
    device.refresh_from_db()
    assert device.certificate_seen is None


@pytest.mark.parametrize(
    ("maker", "subject", "more"),
    [
        ("audiocodes", {"O": "ACL", "CN": f"Client_{MAC}"}, {}),
        ("audiocodes", {"O": "ACL"}, {"serial": int(f"02{MAC}", 16)}),
        ("poly", {"CN": MAC.lower()}, {}),
        ("poly", {"CN": MAC}, {"days": (-3000, -30)}),
        ("cisco", {"OU": "CP-8841-3PCC", "L": "88012BA01234", "ST": MAC.lower()}, {}),
        (
            "dns",
            {"CN": OTHER},
            {"extensions": [x509.SubjectAlternativeName([x509.DNSName(f"{MAC}.phones.example")])]},
        ),
    ],
)
def test_a_certificate_in_the_form_of_its_maker_is_good(
    front: Nginx, makers: Makers, device: Device, maker: str, subject: dict[str, str], more: dict[str, Any]
) -> None:
    ca: CA = getattr(makers, maker)
    check_good(front, device, makers.client(*ca.issue(named(**subject), **more)))


def test_each_ca_has_its_own_form(front: Nginx, makers: Makers, device: Device) -> None:
    """What proves the MAC if one CA has issued it proves nothing of another."""
    shown = makers.cisco.issue(named(CN=MAC))
    check_refused(front, device, makers.client(*shown), certificate.OTHER_MAC, "not accepted")


def test_of_another_device(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.poly.issue(named(CN=OTHER))
    check_refused(front, device, makers.client(*shown), certificate.OTHER_MAC, "belongs to another device")


def test_expired(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.audiocodes.issue(named(CN=MAC), days=(-3000, -30))
    check_refused(front, device, makers.client(*shown), certificate.EXPIRED, "has expired", "expired = true")


def test_expired_counts_for_a_ca_whose_key_has_signed_it(front: Nginx, makers: Makers, device: Device) -> None:
    """nginx tells only the last error of a chain: that it has expired, and not that another key has signed it."""
    impostor = CA(makers.poly.certificate, makers.stranger.key)
    shown = impostor.issue(named(CN=MAC), days=(-3000, -30))
    assert boot(front, makers.client(*shown)) == 404
    assert Access.objects.get().certificate_problem == certificate.OTHER_ISSUER


def test_not_yet_valid(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.poly.issue(named(CN=MAC), days=(10, 20))
    check_refused(front, device, makers.client(*shown), certificate.NOT_YET_VALID, "is not valid yet", "clock")


def test_unknown_issuer(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.stranger.issue(named(CN=MAC))
    words = ("an issuer that is not known here", "DEVICE_CA_DIR", "ssl_verify_depth")
    check_refused(front, device, makers.client(*shown), "unable to verify the first certificate", *words)


def test_an_issuer_that_only_the_proxy_knows(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.proxy_only.issue(named(CN=MAC))
    check_refused(
        front, device, makers.client(*shown), certificate.OTHER_ISSUER, "an issuer that is not known here"
    )


def test_a_chain_that_is_too_long(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.deep[-1].issue(named(CN=MAC))
    client = makers.client(*shown, *reversed(makers.deep))
    assert boot(front, client) == 404
    assert "an issuer that is not known here" in story(device)


def test_a_weak_key(front: Nginx, makers: Makers, device: Device) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point of the test
    shown = makers.audiocodes.issue(named(CN=MAC), key=key)
    check_refused(front, device, makers.client(*shown), "EE certificate key too weak", "is too weak", "old phones")


def test_wrong_usage(front: Nginx, makers: Makers, device: Device) -> None:
    shown = makers.audiocodes.issue(named(CN=MAC), extensions=[SERVER])
    check_refused(front, device, makers.client(*shown), certificate.WRONG_USAGE, "another usage", "clientAuth")


def test_a_denied_certificate_proves_nothing_from_the_next_request_on(
    front: Nginx, makers: Makers, device: Device
) -> None:
    shown, key = makers.audiocodes.issue(named(CN=MAC))
    client = makers.client(shown, key)
    assert boot(front, client) == 302
    issued = f"{shown.serial_number:X} issuer={shown.issuer.rfc4514_string()}"
    device.refresh_from_db()
    fingerprint = Access.objects.get().certificate_fingerprint
    for name in (pem(shown), fingerprint, issued):
        form = DeniedCertificateForm({"name": name, "reason": "Stolen"})
        assert form.is_valid(), form.errors
        denied = form.save()
        Access.objects.all().delete()
        assert boot(front, client) == 404
        assert Access.objects.get().certificate_problem == certificate.DENIED
        assert "is denied" in story(device)
        denied.delete()
    assert boot(front, client) == 302
    DeniedCertificate.objects.create(name=f"sha256 {'0' * 64}", reason="Another one")
    assert boot(front, client) == 302


def test_without_mutual_auth_a_bad_certificate_costs_nothing(front: Nginx, makers: Makers, device: Device) -> None:
    assert device.location is not None
    device.location.mutual_auth = False
    device.location.save()
    shown = makers.stranger.issue(named(CN=MAC))
    assert boot(front, makers.client(*shown)) == 302
    assert Access.objects.get().certificate_problem == "unable to verify the first certificate"
    device.refresh_from_db()
    assert device.certificate_seen is None
