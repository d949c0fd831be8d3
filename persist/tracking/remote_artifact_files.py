"""Artifacts in an object store, or wherever else fsspec writes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from persist.errors import MissingExtraError
from persist.tracking.artifact_files import check_digest, is_artifact
from persist.tracking.errors import ArgumentError, DataNotFoundError, StoreError
from persist.tracking.optional import import_optional
from persist.urls import without_password

__all__ = ["RemoteArtifactFiles"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[^/\\:*?\"<>|]+(?:/[^/\\:*?\"<>|]+)*")


def checked_name(name: str, place: Path | str) -> str:
    """Return the name of a file, or raise StoreError if it leads out of its folder."""
    if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise StoreError(f"The path of an artifact must stay in {place}, got {name!r}")
    return name


class RemoteArtifactFiles:
    """Artifacts below a URL; see `ArtifactFiles`.

    Parameters
    ----------
    url : str
        The URL of their folder.
    storage_options : mapping, optional
        Options of fsspec.
    """

    is_shared = True

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.place: Path | str = without_password(self.url)
        self._options = dict(storage_options or {})
        self._root = self._connected()[1]

    def path(self, name: str) -> str:
        """Return the URL of a file.

        Raises
        ------
        StoreError
            If the name leads out of the folder.
        """
        return f"{self.place}/{checked_name(name, self.place)}"

    def exists(self, name: str) -> bool:
        """Return True if a file exists."""
        return self._size(name) is not None

    def write(self, name: str, pieces: list[bytes]) -> bool:
        """Write a file unless one of that size exists; return True if it was written."""
        if self._size(name) == sum(map(len, pieces)):
            return False
        place = self._place(name)
        files, _ = self._connected()
        try:
            files.pipe_file(place, b"".join(pieces))
        except FileNotFoundError:
            # Unlike an object store, this has folders.
            files.makedirs(place.rpartition("/")[0], exist_ok=True)
            files.pipe_file(place, b"".join(pieces))
        return True

    def read(self, name: str, digest: str) -> bytes:
        """Read a file whole, and make sure that it is what was written.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        DamagedError
            If it has changed.
        """
        url = self.path(name)
        try:
            data: bytes = self._connected()[0].cat_file(self._place(name))
        except FileNotFoundError:
            raise DataNotFoundError(f"Artifact file missing: {url}") from None
        check_digest(data, digest, url)
        return data

    def remove(self, name: str) -> None:
        """Remove a file; a name that leads out of the folder is left alone."""
        try:
            place = self._place(name)
        except StoreError as error:
            _log.warning("Not removed: %s", error)
            return
        try:
            self._connected()[0].rm_file(place)
        except FileNotFoundError:
            return

    def unreferenced(self, names: set[str], age: float) -> Iterator[str]:
        """Yield the names of artifacts that none of the names is.

        Parameters
        ----------
        names : set of str
            The names of files that are needed.
        age : float
            How long ago a file must have been written, in s; one of an unknown time is kept.
        """
        files, root = self._connected()
        files.invalidate_cache()
        newest = datetime.now(timezone.utc) - timedelta(seconds=age)
        for place in sorted(files.find(root)):
            name = place[len(root) :].lstrip("/")
            if name in names or not is_artifact(name.rpartition("/")[2]):
                continue
            if age:
                try:
                    written = files.modified(place)
                except (NotImplementedError, FileNotFoundError):
                    continue
                if written.astimezone(timezone.utc) > newest:
                    continue
            yield name

    def _connected(self) -> tuple[Any, str]:
        """Return the file system and the folder in it; fsspec keeps those of each process."""
        core = import_optional("fsspec.core")
        try:
            files, root = core.url_to_fs(self.url, **self._options)
        except ImportError as error:
            # Of the library for this kind of URL.
            scheme = self.url.partition("://")[0]
            raise MissingExtraError({"s3": "s3fs"}.get(scheme, scheme), "cloud") from error
        except ValueError as error:
            reason = without_password(str(error))
            raise ArgumentError(f"cannot keep artifacts in {self.place}: {reason}") from None
        return files, root.rstrip("/")

    def _place(self, name: str) -> str:
        return f"{self._root}/{checked_name(name, self.place)}"

    def _size(self, name: str) -> int | None:
        files, _ = self._connected()
        place = self._place(name)
        # Others write there too.
        files.invalidate_cache(place.rpartition("/")[0])
        try:
            size: int | None = files.info(place)["size"]
        except FileNotFoundError:
            return None
        return size
