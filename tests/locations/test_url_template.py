import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locations import url_template
from locations.url_template import MAX_LENGTH, InvalidTemplate, check, expand, leads_back, warning
from tests import steps

MAC = "00908F9D8992"
LABEL_63 = "a" * 63
HOST_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])

PROTOCOL = "The protocol "
HOST = "The host must be"
PORT = "The port must be"
SHAPE = "A URL must look like"
PATH = "The path must be ASCII"
BRACES = "Braces may stand"
PERCENT = "A percent sign"


@pytest.mark.parametrize(
    "text",
    [
        "https://www.google.co.il/",
        "http://location/of/configuration/4",
        "http://pbx.example",
        "tftp://10.0.0.1:69/x",
        "p://h",
        "Ab1+.-Ab10://h",
        "http://1-2.x--y.example",
        "http://0.0.0.0",
        "http://255.255.255.255/",
        "http://1.2.3.4a",
        "http://1.2.3.4.example",
        "http://xn--bcher-kva.example",
        f"http://{LABEL_63}.example",
        f"http://{HOST_253}:65535/{'x' * 1000}",
        "http://h:1",
        "http://h:65535/",
        "http://h/?a=b&c=d",
        "http://h//x/../y",
        "http://h/a:b@c//d?e?f",
        "http://h/%2F%0a",
        "http://h/!\"$&'()*+,-./09:;<=>?@AZ[]^_`az|~",
        "http://h/{MAC ADDRESS}",
        "http://h/{CUSTOMER NAME}/{MAC ADDRESS}{MAC ADDRESS}.cfg?c={CUSTOMER NAME}",
        f"http://h/{'x' * 987}{{MAC ADDRESS}}",
        "http://h/{mac address}/{FILE NAME}?f={FILE NAME}",
        "http://h/machine/$model/$mach/<machine/100%25mac/[x]",
    ],
)
def test_accepts(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", SHAPE),
        ("pbx.example", SHAPE),
        ("/x", SHAPE),
        ("//h/x", SHAPE),
        ("http:/h", SHAPE),
        ("http:h", SHAPE),
        ("://h", PROTOCOL),
        ("1http://h", PROTOCOL),
        (" http://h", PROTOCOL),
        ("h\ttp://h", PROTOCOL),
        ("ht_tp://h", PROTOCOL),
        ("abcdefghijk://h", PROTOCOL),
        ("\u017fttp://h", PROTOCOL),
        ("javascript://h/%0aalert(1)", PROTOCOL),
        ("JavaScript://h", PROTOCOL),
        ("data://h", PROTOCOL),
        ("vbscript://h", PROTOCOL),
        ("file://h/etc/passwd", PROTOCOL),
        ("blob://h", PROTOCOL),
        ("about://h", PROTOCOL),
        ("http://", HOST),
        ("http:///x", HOST),
        ("http://:80/", HOST),
        ("http://-a.example", HOST),
        ("http://a-.example", HOST),
        ("http://a..example", HOST),
        ("http://.example", HOST),
        ("http://example.", HOST),
        ("http://a_b.example", HOST),
        ("http://b\u00fccher.example", HOST),
        ("http://h\u0660.example", HOST),
        ("http://example.123", HOST),
        ("http://123", HOST),
        ("http://1.2.3", HOST),
        ("http://1.2.3.4.5", HOST),
        ("http://256.0.0.1", HOST),
        ("http://01.2.3.4", HOST),
        ("http://1.2.3.4 ", HOST),
        ("http://\u0661.2.3.4", HOST),
        ("http://[::1]/", HOST),
        (f"http://{LABEL_63}a.example", HOST),
        (f"http://{HOST_253}a", HOST),
        ("http://user@h/", HOST),
        ("http://h?x", HOST),
        ("http://h#x", HOST),
        ("http://h\\x", HOST),
        ("http://h\n", HOST),
        ("http://h\n/x", HOST),
        ("http://{CUSTOMER NAME}/", HOST),
        ("http://{MAC ADDRESS}.example/", HOST),
        ("http://a%2eb/", HOST),
        ("http://user:secret@h/", PORT),
        ("http://h:/", PORT),
        ("http://h:0", PORT),
        ("http://h:080", PORT),
        ("http://h:65536", PORT),
        ("http://h:999999999999", PORT),
        ("http://h:-1", PORT),
        ("http://h:8 0", PORT),
        ("http://h:80:80", PORT),
        ("http://h:80?x", PORT),
        ("http://h:80\n", PORT),
        ("http://h:\u0668", PORT),
        ("http://h:{MAC ADDRESS}", PORT),
        (f"http://h/{'x' * 1001}", "The path must be at most 1,000 characters"),
        (f"http://h/{'x' * 988}{{MAC ADDRESS}}", "The path must be at most"),
        ("http://h/a b", PATH),
        ("http://h/a\tb", PATH),
        ("http://h/a\r\nSet-Cookie:x", PATH),
        ("http://h/a\n", PATH),
        ("http://h/\x00", PATH),
        ("http://h/\x7f", PATH),
        ("http://h/\\x", PATH),
        ("http://h/\u00e4", PATH),
        ("http://h/\ud800", PATH),
        ("http://h/x#y", "The path must not contain '#'"),
        ("http://h/%", PERCENT),
        ("http://h/%2", PERCENT),
        ("http://h/%zz", PERCENT),
        ("http://h/%{CUSTOMER NAME}", PERCENT),
        ("http://h/%2{MAC ADDRESS}", PERCENT),
        ("http://h/%{MAC ADDRESS}41", PERCENT),
        ("http://h/{Mac Address}", BRACES),
        ("http://h/{file name}", BRACES),
        ("http://h/{MAC%20ADDRESS}", BRACES),
        ("http://h/{MAC}", BRACES),
        ("http://h/{}", BRACES),
        ("http://h/{{MAC ADDRESS}}", BRACES),
        ("http://h/{MAC {MAC ADDRESS}ADDRESS}", BRACES),
        ("http://h/{MAC ADDRESS", BRACES),
        ("http://h/}", BRACES),
    ],
)
def test_refuses_saying_why(text: str, problem: str) -> None:
    with pytest.raises(InvalidTemplate, match=f"^{re.escape(problem)}.*[.]$"):
        check(text)


