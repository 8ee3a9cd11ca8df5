"""Settings: one file, from the environment only, safe when nothing is set.

`.env` beside manage.py is read as well; a variable of the real environment wins over it. Every variable stands
in the settings table of the README.
"""

from base64 import urlsafe_b64decode
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from redirect import logs
from redirect.db import address
from redirect.db.timeouts import Connection, PooledConnection

CODE_DIR = Path(__file__).resolve().parent.parent
# Installed as a package, the service keeps nothing beside its code.
BASE_DIR = CODE_DIR if (CODE_DIR / "manage.py").exists() else Path.cwd()

env = environ.Env()
env.read_env(BASE_DIR / ".env")

VAR_DIR = BASE_DIR / env.str("VAR_DIR", default="var")
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)


def secret(name: str) -> str:
    """A secret of at least 32 characters; there is no default, so a forgotten one stops the start."""
    value: str = env.str(name, default="")
    if len(value) < 32:
        raise ImproperlyConfigured(
            f"Set {name} to at least 32 random characters, in the environment or in .env "
            "(`make run` writes such a file once)."
        )
    return value


def flag(name: str, default: bool) -> bool:
    """on or off. A word that is neither stops the start: a typing error must not switch a protection off."""
    text: str = env.str(name, default="on" if default else "off")
    if text.lower() not in ("on", "off", "true", "false", "yes", "no", "1", "0"):
        raise ImproperlyConfigured(f"{name}={text} must be on or off.")
    return text.lower() in ("on", "true", "yes", "1")


