"""What the support desk remembers."""

from django.contrib.auth.models import Group as Role
from django.db import models


class StaffRole(models.Model):
    """A role that desk/roles.py made, and what it was given there; what operators changed since is theirs."""

    key = models.CharField(max_length=20, primary_key=True)
    role = models.OneToOneField(Role, models.SET_NULL, null=True, related_name="+")  # NULL: an operator deleted it
    given = models.JSONField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
