"""A location against the server that it is: who is missing there, who is not redirected, who never registered."""

from typing import Any

from devices.models import Device
from locations.models import Location
from management.models import Operation, OperationState


def report(location: Location) -> dict[str, Any] | None:
    """The comparison with what the server said when it was last asked; None if it never was."""
    asked = Operation.objects.filter(
        endpoint__location=location.pk,
        endpoint__group=location.group_id,
        verb="consistency",
        state=OperationState.DONE,
    )
    newest = asked.order_by("-id").first()
    if newest is None or newest.result is None:
        return None
    redirected = set(Device.objects.filter(location=location.pk).values_list("mac", flat=True))
    known, registered = set(newest.result["phones"]), set(newest.result["registered"])
    return {
        "time": newest.finished_at,
        "operationId": newest.pk,
        "missingOnServer": sorted(redirected - known),
        "notRedirected": sorted(known - redirected),
        "neverRegistered": sorted(redirected & known - registered),
        "consistent": len(redirected & known & registered),
    }
