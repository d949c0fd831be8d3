"""The database of a workspace: open while somebody works with it, one at a time."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

from persist.tracking.batch import Batch, finish
from persist.tracking.connecting import connect, damage
from persist.tracking.errors import StoreError
from persist.tracking.journal import Journal
from persist.tracking.queue import Queue, Turn
from persist.tracking.schema import create_schema, is_complete

__all__ = ["Database"]

_log = logging.getLogger(__name__)

_LINGER = 0.1  # s, if nobody waits
_PAUSE = 0.005  # s, if somebody waits: who comes again sooner is at work
_SHARE = 0.2  # s, after which others come first; to open and close takes half as long
_LOOK = 0.002  # s


class Database:
    """The one object of a process for a database.

    A connection stays open for a moment after use, so that who comes again at once need not open
    the file again. If somebody waits, that moment is short, and work without a pause ends soon.
    Threads take turns; a thread that has the database in a batch sees what the batch will commit.

    Parameters
    ----------
    path : str
        The file.
    """

    _all: ClassVar[weakref.WeakValueDictionary[str, Database]] = weakref.WeakValueDictionary()
    _all_lock = threading.Lock()

    def __init__(self, path: str) -> None:
        self.path = path
        folder, name = os.path.split(path)
        self._queue = Queue(os.path.join(folder, f".{name}.queue"))
        self._journal = Journal(os.path.join(folder, f".{name}.journal"))
        self._batch: Batch | None = None
        self._reset()

    @classmethod
    def at(cls, path: str) -> Database:
        """Return the database of a file, the same for all who ask."""
        path = os.path.realpath(path)
        with cls._all_lock:
            found = cls._all.get(path)
            if found is None:
                found = cls._all[path] = cls(path)
            return found

    def prepare(self, timeout: float) -> None:
        """Make the database, or what it lacks of the schema.

        Raises
        ------
        OSError
            If it is missing and cannot be made.
        """
        if os.path.exists(self.path):
            with self.reading(timeout) as connection:
                if is_complete(connection):
                    return
            if not os.access(self.path, os.W_OK):
                return
        with self._mutex, self._opened(True, timeout, create=True) as connection:
            create_schema(connection)

    @contextlib.contextmanager
    def reading(self, timeout: float) -> Iterator[Any]:
        """Let the block query the database.

        Yields
        ------
        duckdb.DuckDBPyConnection
            Open for reading at least.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        with self._mutex:
            if self._batch is not None:
                self._batch.show()
                yield self._connection
            elif self._is_open:
                yield self._connection
            else:
                with self._opened(False, timeout) as connection:
                    yield connection

    @contextlib.contextmanager
    def reading_only(self, timeout: float) -> Iterator[tuple[Any, bool]]:
        """Let the block query the database, by a connection that cannot change it.

        Yields
        ------
        connection : duckdb.DuckDBPyConnection
            The database.
        can_write : bool
            Whether it could be changed all the same, as in a batch.
        """
        with self._mutex:
            if self._batch is None and not self._is_open and self._writes:
                self._close()
            with self.reading(timeout) as connection:
                yield connection, self._writes

    @contextlib.contextmanager
    def changing(self, timeout: float) -> Iterator[Batch]:
        """Let the block make changes, which are committed at its end; none are if it fails.

        In a batch of this thread, they become part of that.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        with self._mutex:
            if self._batch is not None:
                yield self._batch
                return
            with self._opened(True, timeout) as connection:
                batch = Batch(connection, self._journal)
                self._batch = batch
                try:
                    yield batch
                    batch.commit()
                except BaseException:
                    batch.discard()
                    raise
                finally:
                    self._batch = None

    @property
    def is_in_batch(self) -> bool:
        """Whether changes are being collected."""
        return self._batch is not None

    def let_go(self) -> None:
        """Close a connection that lingers."""
        with self._mutex:
            if not self._is_open:
                self._close()

    def _reset(self) -> None:
        self._mutex = threading.RLock()
        self._connection: Any = None
        self._turn: Turn | None = None
        self._writes = self._is_open = False
        self._batch = None
        self._identity: tuple[int, int] | None = None
        self._closer: threading.Thread | None = None
        self._opened_at = self._last_use = 0.0

    @contextlib.contextmanager
    def _opened(self, writes: bool, timeout: float, create: bool = False) -> Iterator[Any]:
        """Open the database for the block; the caller holds the mutex."""
        if self._connection is not None and (
            (writes and not self._writes) or self._identity != _identity(self.path)
        ):
            self._close()
        if self._connection is None:
            self._open(writes, timeout, create)
        self._is_open = True
        try:
            with damage(self.path):
                yield self._connection
        except BaseException:
            self._is_open = False
            self._close()
            raise
        self._is_open = False
        self._linger()

    def _open(self, writes: bool, timeout: float, create: bool) -> None:
        if self.path in _INHERITED:
            raise StoreError(
                f"This process was forked while its parent had {self.path} open, and cannot open "
                "it: fork outside of a batch, or start processes by spawn"
            )
        if self._journal.exists() and not writes:
            # A writer died: what it had begun is finished first, as its writer.
            self._open(True, timeout, create)
            return
        self._turn = self._wait(writes, timeout)
        try:
            if self._journal.exists() and not writes:
                self._close()
                self._open(True, timeout, create)
                return
            self._connection = connect(self.path, writes=writes, create=create, timeout=timeout)
            self._writes = writes
            self._identity = _identity(self.path)
            self._opened_at = time.monotonic()
            if self._journal.exists():
                finish(self._connection, self._journal)
        except BaseException:
            self._close()
            raise

    def _wait(self, writes: bool, timeout: float) -> Turn | None:
        try:
            return self._queue.wait(writes=writes, timeout=timeout)
        except OSError as error:
            # Where nothing can be written, nobody is kept from anything either.
            if writes or isinstance(error, TimeoutError):
                raise
            return None

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._writes = False
        turn, self._turn = self._turn, None
        try:
            if connection is not None:
                connection.close()
        finally:
            if turn is not None:
                turn.release()

    def _linger(self) -> None:
        self._last_use = time.monotonic()
        is_long = self._last_use - self._opened_at > _SHARE
        if self._turn is None or (is_long and self._turn.is_wanted()):
            self._close()
        elif self._closer is None:
            self._closer = threading.Thread(target=self._close_later, daemon=True)
            self._closer.start()

    def _close_later(self) -> None:
        """Close the connection when it is wanted, or nobody has used it for a while."""
        while True:
            time.sleep(_LOOK)
            if not self._mutex.acquire(blocking=False):
                continue
            try:
                if self._turn is None:
                    self._closer = None
                    return
                idle = time.monotonic() - self._last_use
                if idle > _LINGER or (idle > _PAUSE and self._turn.is_wanted()):
                    self._closer = None
                    self._close()
                    return
            except Exception as error:
                # The folder may have been removed. What was committed is in the log of DuckDB.
                _log.warning("Closing %s: %s", self.path, error)
                return
            finally:
                self._mutex.release()


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another that takes its place; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


# Connections of a parent, which its child must not touch, not even to let them go; and their
# files, for which DuckDB would hand the child what its parent has open.
_ABANDONED: list[Any] = []
_INHERITED: set[str] = set()


def _close_before_fork() -> None:
    for database in list(Database._all.values()):
        if database._mutex.acquire(blocking=False):
            try:
                database.let_go()
            finally:
                database._mutex.release()


def _start_anew_in_child() -> None:
    Database._all_lock = threading.Lock()
    for database in list(Database._all.values()):
        if database._connection is not None:
            _INHERITED.add(database.path)
        _ABANDONED.append((database._connection, database._turn, database._batch))
        database._reset()


def _let_go_of_all() -> None:
    for database in list(Database._all.values()):
        database.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_before_fork, after_in_child=_start_anew_in_child)
atexit.register(_let_go_of_all)
