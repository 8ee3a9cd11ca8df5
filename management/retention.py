"""How long artefacts and operations are kept."""

from datetime import datetime, timedelta

from django.db.models import Q

from management.models import Artefact, Operation, OperationState


def prune(now: datetime, kept_for: timedelta) -> tuple[int, int]:
    """Delete artefacts that have expired, and operations that finished longer ago; how many of each."""
    artefacts, _ = Artefact.objects.filter(expires_at__lt=now).delete()
    limit = now - kept_for
    given_up = Q(state=OperationState.PARKED, created_at__lt=limit)
    old = Operation.objects.filter(Q(finished_at__lt=limit) | given_up)
    return artefacts, old.delete()[1].get("management.Operation", 0)
