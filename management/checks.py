"""What `manage.py check` looks at before devices are managed: settings that fit, files that can be read."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.http.request import validate_host


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """An error for each setting with which an operation would fail later."""
    return [*_receiver(), *_ca()]


def _receiver() -> list[CheckMessage]:
    if not settings.MANAGEMENT_RECEIVER:
        return []
    try:
        host = urlsplit(settings.MANAGEMENT_RECEIVER).hostname or ""
    except ValueError:
        host = ""
    # As Django compares: an IPv6 address in brackets.
    if host and validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        return []
    text = f"The host of MANAGEMENT_RECEIVER ({settings.MANAGEMENT_RECEIVER}) is not one of ALLOWED_HOSTS."
    return [Error(text, hint="The files that devices push would be refused.", id="management.E001")]


def _ca() -> list[CheckMessage]:
    if not settings.MANAGEMENT_CA_CERTIFICATE:
        return []
    try:
        x509.load_pem_x509_certificate(Path(settings.MANAGEMENT_CA_CERTIFICATE).read_bytes())
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    except ValueError:
        reason = "it holds no certificate as PEM"
    else:
        return []
    text = f"The file of MANAGEMENT_CA_CERTIFICATE ({settings.MANAGEMENT_CA_CERTIFICATE}): {reason}."
    return [Error(text, hint="No certificate flow would come to its end.", id="management.E002")]
