import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boot import makers
from boot.settings_file import FORMS, TEXT, XML, body

MAC = "00908F9D8992"
DIRECTORY = "https://prov.example:8443/a/b/"
NAMES = {maker: f"00908f9d8992.{'conf' if maker == 'Algo' else 'cfg'}" for maker in FORMS} | {
    maker: "00908f9d8992.xml" for maker, form in FORMS.items() if re.fullmatch(form.names, "00908f9d8992.xml")
}
FILE = "http://prov.example/x?mac=00908f9d8992&key=a;b"


def xml(maker: str, url: str, file_name: str = "x.xml") -> ElementTree.Element:
    found = body(maker, url, MAC, file_name)
    assert found is not None
    content, content_type = found
    assert content_type == XML
    return ElementTree.fromstring(content)  # noqa: S314 - the service wrote it


def lines(maker: str, url: str, file_name: str) -> list[str]:
    found = body(maker, url, MAC, file_name)
    assert found is not None
    content, content_type = found
    assert content_type == TEXT
    return content.decode("ascii").split("\n")


def text(element: ElementTree.Element, path: str) -> str:
    found = element.find(path)
    assert found is not None
    return found.text or ""


def test_snom() -> None:
    place = "phone-settings/setting_server"

    assert text(xml("Snom", DIRECTORY), place) == f"{DIRECTORY}{{mac}}.xml"
    assert text(xml("Snom", FILE, ""), place) == FILE


def test_grandstream() -> None:
    config = xml("Grandstream", DIRECTORY)

    assert (text(config, "config/P212"), text(config, "config/P237")) == ("2", "prov.example:8443/a/b")
    assert text(xml("Grandstream", "http://prov.example/"), "config/P212") == "1"
    assert config.find("mac") is None


@pytest.mark.parametrize("maker", ["Htek", "Sangoma"])
def test_htek_and_sangoma(maker: str) -> None:
    config = xml(maker, DIRECTORY)

    assert (text(config, "config/P212"), text(config, "config/P237")) == ("3", DIRECTORY)
    assert text(xml(maker, "http://prov.example/"), "config/P212") == "1"


@pytest.mark.parametrize("maker", ["Yealink", "Flyingvoice"])
@pytest.mark.parametrize("url", [DIRECTORY, FILE])
def test_yealink_and_flyingvoice(maker: str, url: str) -> None:
    assert lines(maker, url, "00908f9d8992.cfg") == [
        "#!version:1.0.0.1",
        f"static.auto_provision.server.url = {url}",
        "",
    ]


@pytest.mark.parametrize(
    ("url", "server", "file", "protocol"),
    [
        (DIRECTORY, DIRECTORY, "$mac.cfg", "5"),
        ("http://prov.example/a/x.cfg", "http://prov.example/a/", "x.cfg", "4"),
        ("http://prov.example/a/x?k=b/c&d=e", "http://prov.example/a/", "x?k=b/c&d=e", "4"),
        ("http://prov.example", "http://prov.example/", "$mac.cfg", "4"),
    ],
)
def test_fanvil(url: str, server: str, file: str, protocol: str) -> None:
    settings = xml("Fanvil", url, "x.cfg")

    assert [
        text(settings, f"ap/{name}") for name in ("FlashServerIP", "FlashFileName", "FlashProtocol", "FlashMode")
    ] == [server, file, protocol, "1"]


def test_poly() -> None:
    assert xml("Poly", DIRECTORY, "00908f9d8992.cfg").get("CONFIG_FILES") == f"{DIRECTORY}00908f9d8992-phone.cfg"
    assert xml("Poly", FILE, "000000000000.cfg").get("CONFIG_FILES") == FILE


def test_cisco() -> None:
    assert text(xml("Cisco", DIRECTORY), "Profile_Rule") == f"{DIRECTORY}$MA.xml"
    assert text(xml("Cisco", FILE), "Profile_Rule") == FILE


def test_panasonic() -> None:
    assert lines("Panasonic", DIRECTORY, "ConfigCommon.cfg") == [
        "# Panasonic SIP Phone Standard Format File #\r",
        f'CFG_STANDARD_FILE_PATH="{DIRECTORY}Config{{MAC}}.cfg"\r',
        "\r",
        "",
    ]


def test_mitel() -> None:
    assert lines("Mitel", DIRECTORY, "startup.cfg") == [
        "download protocol: HTTPS",
        "https server: prov.example:8443",
        "https path: /a/b",
        "",
    ]
    assert "http path: /" in lines("Mitel", "http://prov.example/", "startup.cfg")


