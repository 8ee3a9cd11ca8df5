"""The folder of device CAs: what is read of it, and what stops the start."""

from pathlib import Path

import pytest
from cryptography import x509
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler

from boot import device_ca
from tests.certificates import CA, make_ca, named, pem

MAC = "00908F9D8992"
OTHER = "00908FAAAAAA"
ROOT = make_ca("Root")
EXAMPLES = Path(__file__).parents[2] / "deploy" / "device-ca-examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme.pem").write_text(pem(ROOT.certificate))
    return tmp_path


def read(folder: Path, rule: str = "") -> device_ca.DeviceCA:
    """The CA of a folder with this rule."""
    if rule:
        (folder / "acme.toml").write_text(rule)
    (ca,) = device_ca.load.__wrapped__(str(folder)) or ()
    return ca


@pytest.mark.parametrize(
    ("forms", "subject", "mac"),
    [
        ('["CN={MAC}"]', {"CN": MAC}, MAC),
        ('["CN={MAC}"]', {"CN": "00:90:8f:9d:89:92"}, MAC),
        ('["CN={MAC}"]', {"CN": f"x{MAC}"}, None),
        ('["CN={MAC}"]', {"ST": MAC}, None),
        ('["ST={MAC}"]', {"ST": MAC, "CN": OTHER}, MAC),
        ('["ST={MAC}"]', {"ST": "ciscogeneric"}, None),
        ('["CN=CP-*-SEP{MAC}"]', {"CN": f"CP-8841-SEP{MAC}"}, MAC),
        ('["CN=CP-*-SEP{MAC}"]', {"CN": f"CPX8841-SEP{MAC}"}, None),
        ('["CN=a.c{MAC}"]', {"CN": f"abc{MAC}"}, None),
        ('["CN={MAC}", "ST={MAC}"]', {"CN": OTHER, "ST": MAC}, OTHER),
        ('["CN={MAC}", "ST={MAC}"]', {"CN": "a phone", "ST": MAC}, MAC),
        ('["CN={MAC}", "CN=Client_{MAC}"]', {"CN": f"Client_{MAC}"}, MAC),
    ],
)
def test_where_the_mac_stands(folder: Path, forms: str, subject: dict[str, str], mac: str | None) -> None:
    shown, _ = ROOT.issue(named(**subject))
    assert read(folder, f"mac = {forms}").mac_in(shown) == mac


@pytest.mark.parametrize(
    ("names", "mac"),
    [
        ([f"{MAC}.example"], MAC),
        (["a.example", f"{MAC}.example"], MAC),
        ([f"{MAC}.example", f"{OTHER}.example"], None),
    ],
)
def test_of_several_dns_names_one_may_tell_a_mac(folder: Path, names: list[str], mac: str | None) -> None:
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    shown, _ = ROOT.issue(named(CN=OTHER), extensions=[alternative])
    assert read(folder, 'mac = ["DNS={MAC}.example"]').mac_in(shown) == mac


def test_only_the_key_of_a_ca_makes_it_the_issuer(folder: Path) -> None:
    ca = read(folder)
    assert ca.issued(ROOT.issue(named(CN=MAC))[0])
    assert not ca.issued(CA(ROOT.certificate, make_ca("Root").key).issue(named(CN=MAC))[0])
    assert not ca.issued(make_ca("Other").issue(named(CN=MAC))[0])


def test_an_intermediate_in_the_file_is_an_issuer_too(folder: Path) -> None:
    below = make_ca("Below", issuer=ROOT)
    shown, _ = below.issue(named(CN=MAC))
    assert not read(folder).issued(shown)
    (folder / "acme.pem").write_text(pem(ROOT.certificate) + pem(below.certificate))
    assert read(folder).issued(shown)


def test_the_usual_rule_holds_without_a_file(folder: Path) -> None:
    ca = read(folder)
    assert (ca.forms, ca.expired) == (device_ca.WITHOUT_FOLDER.forms, False)
    assert read(folder, "expired = true").expired


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("mac = 1", "mac must be a list"),
        ("mac = []", "mac must be a list"),
        ('mac = ["CN"]', '"CN" must be one of CN, O,'),
        ('mac = ["XY={MAC}"]', '"XY={MAC}" must be one of'),
        ('mac = ["CN={MAC}{MAC}"]', "with one {MAC}"),
        ('mac = ["CN=x"]', "with one {MAC}"),
        ('expired = "yes"', "expired must be true or false"),
        ("expire = true", "expire is not known"),
        ("mac = [", "acme.pem or its .toml"),
    ],
)
def test_a_bad_rule_stops_the_start(folder: Path, settings: object, rule: str, words: str) -> None:
    (folder / "acme.toml").write_text(rule)
    settings.DEVICE_CA_DIR = str(folder)  # type: ignore[attr-defined]
    with pytest.raises(ImproperlyConfigured) as raised:
        WSGIHandler()
    assert words in str(raised.value)
    assert "acme.pem" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "acme.pem"),
        ("no certificate", "acme.pem"),
        (pem(ROOT.issue(named(CN="A phone"))[0]), "CN=A phone is not the certificate of a CA"),
    ],
)
def test_what_is_no_ca_stops_the_start(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "acme.pem").write_text(content)
    with pytest.raises(ImproperlyConfigured, match=words):
        device_ca.load.__wrapped__(str(tmp_path))


def test_a_folder_that_is_none_or_empty_or_has_a_rule_alone_stops_the_start(tmp_path: Path) -> None:
    for words, name in (("is not a folder", "nothing"), ("holds no file", "")):
        with pytest.raises(ImproperlyConfigured, match=words):
            device_ca.load.__wrapped__(str(tmp_path / name))
    (tmp_path / "acme.toml").write_text("expired = true")
    with pytest.raises(ImproperlyConfigured, match=r"acme\.pem is not beside it"):
        device_ca.load.__wrapped__(str(tmp_path))


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_examples_are_good_rules(folder: Path, example: Path) -> None:
    subject = named(OU="CP-8841-3PCC", ST=MAC) if example.stem == "cisco" else named(CN=MAC)
    assert read(folder, example.read_text()).mac_in(ROOT.issue(subject)[0]) == MAC
    assert example.name in (EXAMPLES / "README.md").read_text()
