"""The real settings, with throw-away secrets, a quick password hasher and no limits that one test sets for all."""

import base64
import os
import secrets

os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("JWT_SIGNING_KEY", secrets.token_urlsafe(48))
os.environ["HTTPS"] = "on"
os.environ["DATABASE_DEADLINES"] = "off"  # a busy machine may take its time to drop a test database
os.environ["LOGIN_LIMIT_PER_SOURCE"] = "0"
os.environ["MANAGEMENT_NETWORKS"] = "127.0.0.0/8,::1"
os.environ["MANAGEMENT_LOOPBACK"] = "on"  # simulated devices
os.environ["MANAGEMENT_PORTS"] = "1-65535"
os.environ.setdefault("MANAGEMENT_KEYS", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
os.environ["WEBHOOK_LOOPBACK"] = "on"  # receivers of tests
os.environ["WEBHOOK_PORTS"] = "1-65535"
os.environ["UNKNOWN_MAC_LIMIT_PER_SOURCE"] = "0"

from redirect.settings import *  # noqa: F403
from redirect.settings import DATABASES, VAR_DIR

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"] == "redirect.db.sqlite":
    # One writer at a time: on a busy machine ten threads may wait longer for their turn than clients would.
    # A test that waits for the end of the patience of a process gives it less.
    DATABASES["default"]["OPTIONS"]["timeout"] = int(os.environ.get("TEST_SQLITE_TIMEOUT", "60"))
    # Nothing that a test writes need survive the machine.
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
    # A file, which threads of a test share as processes do; beside the one that DATABASE_URL names.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}

# Empty, as tests/conftest.py sees to it: each test client looks through all files in it before its first request.
STATIC_ROOT = VAR_DIR / "no-static"
STATIC_ROOT.mkdir(exist_ok=True)
