"""How far a backup is, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; yields what takes how much is done, and of how much."""
    with tqdm(desc=title, total=1, unit="", bar_format="{l_bar}{bar}| {elapsed}") as shown:

        def watch(done: int, total: int) -> None:
            shown.total = max(total, 1)
            shown.n = done
            shown.refresh()

        yield watch