@pytest.mark.parametrize("text", ["{}", "{}://h/", "http://{}", "http://h:{}", "http://h/{}"])
@pytest.mark.parametrize("filler", ["a", "/", ":", ".", "-", "%2F", "{{MAC ADDRESS}}", "{{", "a."])
def test_long_texts_cost_little(text: str, filler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_template, "MAX_PATH", 10_000)
    text = text.format(filler.format() * 300) + "\n"

    steps.count(url_template, check, text, limit=25 * len(text))


LOWER = "Write {mac address} for the MAC in lower case"
UPPER = "Write {MAC ADDRESS} for the MAC in upper case"


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("$mac.cfg", LOWER),
        ("x/$mac", LOWER),
        ("$MA.xml", LOWER),
        ("?mac=$MA&x=y", LOWER),
        ("$(MA).xml", LOWER),
        ("${mac}.cfg", LOWER),
        ("$mac_address", LOWER),
        ("@mac@.cfg", LOWER),
        ("$PSN.xml", "Write the value itself"),
        ("$PN/$(PSN)/", "Write the value itself"),
        ("<mac>/", LOWER),
        ("[mac].xml", LOWER),
        ("__mac__.cfg", LOWER),
        ("%mac%", LOWER),
        ("$MAU.xml", UPPER),
        ("$MAC", UPPER),
        ("<MACADR>/", UPPER),
        ("%MACD/%DVID/", UPPER),
        ("%%MAC%%.cfg", UPPER),
        ("{mac}.xml", f"w{LOWER[1:]}"),
        ("{{mac}}", f"w{LOWER[1:]}"),
        ("{$mac}.cfg", f"w{LOWER[1:]}"),
        ("{macaddress}", f"w{LOWER[1:]}"),
        ("{MAC}/", f"w{UPPER[1:]}"),
        ("{MAC_ADDRESS}", f"w{UPPER[1:]}"),
        ("{MAC ADDRESS}/$mac.cfg", LOWER),
        ("{file}", "write {FILE NAME}"),
        ("{FILENAME}", "write {FILE NAME}"),
    ],
)
def test_names_the_right_placeholder_for_that_of_another_portal(path: str, instead: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        check(f"https://prov.example/{path}")

    assert instead in str(refused.value)


def test_the_longest_template() -> None:
    longest = f"abcdefghij://{HOST_253}:65535/{'x' * 1000}"

    check(longest)

    assert len(longest) == MAX_LENGTH


@pytest.mark.parametrize(
    ("template", "customer", "url"),
    [
        ("http://h", "A", "http://h"),
        ("http://h/{MAC ADDRESS}.cfg", "A", "http://h/00908F9D8992.cfg"),
        (
            "http://h/{CUSTOMER NAME}?m={MAC ADDRESS}",
            "A & B/ü",
            "http://h/A%20%26%20B%2F%C3%BC?m=00908F9D8992",
        ),
        ("http://h/{CUSTOMER NAME}/", "", "http://h//"),
        ("http://h/{CUSTOMER NAME}/x", ".", "http://h/%2E/x"),
        ("http://h/{CUSTOMER NAME}/x", "..", "http://h/%2E%2E/x"),
        ("http://h/{CUSTOMER NAME}/x", "A.B", "http://h/A.B/x"),
        ("http://h/{CUSTOMER NAME}", "{MAC ADDRESS}", "http://h/%7BMAC%20ADDRESS%7D"),
        ("http://h/{CUSTOMER NAME}", "%0D\r\n", "http://h/%250D%0D%0A"),
        ("http://h/{CUSTOMER NAME}", "\\1\\g<0>", "http://h/%5C1%5Cg%3C0%3E"),
        ("http://h/{CUSTOMER NAME}", "\ud800", "http://h/%3F"),
        ("http://h/100%25{CUSTOMER NAME}", "A", "http://h/100%25A"),
    ],
)
def test_expands(template: str, customer: str, url: str) -> None:
    check(template)
    assert expand(template, mac=MAC, customer=customer) == url


HOSTS = ["h", "pbx.example", "10.0.0.1", "1.2.3.4.example", HOST_253]
PIECES = [
    *[
        "{MAC ADDRESS}",
        "{mac address}",
        "{FILE NAME}",
        "{CUSTOMER NAME}",
        "%2F",
        "%",
        "%2",
        "/",
        "..",
        ".",
        "?",
        "#",
        "@",
        ":",
        "://",
        "a",
        "0D",
    ],
    *["[", "]", "\\", " ", "\r\n", "\t", "{", "}", "\u00e4", "&", "=", "8080"],
]


FILE = "cfg000b828aa872.xml"


@pytest.mark.parametrize(
    ("template", "file_name", "url"),
    [
        ("http://h/d/", FILE, f"http://h/d/{FILE}"),
        ("http://h/d/", "", "http://h/d/"),
        ("http://h/d", FILE, "http://h/d"),
        ("http://h", FILE, "http://h"),
        ("http://h/", FILE, f"http://h/{FILE}"),
        ("http://h/{CUSTOMER NAME}/", FILE, f"http://h/A/{FILE}"),
        ("http://h/{MAC ADDRESS}/", FILE, f"http://h/00908F9D8992/{FILE}"),
        ("http://h/{mac address}/", "", "http://h/00908f9d8992/"),
        ("http://h/{mac address}.xml", FILE, "http://h/00908f9d8992.xml"),
        ("http://h/{FILE NAME}", FILE, f"http://h/{FILE}"),
        ("http://h/{FILE NAME}", "", "http://h/00908F9D8992.cfg"),
        ("http://h/{FILE NAME}/", FILE, f"http://h/{FILE}/"),
        ("http://h/?f={FILE NAME}&m={mac address}", FILE, f"http://h/?f={FILE}&m=00908f9d8992"),
        # Byte for byte: neither case nor encoding of the request is changed.
        ("http://h/", "SEP00908F9D8992.cnf.XML", "http://h/SEP00908F9D8992.cnf.XML"),
        ("http://h/", "00%3A90%3a8F.cfg", "http://h/00%3A90%3a8F.cfg"),
        ("http://h/", "00:90:8F:9D:89:92-all.cfg", "http://h/00:90:8F:9D:89:92-all.cfg"),
        ("http://h/{FILE NAME}", "00%3A90.cfg", "http://h/00%3A90.cfg"),
        # What no URL may hold is encoded, and a name is one segment.
        ("http://h/{FILE NAME}", "a/b", "http://h/a%2Fb"),
        ("http://h/", "../x", "http://h/..%2Fx"),
        ("http://h/", "..", "http://h/%2E%2E"),
        ("http://h/", "a b?c#d\r\n", "http://h/a%20b%3Fc%23d%0D%0A"),
        ("http://h/", "100%.cfg", "http://h/100%25.cfg"),
        ("http://h/", "\xe4\ud800", "http://h/%C3%A4%3F"),
        ("http://h/", "{MAC ADDRESS}", "http://h/%7BMAC%20ADDRESS%7D"),
    ],
)
def test_expands_for_the_file_that_was_asked_for(template: str, file_name: str, url: str) -> None:
    check(template)
    assert expand(template, mac=MAC, customer="A", file_name=file_name) == url


@pytest.mark.parametrize("protocol", ["tftp", "ftp", "TFTP"])
def test_warns_of_a_protocol_that_no_phone_follows(protocol: str) -> None:
    check(f"{protocol}://h/x")
    assert f"no redirect to {protocol.lower()}" in (warning(f"{protocol}://h/x") or "")


@pytest.mark.parametrize("template", ["http://h", "https://tftp.example/tftp", "HTTPS://h/ftp://x"])
def test_warns_of_nothing_else(template: str) -> None:
    assert warning(template) is None


@pytest.mark.parametrize(
    ("template", "leads"),
    [
        ("https://redirect.example/x", True),
        ("http://REDIRECT.example:8080", True),
        ("http://10.0.0.1/", True),
        ("https://a.boot.example/", True),
        ("https://boot.example/", True),
        ("https://prov.redirect.example/", False),
        ("https://redirect.example.net/", False),
        ("https://noboot.example/", False),
        ("https://prov.example/redirect.example/", False),
    ],
)
def test_knows_its_own_names(template: str, leads: bool) -> None:
    assert leads_back(template, ["*", "Redirect.example", "10.0.0.1", ".boot.example"]) is leads


def templates() -> st.SearchStrategy[str]:
    tails = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
    return st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "tftp", "A+b.c-d"]),
        st.sampled_from(HOSTS),
        st.sampled_from(["", ":80", ":65535"]),
        tails | tails.map("/{}".format),
    )


