"""The way in for a WSGI server: Django, with the phone's look-up as its first middleware."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redirect.settings")

application = get_wsgi_application()
