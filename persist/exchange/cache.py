"""Files by their digests, in the cache folder of the user."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from typing import IO

from persist.errors import DamagedError, NoAccessError
from persist.files import replace_file
from persist.files.digest import FileRecord, digest_file

__all__ = ["cache_folder", "check_digest", "fetched", "put_in_place", "view_folder"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_digest(digest: object) -> str:
    """Return a SHA-256 in hexadecimal digits; DamagedError if it is not one."""
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise DamagedError(f"{digest!r} is not a SHA-256")
    return digest


def cache_folder() -> str:
    """Return the folder for what can be fetched again.

    It is that of the environment variable ``PERSIST_CACHE``, or the one that the system has for
    this.
    """
    if chosen := os.environ.get("PERSIST_CACHE"):
        return chosen
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "persist")


def view_folder(digest: str) -> str:
    """Return the folder for a version of a data set, which is made if it is missing."""
    return _made(os.path.join(cache_folder(), "views", check_digest(digest)))


def fetched(record: FileRecord, write: Callable[[IO[bytes]], object]) -> str:
    """Return the path of a file with a digest, which is fetched unless it is there and whole.

    `write` is given a file, and raises an error if the content is not what the record says.
    """
    digest = check_digest(record.sha256)
    path = os.path.join(cache_folder(), "files", digest[:2], digest)
    if os.path.isfile(path) and digest_file(path) == record:
        return path
    _made(os.path.dirname(path))
    with replace_file(path, "wb") as file:
        write(file)
    return path


def _made(folder: str) -> str:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise NoAccessError(
            f"cannot make the folder {folder} of the cache: {error.strerror}; name another one for "
            "the cache with the environment variable PERSIST_CACHE"
        ) from error
    return folder


def put_in_place(source: str, target: str) -> None:
    """Link a file to a second path, or copy it whole where the system has no hard links."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        with replace_file(target, "wb") as file, open(source, "rb") as content:
            shutil.copyfileobj(content, file)
