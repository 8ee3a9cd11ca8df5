"""How long artefacts and operations are kept."""

from datetime import datetime, timedelta

from management.models import Artefact, Operation


def prune(now: datetime, kept_for: timedelta) -> tuple[int, int]:
    """Delete artefacts that have expired, and operations that finished longer ago; how many of each."""
    artefacts, _ = Artefact.objects.filter(expires_at__lt=now).delete()
    old = Operation.objects.filter(finished_at__lt=now - kept_for)
    return artefacts, old.delete()[1].get("management.Operation", 0)
