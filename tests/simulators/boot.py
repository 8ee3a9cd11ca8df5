"""What a simulated Mediant does when it boots: it asks the redirect service for its configuration.

It shows the certificate of its TLS context 0 if the service speaks HTTPS.
"""

import http.client
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.simulators.mediant import Mediant


def boot(device: Mediant, service: str, *, ca: str | None = None) -> tuple[int, str | None]:
    """Ask `service`, an http or https address, by the device's MAC; return the status and where it was sent.

    `ca` is a file with the CA of the service. Raises OSError if the service cannot be reached.
    """
    parts = urlsplit(service)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=_context(device, ca))
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        agent = f"Mozilla/4.0 (compatible; AudioCodes; {device.product};{device.version};{device.mac})"
        connection.request("GET", f"{parts.path.rstrip('/')}/{device.mac}", headers={"User-Agent": agent})
        answer = connection.getresponse()
        sent_to = answer.getheader("Location") if answer.status == 302 else None
        device.provisioned_from = sent_to or device.provisioned_from
        return answer.status, sent_to
    finally:
        connection.close()


def _context(device: Mediant, ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    own = device.tls["0"]
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(own.certificate + own.key)
        context.load_cert_chain(both)
    return context
