#!/usr/bin/env bash
# openapi-python-client 0.29.1: a boolean of a multipart form, `type: boolean` in the document, is sent by the generated
# client as the text `True` or `False` with a capital letter, while in JSON, in queries and in the forms of other
# clients it is `true` or `false`. A server that reads a form's booleans as JSON has them refuses every such upload.
#
# This product reads the booleans of the form of POST /api/v1/imports in any case (api/fields.py, FormBoolean;
# tests/api/test_generated_clients.py uses the generated client).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1 2>/dev/null
cat > openapi.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "Uploads", "version": "1"}, "paths": {"/imports": {"post": {
 "operationId": "createImport", "responses": {"204": {"description": "Taken."}},
 "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {"type": "object",
  "required": ["file", "move"], "properties": {
   "file": {"type": "string", "format": "binary"}, "move": {"type": "boolean"}}}}}}}}}}
JSON
PATH=$PWD/venv/bin:$PATH venv/bin/openapi-python-client generate --path openapi.json --meta none \
    --output-path uploads_client >/dev/null
venv/bin/python - <<'PY'
import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from uploads_client import Client
from uploads_client.api.default import create_import
from uploads_client.models import CreateImportBody
from uploads_client.types import File

sent = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        sent.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *given):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
body = CreateImportBody(file=File(payload=io.BytesIO(b"mac,group\r\n"), file_name="devices.csv"), move=True)
create_import.sync_detailed(client=Client(base_url=f"http://127.0.0.1:{server.server_port}"), body=body)
server.shutdown()
(form,) = sent
part = next(part for part in form.split(b"--") if b'name="move"' in part)
print("openapi-python-client", version("openapi-python-client"))
print("sent for move:", part.rpartition(b"\r\n\r\n")[2].strip().decode())
as_seen = part.rstrip().endswith(b"\r\nTrue")
print("as seen" if as_seen else "NO LONGER SO")
sys.exit(not as_seen)
PY
