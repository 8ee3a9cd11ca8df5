#!/usr/bin/env bash
# oidc-provider-mock 0.3.4 (with Authlib 1.9.10) leaves `state` out of the answer when the user refuses to log in:
# `Location: …?error=access_denied&error_description=…`. RFC 6749, 4.1.2.1 requires it where the request had one, as it
# is by the state that a client knows whose login was refused. A login that succeeds brings it back.
#
# Who tries the desk's single sign-on with this provider, as this product's tests do, sees "This login was not
# begun in this browser" for a refusal: docs/operations.md, "Single sign-on".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check oidc-provider-mock==0.3.4 authlib==1.9.10 httpx==0.28.1 2>/dev/null
cat > ask.py <<'PY'
import sys
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock

QUESTION = {
    "client_id": "desk",
    "redirect_uri": "https://desk.example/back",
    "response_type": "code",
    "scope": "openid",
    "state": "of-this-login",
    "nonce": "once",
}


def answer_to(form):
    reply = browser.post("/oauth2/authorize", params=QUESTION, data=form)
    return {name: value for name, (value,) in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


for name in ("oidc-provider-mock", "authlib"):
    print(name, version(name))
transport = httpx.WSGITransport(app=oidc_provider_mock.app())
with httpx.Client(transport=transport, base_url="https://provider.example") as browser:
    accepted, refused = answer_to({"sub": "ada"}), answer_to({"sub": "ada", "action": "deny"})
print("logs in:", sorted(accepted))
print("refuses:", sorted(refused), refused["error"])
as_seen = accepted["state"] == QUESTION["state"] and refused["error"] == "access_denied" and "state" not in refused
print("as seen" if as_seen else "NO LONGER SO")
sys.exit(not as_seen)
PY
venv/bin/python ask.py 2>/dev/null
