"""What hints at a phone, and proves nothing."""

from django.db import models


class Hint(models.Model):
    """A request that was no phone's, though its User-Agent carries this MAC: for staff to read, never believed."""

    mac = models.CharField(max_length=12, unique=True)
    time = models.DateTimeField()
    path = models.CharField(max_length=200)
    address = models.CharField(max_length=45)
    user_agent = models.CharField(max_length=200)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.mac} {self.path}"


def keep(hints: list[Hint]) -> None:
    """Write these hints, each in the place of an older one of its MAC."""
    Hint.objects.bulk_create(
        sorted(hints, key=lambda hint: hint.mac),  # so that two processes never wait for each other
        update_conflicts=True,
        unique_fields=["mac"],
        update_fields=["time", "path", "address", "user_agent"],
    )
