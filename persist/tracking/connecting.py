"""Connections to the file of a database."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import Any

from persist.errors import DamagedError, LockTimeout
from persist.tracking.errors import StoreError
from persist.tracking.optional import import_duckdb

__all__ = ["connect", "damage"]

# No statement reaches a file but the database, nor a variable of the program.
_CONFIG = {"enable_external_access": "false", "python_enable_replacements": "false"}
# What every release since 1.0 reads; DuckDB 2 would choose a version that 1.x refuses.
_NEW = {"storage_compatibility_version": "v1.0.0"}
_PAUSE = 0.005  # s
_LOG = "replaying WAL"
_CORRUPT = re.compile(f"Corrupt database file|{_LOG}")
# By these and no shorter words, as messages hold paths.
_LOCKED = re.compile("Could not set lock|Conflicting lock|used by another process")
_HOLDER = re.compile(r"PID (\d+)")


def connect(path: str, *, writes: bool, create: bool = False, timeout: float = 0) -> Any:
    """Open a database.

    Parameters
    ----------
    path : str
        Its file.
    writes : bool
        Whether it is to be changed; nobody else can have it open then.
    create : bool, optional
        Whether to make it if it is missing.
    timeout : float, optional
        How long to wait for a program that has it open outside of the queue, in s.

    Raises
    ------
    StoreError
        If the file is missing, and is not to be made.
    DamagedError
        If it is no database.
    LockTimeout
        If another program keeps it open.
    """
    is_new = not os.path.exists(path)
    if is_new and not (create and writes):
        raise StoreError(f"There is no database {path}: it was removed, or never made")
    deadline = time.monotonic() + timeout
    duckdb = import_duckdb()
    while True:
        try:
            return _open(path, writes, is_new)
        except duckdb.Error as error:
            if not _LOCKED.search(str(error)):
                if _is_damage(error):
                    raise DamagedError(
                        f"{path} cannot be opened as a store: {error}{_advice(error)}"
                    ) from error
                raise
            if time.monotonic() >= deadline:
                holder = _HOLDER.search(str(error))
                pid = int(holder[1]) if holder else None
                raise LockTimeout(path, pid, None, timeout) from error
        time.sleep(_PAUSE)


@contextlib.contextmanager
def damage(path: str) -> Iterator[None]:
    """Tell what the block finds damaged of a database as such.

    Raises
    ------
    DamagedError
        If DuckDB finds that the file is not what it has written.
    """
    try:
        yield
    except import_duckdb().Error as error:
        if _CORRUPT.search(str(error)):
            raise DamagedError(f"{path} is damaged: {error}") from error
        raise


def _is_damage(error: Exception) -> bool:
    duckdb = import_duckdb()
    # A file of SQLite is one that it would need an extension for.
    known = (duckdb.IOException, duckdb.SerializationException, duckdb.PermissionException)
    return isinstance(error, known) or _CORRUPT.search(str(error)) is not None


def _advice(error: Exception) -> str:
    if _LOG not in str(error):
        return ""
    return ". Move that file away to have the store without what was committed last"


def _open(path: str, writes: bool, is_new: bool) -> Any:
    duckdb = import_duckdb()
    config = {**_CONFIG, **_NEW} if is_new else _CONFIG
    try:
        return duckdb.connect(path, read_only=not writes, config=config)
    except duckdb.ConnectionException:
        # This process has it open with options of its own.
        return duckdb.connect(path)
