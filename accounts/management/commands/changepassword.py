"""manage.py changepassword, which here also ends the user's tokens and a block."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from accounts.models import User
from accounts.sessions import end_tokens, unblock
from audit import context


class Command(changepassword.Command):
    """Django's own, and what every new password means in this service."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        with context.of_command("changepassword"):
            done: str | None = super().handle(*args, **options)
            user = User.objects.get_by_natural_key(options["username"] or getpass.getuser())
            end_tokens([user.pk])
            unblock([user.pk])
        return done
