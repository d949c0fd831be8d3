"""Whether a store is what was written: all rows, and each artifact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from persist.display import View, check_view
from persist.errors import DamagedError, PersistError
from persist.tracking.columns import ALL_TABLES, TABLES
from persist.tracking.database import Opened
from persist.tracking.statements import Statement, select

__all__ = ["StoreReport", "Verification"]


@dataclass(frozen=True)
class StoreReport:
    """What `WorkspaceStore.verify` found. Paths are relative to the workspace, or URLs.

    Parameters
    ----------
    missing : tuple of str
        Artifacts that should be there.
    damaged : tuple of str
        Artifacts that are not what was written, or cannot be read, and why.
    checked : int
        The number of files that are what was written, the database included.
    """

    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    checked: int

    @property
    def ok(self) -> bool:
        """Whether all is there, as it was written."""
        return not self.missing and not self.damaged

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        found = {"missing": self.missing, "damaged": self.damaged}
        return check_view(self.ok, self.checked, found)


class Verification:
    """Reads all that a store holds; see `WorkspaceStore`."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def verify(self) -> StoreReport:
        """Read all rows, and compare each artifact with its digest.

        Raises
        ------
        DamagedError, duckdb.Error
            If the database cannot be read.
        """
        checksum = self._opened.dialect.checksum
        # What is in memory still says nothing about the disk.
        self._opened.database.release()
        with self._opened.reading() as connection:
            for table in ALL_TABLES:
                if table in TABLES or connection.has_table(table):
                    # Of all columns, so that the database takes them from its disk.
                    connection.rows(Statement(f"SELECT {checksum} FROM {table} AS t"))
            known = connection.rows(select("artifacts", ("artifact_path", "content_hash")))
        self._opened.database.release()
        files = self._opened.files
        checked, missing, damaged = 1, set(), set()
        for name, digest in known:
            shown = self._shown(files.path(name))
            try:
                files.read(name, digest)
                checked += 1
            except FileNotFoundError:
                missing.add(shown)
            except DamagedError:
                damaged.add(shown)
            except (OSError, PersistError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                damaged.add(f"{shown}: {reason or error}")
        return StoreReport(tuple(sorted(missing)), tuple(sorted(damaged)), checked)

    def _shown(self, place: Path | str) -> str:
        if isinstance(place, Path) and place.is_relative_to(self._opened.path):
            return place.relative_to(self._opened.path).as_posix()
        return str(place)
