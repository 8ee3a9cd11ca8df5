"""Which groups had a MAC, and when: its claims, of the device that there is and of before."""

from collections.abc import Collection

from django.db.models import F

from devices.claims import Claim
from devices.models import Device


def of_macs(macs: Collection[str], most: int) -> dict[str, list[Claim]]:
    """The newest `most` claims of each MAC that has any, the newest first; in two statements.

    The claim of a device that there is may be no row of its own, and so has no id.
    """
    found: dict[str, list[Claim]] = {}
    devices = Device.objects.filter(mac__in=list(macs), claimed_at__isnull=False)
    for mac, group_id, began in devices.values_list("mac", "group_id", "claimed_at"):
        found[mac] = [Claim(mac=mac, group_id=group_id, began=began)]
    rows = Claim.objects.filter(mac__in=list(macs)).order_by("mac", F("began").desc(nulls_last=True), "-pk")
    for claim in rows[: most * len(macs)]:
        found.setdefault(claim.mac, []).append(claim)
    return {mac: claims[:most] for mac, claims in found.items()}
