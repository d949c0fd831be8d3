"""Which texts HDF5 holds, as content and as names of members."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["are_texts", "is_name", "is_text"]

# HDF5 takes names of up to 64 KB, and other software less.
_LONGEST_NAME = 1000


def is_text(text: str) -> bool:
    r"""Tell whether a variable-length string of HDF5 gives back the same.

    Examples
    --------
    >>> is_text("é"), is_text("a\0b"), is_text("\ud800")
    (True, False, False)
    """
    # C ends a string at the first NUL; lone surrogates are not UTF-8.
    return "\0" not in text and _is_encodable(text)


def are_texts(texts: Iterable[str]) -> bool:
    """Tell whether `is_text` holds of all `texts`."""
    return all(map(is_text, texts))


def is_name(name: object) -> bool:
    """Tell whether a member of a group can have this name.

    Examples
    --------
    >>> is_name("a b"), is_name("a/b"), is_name(""), is_name("."), is_name(1)
    (True, False, False, False, False)
    """
    return (
        type(name) is str
        and name not in ("", ".", "..")
        and "/" not in name
        and is_text(name)
        and len(name.encode()) <= _LONGEST_NAME
    )


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
