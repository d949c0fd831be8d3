"""Changes of a database that are made together: rows in memory until they are committed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from persist.tracking.columns import PARENTS, TABLES
from persist.tracking.errors import constraint_error
from persist.tracking.values import encode_row

__all__ = ["NATURAL_KEY", "Changes", "KnownArtifact", "Row"]

Row = dict[str, Any]

NATURAL_KEY = ("pipeline_id", "chain_id", "fold_id", "partition", "model_name", "branch_id")
"""The columns of a prediction of which no two have the same."""


class KnownArtifact(NamedTuple):
    """An artifact that is in a store: its id, its path in the folder, and its count."""

    artifact_id: str
    artifact_path: str
    ref_count: int


class Changes:
    """Rows to insert, update and delete, checked as they come.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        What is asked for rows that are there.

    Attributes
    ----------
    inserted : dict of str to dict of str to Row
        New rows by table and id.
    updated : dict of (str, str) to dict
        New values of rows that are there, by table and id.
    deleted : dict of str to dict of str to None
        The ids of rows to delete before anything is inserted.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: dict[str, set[str]] = {name: set() for name in TABLES}
        self._naturals: dict[tuple[Any, ...], str] = {}
        self._new: set[str] = set()
        self._contents: dict[str, str] = {}
        self.inserted: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self.updated: dict[tuple[str, str], Row] = {}
        self.deleted: dict[str, dict[str, None]] = {name: {} for name in TABLES}

    @property
    def needs_stages(self) -> bool:
        """Whether rows are deleted that refer to others that are deleted.

        DuckDB looks for what refers to a row without regard to what its own transaction has deleted
        (its documentation: "Over-Eager Constraint Checking in Foreign Keys").
        """
        return sum(map(bool, self.deleted.values())) > 1

    def insert(self, table: str, values: Mapping[str, Any], *, is_new: bool = False) -> str:
        """Add a row, and return its id.

        Parameters
        ----------
        table : str
            The table.
        values : mapping
            The columns.
        is_new : bool, optional
            Whether the id was just made up, so that it need not be looked for.

        Raises
        ------
        ConstraintError
            If its id is taken, or it refers to a row that is not there.
        TypeError, ValueError
            If a column does not take its value.
        """
        return self._insert(table, encode_row(table, values), is_new)

    def put_prediction(self, key: str | None, values: Mapping[str, Any], new_key: str) -> str:
        """Add a prediction, in the place of one like it or of its id; return its id.

        Parameters
        ----------
        key : str or None
            The id that is wanted.
        values : mapping
            Its columns but for the id.
        new_key : str
            Its id if none is wanted.
        """
        row = encode_row("predictions", values)
        natural = tuple(row[name] for name in NATURAL_KEY)
        found = self._find_alike(natural) or key or new_key
        self._check_parents("predictions", row)
        is_new = found == new_key
        if not is_new and self.has("predictions", found):
            self.delete("prediction_arrays", [found])
            self._forget_natural(found)
            self.delete("predictions", [found])
        self._naturals[natural] = found
        return self._insert("predictions", {"prediction_id": found, **row}, is_new)

    def update(self, table: str, key: str, values: Mapping[str, Any]) -> None:
        """Set columns of a row that is there, or is to be; nothing happens to any other."""
        encoded = encode_row(table, values)
        if key in self.inserted[table]:
            self.inserted[table][key].update(encoded)
        elif self.has(table, key):
            self.updated.setdefault((table, key), {}).update(encoded)

    def delete(self, table: str, keys: Collection[str], *, are_there: bool = False) -> None:
        """Delete rows that are there; rows that were to be inserted are not.

        Parameters
        ----------
        table : str
            The table.
        keys : collection of str
            The ids.
        are_there : bool, optional
            Whether they were just read from the database, so that none need be looked for.
        """
        if are_there:
            self._known[table].update(keys)
        for key in keys:
            self.updated.pop((table, key), None)
            if self.inserted[table].pop(key, None) is None and self.has(table, key):
                self.deleted[table][key] = None
                self._known[table].discard(key)

    def has(self, table: str, key: str) -> bool:
        """Tell whether there is, or will be, a row of an id."""
        if key in self.inserted[table] or key in self._known[table]:
            return True
        # What was made up in these changes has nothing in the database.
        if key in self.deleted[table] or key in self._new:
            return False
        query = f"SELECT 1 FROM {table} WHERE {TABLES[table].key} = ?"
        # DuckDB 2 wants each result to be read to its end before the next query.
        if not self._connection.execute(query, [key]).fetchall():
            return False
        self._known[table].add(key)
        return True

    def find_artifact(self, digest: str) -> KnownArtifact | None:
        """Return the artifact of a content, as it will be; None if there is none."""
        key = self._contents.get(digest)
        if key is None:
            query = "SELECT artifact_id FROM artifacts WHERE content_hash = ? OR content_hash = ?"
            values = [digest, f"sha256:{digest}"]
            found = self._connection.execute(query, values).fetchall()
            keys = [key for (key,) in found if key not in self.deleted["artifacts"]]
            if not keys:
                return None
            key = self._contents[digest] = keys[0]
        row = self.inserted["artifacts"].get(key)
        if row is None:
            query = "SELECT artifact_path, ref_count FROM artifacts WHERE artifact_id = ?"
            [(path, count)] = self._connection.execute(query, [key]).fetchall()
            row = {"artifact_path": path, "ref_count": count or 0}
            row.update(self.updated.get(("artifacts", key), {}))
        return KnownArtifact(key, row["artifact_path"], row["ref_count"])

    def is_empty(self) -> bool:
        """Tell whether there is nothing to commit."""
        groups: tuple[Mapping[str, Any], ...] = (self.inserted, self.deleted)
        return not self.updated and not any(any(group.values()) for group in groups)

    def _insert(self, table: str, row: Row, is_new: bool) -> str:
        key: str = row[TABLES[table].key]
        if is_new:
            self._new.add(key)
        elif self.has(table, key):
            raise constraint_error(f"{TABLES[table].key} {key!r} is in {table} already")
        self._check_parents(table, row)
        if table == "artifacts":
            self._contents[row["content_hash"]] = key
        self.inserted[table][key] = row
        return key

    def _check_parents(self, table: str, row: Row) -> None:
        for column, parent in PARENTS[table]:
            if row[column] is not None and not self.has(parent, row[column]):
                raise constraint_error(
                    f"{table}.{column} must be the id of one of the {parent}, got {row[column]!r}"
                )

    def _find_alike(self, natural: tuple[Any, ...]) -> str | None:
        """Return the id of the prediction with these values of `NATURAL_KEY`."""
        if natural in self._naturals or natural[0] in self._new:
            return self._naturals.get(natural)
        tests = " AND ".join(f'"{name}" IS NOT DISTINCT FROM ?' for name in NATURAL_KEY)
        query = f"SELECT prediction_id FROM predictions WHERE {tests}"
        for (key,) in self._connection.execute(query, list(natural)).fetchall():
            if key not in self.deleted["predictions"]:
                return str(key)
        return None

    def _forget_natural(self, key: str) -> None:
        row = self.inserted["predictions"].get(key)
        if row is not None:
            self._naturals.pop(tuple(row[name] for name in NATURAL_KEY), None)
