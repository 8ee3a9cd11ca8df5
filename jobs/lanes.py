"""Which jobs wait for each other: those of one lane. A device that is slow to answer holds up no import.

Of the first lane each worker does one job at a time, and of another one as many as the app says that it is for.
"""

DEFAULT = "default"
LAST = 30.0  # seconds that all but the first have to come to an end: a device may take minutes to answer

_at_once: dict[str, int] = {}


def register(lane: str, *, at_once: int) -> None:
    """An app calls this for its lane when it is ready. Jobs of a lane that no app registers wait."""
    _at_once[lane] = at_once


def registered() -> dict[str, int]:
    """The lanes beside the first, and how many jobs of each a worker does at once."""
    return dict(_at_once)
