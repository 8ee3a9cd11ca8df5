"""The way in for an ASGI server: phones to the batcher, all else to Django."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redirect.settings")

django_application = get_asgi_application()

from boot.app import BootApplication  # noqa: E402 - Django's apps must be ready first
from redirect.http.body_limit import BodyLimit  # noqa: E402

application = BootApplication(BodyLimit(django_application))
