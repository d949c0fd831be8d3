"""Data sets at URLs, read through fsspec: the manifest first, values on first use.

Each file is compared with its digest, and kept by it in the cache of the user. What is there of a
version is a folder like any data set, and is read as one: nothing runs that a local reader would
not run.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import methodcaller
from typing import IO, Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from persist.dataset import Entry, Results
from persist.dataset.layout import MANIFEST, MARKER, is_key
from persist.dataset.results import Options
from persist.display import counted
from persist.errors import (
    DamagedError,
    DataSetError,
    MissingExtraError,
    NoAccessError,
    PersistError,
    UnknownKeyError,
)
from persist.exchange.cache import fetched, put_in_view, view_folder
from persist.exchange.published import (
    HEAD,
    Head,
    RemoteError,
    blob_name,
    decode_head,
    files_of_release,
    published_set,
)
from persist.exchange.snapshot import SetSnapshot, copy_pieces, read_pieces
from persist.files import confine
from persist.files.digest import FileRecord, digest_pieces
from persist.urls import without_password

__all__ = ["Location", "RemoteResults", "Version"]

_Result = TypeVar("_Result")
_PIECE = 1 << 24  # bytes
_ABSENT = (404, 410)
_FINAL = (401, 403, *_ABSENT)  # answers that are the same when asked again
_REFUSED = (FileNotFoundError, NotADirectoryError, PermissionError)
_PAUSES = (0.05, 0.15, 0.45, 1.35)  # s
_LARGEST_LIST = 1 << 31  # bytes of a manifest
_PAGE = "the server answers with a web page, to sign in perhaps"
_SILENCE = 60.0  # s, after which a web server counts as stalled


class PageError(PersistError, FileNotFoundError):
    """A web server has answered with a page, to sign in perhaps, in the place of a file."""


class Location:
    """A folder at any URL that fsspec reads, with the options of its file system."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url, self._query = url, ""
        options = dict(storage_options or {})
        self._is_web = url.lower().startswith(("http://", "https://"))
        if self._is_web:
            # What follows the path is for each file: a token, say.
            found = urlsplit(url)
            self.url = urlunsplit((found.scheme, found.netloc, found.path, "", ""))
            self._query = f"?{found.query}" if found.query else ""
        self.url = self.url.rstrip("/")
        self.shown = without_password(self.url.partition("?")[0]) or "/"
        try:
            core = importlib.import_module("fsspec.core")
        except ImportError as error:
            raise MissingExtraError("fsspec", "cloud") from error
        try:
            if self._is_web:
                limits = importlib.import_module("aiohttp").ClientTimeout(
                    total=None, sock_connect=_SILENCE, sock_read=_SILENCE
                )
                # Proxies are those that the environment names.
                own = {"timeout": limits, "trust_env": True}
                options["client_kwargs"] = {**own, **options.get("client_kwargs", {})}
            self._fs, self._root = core.url_to_fs(self.url, **options)
        except ImportError as error:
            # Of the library for this kind of URL.
            scheme = self.url.partition("://")[0]
            package = {"s3": "s3fs", "http": "aiohttp", "https": "aiohttp"}.get(scheme, scheme)
            raise MissingExtraError(package, "cloud") from error
        except (ValueError, TypeError, OSError) as error:
            # Some file systems connect at once, and some are made of a file.
            is_remote = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            kind = RemoteError if is_remote else DataSetError
            raise kind(without_password(f"cannot open {self.shown}: {error}")) from error

    def read(self, name: str) -> bytes:
        """Return the content of a small file, which is JSON; `PageError` if that is a web page."""
        found = _repeated(lambda: b"".join(self._pieces(name)))
        if self._has_page(found):
            raise PageError(_PAGE)
        if len(found) > _LARGEST_LIST:
            raise DamagedError(f"{self.shown}/{name} is larger than it may be")
        return found

    def copy(self, name: str, record: FileRecord, target: IO[bytes]) -> None:
        """Copy a file; DamagedError if it is not what its record says."""

        def attempt() -> None:
            target.seek(0)
            target.truncate()
            pieces = self._pieces(name, record.size)
            first = next(pieces, b"")
            if copy_pieces(itertools.chain([first], pieces), target) != record:
                why = "it was replaced meanwhile, or is damaged"
                raise DamagedError(
                    f"{self.shown}/{name} is not what the manifest says: "
                    f"{_PAGE if self._has_page(first) else why}; open it again, or publish it again"
                )

        _repeated(attempt)

    def _has_page(self, data: bytes) -> bool:
        """Return True if a web server has sent HTML; it may do so with a status of success."""
        return self._is_web and data.lstrip().startswith(b"<")

    def folders(self, place: str) -> list[str]:
        """Return the names that may be of folders at a place, where they can be listed."""

        def attempt() -> list[Any]:
            with self._translated(place), contextlib.suppress(NotImplementedError, ValueError):
                return list(self._fs.ls(f"{self._root}/{place}".rstrip("/"), detail=True))
            return []

        try:
            found = _repeated(attempt)
        except RemoteError:
            raise
        except OSError:
            return []
        names = [str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in found]
        if self._is_web:
            # The links of a page are percent-encoded.
            names = list(map(unquote, names))
        return sorted({name for name in names if is_key(name)})

    def _pieces(self, name: str, size: int | None = None) -> Iterator[bytes]:
        path = f"{self._root}/{name}{self._query}"
        if size == 0:
            return
        with self._translated(name):
            if self._is_web:
                # Not every server sends parts of files. A size saves the request for it.
                opened = self._fs.open(path, "rb", block_size=0, size=1)
            elif size is not None and size <= _PIECE:
                # One request, and one byte more shows that the file is longer.
                yield self._fs.cat_file(path, start=0, end=size + 1)
                return
            else:
                # What was listed of a file that is replaced must not be kept.
                self._fs.invalidate_cache(path)
                opened = self._fs.open(path, "rb", cache_type="none")
            with opened as file:
                yield from read_pieces(file, _LARGEST_LIST if size is None else size, _PIECE)

    @contextlib.contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        """Context manager that turns the errors of URL libraries into OSErrors."""
        try:
            yield
        except Exception as error:
            found = _origin(error)
            is_web = _is_web(found)
            is_final = is_web and getattr(found, "status", 0) in _FINAL
            # fsspec takes wrong options for missing files, too.
            is_misuse = isinstance(found, (TypeError, ValueError)) and not is_web
            is_plain = isinstance(error, _REFUSED) and not is_misuse
            if is_plain and (is_final or not is_web):
                raise
            text = without_password(
                f"cannot read {self.shown}/{name}: {type(found).__name__}: {found}"
            )
            if is_final and getattr(found, "status", 0) in _ABSENT:
                raise FileNotFoundError(text) from error
            raise (NoAccessError(text) if is_final else RemoteError(text)) from error


