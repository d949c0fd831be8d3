"""Artifacts: files named after the digest of what is in them."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from persist.errors import DamagedError
from persist.files import temporary_beside
from persist.files.digest import digest_pieces
from persist.tracking.encodings import extension_of
from persist.tracking.errors import DataNotFoundError, StoreError

__all__ = ["ArtifactFiles", "LocalArtifactFiles", "check_digest", "is_artifact", "name_of"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f]{64})\.[a-z]+")
_LEFT = re.compile(r"\.[0-9a-f]{40,}\S*\.tmp")
_SHARD = re.compile(r"[0-9a-f]{2}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class ArtifactFiles(Protocol):
    """The files of the artifacts of a store, by names that `name_of` makes.

    Attributes
    ----------
    is_shared : bool
        Whether files can be written while nobody waits for the database.
    place : pathlib.Path or str
        Their folder, or its URL without a password.
    """

    is_shared: bool
    place: Path | str

    def path(self, name: str) -> Path | str:
        """Return the path or URL of a file."""
        ...

    def exists(self, name: str) -> bool:
        """Return True if a file exists."""
        ...

    def write(self, name: str, pieces: list[bytes]) -> bool:
        """Write a file unless one of that size exists; return True if it was written."""
        ...

    def read(self, name: str, digest: str) -> bytes:
        """Read a file whole, and make sure that it is what was written."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def unreferenced(self, names: set[str], age: float) -> Iterator[str]:
        """Yield the names of files of some age, in s, that none of the names is."""
        ...


def name_of(digest: str, format: str) -> str:
    """Return the name of the file of an artifact."""
    return f"{digest[:2]}/{digest}.{extension_of(format)}"


def is_artifact(name: str) -> bool:
    """Return True if a file name is one that `name_of` ends with."""
    return _NAME.fullmatch(name) is not None


def check_digest(data: bytes, digest: str, where: Path | str) -> None:
    """Raise DamagedError if the content of a file is not that of a digest, if it is one."""
    wanted = _DIGEST.fullmatch(digest)
    if wanted:
        found = digest_pieces([data]).sha256
        if found != wanted[1]:
            raise DamagedError(
                f"{where} is damaged: its SHA-256 should be {wanted[1]}, and is {found}. "
                "Put a good copy there, or train again"
            )


class LocalArtifactFiles:
    """Artifacts in a folder; see `ArtifactFiles`.

    Parameters
    ----------
    folder : pathlib.Path
        Their folder.
    is_shared : bool, optional
        Whether files can be written while nobody waits for the database.
    """

    def __init__(self, folder: Path, *, is_shared: bool = False) -> None:
        self.folder = folder
        self.place: Path | str = folder
        self.is_shared = is_shared

    def path(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        StoreError
            If the name leads out of the folder.
        """
        path = self.folder / name
        if not os.path.realpath(path).startswith(os.path.realpath(self.folder) + os.sep):
            raise StoreError(f"The path of an artifact must stay in {self.folder}, got {name!r}")
        return path

    def exists(self, name: str) -> bool:
        """Return True if a file exists."""
        return self.path(name).is_file()

    def write(self, name: str, pieces: list[bytes]) -> bool:
        """Write a file unless one of that size exists; return True if it was written."""
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(path) == sum(map(len, pieces)):
                return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary, open(temporary, "wb") as file:
            file.writelines(pieces)
        return True

    def read(self, name: str, digest: str) -> bytes:
        """Read a file whole, and make sure that it is what was written.

        Parameters
        ----------
        name : str
            Its path in the folder.
        digest : str
            Its SHA-256, in hexadecimal digits; anything else is not checked.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        DamagedError
            If it has changed.
        """
        path = self.path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DataNotFoundError(f"Artifact file missing: {path}") from None
        check_digest(data, digest, path)
        return data

    def remove(self, name: str) -> None:
        """Remove a file, and its folder if that is empty then.

        A database may come from a stranger: a name that leads out of the folder, or to something
        that is not a file, is left alone.
        """
        try:
            path = self.path(name)
        except StoreError as error:
            _log.warning("Not removed: %s", error)
            return
        if path.is_file():
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.rmdir(path.parent)

    def unreferenced(self, names: set[str], age: float) -> Iterator[str]:
        """Yield the names of files that a store has written, and that none of the names is.

        What a writer left that died is among them; other files in the folder are not.

        Parameters
        ----------
        names : set of str
            The names of files that are needed.
        age : float
            How long ago a file must have been written, in s.
        """
        newest = time.time() - age
        shards = [entry.path for entry in _entries(self.folder) if _SHARD.fullmatch(entry.name)]
        for entry in (entry for shard in sorted(shards) for entry in _entries(shard)):
            name = f"{os.path.basename(os.path.dirname(entry.path))}/{entry.name}"
            is_ours = is_artifact(entry.name) or _LEFT.fullmatch(entry.name)
            if is_ours and name not in names and (not age or entry.stat().st_mtime <= newest):
                yield name


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
