"""How long the audit log is kept. Called by `manage.py housekeeping`."""

from datetime import datetime

from django.db import transaction

from audit.models import Entry, EntryGroup, EntryObject

PIECE = 500


def prune(before: datetime) -> int:
    """Delete the entries from before this moment, in pieces, so that no other writer waits long; how many."""
    old = Entry.objects.filter(timestamp__lt=before).order_by("timestamp", "id").values_list("pk", flat=True)
    deleted = 0
    while piece := list(old[:PIECE]):
        with transaction.atomic():
            for model in (EntryObject, EntryGroup):
                # The range is what the index of EntryObject is good at.
                listed = model.objects.filter(entry__in=piece, entry__gte=min(piece), entry__lte=max(piece))
                listed._raw_delete(model.objects.db)
            deleted += Entry.objects.filter(pk__in=piece)._raw_delete(Entry.objects.db)
    return deleted
