"""A cache of files by digest, in the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import IO

from persist.errors import DamagedError, NoAccessError, PersistError
from persist.files import remove_path, replace_file
from persist.files.digest import FileRecord, digest_file
from persist.files.replace import temporary_name

__all__ = [
    "cache_folder",
    "check_digest",
    "fetched",
    "put_in_place",
    "put_in_view",
    "view_folder",
]

_NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_digest(digest: object) -> str:
    """Return a SHA-256 in hexadecimal digits; DamagedError if it is not one."""
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise DamagedError(f"{digest!r} is not a SHA-256")
    return digest


def cache_folder() -> str:
    """Return the folder for files that can be fetched again.

    The environment variable ``PERSIST_CACHE`` names it; by default it is the user's cache folder.
    NoAccessError if it is in a home directory that is not known.
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = os.environ.get("PERSIST_CACHE") or os.path.join(base, "persist")
    found = os.path.expanduser(folder)
    if found.startswith("~"):
        raise NoAccessError(
            f"cannot use the cache {folder}: its home directory is unknown; name another folder "
            "for it with the environment variable PERSIST_CACHE"
        )
    return found


def view_folder(digest: str) -> str:
    """Return the folder for a version of a data set."""
    return os.path.join(cache_folder(), "views", check_digest(digest))


def fetched(record: FileRecord, write: Callable[[IO[bytes]], object]) -> str:
    """Return the path of a cached file, after fetching it if it is missing or damaged.

    `write` is given a file, and raises an error if the content is not what the record says.
    """
    digest = check_digest(record.sha256)
    path = os.path.join(cache_folder(), "files", digest[:2], digest)
    if os.path.isfile(path) and digest_file(path) == record:
        return path
    with _writing_to(os.path.dirname(path)), replace_file(path, "wb") as file:
        write(file)
    return path


def put_in_view(path: str, record: FileRecord, write: Callable[[IO[bytes]], object]) -> None:
    """Put a file into a view, unless it is there and undamaged; see `fetched`.

    Other processes may read or make it at the same time: once it is there, it stays there.
    """
    if os.path.isfile(path) and not os.path.islink(path) and digest_file(path) == record:
        return
    found = fetched(record, write)
    with _writing_to(os.path.dirname(path)):
        is_there = os.path.lexists(path)
        if is_there and (os.path.islink(path) or not os.path.isfile(path)):
            remove_path(path)
        temporary = temporary_name(path)
        put_in_place(found, temporary)
        try:
            os.replace(temporary, path)
        finally:
            # Two names of one file stay as they are when one replaces the other.
            remove_path(temporary)


@contextlib.contextmanager
def _writing_to(folder: str) -> Iterator[None]:
    """Context manager that makes a folder of the cache, and says where the cache is if it fails."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        yield
    except OSError as error:
        is_inside = str(error.filename).startswith(cache_folder())
        if isinstance(error, PersistError) or not (is_inside or error.errno in _NO_SPACE):
            # Of what is fetched.
            raise
        raise NoAccessError(
            f"cannot write to the cache {cache_folder()}: {error.strerror}; name another folder "
            "for it with the environment variable PERSIST_CACHE"
        ) from error


def put_in_place(source: str, target: str) -> None:
    """Link a file to a second path, or copy it whole where the system has no hard links."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with replace_file(target, "wb") as file, open(source, "rb") as content:
            shutil.copyfileobj(content, file)
