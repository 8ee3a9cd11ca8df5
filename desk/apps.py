"""The support desk: what support staff see of the whole service, as the site of Django's admin."""

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.models.signals import post_migrate


class DeskConfig(AppConfig):
    """The pages that go across resources, and the roles of staff."""

    name = "desk"
    default = True

    def ready(self) -> None:
        """The roles are brought up to date after each `migrate`, and each login begins a session."""
        from django.contrib.auth.models import Group as StaffRole
        from django.contrib.auth.signals import user_logged_in

        from audit.tracking import track
        from desk.roles import complete
        from desk.session import begin

        track(StaffRole, "name", lists={"permissions"})

        post_migrate.connect(complete, sender=self)
        user_logged_in.connect(begin)


class DeskAdminConfig(SimpleAdminConfig):
    """django.contrib.admin with the support desk as its site."""

    default_site = "desk.site.DeskSite"

    def ready(self) -> None:
        """As Django's own AdminConfig does, which would count as a second default of this module."""
        super().ready()
        autodiscover()
        # A job is shown by the page that asked for it.
        admin.site.unregister(apps.get_model("django_tasks_database", "DBTaskResult"))
