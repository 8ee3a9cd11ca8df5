"""manage.py reset_second_factor LOGIN: for one who has lost the phone and the recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import second_factors
from accounts.models import User
from accounts.sessions import reset_second_factor
from audit import context


class Command(BaseCommand):
    """Takes the second factor of a user away, and ends the user's sessions in the admin."""

    help = "Take the second factor of a member of staff away, who then logs in by password and adds a new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the user's login, in any case")

    def handle(self, *args: Any, login: str, **options: Any) -> None:
        user = User.objects.get_queryset().named(login).first()
        if user is None:
            raise CommandError(f"There is no user with the login {login}.")
        if second_factors.of(user) is None:
            self.stdout.write(f"{user.login} has no second factor.")
            return
        with context.of_command("reset_second_factor"):
            reset_second_factor([user.pk])
        self.stdout.write(f"{user.login} has no second factor any more, and logs in by password.")
