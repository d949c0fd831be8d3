"""The folder of artifacts: files named after the digest of what is in them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from persist.errors import DamagedError
from persist.files import temporary_beside
from persist.files.digest import digest_pieces
from persist.tracking.encodings import extension_of
from persist.tracking.errors import StoreError

__all__ = ["ArtifactFiles"]

_NAME = re.compile(r"([0-9a-f]{64})\.[a-z]+")
_LEFT = re.compile(r"\.[0-9a-f]{40,}\S*\.tmp")
_SHARD = re.compile(r"[0-9a-f]{2}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class ArtifactFiles:
    """The artifacts of a workspace.

    Parameters
    ----------
    folder : pathlib.Path
        Their folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, digest: str, format: str) -> str:
        """Return the path of a file, relative to the folder."""
        return f"{digest[:2]}/{digest}.{extension_of(format)}"

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

    def write(self, name: str, pieces: list[bytes]) -> bool:
        """Write a file, unless it is there with that many bytes; tell whether it was written."""
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
            raise FileNotFoundError(f"Artifact file missing: {path}") from None
        wanted = _DIGEST.fullmatch(digest)
        if wanted:
            found = digest_pieces([data]).sha256
            if found != wanted[1]:
                raise DamagedError(
                    f"{path} is damaged: its SHA-256 should be {wanted[1]}, and is {found}. "
                    "Put a good copy there, or train again"
                )
        return data

    def unreferenced(self, names: set[str]) -> Iterator[str]:
        """Yield the paths of files that a store has written, and that none of the names is.

        What a writer left that died is among them; other files in the folder are not.
        """
        shards = [entry.path for entry in _entries(self.folder) if _SHARD.fullmatch(entry.name)]
        for entry in (entry for shard in sorted(shards) for entry in _entries(shard)):
            name = f"{os.path.basename(os.path.dirname(entry.path))}/{entry.name}"
            is_ours = _NAME.fullmatch(entry.name) or _LEFT.fullmatch(entry.name)
            if is_ours and name not in names:
                yield entry.path


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
