"""manage.py staff_identity LOGIN SUBJECT: bind staff to a subject of the OpenID provider, or unbind."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from accounts import oidc
from accounts.models import User
from audit import context


class Command(BaseCommand):
    """Says which subject (`sub`) of OIDC_ISSUER logs in as a member of staff."""

    help = "Bind a member of staff to a subject of the OpenID provider; with --remove to none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the user's login, in any case")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("subject", nargs="?", help="what the provider says as `sub`")
        which.add_argument("--remove", action="store_true", help="no subject any more")

    def handle(self, *args: Any, login: str, subject: str | None, remove: bool, **options: Any) -> None:
        user = User.objects.get_queryset().named(login).filter(is_staff=True).first()
        if user is None:
            raise CommandError(f"There is no member of staff with the login {login}.")
        with context.of_command("staff_identity"):
            if remove:
                oidc.unbind(user)
                self.stdout.write(f"{user.login} is no subject of a provider.")
                return
            if not settings.OIDC_ISSUER:
                raise CommandError("OIDC_ISSUER is not set.")
            try:
                oidc.bind(user, settings.OIDC_ISSUER, str(subject))
            except IntegrityError as error:
                raise CommandError("Another user is this subject of the provider.") from error
        self.stdout.write(f"{user.login} is {subject} of {settings.OIDC_ISSUER}.")
