"""Ids of rows as pages send them."""


def is_id(text: str) -> bool:
    """Whether a row may have this id, as a page sent it."""
    return text.isascii() and text.isdigit() and len(text) < 19
