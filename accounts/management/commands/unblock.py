"""manage.py unblock LOGIN: let a user log in again at once, also the only platform operator."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.sessions import unblock
from audit import context


class Command(BaseCommand):
    """Ends the block of a user and sets the counter of failed logins to zero."""

    help = "Let a user who was blocked after failed logins log in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the user's login, in any case")

    def handle(self, *args: Any, login: str, **options: Any) -> None:
        user = User.objects.get_queryset().named(login).first()
        if user is None:
            raise CommandError(f"There is no user with the login {login}.")
        was_blocked = user.blocked_since is not None
        with context.of_command("unblock"):
            unblock([user.pk])
        told = "was blocked and can log in again" if was_blocked else "was not blocked"
        self.stdout.write(f"{user.login} {told}.")
