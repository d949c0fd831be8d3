"""The database of a store, which the parts of the store hold open while they use it."""

from __future__ import annotations

import abc
import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy

from persist.files import check_path, identity_of
from persist.names import distinct_names, is_encodable
from persist.tracking.artifact_files import ArtifactFiles, LocalArtifactFiles
from persist.tracking.changes import Batch, finish_pending, has_pending
from persist.tracking.engine import Connection, connect
from persist.tracking.errors import ArgumentError, StoreClosedError, StoreError
from persist.tracking.optional import import_optional
from persist.tracking.queue import Queue, Turn
from persist.tracking.statements import Dialect, Statement
from persist.urls import is_url

if TYPE_CHECKING:
    import polars

__all__ = ["ENGINES", "Database", "FileDatabase", "Frame", "Opened"]

Frame: TypeAlias = "polars.DataFrame | Any"
"""What queries return: a polars.DataFrame unless another engine was asked for."""

ENGINES = ("polars", "pandas", "arrow")
"""The libraries whose frames queries can return."""

_log = logging.getLogger(__name__)

_LINGER = 0.1  # s, if nobody waits
_PAUSE = 0.005  # s, if somebody waits: who comes again sooner is at work
_SHARE = 0.2  # s, after which others come first; to open and close takes half as long
_LOOK = 0.002  # s


