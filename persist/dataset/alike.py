"""Files of equal content in a data set, found by their digests in the manifest."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator

from persist.dataset.layout import MANIFEST
from persist.files.digest import FileRecord

__all__ = ["FilesAlike"]

_PATH = re.compile(rb'"(?:[^"\\]|\\.)*"(?=: \Z)')
_LONGEST_PATH = 4096


class FilesAlike:
    """Finds a file of given content among those that the manifest names.

    Parameters
    ----------
    folder : str
        The data set.

    Notes
    -----
    The manifest is searched as text, which is much quicker than to read it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._text: bytes | None = None
        self._added: dict[FileRecord, str] = {}

    def forget(self) -> None:
        """Read the manifest anew the next time."""
        self._text = None
        self._added.clear()

    def add(self, path: str, record: FileRecord) -> None:
        """Take note of a file that is not in the manifest yet."""
        self._added[record] = path

    def __call__(self, size: int, sha256: str | None) -> str | None:
        """Return a file of that size and digest, or of that size, if there is one."""
        if self._text is None:
            self._text = self._read()
        if sha256 and (path := self._added.get(FileRecord(size, sha256))):
            return path if _is_file(path, size) else None
        if not sha256 and (
            path := next((p for r, p in self._added.items() if r.size == size), None)
        ):
            return path
        record = f'[{size}, "{sha256}"]' if sha256 else f'[{size}, "'
        return next(self._files(record.encode(), size), None)

    def _read(self) -> bytes:
        try:
            with open(os.path.join(self._folder, MANIFEST), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def _files(self, record: bytes, size: int) -> Iterator[str]:
        assert self._text is not None
        position = self._text.rfind(record)
        while position >= 0:
            path = self._path_before(position)
            if path is not None and _is_file(path, size):
                yield path
            position = self._text.rfind(record, 0, position)

    def _path_before(self, position: int) -> str | None:
        assert self._text is not None
        found = _PATH.search(self._text[max(0, position - _LONGEST_PATH) : position])
        return None if found is None else os.path.join(self._folder, json.loads(found[0]))


def _is_file(path: str, size: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
