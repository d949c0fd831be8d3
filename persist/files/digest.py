"""The size and SHA-256 of files, also of those that are being written."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from persist.files.confine import open_regular

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
    """Return the record of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
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
    """Do some work, and meanwhile, on another processor, take a digest.

    Parameters
    ----------
    work : callable
        The work.
    digest : callable
        Returns the record.
    size : int
        About how many bytes are digested: few are digested before the work begins.

    Returns
    -------
    FileRecord
        What `digest` returned.
    """
    if size < _LARGE:
        found = digest()
        work()
        return found
    results: list[FileRecord] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(digest())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="digest")
    thread.start()
    try:
        work()
    finally:
        thread.join()
    if errors:
        raise errors[0]
    return results[0]