class Opened:
    """An open store, as all parts of it hold it; the arguments are those of `WorkspaceStore`.

    Attributes
    ----------
    path : pathlib.Path or str
        The folder of the workspace, or the URL of the database without its password.
    location : str
        The folder, or the URL as it was given.
    files : ArtifactFiles
        The files of the artifacts.
    dialect : Dialect
        The words in which the database differs from others.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        timeout: float,
        engine: str,
        artifacts: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.engine = _check_engine(engine)
        self.timeout = timeout
        self.is_closed = False
        # The working directory may change before the store is used again.
        path = str(location) if is_url(location) else check_path(location, "a workspace")
        self.location = path if is_url(location) else os.path.abspath(path)
        self.options: dict[str, Any] = {"artifacts": artifacts, "storage_options": storage_options}
        self.path: Path | str
        self._shared: Database
        if is_url(location):
            from persist.tracking.postgres import PostgresDatabase

            self._shared = PostgresDatabase.of(self.location, artifacts, storage_options)
            self.path = self._shared.path
        elif artifacts is not None or storage_options is not None:
            raise ArgumentError(
                f"cannot open {os.fspath(location)}: artifacts of a workspace in a folder are in "
                "that folder; leave out artifacts and storage_options"
            )
        else:
            if not is_encodable(self.location):
                raise ArgumentError(
                    f"cannot open a store in {self.location!r}: DuckDB takes no path that UTF-8 "
                    "cannot encode; choose another folder"
                )
            self.path = Path(self.location)
            folder = self.path / "artifacts"
            with contextlib.suppress(PermissionError):
                folder.mkdir(parents=True, exist_ok=True)
            database = os.path.realpath(self.path / "store.duckdb")
            self._shared = FileDatabase.at(database, LocalArtifactFiles(folder))
        self._shared.prepare(timeout)
        self.files = self._shared.files
        self.dialect = self._shared.dialect

    @property
    def database(self) -> Database:
        """The database.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        """
        if self.is_closed:
            raise StoreClosedError()
        return self._shared

    def close(self) -> None:
        """Close the connection, unless another store of this process uses it."""
        if not self.is_closed:
            self.is_closed = True
            self._shared.release()

    def reading(self) -> contextlib.AbstractContextManager[Connection]:
        """Context manager that yields a connection to read from."""
        return self.database.reading(self.timeout)

    def changing(self) -> contextlib.AbstractContextManager[Batch]:
        """Context manager that commits the changes of its block, or none if it fails."""
        return self.database.changing(self.timeout)

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        with self.reading() as connection:
            return connection.rows(statement)

    def column(self, statement: Statement) -> list[Any]:
        """Return the values of a statement of one column."""
        return [value for (value,) in self.rows(statement)]

    def frame(self, statement: Statement, engine: str | None = None) -> Any:
        """Return the rows of a statement as a frame of a library, by default that of the store."""
        chosen = self.engine if engine is None else _check_engine(engine)
        with self.reading() as connection:
            return _as_frame(connection.arrow(statement), chosen)

    def query(self, text: str, values: Sequence[Any], engine: str | None) -> Any:
        """Return the rows of one SELECT statement of a user; see `Connection.query`."""
        chosen = self.engine if engine is None else _check_engine(engine)
        plain = [one.item() if isinstance(one, numpy.generic) else one for one in values]
        with self.reading() as connection:
            table = connection.query(text, plain)
        # Frames do not take two columns of one name, as those of joined tables have.
        return _as_frame(table.rename_columns(distinct_names(table.column_names, 1)), chosen)


class Database(abc.ABC):
    """The one object of a process for a database, whose path tells it from all others.

    Threads take turns; a thread that has the database in a batch sees what the batch will commit.

    Attributes
    ----------
    dialect : Dialect
        The words in which it differs from others.
    files : ArtifactFiles
        The files of the artifacts.
    """

    _all: ClassVar[weakref.WeakValueDictionary[str, Database]] = weakref.WeakValueDictionary()
    _all_lock = threading.Lock()
    dialect: Dialect
    files: ArtifactFiles
    _batch: Batch | None
    _joined: contextlib.AbstractContextManager[Batch]  # further changes of the thread of a batch

    def __init__(self, path: str) -> None:
        self.path = path
        self._reset()

    @classmethod
    def release_all(cls, *, waits: bool = True) -> None:
        """Close the connections that linger, those that another thread uses only if it `waits`."""
        for database in list(cls._all.values()):
            database.release(waits=waits)

    @classmethod
    def start_all_anew(cls) -> None:
        """Forget, in a child process, what its parent had open of all databases."""
        cls._all_lock = threading.Lock()
        for database in list(cls._all.values()):
            database.start_anew()

    def start_anew(self) -> None:
        """Forget, in a child process, what its parent had open."""
        _ABANDONED.append((self._connection, self._batch))
        self._reset()

    @abc.abstractmethod
    def prepare(self, timeout: float) -> None:
        """Make the tables that are missing."""

    @contextlib.contextmanager
    def reading(self, timeout: float) -> Iterator[Connection]:
        """Context manager that yields a connection which is open for reading at least.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        with self._mutex:
            if self._batch is not None:
                with self._batch.shown():
                    yield self._connection
            elif self._is_open:
                yield self._connection
            else:
                with self._opened(False, timeout) as connection:
                    yield connection

    def changing(self, timeout: float) -> contextlib.AbstractContextManager[Batch]:
        """Context manager that commits the changes of its block, or none if it fails.

        In a batch of this thread, they become part of that.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        # The thread of a batch has the mutex, and no other can get it.
        if self._batch is not None and self._mutex.acquire(blocking=False):
            try:
                # That of another thread may just have ended.
                if self._batch is not None:
                    return self._joined
            finally:
                self._mutex.release()
        return self._committing(timeout)

    @contextlib.contextmanager
    def _committing(self, timeout: float) -> Iterator[Batch]:
        with self._mutex, self._opened(True, timeout) as connection:
            batch = self._batch = Batch(connection, self.files)
            # Not a generator, which takes several times as long.
            self._joined = contextlib.nullcontext(batch)
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

    def release(self, *, waits: bool = True) -> None:
        """Close a connection that lingers, one that another thread uses only if it `waits`."""
        if self._mutex.acquire(blocking=waits):
            try:
                if not self._is_open:
                    self._close()
            finally:
                self._mutex.release()

    def _reset(self) -> None:
        self._mutex = threading.RLock()
        self._connection: Any = None
        self._is_open = False
        self._batch = None

    @abc.abstractmethod
    def _opened(self, writes: bool, timeout: float) -> contextlib.AbstractContextManager[Any]:
        """Context manager that opens the database; the caller must hold the mutex."""

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class FileDatabase(Database):
    """A database in a file: open while it is in use, by one process at a time.

    A connection stays open for a moment after use, so that the next use need not open
    the file again. If somebody waits, that moment is short, and work without a pause ends soon.
    """

    dialect = Connection.dialect

    def __init__(self, path: str, files: LocalArtifactFiles) -> None:
        super().__init__(path)
        self.files = files
        folder, name = os.path.split(path)
        self._queue = Queue(os.path.join(folder, f".{name}.queue"))

    @classmethod
    def at(cls, path: str, files: LocalArtifactFiles) -> Database:
        """Return the database of a file: one object for each file."""
        path = os.path.realpath(path)
        with cls._all_lock:
            found = cls._all.get(path)
            if found is None:
                found = cls._all[path] = cls(path, files)
            return found

    def start_anew(self) -> None:
        """Forget, in a child process, what its parent had open."""
        if self._connection is not None:
            _INHERITED.add(self.path)
        _ABANDONED.append(self._turn)
        super().start_anew()

    def prepare(self, timeout: float) -> None:
        """Make the database, or what it lacks of the schema.

        Raises
        ------
        OSError
            If it is missing and cannot be made.
        """
        if os.path.exists(self.path):
            with self.reading(timeout) as connection:
                if connection.has_schema():
                    return
            if not os.access(self.path, os.W_OK):
                return
        with self._mutex, self._opened(True, timeout, create=True) as connection:
            connection.create_schema()

    def _reset(self) -> None:
        super()._reset()
        self._turn: Turn | None = None
        self._writes = False
        self._identity: tuple[int, int] | None = None
        self._closer: threading.Thread | None = None
        self._opened_at = self._last_use = 0.0

    @contextlib.contextmanager
    def _opened(self, writes: bool, timeout: float, create: bool = False) -> Iterator[Connection]:
        """Context manager that opens the database; the caller must hold the mutex."""
        if self._connection is not None and (
            (writes and not self._writes) or self._identity != identity_of(self.path)
        ):
            self._close()
        if self._connection is None:
            self._open(writes, timeout, create)
        self._is_open = True
        try:
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
        try:
            self._turn = self._queue.wait(writes=writes, timeout=timeout)
        except OSError as error:
            # Where nothing can be written, nobody is kept from anything either.
            if writes or isinstance(error, TimeoutError):
                raise
        try:
            self._connection = connect(self.path, writes=writes, create=create, timeout=timeout)
            self._writes = writes
            self._identity = identity_of(self.path)
            self._opened_at = time.monotonic()
            if has_pending(self._connection):
                # A writer died amid its transactions: the next one makes the rest of them.
                if writes:
                    finish_pending(self._connection, self.files)
                elif os.access(self.path, os.W_OK):
                    self._close()
                    self._open(True, timeout, create)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        self._writes = False
        turn, self._turn = self._turn, None
        try:
            super()._close()
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
                self._closer = None
                # The folder may have been removed. What was committed is in the log of DuckDB.
                _log.warning("Closing %s: %s", self.path, error)
                return
            finally:
                self._mutex.release()


def _check_engine(engine: str) -> str:
    if engine not in ENGINES:
        raise ArgumentError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    return engine


def _as_frame(table: Any, engine: str) -> Any:
    if engine == "arrow":
        return table
    if engine == "pandas":
        import_optional("pandas")
        return table.to_pandas()
    return import_optional("polars").from_arrow(table)


# Connections of a parent, which its child must not touch, not even to free them; and their files,
# for which DuckDB would return to the child the database that its parent has open.
_ABANDONED: list[Any] = []
_INHERITED: set[str] = set()


atexit.register(Database.release_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: Database.release_all(waits=False), after_in_child=Database.start_all_anew
    )
