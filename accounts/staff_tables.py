"""What is kept of the ways by which staff log in, beside password and second factor."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class PasswordLink(models.Model):
    """The link to a new password that a member of staff was mailed last: accounts/password_links.py."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    digest = models.CharField(max_length=64)
    sent_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.sent_at}"


class StaffIdentity(models.Model):
    """Who a member of staff is to an OpenID provider: accounts/oidc.py."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="staff_identity_subject_once"),
            models.UniqueConstraint(fields=["user", "issuer"], name="staff_identity_user_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.subject} of {self.issuer}"