def test_gigaset() -> None:
    (param,) = xml("Gigaset Nx70", DIRECTORY).iter("param")
    (url,) = xml("Gigaset N510", DIRECTORY).iter("S_CONFIGFILE_URL")
    (mac,) = xml("Gigaset N510", DIRECTORY).iter("MAC_ADDRESS")

    assert param.attrib == {"name": "Provisioning.global.ProvisioningServer", "value": DIRECTORY}
    assert url.attrib == {"class": "string", "value": f'"prov.example:8443/a/b/{MAC}.xml"'}
    assert mac.attrib == {"value": MAC}


def test_algo() -> None:
    assert lines("Algo", DIRECTORY, "algom00908f9d8992.conf") == [
        "prov.server.method = static",
        "prov.server.static = prov.example:8443",
        "prov.download.cfgpath = /a/b/",
        "prov.download.method = https",
        "",
    ]


def test_avaya_12xx() -> None:
    assert xml("Avaya 12xx", DIRECTORY).text == f"{DIRECTORY}SIP{MAC}.cfg"


@pytest.mark.parametrize("maker", ["AudioCodes", "Gigaset", "", "Unheard Of"])
def test_other_makers_are_redirected(maker: str) -> None:
    assert body(maker, DIRECTORY, MAC, "x.xml") is None


@pytest.mark.parametrize(
    ("maker", "file_name"),
    [
        ("Yealink", "00908f9d8992.boot"),
        ("Yealink", ""),
        ("Grandstream", "cfg00908f9d8992"),
        ("Poly", "00908f9d8992-directory.xml"),
        ("Poly", "00908f9d8992-web.cfg"),
        ("Mitel", "00908F9D8992.tuz"),
        ("Cisco", "SEP00908F9D8992.cnf.xml"),
        ("Algo", ""),
    ],
)
def test_a_file_of_another_format_is_redirected(maker: str, file_name: str) -> None:
    assert body(maker, DIRECTORY, MAC, file_name) is None


@pytest.mark.parametrize("maker", ["Grandstream", "Htek", "Mitel", "Algo"])
@pytest.mark.parametrize(
    "url", ["https://prov.example/file.cfg", "https://prov.example/x?d=/", "https://prov.example"]
)
def test_a_form_that_knows_only_directories_says_no_other_url(maker: str, url: str) -> None:
    assert body(maker, url, MAC, NAMES[maker]) is None


@pytest.mark.parametrize("url", ["tftp://prov.example/", "ftp://prov.example/", "https:///x/", "x", ""])
def test_a_url_that_is_none_of_http_is_no_settings(url: str) -> None:
    for maker, name in NAMES.items():
        assert body(maker, DIRECTORY, MAC, name) is not None
        assert body(maker, url, MAC, name) is None


def test_every_maker_with_a_form_can_be_told() -> None:
    told = {row.maker for row in makers.STARTS} | {row.maker for row in makers.NAMED}

    assert set(FORMS) <= told


HOSTILE = st.text(st.sampled_from("\"'<>&;\r\n\t \0#=$,|()[]{}\\\x7f\u00e4\ud800/?%ax"), max_size=20)


@given(st.sampled_from(sorted(FORMS)), HOSTILE, st.sampled_from(["", "/"]))
def test_nothing_in_a_url_becomes_a_setting(maker: str, hostile: str, end: str) -> None:
    form = FORMS[maker]
    file_name = NAMES[maker]
    plain, found = (
        body(maker, f"https://prov.example/{path}{end}", MAC, file_name) for path in ("a", f"a{hostile}")
    )
    if found is None:
        return
    content = found[0].decode("ascii")

    assert re.fullmatch(r"[\r\n -~]*", content)
    if form.content_type == XML:
        tree = ElementTree.fromstring(content)  # noqa: S314 - the service wrote it
        assert plain is None or shape(tree) == shape(ElementTree.fromstring(plain[0]))  # noqa: S314 - likewise
        assert urls(tree), content
    else:
        assert plain is None or names(content) == names(plain[0].decode("ascii"))
        assert content.count('"') in (0, 2)


def shape(tree: ElementTree.Element) -> Any:
    return [(element.tag, sorted(element.attrib)) for element in tree.iter()]


def urls(tree: ElementTree.Element) -> list[str]:
    values = [value for element in tree.iter() for value in (element.text or "", *element.attrib.values())]
    return [value for value in values if "prov.example" in value]


def names(content: str) -> list[str]:
    return [re.split("[:=]", line)[0] for line in content.splitlines()]