def number(name: str, default: int, *, least: int = 0) -> int:
    """A whole number from `least`."""
    text: str = env.str(name, default=str(default))
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise ImproperlyConfigured(f"{name}={text} must be a whole number from {least}.")
    return int(text)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Addresses or networks, joined by commas."""
    try:
        return [ip_network(entry.strip()) for entry in env.list(name, default=[])]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def ports(name: str, default: str) -> list[tuple[int, int]]:
    """Ports or ranges like 8000-8010, joined by commas, as pairs of first and last."""
    found = []
    for entry in env.str(name, default=default).split(","):
        first, dash, last = entry.strip().partition("-")
        if not all(n.isascii() and n.isdigit() and 0 < int(n) < 65536 for n in (first, last or first)) or (
            dash and not last
        ):
            raise ImproperlyConfigured(f"{name}: {entry} must be a port, or two joined by a dash.")
        if int(last or first) < int(first):
            raise ImproperlyConfigured(f"{name}: {entry} must begin with the lower of the two ports.")
        found.append((int(first), int(last or first)))
    return found


def seconds(name: str, default: str) -> list[int]:
    """Numbers of seconds, joined by commas."""
    entries = [entry.strip() for entry in env.str(name, default=default).split(",")]
    if not all(entry.isascii() and entry.isdigit() for entry in entries):
        raise ImproperlyConfigured(f"{name} must be whole numbers of seconds, joined by commas.")
    return [int(entry) for entry in entries]


def fernet_keys(name: str) -> list[str]:
    """One or more keys of 32 random octets in URL-safe base64, joined by commas."""
    keys: list[str] = [key.strip() for key in env.list(name, default=[])]
    for key in keys or [""]:
        try:
            fits = len(urlsafe_b64decode(key)) == 32
        except ValueError:
            fits = False
        if not fits:
            raise ImproperlyConfigured(
                f"Set {name} to one key or more, by commas; each from python -c 'from cryptography.fernet import "
                "Fernet; print(Fernet.generate_key().decode())'."
            )
    return keys


def https_address(name: str, *, or_http: bool) -> str:
    """The https address of a server without a slash at its end, or nothing; http for trials alone."""
    text: str = env.str(name, default="").rstrip("/")
    if text and not text.startswith(("https://", "http://") if or_http else ("https://",)):
        raise ImproperlyConfigured(f"{name}={text} must begin with https:// and a host.")
    return text


SECRET_KEY = secret("SECRET_KEY")
JWT_SIGNING_KEY = secret("JWT_SIGNING_KEY")
if JWT_SIGNING_KEY == SECRET_KEY:
    raise ImproperlyConfigured("JWT_SIGNING_KEY and SECRET_KEY must differ.")

DEBUG = flag("DEBUG", default=False)
HTTPS = flag("HTTPS", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Whose X-Forwarded-* and X-SSL-Client-* are trusted: addresses or networks. None by default.
TRUSTED_PROXIES = networks("TRUSTED_PROXIES")

# The CAs of phones' certificates, with their rules (boot/device_ca.py). Without it: what the proxy has verified.
DEVICE_CA_DIR = env.str("DEVICE_CA_DIR", default="")

# Login: attempts a minute from one source (0 = no limit), failures until a block, and how long it lasts.
LOGIN_LIMIT_PER_SOURCE = number("LOGIN_LIMIT_PER_SOURCE", 60)
LOGIN_FAILURES_UNTIL_BLOCK = number("LOGIN_FAILURES_UNTIL_BLOCK", 10, least=1)
LOGIN_BLOCK = timedelta(minutes=number("LOGIN_BLOCK_MINUTES", 15, least=1))

# Distinct MACs a minute that one source may ask for without being redirected (0 = no limit).
# Each process counts for itself and has its share, so that all together never allow more.
UNKNOWN_MAC_LIMIT_PER_SOURCE = -(-number("UNKNOWN_MAC_LIMIT_PER_SOURCE", 120) // number("WEB_WORKERS", 1, least=1))

# Who may read /metrics: these addresses or networks, and whoever has the token. Neither is set: 404 for all.
METRICS_ADDRESSES = networks("METRICS_ADDRESSES")
METRICS_TOKEN = secret("METRICS_TOKEN") if env.str("METRICS_TOKEN", default="") else ""

# How long the access log is kept.
ACCESS_LOG_DAYS = number("ACCESS_LOG_DAYS", 30, least=1)

# How long the audit log is kept.
AUDIT_LOG_DAYS = number("AUDIT_LOG_DAYS", 365, least=1)

# Claims: how many devices a group may have, and a reseller with its providers (0 = no limit); the admin sets
# others for single groups. What leaves an entry in the audit log: a call that claims so many consecutive MACs, and
# one of whose MACs so many percent are another group's (0 = never).
DEVICE_QUOTA_PER_GROUP = number("DEVICE_QUOTA_PER_GROUP", 0)
DEVICE_QUOTA_PER_RESELLER = number("DEVICE_QUOTA_PER_RESELLER", 0)
CLAIM_RUN_ALERT = number("CLAIM_RUN_ALERT", 500)
CLAIM_FOREIGN_ALERT = number("CLAIM_FOREIGN_ALERT", 50)

# Device management: the networks in which devices may be reached. Without them it is off, and not even loaded.
MANAGEMENT_NETWORKS = networks("MANAGEMENT_NETWORKS")
MANAGEMENT_PORTS = ports("MANAGEMENT_PORTS", "80,443")
MANAGEMENT_LOOPBACK = flag("MANAGEMENT_LOOPBACK", default=False)
# How many devices the operations of one worker ask at once: each may take minutes to answer.
MANAGEMENT_AT_ONCE = number("MANAGEMENT_AT_ONCE", 8, least=1)
# Where devices reach this service with files that they push.
MANAGEMENT_RECEIVER = https_address("MANAGEMENT_RECEIVER", or_http=MANAGEMENT_LOOPBACK)
# Whether raw calls may also control calls, and read what is a person's own.
MANAGEMENT_CALL_CONTROL = flag("MANAGEMENT_CALL_CONTROL", default=False)
# The CA that signs requests of devices, where there is one: files in PEM, and how long a certificate is good.
MANAGEMENT_CA_CERTIFICATE = env.str("MANAGEMENT_CA_CERTIFICATE", default="")
MANAGEMENT_CA_KEY = env.str("MANAGEMENT_CA_KEY", default="")
MANAGEMENT_CA_DAYS = number("MANAGEMENT_CA_DAYS", 730, least=1)
# What logins of devices are encrypted with: the first encrypts, all decrypt.
MANAGEMENT_KEYS = fernet_keys("MANAGEMENT_KEYS") if MANAGEMENT_NETWORKS else []

# Webhooks. Receivers may be at any public address, and in these networks beside; on these ports. The keys encrypt
# their secrets (none: derived from SECRET_KEY). After each of these times a message that failed is sent again.
WEBHOOK_NETWORKS = networks("WEBHOOK_NETWORKS")
WEBHOOK_PORTS = ports("WEBHOOK_PORTS", "80,443")
WEBHOOK_LOOPBACK = flag("WEBHOOK_LOOPBACK", default=False)
WEBHOOK_KEYS = fernet_keys("WEBHOOK_KEYS") if env.str("WEBHOOK_KEYS", default="") else []
WEBHOOK_RETRIES = seconds("WEBHOOK_RETRIES", "5,30,120,600,1800,3600,7200,14400,28800,28800")

# Where mail goes out: smtp://user:password@host:port, smtp+tls://… or smtp+ssl://… None: no mail is sent.
EMAIL_URL = env.str("EMAIL_URL", default="")
vars().update(environ.Env.email_url_config(EMAIL_URL or "dummymail://"))
if EMAIL_URL.startswith("smtp"):
    EMAIL_BACKEND = "webhooks.smtp.Backend"  # with a deadline for each mail
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", default="phone-redirect-service@localhost")

# --- Applications ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",  # before Django's own: its changepassword command is the one to use
    # The admin: the desk's own templates, those of the look, Django's.
    "desk",
    "unfold.apps.BasicAppConfig",
    "desk.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_guid",
    "csp",
    "audit.apps.SignalsConfig",
    "django_tasks",
    "django_tasks_db",
    "audit",
    "jobs",
    "locations",
    "devices",
    "webhooks",
    "operations",
]
if MANAGEMENT_NETWORKS:
    INSTALLED_APPS.append("management")

MIDDLEWARE = [
    "redirect.http.client_address.ForwardedMiddleware",  # first: all that follows sees the real source and scheme
    "boot.middleware.BootMiddleware",  # a phone needs nothing of what stands below
    "redirect.http.chunked_body.ChunkedBodyMiddleware",
    "django_guid.middleware.guid_middleware",
    "redirect.observe.ObserveMiddleware",
    "operations.any_host.AnyHostMiddleware",
    "api.middleware.APIMiddleware",
    "redirect.http.body_limit.BodyLimitMiddleware",
    "audit.middleware.AuditMiddleware",  # behind the two that know the address and the request's id
    "django.middleware.security.SecurityMiddleware",
    "redirect.http.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "desk.session.end_old_sessions",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "desk.content_policy.relax_for_admin",
]

# What a body may have in octets; by the beginning of the path, what takes more.
MAX_BODY = 512 * 1024
LARGER_BODIES = dict.fromkeys(["/admin/devices/device/import/", "/api/v1/imports"], 21_000_000)  # 100,000 devices
LARGER_BODIES["/uploads/"] = 16_000_000  # a configuration, or captured packets

ROOT_URLCONF = "redirect.urls"
WSGI_APPLICATION = "redirect.wsgi.application"
APPEND_SLASH = False  # nothing under /api is answered by a redirect

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CODE_DIR / "redirect" / "templates", CODE_DIR / "api" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """Django's entry for a `sqlite:///path` or `postgres://user:password@host:port/name` address."""
    entry: dict[str, Any]
    if not url.startswith(("sqlite://", "postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must begin with postgres:// or sqlite:///.")
    if url.startswith("postgres"):
        entry = address.django_entry(url, "DATABASE_URL")
        entry["CONN_HEALTH_CHECKS"] = True  # without it a pooled connection outlives a database restart
        pool: dict[str, Any] = {
            "connection_class": PooledConnection,
            "min_size": 1,
            "max_size": number("DATABASE_POOL_SIZE", 16, least=1),
            "timeout": 3,
            "reconnect_timeout": 1,  # else the pool waits ever longer between its tries to come back
        }
        if flag("DATABASE_DEADLINES", default=True):
            # A database that hangs must not hang the service: a call gives up well before its client does.
            pool["connection_class"] = Connection
            deadlines = (
                "statement_timeout=4500",
                "lock_timeout=2500",
                "idle_in_transaction_session_timeout=10000",
            )
            entry["OPTIONS"] = address.with_settings(entry["OPTIONS"], *deadlines)
        entry["OPTIONS"]["pool"] = pool
    else:
        entry = environ.Env.db_url_config(url)
        entry["ENGINE"] = "redirect.db.sqlite"
        # One writer at a time: a transaction that will write says so when it begins, and waits its turn.
        entry["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 4,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        }
    return entry


DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'redirect.sqlite3'}"))}

# A streaming replica that answers phones while the primary is away: postgres://user:password@host:port/name
REPLICA_URL = env.str("REPLICA_URL", default="")
if REPLICA_URL:
    address.parse(REPLICA_URL, "REPLICA_URL")

# Where a process keeps what it answered from the replica and has not recorded yet, so that a crash loses nothing.
SPOOL = Path(env.str("SPOOL", default="") or VAR_DIR / "spool")

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Who ------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["accounts.login.LoginBackend"]
PASSWORD_HASHERS = ["accounts.passwords.Argon2", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "accounts.passwords.MaximumLengthValidator"},
    {"NAME": "accounts.passwords.NotTheLoginValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": "phone-redirect-service",
    "AUDIENCE": "phone-redirect-service",
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "LEEWAY": timedelta(seconds=30),  # clocks of several hosts differ
    "AUTH_HEADER_TYPES": ("Bearer",),
    "UPDATE_LAST_LOGIN": False,
}

# --- REST framework -------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.DenyAll"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.parsers.JSONOnlyNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.exceptions.handle",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S+0000",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Redirect Service API",
    "VERSION": "1.2.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": 0},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["api.schema.without_aliases"],
    "POSTPROCESSING_HOOKS": ["api.schema.complete"],
    # In the order of the manual, as urls.py and the views have them.
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
}

