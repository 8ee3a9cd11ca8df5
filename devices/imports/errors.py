"""Why a file is not read."""

from collections.abc import Sequence


class Unreadable(ValueError):
    """A file that is no list of devices. ``str()`` is a sentence for a person."""


class SheetNotChosen(Unreadable):
    """A workbook with several visible sheets, of which one is to be named."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        super().__init__(f"The file has several sheets: {', '.join(self.names)[:500]}. Choose the one to import.")
