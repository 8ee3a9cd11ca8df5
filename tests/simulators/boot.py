"""What a simulated device does when it boots: it asks the redirect service for its configuration.

A Mediant shows the certificate of its TLS context 0 if the service speaks HTTPS.
"""

import http.client
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.simulators.mediant import Mediant
from tests.simulators.poly import PolyTrio


def boot(device: Mediant | PolyTrio, service: str, *, ca: str | None = None) -> tuple[int, str | None]:
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
        headers = {"User-Agent": device.user_agent}
        connection.request("GET", f"{parts.path.rstrip('/')}/{device.mac}", headers=headers)
        answer = connection.getresponse()
        sent_to = answer.getheader("Location") if answer.status == 302 else None
        device.provisioned_from = sent_to or device.provisioned_from
        return answer.status, sent_to
    finally:
        connection.close()


def _context(device: Mediant | PolyTrio, ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if isinstance(device, PolyTrio):
        return context
    own = device.tls["0"]
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(own.certificate + own.key)
        context.load_cert_chain(both)
    return context
