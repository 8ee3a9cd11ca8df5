from base64 import encodebytes
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from boot.certificate import problem_with, subject

MAC = "00908F9D8992"
OTHER_MAC = "00908FAAAAAA"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NOT_BEFORE = datetime(2017, 2, 17, tzinfo=UTC)
NOT_AFTER = datetime(2037, 2, 12, tzinfo=UTC)

CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "CA_ipp1"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ACL")]
)
PHONE_KEY = ec.generate_private_key(ec.SECP256R1())


def issue(*common_names: str, serial: int = 1, usages: list[x509.ObjectIdentifier] | None = None) -> str:
    """A certificate as PEM, issued by the test CA."""
    name = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ACL")]
    name += [x509.NameAttribute(NameOID.COMMON_NAME, common_name) for common_name in common_names]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(name))
        .issuer_name(CA_NAME)
        .public_key(PHONE_KEY.public_key())
        .serial_number(serial)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
    )
    if usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(CA_KEY, SHA256()).public_bytes(Encoding.PEM).decode()


def pem_of(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def proves(pem: str, *, mac: str = MAC, verify: str = "SUCCESS", now: datetime = NOW) -> bool:
    return not problem_with(mac, verify=verify, certificate=quote(pem, safe=""), now=now)


FACTORY = issue(f"Client_{MAC}")
FACTORY_SERIAL = int("02" + MAC, 16)


def test_a_factory_certificate_proves_its_mac() -> None:
    assert proves(FACTORY)


def test_in_date_by_the_clock() -> None:
    assert not problem_with(MAC, verify="SUCCESS", certificate=quote(FACTORY))


@pytest.mark.parametrize(
    "common_name",
    [
        MAC,
        MAC.lower(),
        "00:90:8F:9D:89:92",
        "00-90-8f-9d-89-92",
        f"Client_{MAC.lower()}",
        "Client_00:90:8F:9D:89:92",
    ],
)
def test_a_common_name_may_spell_the_mac_in_any_way(common_name: str) -> None:
    assert proves(issue(common_name))


@pytest.mark.parametrize("mac", ["00:90:8F:9D:89:92", MAC.lower()])
def test_the_mac_asked_for_may_be_spelled_in_any_way(mac: str) -> None:
    assert proves(FACTORY, mac=mac)


@pytest.mark.parametrize(
    "common_name",
    [
        f"Client_{OTHER_MAC}",
        OTHER_MAC,
        f"Client_Client_{MAC}",
        f"client_{MAC}",
        f"Client{MAC}",
        f"{MAC}.example",
        f"{MAC} ",
        f"{MAC}\n",
        f"{MAC}\x00{OTHER_MAC}",
        f"{MAC},CN={OTHER_MAC}",
        MAC[:-1],
        "*",
    ],
)
def test_another_common_name_proves_nothing(common_name: str) -> None:
    assert not proves(issue(common_name))


def test_a_factory_serial_number_proves_its_mac() -> None:
    assert proves(issue(serial=FACTORY_SERIAL))
    assert proves(issue("IP phone", serial=FACTORY_SERIAL))


@pytest.mark.parametrize(
    "serial",
    [
        int("02" + OTHER_MAC, 16),
        int(MAC, 16),
        int("01" + MAC, 16),
        int("0102" + MAC, 16),
        FACTORY_SERIAL << 8,
    ],
)
def test_another_serial_number_proves_nothing(serial: int) -> None:
    assert not proves(issue("IP phone", serial=serial))


def test_a_certificate_that_names_another_mac_proves_nothing_by_its_serial_number() -> None:
    assert not proves(issue(f"Client_{OTHER_MAC}", serial=FACTORY_SERIAL))
    assert not proves(issue("IP phone", OTHER_MAC, serial=FACTORY_SERIAL))


@pytest.mark.parametrize("common_names", [(MAC, MAC), (MAC, OTHER_MAC), (OTHER_MAC, MAC), (MAC, "IP phone")])
def test_a_mac_among_several_common_names_proves_nothing(common_names: tuple[str, str]) -> None:
    assert not proves(issue(*common_names))
    assert not proves(issue(*common_names, serial=FACTORY_SERIAL))


@pytest.mark.parametrize(
    "verify",
    [
        "",
        "NONE",
        "FAILED",
        "FAILED:certificate has expired",
        "FAILED:SUCCESS",
        "success",
        "SUCCESS ",
        "SUCCESS\n",
    ],
)
def test_a_chain_that_the_proxy_did_not_accept_proves_nothing(verify: str) -> None:
    assert not proves(FACTORY, verify=verify)


@pytest.mark.parametrize(
    ("now", "in_date"),
    [(NOT_BEFORE - SECOND, False), (NOT_BEFORE, True), (NOT_AFTER, True), (NOT_AFTER + SECOND, False)],
)
def test_validity_includes_both_ends(now: datetime, in_date: bool) -> None:
    assert proves(FACTORY, now=now) is in_date


@pytest.mark.parametrize(
    ("usages", "permitted"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([ExtendedKeyUsageOID.CODE_SIGNING], False),
    ],
)
def test_an_extended_key_usage_must_permit_client_authentication(
    usages: list[x509.ObjectIdentifier], permitted: bool
) -> None:
    assert proves(issue(f"Client_{MAC}", usages=usages)) is permitted


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "garbage",
        FACTORY + FACTORY,
        FACTORY + issue(OTHER_MAC),
        FACTORY[: len(FACTORY) // 2],
        FACTORY.replace("CERTIFICATE", "PRIVATE KEY"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        FACTORY + "\u00e4",
        FACTORY + "\ufffd",
    ],
)
def test_anything_but_one_certificate_proves_nothing(pem: str) -> None:
    assert not proves(pem)
    assert subject(quote(pem)) is None


@pytest.mark.parametrize("mac", ["", "not a MAC", MAC + "0", "\ud800"])
def test_no_mac_is_proved_for_what_is_none(mac: str) -> None:
    assert not proves(FACTORY, mac=mac)


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[])))
def test_no_text_raises(mac: str, certificate: str) -> None:
    assert problem_with(mac, verify="SUCCESS", certificate=certificate)
    assert subject(certificate) is None


def test_an_unknown_version_does_not_raise() -> None:
    der = x509.load_pem_x509_certificate(FACTORY.encode()).public_bytes(Encoding.DER)
    version_3 = bytes.fromhex("a003020102")
    assert version_3 in der

    assert not proves(pem_of(der.replace(version_3, bytes.fromhex("a003020109"))))
    assert subject(quote(pem_of(der.replace(version_3, bytes.fromhex("a003020109"))))) is None


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(deadline=None)
def test_no_damaged_certificate_raises(index: int, octet: int) -> None:
    der = bytearray(x509.load_pem_x509_certificate(FACTORY.encode()).public_bytes(Encoding.DER))
    der[index % len(der)] = octet
    certificate = quote(pem_of(bytes(der)))

    assert problem_with(OTHER_MAC, verify="SUCCESS", certificate=certificate, now=NOW)
    assert isinstance(subject(certificate), str | None)


def test_subject_is_rfc_4514_text() -> None:
    assert subject(quote(FACTORY)) == f"CN=Client_{MAC},O=ACL"


def test_subject_is_fit_for_a_log() -> None:
    text = subject(quote(issue("a\nb\x1b[31m\u2028c\u202e")))

    assert text == "CN=a?b?[31m?c?,O=ACL"


def test_subject_is_cut() -> None:
    text = subject(quote(issue(*(f"{number:060}" for number in range(20)))))

    assert text is not None
    assert len(text) == 500
