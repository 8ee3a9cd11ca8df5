"""What operators want to know of the past: when housekeeping ran, and what it warned of."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

OVERDUE = timedelta(hours=36)  # it is daily work
KEPT = 100


class HousekeepingRun(models.Model):
    """A run of `manage.py housekeeping`; it has no end while it runs, or if it was killed or failed."""

    began = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True)
    warnings = models.TextField(default="")  # a line each

    def __str__(self) -> str:
        return f"{self.began:%Y-%m-%d %H:%M:%S} to {self.ended:%H:%M:%S}" if self.ended else f"{self.began}"

    @classmethod
    def newest(cls) -> "HousekeepingRun | None":
        """The newest run that came to its end."""
        return cls.objects.filter(ended__isnull=False).order_by("-ended").first()


def warnings(newest: HousekeepingRun | None, days_ahead: int | None) -> list[str]:
    """What an operator has to do soon about upkeep, in sentences; nothing while all is well.

    `days_ahead` is how many days of the access log have a partition already, None if none is needed.
    """
    now = timezone.now()
    told = []
    if newest is None or newest.ended is None:
        told.append("Housekeeping has never run: start `manage.py housekeeping` once a day.")
    elif now - newest.ended > OVERDUE:
        told.append(f"Housekeeping last ran at {newest.ended:%Y-%m-%d %H:%M} UTC: it should run once a day.")
    if days_ahead == 0:
        told.append(
            "Access log: tomorrow has no partition; its rows will have to be moved later. Run housekeeping."
        )
    return told
