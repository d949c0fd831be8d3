"""A store that is open: its database and its files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from persist.tracking.artifact_files import ArtifactFiles
from persist.tracking.batch import Batch
from persist.tracking.database import Database
from persist.tracking.errors import StoreClosedError
from persist.tracking.frames import check_engine, to_frame

__all__ = ["OpenStore", "now"]

_Path = str | os.PathLike[str]


class OpenStore:
    """What all parts of a store are built on; see `WorkspaceStore`."""

    def __init__(
        self, workspace_path: _Path, *, timeout: float = 60, engine: str = "polars"
    ) -> None:
        self._engine = check_engine(engine)
        self._timeout = timeout
        self._path = Path(workspace_path)
        self._is_closed = False
        artifacts = self._path / "artifacts"
        with contextlib.suppress(PermissionError):
            artifacts.mkdir(parents=True, exist_ok=True)
        self._files = ArtifactFiles(artifacts)
        self._database_path = os.path.realpath(self._path / "store.duckdb")
        self._found = Database.at(self._database_path)
        self._found.prepare(timeout)

    @property
    def workspace_path(self) -> Path:
        """The folder of the workspace."""
        return self._path

    @contextlib.contextmanager
    def batch(self) -> Iterator[OpenStore]:
        """Make all that the block records one commit: all of it, or nothing.

        Other processes wait until it ends, so train before it and record in it. What the block has
        recorded can be queried in it.

        Yields
        ------
        WorkspaceStore
            This store.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        with self._changing():
            yield self

    def close(self) -> None:
        """Let go of the database; nothing can be done with the store any more."""
        if not self._is_closed:
            self._is_closed = True
            self._found.let_go()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        # Other processes open it anew.
        return type(self), (self._path,)

    @property
    def _database(self) -> Database:
        if self._is_closed:
            raise StoreClosedError()
        return self._found

    def _reading(self) -> contextlib.AbstractContextManager[Any]:
        return self._database.reading(self._timeout)

    def _changing(self) -> contextlib.AbstractContextManager[Batch]:
        return self._database.changing(self._timeout)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            found: list[tuple[Any, ...]] = connection.execute(query, list(values)).fetchall()
            return found

    def _frame(self, query: str, values: Sequence[Any] = (), engine: str | None = None) -> Any:
        with self._reading() as connection:
            chosen = self._engine if engine is None else check_engine(engine)
            return to_frame(connection, query, values, chosen)


_last = datetime.min
_clock = threading.Lock()


def now() -> datetime:
    """Return the local time; no two calls of a process return the same."""
    global _last
    with _clock:
        _last = max(datetime.now(), _last + timedelta(microseconds=1))
        return _last
