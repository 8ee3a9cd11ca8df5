#!/usr/bin/env bash
# cryptography 50.0.2: `certificate.verify_directly_issued_by(ca)` raises ValueError for a certificate that its CA has
# signed with SHA-1, as many phones carry from the factory; `ca.public_key().verify(...)` of the same signature
# accepts it. Who finds out a device's CA by the first takes old phones' good certificates for foreign ones.
#
# This product checks the signature itself (boot/device_ca.py; tests/boot/test_device_ca.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cryptography==50.0.2 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 30 -subj '/CN=Device CA' -keyout ca.key -out ca.pem 2>/dev/null
for digest in sha256 sha1; do
    openssl req -new -newkey rsa:2048 -nodes -subj '/CN=00908F9D8992' -keyout $digest.key -out $digest.csr 2>/dev/null
    openssl x509 -req -in $digest.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -$digest -out $digest.pem 2>/dev/null
done
venv/bin/python - <<'PY'
import sys
from pathlib import Path

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

ca = x509.load_pem_x509_certificate(Path("ca.pem").read_bytes())


def directly(certificate):
    try:
        certificate.verify_directly_issued_by(ca)
    except ValueError as error:
        return f"ValueError: {error}"
    return "accepted"


def by_key(certificate):
    ca.public_key().verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        PKCS1v15(),
        certificate.signature_hash_algorithm,
    )
    return "accepted"


seen = {}
print("cryptography", cryptography.__version__)
for digest in ("sha256", "sha1"):
    certificate = x509.load_pem_x509_certificate(Path(f"{digest}.pem").read_bytes())
    seen[digest] = directly(certificate), by_key(certificate)
    print(f"{digest}: verify_directly_issued_by: {seen[digest][0]}; public_key().verify: {seen[digest][1]}")
expected = seen["sha256"] == ("accepted", "accepted") and seen["sha1"][1] == "accepted"
if not (expected and seen["sha1"][0].startswith("ValueError: Unsupported signature algorithm")):
    sys.exit("CHANGED: not as described")
print("As described.")
PY
