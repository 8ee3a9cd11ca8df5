"""Requests that no well-behaved client sends, byte by byte."""

import contextlib
import http.client
import socket
from collections.abc import Iterator

from rig import HOST
from tests.fuzz.answers import answer_problem, answers

API = "/api/v1"
NOBODY = 10**9  # an id that no row will reach

MAC = "00908F141000"
BIG = 600 * 1024
CHUNKED = {"Transfer-Encoding": "chunked"}


def chunked(content: bytes, size: int = 65536) -> bytes:
    """The content in the form of a chunked body."""
    parts = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


BODIES: list[bytes] = [
    b"",
    b" ",
    b"null",
    b"5",
    b'"text"',
    b"[]",
    b"[" * 100_000,
    b'{"a":' * 30 + b"1" + b"}" * 30,
    b"[" * 21 + b"]" * 21,
    b'{"name":"\x00"}',
    b'{"name":"\\u0000"}',
    b'{"name":"\\u0000","groupType":"Provider"}',
    b'{"name":"\\ud800","groupType":"Provider"}',
    b'{"\\udfff":1}',
    b'{"name":"\xff\xfe","groupType":"Provider"}',
    b'\xef\xbb\xbf{"name":"x","groupType":"Provider"}',
    '{"name":"x","groupType":"Provider"}'.encode("utf-16"),
    b'{"name":"a","name":"b","groupType":"Provider"}',
    b'{"name":"x","groupType":"Provider","resellerId":' + b"9" * 5000 + b"}",
    b'{"name":"x","groupType":"Provider","resellerId":9223372036854775808}',
    b'{"name":"x","groupType":"Provider","resellerId":-9223372036854775809}',
    b'{"name":"x","groupType":"Provider","resellerId":1e400}',
    b'{"name":"x","groupType":"Provider","resellerId":1E9999999999}',
    b'{"name":"x","groupType":"Provider","resellerId":1.0}',
    b'{"name":"x","groupType":"Provider","resellerId":NaN}',
    b'{"name":"x","groupType":"Provider","resellerId":-Infinity}',
    b'{"name":"x","groupType":"Provider","resellerId":true}',
    b'{"name":{"a":[1]},"groupType":["Provider"]}',
    b'{"name":"x","groupType":"Provider"} trailing',
    b'{"name":"x","groupType":"Provider",}',
    b"{'name':'x'}",
    b'{"name":"' + b"x" * BIG + b'"}',
    b'{"constructor":{},"__proto__":{},"__class__":{}}',
    b'{"idList":[9223372036854775808]}',
    b'{"idList":[-9223372036854775809,1]}',
    b'{"idList":[' + b"9" * 4000 + b"]}",
    b'{"idList":[' + b",".join(b"%d" % n for n in range(5001)) + b"]}",
    b'{"idList":[1.5,true,null,"1",[],{}]}',
    b'{"macList":["\\u0000"],"group":1,"overrideCurrentAssociation":true}',
    b'{"macList":["\xef\xbc\x90\xef\xbc\x90908F141000"],"group":1,"overrideCurrentAssociation":true}',
    b'{"macList":[],"overrideCurrentAssociation":true}',
    b'{"macList":[' + b",".join([b'"x"'] * 5001) + b'],"overrideCurrentAssociation":true}',
    b'{"macList":["00908F141000"],"overrideCurrentAssociation":true,"group":9223372036854775807}',
    b'{"macList":["00908F141000"],"overrideCurrentAssociation":true,"group":9223372036854775808}',
    b'{"macList":["00908F141000"],"overrideCurrentAssociation":true,"locationId":9223372036854775808,"group":3}',
    b'{"url":"http://a/{MAC ADDRESS}{","groupId":3}',
    b'{"url":"http://\xd0\xb0.example/","groupId":3}',
    b'{"url":"http://a/\\r\\nSet-Cookie: x","groupId":3}',
    b'{"userName":"\\u0000","password":"\\u0000"}',
    b'{"userName":"\xc4\xb0","password":"x"}',
    b'{"userName":"' + b"a" * 1000 + b'","password":"' + b"p" * 1000 + b'"}',
    b'{"userName":"x","oldPassword":"","newPassword":""}',
    b'{"refresh_token":"a.b.c"}',
    b'{"refresh_token":"eyJhbGciOiJub25lIn0.e30."}',
    b'{"refresh_token":"\xe2\x82\xac.\xe2\x82\xac.\xe2\x82\xac"}',
]
TARGETS = [
    ("POST", "/login"),
    ("POST", "/refresh"),
    ("POST", "/changePassword"),
    ("POST", "/groups"),
    ("PUT", "/groups/3"),
    ("POST", "/users"),
    ("PUT", f"/users/{NOBODY}"),
    ("PUT", "/users/3"),
    ("POST", "/keys"),
    ("PUT", "/keys/1"),
    ("POST", "/devices"),
    ("POST", "/devices/remove"),
    ("POST", "/devices/move"),
    ("POST", "/locations"),
    ("PUT", "/locations/1"),
    ("POST", "/locations/remove"),
    ("POST", "/locations/1/devices/associate"),
    ("POST", "/locations/1/devices/disassociate"),
    ("POST", "/locations/9223372036854775808/devices/associate"),
    ("POST", "/imports"),
    ("PUT", "/imports/1"),
    ("POST", "/imports/1/confirm"),
    ("DELETE", f"/groups/{NOBODY}"),
    ("DELETE", "/locations/9223372036854775808"),
    ("POST", "/webhooks"),
    ("PUT", "/webhooks/1"),
    ("POST", "/webhooks/1/test"),
    ("POST", "/webhooks/1/deliveries/1/replay"),
    ("POST", "/alerts"),
    ("PUT", "/alerts/1"),
    ("POST", "/management/endpoints"),
    ("PUT", "/management/endpoints/1"),
    ("POST", "/management/endpoints/1/operations"),
    ("POST", "/management/endpoints/1/passthrough"),
    ("POST", "/management/operations/1/resume"),
]
QUERIES = [
    "page=1000000000000000000",
    "page=999999999&limit=999999999",
    "page=0",
    "page=-1",
    "page=%D9%A3",
    "page=%EF%BC%91",
    "page=1&page=2",
    "month=2026-13",
    "month=0000-00",
    "month=%D9%A2%D9%A0%D9%A2%D9%A6-01",
    "month=9999999999-01",
    "month=2026-01&month=2026-02",
    "month=2026-01%00",
    "page=",
    "page=1e3",
    "page=0x1",
    "page=%201",
    "limit=" + "9" * 3000,
    "limit=1000000",
    "depth=2",
    "depth=%D9%A1",
    "depth=",
    "&&&==&",
    "filter",
    "filter=",
    "filter=()",
    "filter=%00",
    "filter=description~'%00'",
    "filter=%FF",
    "filter=description~'%ED%A0%80'",
    "filter=description='%F4%90%80%80'",
    "filter=%",
    "filter=" + "(" * 1500,
    "filter=" + "'" * 1500,
    "filter=" + ",".join(["id=1"] * 21),
    "filter=id=" + ";".join(["1"] * 101),
    "filter=id=" + "9" * 1900,
    "filter=id=9223372036854775807",
    "filter=id=-9223372036854775808",
    "filter=id>9223372036854775807",
    "filter=id='%D9%A3'",
    "filter=id=%D9%A3",
    "filter=id=''",
    "filter=id!=''",
    "filter=id<''",
    "filter=group=9223372036854775807",
    "filter=group<9223372036854775807,group>-9223372036854775808",
    "filter=groupId=9223372036854775808",
    "filter=numDevices>9223372036854775807",
    "filter=numRequests!=9223372036854775807",
    "filter=failLoginAttempts<=-9223372036854775808",
    "filter=lastAccess<'0001-01-01T00:00:00+2359'",
    "filter=lastAccess>'9999-12-31T23:59:60Z'",
    "filter=lastLogin>'9999-12-31T23:59:59-2359'",
    "filter=lastAccess='2026-02-30T00:00:00Z'",
    "filter=lastAccess=''",
    "filter=userBlockTime!=''",
    "filter=locationId!=''",
    "filter=locationId='';1",
    "filter=assigned=true;false",
    "filter=assigned='true'",
    "filter=assigned!=''",
    "filter=mutualAuth!=true",
    "filter=description~'" + "%25" * 300 + "'",
    "filter=description~'" + "_%5C" * 100 + "'",
    "filter=search~'%C4%B0'",
    "filter=search~'" + "a" * 1900 + "'",
    "filter=search!~''",
    "filter=search~'';'x'",
    "filter=search~'%F0%9F%93%9E'",
    "filter=mac~':'",
    "filter=mac~'::'",
    "filter=mac='00:90:8F:14:10:00'",
    "filter=password~'a'",
    "filter=group__name='x'",
    "filter=__class__=1",
    "filter[group]=1",
    "group=1",
    "sort=",
    "sort=-",
    "sort=--id",
    "sort=id,-id,id",
    "sort=" + ",".join(["id"] * 900),
    "sort=password",
    "sort=search",
    "sort=assigned",
    "sort=id;drop",
    "sort=%00",
    "sort=?",
    "sort=groupName,-description,lastAccess",
    "%00=%00",
    "%FF=1",
    "&".join(f"p{n}=1" for n in range(500)),
    "a=" + "&a=" * 1200,
]
LISTS = [
    "/devices",
    "/locations",
    "/users",
    "/keys",
    "/groups",
    "/locations/1/devices",
    "/users/me",
    "/devices/1",
    "/accesses",
    "/audit",
    "/imports",
    "/imports/1/rows",
    "/usage",
    "/webhooks",
    "/webhooks/1/deliveries",
    "/alerts",
    "/management/endpoints",
    "/management/operations",
    "/management/endpoints/1/artefacts",
]
KINDS = [
    "groups",
    "users",
    "keys",
    "devices",
    "locations",
    "user",
    "locations/1/devices",
    "audit",
    "imports",
    "webhooks",
    "webhooks/1/deliveries",
    "alerts",
    "management/endpoints",
    "management/operations",
    "management/endpoints/1/artefacts",
    "nothing",
]
IDS = [
    "0",
    "-1",
    "00000000000000000001",
    "99999999999",
    "999999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 3900,
    "%D9%A3",
    "%EF%BC%91",
    "%00",
    "%FF",
    "%ED%A0%80",
    "1%00",
    "1%0A",
    "1%2F2",
    "1.json",
    "1;x=1",
    "1/",
    "1//",
    "./1",
    "../groups",
    "%2e%2e",
    "me",
    "me/",
    "remove",
    "null",
    "{id}",
    "00:90:8F:14:10:00",
    "00-90-8f-14-10-00",
    "00908F14100",
    "00908F1410000",
    "0:0:9:0:8:F:1:4:1:0:0:0",
    "::::::::::::",
    "00:90-8F:14:10:00",
    "123456789012",
    "'%20OR%201=1--",
    "%3Cscript%3E",
]
PATHS = [
    "/",
    "//",
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api//v1/groups",
    "/API/V1/groups",
    "/api/v1/groups//",
    "/api/v1/%67roups",
    "/api/v2/groups",
    "/api/v1/schema/",
    "/api/v1/docs/",
    "/api/v1/docs?script",
    "/api/v1/docs?script=&lang=%00",
    "/api/v1/schema?format=xml&version=%00",
    "/healthz/",
    "/readyz?x=%00",
    "/static/",
    "/static/..%2f..%2fmanage.py",
    "/static/%2e%2e/%2e%2e/.env",
    "/static/%00",
    "/.env",
    "/favicon.ico",
    "/%00",
    "/%FF",
    "/%",
    "/%2",
    "/?%",
    "/#x",
    "http://127.0.0.1/api/v1/groups",
    "http://evil.example/api/v1/groups",
    f"http://evil.example/{MAC}",
    *(
        f"/{phone}"
        for phone in (
            MAC,
            MAC.lower(),
            MAC + ".cfg",
            MAC + ".CFG",
            MAC + ".exe",
            MAC + ".cfg.cfg",
            MAC + "/",
            MAC + "%00",
            MAC + "%0A",
            MAC + "?x=%00",
            MAC + "%2Ecfg",
            "%30%30908F141000",
            "00%3A90%3A8F%3A14%3A10%3A00",
            "00:90:8F:14:10:00",
            "00-90-8F-14-10-00",
            "00:90:8F-14-10-00",
            "00908F14100G",
            "00908F1410",
            "/" + MAC,
            "x/" + MAC,
            "%D9%A0%D9%A0908F141000",
            "%EF%BC%90%EF%BC%90908F141000",
            "FFFFFFFFFFFF",
            "000000000000.xml",
        )
    ),
]
METHODS = ["PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "BREW", "QUERY", "POST", "PUT", "DELETE", "X" * 20]
METHOD_PATHS = ["/api/v1/groups", "/api/v1/login", "/api/v1/schema", "/api/v1/docs", "/api/v1/nothing", "/healthz",
                "/readyz", f"/{MAC}", "/", "/static/x"]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {"Accept": "text/xml"},
    {"Accept": "text/html"},
    {"Accept": "\xff;q=nonsense"},
    {"Accept": "*/*;" + "a=b;" * 1000},
    {"Accept-Language": "\xff"},
    {"Accept-Encoding": "gzip;q=x"},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer null"},
    {"Authorization": "Bearer a b c"},
    {"Authorization": "Bearer " + "a" * 7000},
    {"Authorization": "Bearer " + "." * 1000},
    {"Authorization": "Bearer \xff\xfe"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."},
    {"Authorization": "Bearer e30.e30.e30"},
    {"Authorization": "Bearer " + "WzFd." * 2 + "WzFd"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "\xff"},
    {"Host": "evil.example"},
    {"Host": ""},
    {"Host": "127.0.0.1:port"},
    {"Host": "a b"},
    {"Host": "\xff"},
    {"Host": "[::"},
    {"Cookie": "sessionid=nonsense; csrftoken=\xff"},
    {"Cookie": "=;;=\xff"},
    {"X-Request-ID": "nonsense"},
    {"X-Request-ID": "\xff" * 100},
    {"X-Forwarded-For": "nonsense"},
    {"X-Forwarded-Proto": "gopher"},
    {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": "%FF"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"If-Modified-Since": "nonsense"},
    {"If-None-Match": "\xff"},
    {"Range": "bytes=9-1"},
    {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
]
HEADER_PATHS = ["/api/v1/groups", "/api/v1/docs", "/api/v1/schema", "/healthz", f"/{MAC}", "/api/v1/nothing"]
CONTENT_TYPES = [
    "",
    "text/plain",
    "text/xml",
    "application/JSON",
    "application/json; charset=utf-16",
    "application/json; charset=nonsense",
    "application/json;;;",
    "application/json, text/xml",
    "application/jsonx",
    "application/*",
    "*/*",
    "multipart/form-data",
    "multipart/form-data; boundary=" + "x" * 500,
    "application/x-www-form-urlencoded",
    "\xff",
    "a" * 4000,
    "application/octet-stream",
]


def corpus(token: str) -> Iterator[tuple[str, bytes]]:
    """Method and bytes of each request."""
    bearer = {"Authorization": f"Bearer {token}"}
    json_type = {"Content-Type": "application/json"}
    for method, path in TARGETS:
        for body in BODIES:
            yield request(method, API + path, bearer | json_type, body)
    good = b'{"name":"x","groupType":"Provider","resellerId":1}'
    for kind in CONTENT_TYPES:
        for path in ("/groups", "/login", "/logout"):
            yield request("POST", API + path, json_type | {"Content-Type": kind}, b"a=b")
            yield request("POST", API + path, bearer | {"Content-Type": kind}, b"{" if path == "/logout" else good)
    for path in ("/groups", "/login", f"/users/{NOBODY}"):
        method = "PUT" if path.startswith("/users/") else "POST"
        for content in (good, b'{"name":"' + b"x" * BIG + b'"}', b"\xff", b""):
            yield request(method, API + path, bearer | json_type | CHUNKED, chunked(content))
            yield request(method, API + path, bearer | json_type | {"Expect": "100-continue"}, content)
            yield request(method, API + path, bearer | json_type | {"Content-Encoding": "gzip"}, content)
    for path in LISTS:
        for query in QUERIES:
            yield request("GET", f"{API}{path}?{query}", bearer)
    for path in KINDS:
        for identity in IDS:
            yield request("GET", f"{API}/{path}/{identity}", bearer)
            yield request("GET", f"{API}/{path}/{identity}/devices", bearer)
    for identity in IDS:
        yield request("DELETE", f"{API}/groups/{identity}", bearer)
        yield request("PUT", f"{API}/locations/{identity}", bearer | json_type, b'{"url":"http://a/"}')
        for action in ("associate", "disassociate"):
            body = b'{"macList":["00908F141000"],"overrideCurrentAssociation":true}'
            yield request("POST", f"{API}/locations/{identity}/devices/{action}", bearer | json_type, body)
    for path in PATHS:
        yield request("GET", path, bearer)
        yield request("POST", path, bearer | json_type, b"{}")
    for method in METHODS:
        for path in METHOD_PATHS:
            yield request(method, path, {})
            yield request(method, path, bearer | json_type, b"{}")
    for headers in HEADERS:
        for path in HEADER_PATHS:
            yield request("GET", path, bearer | headers)
            yield request("POST", path, bearer | json_type | headers, b"{}")
    yield "GET", f"GET /{MAC} HTTP/1.0\r\n\r\n".encode()
    yield "GET", b"GET /api/v1/groups HTTP/1.0\r\n\r\n"


def request(method: str, target: str, headers: dict[str, str], body: bytes | None = None) -> tuple[str, bytes]:
    """A request as bytes; nothing is corrected."""
    lines = {"Host": "127.0.0.1"} | headers | {"Connection": "close"}
    if body is not None and "Transfer-Encoding" not in headers:
        lines["Content-Length"] = str(len(body))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return method, head.encode("latin-1") + b"\r\n" + (body or b"")


def send(port: int, method: str, sent: bytes) -> http.client.HTTPResponse | None:
    """The answer, None if the server closed the connection without one."""
    with socket.create_connection((HOST, port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):  # it may answer a large body before it is sent
            connection.sendall(sent)
        answer = http.client.HTTPResponse(connection, method=method)
        try:
            answer.begin()
            answer.content = answer.read()  # type: ignore[attr-defined]
        except (http.client.HTTPException, ConnectionError):
            return None
        return answer


def run_corpus(port: int, token: str) -> bool:
    """Whether nothing was found. Prints what was found."""
    findings = 0
    for method, sent in corpus(token):
        answer = send(port, method, sent)
        answers["corpus", answer.status if answer else 0] += 1
        problem = "no answer" if answer is None else answer_problem(method, answer)
        if problem:
            findings += 1
            shown = sent.replace(token.encode(), b"$TOKEN")
            print(f"FOUND {problem}\n      {shown[:300]!r}")
    return findings == 0
