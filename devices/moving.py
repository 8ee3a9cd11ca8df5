"""Moving devices from one group to another: a MAC list in one transaction, as in bulk.py."""

from accounts.models import Group
from audit.models import Event
from audit.recording import parts_of, record_list
from devices.bulk import lock_in_order, lock_location_of, refuse_missing
from devices.models import AccessStatus, Device, DeviceQuerySet
from redirect.db.arrays import texts
from redirect.db.transactions import in_transaction


def move(
    visible: DeviceQuerySet, positions: dict[str, int], *, group: Group, location_id: int | None, reason: str
) -> int:
    """Make these devices, all of them visible, the group's, with a location of it or none; how many.

    The history of the old and of the new group keeps it, with the reason for support staff. Description and
    counters begin anew: the new group may not see what the old one wrote, nor what the phones did for it.
    Raises as `remove` does, and ApiError 400 if the location is not the group's.
    """

    def work() -> int:
        lock_location_of(group, location_id)
        owners = dict(lock_in_order(visible, positions).values_list("mac", "group_id"))
        refuse_missing(positions, owners)
        parts = parts_of("Moved", owners)
        record_list(Event.DEVICES_MOVED, Device, parts, other_group_id=group.pk, reason=reason)
        # One statement: the database refuses a device with a location of another group even for a moment.
        return Device.objects.filter(mac__in=texts(positions)).update(
            group=group,
            location=location_id,
            description=None,
            last_access=None,
            last_access_status=AccessStatus.AWAIT,
            num_requests=0,
            certificate_seen=None,
        )

    return in_transaction(work)
