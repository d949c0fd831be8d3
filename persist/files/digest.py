"""The size and SHA-256 of files, also of those that are being written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from persist.files.regular import open_regular

__all__ = ["FileRecord", "digest_beside", "digest_file", "digest_pieces"]

_PIECE = 1 << 20  # bytes
_LARGE = 1 << 22  # bytes; less is not worth a thread


class FileRecord(NamedTuple):
    """What tells whether a file is still what was written.

    Parameters
    ----------
    size : int
        Bytes.
    sha256 : str
        The digest of the content, in hexadecimal digits.
    """

    size: int
    sha256: str


def digest_pieces(pieces: Iterable[bytes | memoryview]) -> FileRecord:
    """Return the record of a file with the content of `pieces`.

    Examples
    --------
    >>> digest_pieces([b"a", b"bc"]).size
    3
    """
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return FileRecord(size, digest.hexdigest())


def digest_file(path: str | os.PathLike[str]) -> FileRecord:
    """Return the record of a file; OSError if it cannot be read."""
    digest, size = hashlib.sha256(), 0
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    with open_regular(path, follow=True, buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
    return FileRecord(size, digest.hexdigest())


def digest_beside(
    work: Callable[[], object], digest: Callable[[], FileRecord], size: int
) -> FileRecord:
    """Do some work, and meanwhile, on another processor, take a digest, which is returned.

    About `size` bytes are digested; if these are few, before the work begins.
    """
    if size < _LARGE:
        found = digest()
        work()
        return found
    # Only long work needs it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "digest") as executor:
        found_beside = executor.submit(digest)
        work()
    return found_beside.result()
