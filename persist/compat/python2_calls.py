"""What takes the bytes of a string of Python 2, which Python 3 has as text."""

from __future__ import annotations

import pickle
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.errors import ArchiveError

__all__ = ["array_of_bytes", "unpickle"]


def array_of_bytes(
    string: str | bytes, dtype: Any = float, count: int = -1, sep: str = ""
) -> Array:
    r"""Return what ``numpy.fromstring`` of Python 2 did: an array of its own, writable.

    The string is its memory, as bytes or as characters of Latin-1; with `sep`, numbers in words,
    which that parts. ArchiveError if it has characters that are not bytes.

    Examples
    --------
    >>> array_of_bytes("\x01\xff", "<u2")
    array([65281], dtype=uint16)
    """
    if sep:
        return numpy.fromstring(_bytes_of(string).decode("latin-1"), dtype, count, sep=sep)
    return numpy.frombuffer(_bytes_of(string), dtype, count).copy()


def unpickle(string: str | bytes) -> Any:
    """Return what ``pickle.loads`` of Python 2 did, with strings as Latin-1.

    ArchiveError if the string has characters that are not bytes.
    """
    return pickle.loads(_bytes_of(string), encoding="latin1")


def _bytes_of(string: str | bytes) -> bytes:
    try:
        return string.encode("latin-1") if isinstance(string, str) else string
    except UnicodeEncodeError as error:
        raise ArchiveError(
            f"expected the bytes of a string of Python 2, found the character "
            f"{error.object[error.start]!r} at position {error.start}"
        ) from error