def customers() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=[]), max_size=20) | st.sampled_from(
        [".", "..", "@evil/", "0D0A"]
    )


def accepted(template: str) -> bool:
    try:
        check(template)
    except InvalidTemplate:
        return False
    return True


@given(templates().filter(accepted), customers())
@settings(max_examples=300, deadline=None)
def test_no_customer_moves_a_phone_elsewhere(template: str, customer: str) -> None:
    url = expand(template, mac=MAC, customer=customer)
    before, after = urlsplit(template), urlsplit(url)

    assert re.fullmatch(r"[!-~]+", url)
    assert (after.scheme, after.netloc, after.port) == (before.scheme, before.netloc, before.port)
    assert url.startswith(template.partition("{")[0])
    assert after.fragment == ""
    assert after.path.count("/") == before.path.count("/")
    assert ("?" in url) == ("?" in template)


@given(templates().filter(accepted), customers())
@settings(max_examples=200, deadline=None)
def test_no_file_name_moves_a_phone_elsewhere(template: str, file_name: str) -> None:
    url = expand(template, mac=MAC, customer="A", file_name=file_name)
    bare = expand(template.replace("{FILE NAME}", ""), mac=MAC, customer="A")

    assert re.fullmatch(r"[!-~]+", url)
    assert urlsplit(url)[:2] == urlsplit(template)[:2]
    assert [url.count(sign) for sign in "/?#"] == [bare.count(sign) for sign in "/?#"]


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_a_customer_name_survives_the_journey(customer: str) -> None:
    segment = expand("http://h/{CUSTOMER NAME}", mac=MAC, customer=customer).removeprefix("http://h/")

    assert unquote(segment) == re.sub("[\ud800-\udfff]", "?", customer)
    assert segment not in (".", "..")


@given(st.text(st.characters(exclude_categories=[]), max_size=40) | templates())
def test_any_text_is_accepted_or_refused(text: str) -> None:
    if accepted(text):
        assert len(text) <= MAX_LENGTH
        assert text.isascii()
