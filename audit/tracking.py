"""The models whose rows leave an entry whenever one is saved or deleted, by any door.

A row that is written by a statement of its own (update, bulk_create, SQL) is seen by no signal: see recording.py.
"""

from collections.abc import Collection

from auditlog.registry import auditlog
from django.db.models import Model

# By model, the attributes that an entry records.
ATTRIBUTES: dict[type[Model], list[str]] = {}


def track(
    model: type[Model], *attributes: str, lists: Collection[str] = (), secrets: Collection[str] = ()
) -> None:
    """Connect the signals of a model; an app calls this for each of its own, when it is ready.

    `attributes` are what an entry records (counters and times of logins and boots are no changes), `lists` are
    many-to-many fields, `secrets` those attributes whose values are hidden.
    """
    ATTRIBUTES[model] = list(attributes)
    auditlog.register(
        model,
        include_fields=list(attributes),
        m2m_fields=set(lists),
        mask_fields=list(secrets),
        mask_callable="audit.models.hidden",
    )
