"""What one would write first: a Django view with the ORM, in a project as `startproject` makes it, under gthread.

    gunicorn --worker-class gthread --workers 2 --threads 16 bench.peers.plain_django:application

It works on the service's own tables and does the same job without the access log.
"""

import os
from urllib.parse import quote, unquote, urlsplit

import django
from django.conf import settings

address = urlsplit(os.environ["DATABASE_URL"])

settings.configure(
    SECRET_KEY="of no use in a bench",  # noqa: S106
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": address.hostname,
            "PORT": address.port or 5432,
            "USER": unquote(address.username or ""),
            "PASSWORD": unquote(address.password or ""),
            "NAME": address.path[1:],
            "CONN_MAX_AGE": 600,
        }
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.db.models import F  # noqa: E402
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402


class Group(models.Model):
    """A tenant."""

    name = models.CharField(max_length=150)

    class Meta:
        app_label = "bench"
        db_table = "accounts_group"
        managed = False

    def __str__(self) -> str:
        return self.name


class Location(models.Model):
    """Where phones are redirected to."""

    url = models.CharField(max_length=1273)
    last_access = models.DateTimeField(null=True)

    class Meta:
        app_label = "bench"
        db_table = "locations_location"
        managed = False

    def __str__(self) -> str:
        return self.url


class Device(models.Model):
    """A phone."""

    mac = models.CharField(max_length=12, unique=True)
    group = models.ForeignKey(Group, models.PROTECT)
    location = models.ForeignKey(Location, models.PROTECT, null=True)
    last_access = models.DateTimeField(null=True)
    last_access_status = models.CharField(max_length=12)
    num_requests = models.PositiveBigIntegerField(default=0)

    class Meta:
        app_label = "bench"
        db_table = "devices_device"
        managed = False

    def __str__(self) -> str:
        return self.mac


def redirect(request: HttpRequest, mac: str) -> HttpResponse:
    """302 to where the phone's configuration is, or 404."""
    mac = mac.replace(":", "").replace("-", "").upper()
    device = Device.objects.select_related("group", "location").filter(mac=mac).first()
    if device is None:
        return JsonResponse({"description": f"device MAC {mac} was not found"}, status=404)
    now = timezone.now()
    status = "Success" if device.location else "Fail"
    Device.objects.filter(pk=device.pk).update(
        num_requests=F("num_requests") + 1, last_access=now, last_access_status=status
    )
    if device.location is None:
        return JsonResponse({"description": f"device MAC {mac} was not found"}, status=404)
    Location.objects.filter(pk=device.location.pk).update(last_access=now)
    url = device.location.url.replace("{MAC ADDRESS}", mac)
    return HttpResponseRedirect(url.replace("{CUSTOMER NAME}", quote(device.group.name, safe="")))


urlpatterns = [path("<str:mac>", redirect)]
application = get_wsgi_application()
