"""Artifacts: files named after the digest of what is in them, in a folder or an object store."""

from __future__ import annotations

import abc
import contextlib
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from persist.errors import DamagedError, MissingExtraError, UnsafePathError
from persist.files import check_name, confine, open_regular, temporary_beside
from persist.files.digest import digest_pieces
from persist.tracking.encodings import EXTENSIONS
from persist.tracking.errors import ArgumentError, DataNotFoundError
from persist.tracking.optional import import_optional
from persist.urls import without_password

__all__ = ["ArtifactFiles", "LocalArtifactFiles", "RemoteArtifactFiles", "name_of"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_LEFT = re.compile(r"\.[0-9a-f]{40,}\S*\.tmp")
_SHARD = re.compile(r"[0-9a-f]{2}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def name_of(digest: str, format: str) -> str:
    """Return the name of the file of an artifact."""
    return f"{digest[:2]}/{digest}.{EXTENSIONS.get(format, 'bin')}"


class ArtifactFiles(abc.ABC):
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

    @abc.abstractmethod
    def path(self, name: str) -> Path | str:
        """Return the path or URL of a file, or raise UnsafePathError if it is not in the folder."""

    @abc.abstractmethod
    def _size(self, name: str) -> int | None:
        """Return the size of a file; None if there is none."""

    @abc.abstractmethod
    def _write(self, name: str, pieces: list[bytes]) -> None: ...

    @abc.abstractmethod
    def _read(self, name: str) -> bytes: ...

    @abc.abstractmethod
    def _remove(self, name: str) -> None: ...

    @abc.abstractmethod
    def _written(self) -> Iterable[str]:
        """Return the names of the files that stores have written."""

    @abc.abstractmethod
    def _time(self, name: str) -> float | None:
        """Return when a file was written, in s since 1970; None if that is unknown."""

    def exists(self, name: str) -> bool:
        """Return True if a file exists."""
        return self._size(name) is not None

    def write(self, name: str, pieces: list[bytes]) -> bool:
        """Write a file unless one of that size exists; return True if it was written."""
        if self._size(name) == sum(map(len, pieces)):
            return False
        self._write(name, pieces)
        return True

    def read(self, name: str, digest: str) -> bytes:
        """Read a file whole, and make sure that it is what was written.

        A digest that is not a SHA-256 in hexadecimal digits is not checked.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        DamagedError
            If it has changed.
        """
        path = self.path(name)
        try:
            data = self._read(name)
        except FileNotFoundError:
            raise DataNotFoundError(f"Artifact file missing: {path}") from None
        wanted = _DIGEST.fullmatch(digest)
        if wanted:
            found = digest_pieces([data]).sha256
            if found != wanted[1]:
                raise DamagedError(
                    f"{path} is damaged: its SHA-256 should be {wanted[1]}, and is {found}. "
                    "Put a good copy there, or train again"
                )
        return data

    def remove(self, name: str) -> None:
        """Remove a file.

        A database may come from a stranger: a name that leads out of the folder, or to something
        that is not a file, is left alone.
        """
        try:
            self.path(name)
        except UnsafePathError as error:
            _log.warning("Not removed: %s", error)
            return
        with contextlib.suppress(FileNotFoundError):
            self._remove(name)

    def unreferenced(self, names: set[str], age: float) -> Iterator[str]:
        """Yield the names of files of some age, in s, that none of the names is.

        What a writer left that died is among them; one of an unknown age is not, and neither are
        files that no store has written.
        """
        newest = time.time() - age
        for name in sorted(self._written()):
            if name not in names:
                written = self._time(name) if age else newest
                if written is not None and written <= newest:
                    yield name


class LocalArtifactFiles(ArtifactFiles):
    """Artifacts in a folder."""

    def __init__(self, folder: Path, *, is_shared: bool = False) -> None:
        self.folder = self.place = folder
        self.is_shared = is_shared

    def path(self, name: str) -> Path:
        """Return the path of a file, or raise UnsafePathError if it is not in the folder."""
        return Path(confine(self.folder, name, nested=True))

    def _size(self, name: str) -> int | None:
        path = self.path(name)
        return path.stat().st_size if path.is_file() else None

    def _write(self, name: str, pieces: list[bytes]) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary, open(temporary, "wb") as file:
            file.writelines(pieces)

    def _read(self, name: str) -> bytes:
        # A stranger's workspace may have a pipe there, at which reading would wait for ever.
        with open_regular(self.path(name), follow=True) as file:
            data: bytes = file.read()
        return data

    def _remove(self, name: str) -> None:
        path = self.path(name)
        if path.is_file():
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.rmdir(path.parent)

    def _written(self) -> Iterator[str]:
        if not self.folder.is_dir():
            return
        for shard in os.listdir(self.folder):
            # Others may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for name in os.listdir(self.folder / shard):
                    is_ours = _NAME.fullmatch(name) or _LEFT.fullmatch(name)
                    if is_ours and _SHARD.fullmatch(shard):
                        yield f"{shard}/{name}"

    def _time(self, name: str) -> float:
        return os.lstat(self.folder / name).st_mtime


class RemoteArtifactFiles(ArtifactFiles):
    """Artifacts below a URL, in an object store or wherever else fsspec writes with its options."""

    is_shared = True

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.place = without_password(self.url)
        self._options = dict(storage_options or {})
        self._root = self._connected()[1]

    def path(self, name: str) -> str:
        """Return the URL of a file, or raise UnsafePathError if it is not in the folder."""
        return "/".join((str(self.place), *check_name(name, nested=True)))

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

    def _write(self, name: str, pieces: list[bytes]) -> None:
        files, place = self._connected()[0], self._place(name)
        try:
            files.pipe_file(place, b"".join(pieces))
        except FileNotFoundError:
            # Unlike an object store, this has folders.
            files.makedirs(place.rpartition("/")[0], exist_ok=True)
            files.pipe_file(place, b"".join(pieces))

    def _read(self, name: str) -> bytes:
        data: bytes = self._connected()[0].cat_file(self._place(name))
        return data

    def _remove(self, name: str) -> None:
        self._connected()[0].rm_file(self._place(name))

    def _written(self) -> Iterator[str]:
        files, root = self._connected()
        files.invalidate_cache()
        for place in files.find(root):
            if _NAME.fullmatch(place.rpartition("/")[2]):
                yield place[len(root) :].lstrip("/")

    def _time(self, name: str) -> float | None:
        try:
            return float(self._connected()[0].modified(self._place(name)).timestamp())
        except (NotImplementedError, FileNotFoundError):
            return None

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
        return "/".join((self._root, *check_name(name, nested=True)))