# --- Support desk ---------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Redirect Service",
    "SITE_HEADER": "Redirect Service",
    "SITE_SUBHEADER": "Support desk",
    "SITE_SYMBOL": "deskphone",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("desk/icon.svg")}],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "desk.menu.navigation"},
    "ACCOUNT": {"navigation": "desk.menu.of_account"},
    "STYLES": [lambda request: static("desk/desk.css")],
    "SCRIPTS": [lambda request: static("desk/focus.js"), lambda request: static("desk/accessible.js")],
}

# --- Jobs -----------------------------------------------------------------------------------------------------

# Entries of the queue are rows, written by the transaction that asks for the work. Run by `manage.py run_jobs`.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": [], "ENQUEUE_ON_COMMIT": False}}

# --- Audit log ------------------------------------------------------------------------------------------------

# auditlog's signals write to a table of ours (audit/models.py); its own is not made, nor its middleware used.
AUDITLOG_LOGENTRY_MODEL = "audit.Entry"
AUDITLOG_STORE_JSON_CHANGES = True
AUDITLOG_CID_GETTER = "django_guid.get_guid"
MIGRATION_MODULES = {"auditlog": None}

# --- Browser safety -------------------------------------------------------------------------------------------

# Django may believe it: redirect/http/client_address.py has removed it from every other peer than a trusted proxy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# Whether all staff must have a second factor, and what the secrets of their apps are encrypted with (none: derived
# from SECRET_KEY).
STAFF_SECOND_FACTOR = env.str("STAFF_SECOND_FACTOR", default="optional").lower()
if STAFF_SECOND_FACTOR not in ("required", "optional"):
    raise ImproperlyConfigured(f"STAFF_SECOND_FACTOR={STAFF_SECOND_FACTOR} must be required or optional.")