def _repeated(attempt: Callable[[], _Result]) -> _Result:
    """Call a function, and again if the server fails: it may be busy, or replacing a file."""
    for pause in _PAUSES:
        try:
            return attempt()
        except RemoteError as error:
            # Clients of object stores have asked again themselves, for some seconds. A server that
            # has kept a reader waiting would do it again.
            cause = error.__cause__ or error
            is_stalled = isinstance(_origin(cause), asyncio.TimeoutError)
            if is_stalled or not (isinstance(cause, OSError) or _is_web(_origin(cause))):
                raise
            time.sleep(pause)
    return attempt()


def _origin(error: BaseException) -> BaseException:
    """Return the original error: fsspec reports all errors of web servers as missing files."""
    return error.__cause__ or error


def _is_web(error: BaseException) -> bool:
    return type(error).__module__.startswith("aiohttp")


class Version:
    """A version of what is published at a location, or a plain data set that is there.

    The latter, `is_plain`, was copied there as it is, file by file. DataSetError if there is
    neither, DamagedError if what is there is not what persist writes.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self.is_plain = False
        self._plain: dict[str, bytes] = {}
        try:
            data = location.read(HEAD)
        except _REFUSED:
            self.is_plain = True
            self._plain = self._plain_manifests()
            records = {place: digest_pieces([text]) for place, text in self._plain.items()}
            self.head = Head("", records)
        else:
            self.head = decode_head(data, location.shown)

    def _plain_manifests(self) -> dict[str, bytes]:
        try:
            found = {"": self.location.read(MANIFEST)}
        except _REFUSED as error:
            answer = _origin(error)
            reason = str(error) if isinstance(error, PageError) else type(error).__name__
            if status := getattr(answer, "status", 0):
                reason = f"{status} {getattr(answer, 'message', '')}".strip()
            raise DataSetError(
                f"cannot open {self.location.shown}: no data set was found at that address, or "
                f"you may not read it ({reason})"
            ) from error
        waiting = [""]
        while waiting:
            place = waiting.pop()
            listed = published_set(place, found[place], self.location.shown).records
            arrays = {name.partition("/")[0] for name in listed}
            for name in self.location.folders(place):
                if name in arrays:
                    continue
                at = f"{place}/{name}".lstrip("/")
                try:
                    found[at] = self.location.read(f"{at}/{MANIFEST}")
                except _REFUSED:
                    continue
                waiting.append(at)
        return found

    def set_at(self, place: str) -> SetSnapshot:
        """Return the data set at a place."""
        where = f"{self.location.shown}/{place}".rstrip("/")
        if self.is_plain:
            return published_set(place, self._plain[place], where)
        record = self.head.sets[place]
        try:
            path = fetched(
                record, lambda file: self.location.copy(blob_name(record.sha256), record, file)
            )
        except FileNotFoundError as error:
            raise DamagedError(
                f"cannot read {where}: its manifest is missing there; publish it again"
            ) from error
        with open(path, "rb") as file:
            return published_set(place, file.read(), where)

    def copy(self, place: str, name: str, record: FileRecord, target: IO[bytes]) -> None:
        """Copy a file of a data set; see `Location.copy`."""
        own = files_of_release().get(record)
        if own is not None:
            target.write(own)
        elif self.is_plain:
            self.location.copy(f"{place}/{name}".lstrip("/"), record, target)
        else:
            self.location.copy(blob_name(record.sha256), record, target)


class RemoteResults(Mapping[str, Any]):
    """Values by key, at a URL, in the version that was there when it was opened.

    `persist.open` makes one. It cannot be changed: `persist.pull` makes a local data set of it.

    Attributes
    ----------
    url : str
        The URL, without passwords.
    info : mapping
        The infos by key.
    """

    def __init__(
        self,
        version: Version,
        place: str,
        *,
        mmap_mode: str | None = None,
        trusted: bool | Iterable[str] = (),
    ) -> None:
        self.url = f"{version.location.shown}/{place}".rstrip("/")
        self.mode = "r"
        self._version = version
        self._place = place
        self._options: dict[str, Any] = {"mmap_mode": mmap_mode, "trusted": trusted}
        self._set = version.set_at(place)
        # Each set has a view of its own, so that none is taken for a part of another version.
        self._folder = view_folder(version.head.sets[place].sha256)
        # Not the package: a reader has no use for it, and it would say how older values are run.
        for name, content in ((MARKER, b""), (MANIFEST, self._set.manifest)):
            path = os.path.join(self._folder, name)
            put_in_view(path, digest_pieces([content]), methodcaller("write", content))
        self._checked: set[str] = set()
        self._results = Results(self._folder, "r", Options(**self._options), is_package=False)
        self.info: Mapping[str, Any] = self._results.info

    @property
    def path(self) -> str:
        """The URL, where a local data set has its folder."""
        return self.url

    @property
    def groups(self) -> list[str]:
        """The names of the data sets inside this one, sorted."""
        prefix = f"{self._place}/" if self._place else ""
        inside = [p[len(prefix) :] for p in self._version.head.sets if p and p.startswith(prefix)]
        return sorted(name for name in inside if name and "/" not in name)

    def group(self, name: str) -> RemoteResults:
        """Return a data set inside this one.

        Raises
        ------
        UnknownKeyError
            If there is none of this name.
        """
        place = f"{self._place}/{name}".lstrip("/")
        if not is_key(name) or place not in self._version.head.sets:
            raise UnknownKeyError(name, self.url)
        return RemoteResults(self._version, place, **self._options)

    def entries(self) -> dict[str, Entry]:
        """Return what is known of each key without reading its value."""
        return self._results.entries()

    def load(self, key: str, mmap_mode: str | None = None) -> Any:
        """Return the value of a key, whose files are fetched if they are not in the cache.

        Raises
        ------
        UnknownKeyError
            If the key is unknown.
        DamagedError
            If a file is not what the manifest says.
        """
        if key not in self._set.state.infos:
            raise UnknownKeyError(key, self.url)
        value = self._set.state.values.get(key, {"files": {}})
        # Arrays first: a module is not there without them.
        for name in sorted(value["files"], key=lambda name: name.endswith(".py")):
            self._ensure(name, FileRecord(*value["files"][name]))
        return self._results.load(key, mmap_mode)

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

    def _ensure(self, name: str, record: FileRecord) -> None:
        """Fetch a file unless it is there; it is compared with its record once."""
        if name in self._checked:
            return
        path = confine(self._folder, name, nested=True, devices=True)
        try:
            put_in_view(
                path, record, lambda file: self._version.copy(self._place, name, record, file)
            )
        except FileNotFoundError as error:
            raise DamagedError(
                f"cannot load {name} from {self.url}: it is missing; open it again, or publish it "
                "again"
            ) from error
        self._checked.add(name)

    def __getitem__(self, key: str) -> Any:
        return self.load(key, self._options["mmap_mode"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, key: object) -> bool:
        return key in self._results

    def __enter__(self) -> RemoteResults:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<persist results {self.url!r}: {counted(len(self), 'key')}, mode 'r'>"