SECOND_FACTOR_KEYS = fernet_keys("SECOND_FACTOR_KEYS") if env.str("SECOND_FACTOR_KEYS", default="") else []
# The OpenID provider by which staff log in, and how they are found here. Without it there is no such way.
OIDC_ISSUER = https_address("OIDC_ISSUER", or_http=False)
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET.")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_BIND_BY_EMAIL = flag("OIDC_BIND_BY_EMAIL", default=False)
OIDC_SECOND_FACTOR_TRUSTED = flag("OIDC_SECOND_FACTOR_TRUSTED", default=False)
STAFF_SESSION_HOURS = number("STAFF_SESSION_HOURS", 8, least=1)
STAFF_SESSION_IDLE_MINUTES = number("STAFF_SESSION_IDLE_MINUTES", 30, least=1)
SESSION_COOKIE_AGE = STAFF_SESSION_HOURS * 3600
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "desk.error_pages.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],  # the icons inside Django's and Swagger's style sheets
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains and
    "security.W021",  # HSTS preload: other names under the operator's domain are not ours to decide on
    "security.W008",  # TLS and its redirect belong to the reverse proxy; phones may ask by plain HTTP
]

# --- Static files, language, logs -----------------------------------------------------------------------------

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "redirect.formats"

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-ID",
    "VALIDATE_GUID": True,  # a client's own id is kept only if it is a UUID
    "RETURN_HEADER": True,
    "EXPOSE_HEADER": False,
}

LOG_FORMAT = env.str("LOG_FORMAT", default="line").lower()
if LOG_FORMAT not in logs.FORMATS:
    raise ImproperlyConfigured(f"LOG_FORMAT={LOG_FORMAT} must be line or json.")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = logs.configuration(LOG_FORMAT, LOG_LEVEL, requests=flag("ACCESS_LOG", default=False))
