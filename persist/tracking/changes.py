"""Changes of a database that are made together: rows in memory until they are committed."""

from __future__ import annotations

import contextlib
import json
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy

from persist.errors import DamagedError
from persist.tracking.artifact_files import ArtifactFiles
from persist.tracking.encodings import FILE
from persist.tracking.engine import Connection
from persist.tracking.errors import ArgumentTypeError, StoreError, constraint_error, not_found
from persist.tracking.schema import ALL_TABLES, LABELS, METRICS, PARENTS, PENDING, TABLES
from persist.tracking.statements import Statement, select
from persist.tracking.values import encode_row, encode_values

__all__ = ["Batch", "finish_pending", "has_pending"]

Row = tuple[Any, ...]
"""The values of all columns, in order: a tuple, as the garbage collector looks at every list."""

Values = dict[str, Any]

_ABSENT = object()

_NATURAL_KEY = ("pipeline_id", "chain_id", "fold_id", "partition", "model_name", "branch_id")
"""The columns of a prediction of which no two have the same."""

_PLACES = {
    name: {column.name: place for place, column in enumerate(table.columns)}
    for name, table in ALL_TABLES.items()
}
_natural_key = operator.itemgetter(*map(_PLACES["predictions"].__getitem__, _NATURAL_KEY))
_values_of_prediction = operator.itemgetter(*list(_PLACES["predictions"])[1:])


class Batch:
    """Rows to insert, update and delete, checked as they come, and committed as one.

    Attributes
    ----------
    inserted : dict of str to dict of str to Row
        New rows by table and id.
    updated : dict of (str, str) to Values
        New values of existing rows, by table and id.
    deleted : dict of str to dict of str to None
        The ids of rows to delete before anything is inserted.
    new_files, old_files : list of str
        The artifacts to remove if the changes are discarded, and after they are committed.
    """

    def __init__(self, connection: Connection, files: ArtifactFiles) -> None:
        self._connection = connection
        self._files = files
        self._known: dict[str, set[str]] = {name: set() for name in ALL_TABLES}
        self._naturals: dict[tuple[Any, ...], str] = {}
        self._new: set[str] = set()
        self._contents: dict[tuple[str, bool], str] = {}
        # What was changed, to be undone: a mapping, a key, and what was there before.
        self._log: list[tuple[dict[Any, Any], Any, Any]] = []
        self.inserted: dict[str, dict[str, Row]] = {name: {} for name in ALL_TABLES}
        self.updated: dict[tuple[str, str], Values] = {}
        self.deleted: dict[str, dict[str, None]] = {name: {} for name in ALL_TABLES}
        self.new_files: list[str] = []
        self.old_files: list[str] = []
        # The rows and values that are not in the open transaction yet; all of them without one.
        self._new_rows, self._new_values = self.inserted, self.updated

    def insert(self, table: str, values: Mapping[str, Any], *, is_new: bool = False) -> str:
        """Add a row, whose columns are null if they are not given, and return its id.

        The id is not looked for in the database if `is_new` says that it was just drawn.

        Raises
        ------
        ConstraintError
            If its id is taken, or it refers to a missing row.
        TypeError, ValueError
            If a column does not take its value.
        """
        row = tuple(encode_row(table, map(values.get, _PLACES[table])))
        return self._insert(table, row, is_new)

    def put_prediction(self, key: str | None, values: Mapping[str, Any], new_key: str) -> str:
        """Add a prediction, in the place of one like it or of the id `key`; return its id.

        It is `new_key` if no id is wanted. The values are all columns but the id.
        """
        encoded = encode_row("predictions", (key or new_key, *_values_of_prediction(values)))
        natural = _natural_key(encoded)
        found = encoded[0] = self._find_natural(natural) or encoded[0]
        row = tuple(encoded)
        is_new = found == new_key
        if not is_new and self.has("predictions", found):
            self._check_parents("predictions", row)
            self.delete("prediction_arrays", [found])
            replaced = self.inserted["predictions"].get(found)
            if replaced is not None:
                self._assign(self._naturals, _natural_key(replaced), _ABSENT)
            self.delete("predictions", [found])
        self._insert("predictions", row, is_new)
        self._assign(self._naturals, natural, found)
        return str(found)

    def put(self, table: str, values: Mapping[str, Any]) -> None:
        """Add a row to a table of persist's own, in the place of one of its id."""
        row = tuple(encode_row(table, map(values.get, _PLACES[table])))
        self._assign(self.inserted[table], row[0], row)
        self._new_rows[table][row[0]] = row

    def update(self, table: str, key: str, values: Mapping[str, Any]) -> None:
        """Set columns of an existing or pending row; RecordNotFoundError if there is none."""
        encoded = encode_values(table, values)
        row = self.inserted[table].get(key)
        if row is not None:
            row = tuple({**dict(zip(_PLACES[table], row, strict=True)), **encoded}.values())
            self._assign(self.inserted[table], key, row)
        elif not self.has(table, key):
            raise not_found(table, key)
        else:
            found = self.updated.get((table, key), {})
            self._assign(self.updated, (table, key), {**found, **encoded})
        if row is not None and key in self._new_rows[table]:
            self._new_rows[table][key] = row
        else:
            self._new_values[table, key] = {**self._new_values.get((table, key), {}), **encoded}

    def delete(self, table: str, keys: Collection[str], *, are_known: bool = False) -> None:
        """Delete existing rows, and drop pending ones.

        The ids are not looked for in the database if `are_known` says that they were just read.
        """
        if are_known:
            self._known[table].update(keys)
        for key in keys:
            is_pending = key in self.inserted[table]
            if is_pending or self.has(table, key):
                self._take_back()
                self._assign(self.updated, (table, key), _ABSENT)
                if is_pending:
                    self._assign(self.inserted[table], key, _ABSENT)
                else:
                    self._assign(self.deleted[table], key, None)
                    self._known[table].discard(key)

    def has(self, table: str, key: str) -> bool:
        """Return True if a row of an id exists or is pending."""
        if key in self.inserted[table] or key in self._known[table]:
            return True
        # The database has nothing with an id that was drawn for these changes.
        if key in self.deleted[table] or key in self._new:
            return False
        name = ALL_TABLES[table].key
        if not self._connection.rows(select(table, [name], {name: key})):
            return False
        self._known[table].add(key)
        return True

    def find_artifact(self, digest: str, format: str) -> tuple[str, str, int] | None:
        """Return the id, path and count of the artifact of a content, as they will be, or None.

        The same bytes are one artifact as a file, and another as an object.
        """
        key = self._contents.get((digest, format == FILE))
        row = None if key is None else self.inserted["artifacts"].get(key)
        if row is not None:
            known = dict(zip(_PLACES["artifacts"], row, strict=True))
            return row[0], known["artifact_path"], known["ref_count"] or 0
        columns = ["artifact_id", "format", "artifact_path", "ref_count"]
        digests = [digest, f"sha256:{digest}"]
        for key, known_format, path, count in self._connection.rows(
            select("artifacts", columns, {"content_hash": digests})
        ):
            if key not in self.deleted["artifacts"] and (known_format == FILE) == (format == FILE):
                updated = self.updated.get(("artifacts", key), {})
                return key, path, updated.get("ref_count", count) or 0
        return None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Context manager within which queries see the changes, in the transaction of the commit.

        Raises
        ------
        StoreError
            If rows were replaced that others refer to: this takes several transactions.
        """
        if any(self.deleted.values()) and not self._connection.deletes_together:
            raise StoreError(
                "This batch replaces predictions that were recorded before it: read after its end"
            )
        try:
            self._send()
            yield
        except BaseException:
            # An error may have ended the transaction.
            self._take_back()
            raise

    def commit(self) -> None:
        """Make the changes.

        Raises
        ------
        duckdb.Error
            If the database refuses them; then nothing has changed.
        """
        # DuckDB looks for what refers to a row without regard to what its own transaction has
        # deleted (its documentation: "Over-Eager Constraint Checking in Foreign Keys").
        is_staged = sum(map(bool, self.deleted.values())) > 1
        if is_staged and not self._connection.deletes_together:
            self._take_back()
            with self._connection.transaction():
                self._connection.insert(PENDING, [[0, self._to_json()]])
            finish_pending(self._connection, self._files)
            return
        self._send()
        if self._connection.is_in_transaction:
            self._connection.commit()
        for name in self.old_files:
            self._files.remove(name)

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """Context manager that drops the changes of its block, and no others, if that fails."""
        length, files = len(self._log), len(self.new_files)
        try:
            yield
        except BaseException:
            self._take_back()
            while len(self._log) > length:
                self._assign(*self._log.pop())
                self._log.pop()
            for name in self.new_files[files:]:
                self._files.remove(name)
            del self.new_files[files:]
            raise

    def discard(self) -> None:
        """Drop the changes, and remove the files that belong to them."""
        for name in self.new_files:
            self._files.remove(name)

    def apply_in_stages(self) -> None:
        """Make the changes in several transactions; done again, this does what is left to do."""
        self._apply("OR IGNORE", self._connection.transaction)
        for name in self.old_files:
            self._files.remove(name)

    def _send(self) -> None:
        """Make the changes that the transaction does not have; begin it with the first ones."""
        if self._connection.is_in_transaction:
            self._write()
        elif self.updated or any((*self.inserted.values(), *self.deleted.values())):
            self._new_rows, self._new_values = self.inserted, self.updated
            self._connection.begin()
            self._apply()
        else:
            return
        self._new_rows, self._new_values = {name: {} for name in ALL_TABLES}, {}

    def _take_back(self) -> None:
        """Undo the transaction, if there is one."""
        self._connection.rollback()
        self._new_rows, self._new_values = self.inserted, self.updated

    def _apply(
        self,
        conflict: str = "",
        each: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Make the changes, each step in a context: rows go before those that they refer to."""
        deleted = [(table, self.deleted[table]) for table in reversed(TABLES)]
        if self.deleted["predictions"] and self._connection.has_table(LABELS):
            deleted.insert(0, (LABELS, self.deleted["predictions"]))
        for table, keys in deleted:
            with each():
                self._connection.delete(table, keys)
        with each():
            self._write(conflict)

    def _write(self, conflict: str = "") -> None:
        for table, rows in self._new_rows.items():
            if rows:
                self._connection.insert(
                    table,
                    list(rows.values()),
                    "OR REPLACE" if table in (LABELS, METRICS) else conflict,
                )
        for (table, key), values in self._new_values.items():
            self._connection.update(table, key, values)

    def _insert(self, table: str, row: Row, is_new: bool) -> str:
        key: str = row[0]
        if is_new:
            self._new.add(key)
        elif self.has(table, key):
            raise constraint_error(f"{ALL_TABLES[table].key} {key!r} is in {table} already")
        self._check_parents(table, row)
        if table == "artifacts":
            places = _PLACES[table]
            content = row[places["content_hash"]], row[places["format"]] == FILE
            self._contents[content] = key
        self._assign(self.inserted[table], key, row)
        self._new_rows[table][key] = row
        return key

    def _check_parents(self, table: str, row: Row) -> None:
        for place, column, parent in PARENTS[table]:
            key = row[place]
            if key is not None and not self.has(parent, key):
                raise constraint_error(
                    f"{table}.{column} must be the id of one of the {parent}, got {key!r}"
                )

    def _assign(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Set or drop an entry, so that `part` can restore it."""
        self._log.append((mapping, key, mapping.get(key, _ABSENT)))
        if value is _ABSENT:
            mapping.pop(key, None)
        else:
            mapping[key] = value

    def _find_natural(self, natural: tuple[Any, ...]) -> str | None:
        """Return the id of the prediction with these values of `_NATURAL_KEY`."""
        found = self._naturals.get(natural)
        # A pipeline that was begun here has no others.
        if found is not None or natural[0] in self._new:
            return found
        where = dict(zip(_NATURAL_KEY, natural, strict=True))
        for (key,) in self._connection.rows(select("predictions", ["prediction_id"], where)):
            if key not in self.deleted["predictions"]:
                return str(key)
        return None

    def _to_json(self) -> str:
        content = {
            "deleted": {name: list(keys) for name, keys in self.deleted.items() if keys},
            "inserted": {
                name: [dict(zip(_PLACES[name], row, strict=True)) for row in rows.values()]
                for name, rows in self.inserted.items()
                if rows
            },
            "updated": [[*place, row] for place, row in self.updated.items()],
            "files": self.old_files,
        }
        return json.dumps(content, default=_plain)


def has_pending(connection: Connection) -> bool:
    """Return True if a writer died between the transactions of its changes."""
    return connection.has_table(PENDING) and bool(connection.rows(select(PENDING)))


def finish_pending(connection: Connection, files: ArtifactFiles) -> None:
    """Make changes that take several transactions, for the first time or again.

    They are committed as a row of a table before the first of these transactions. Whoever opens the
    database after its writer died does the rest.

    Raises
    ------
    DamagedError
        If the row is not one of this module.
    """
    for (text,) in connection.rows(select(PENDING, ["content"], order="number")):
        changes = Batch(connection, files)
        try:
            _fill(changes, json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(
                f"cannot finish a deletion: {PENDING} is damaged ({error}); delete its row with "
                "DuckDB to leave the deletion half done"
            ) from error
        changes.apply_in_stages()
        with connection.transaction():
            connection.rows(Statement(f"DELETE FROM {PENDING}"))


def _fill(changes: Batch, content: Any) -> None:
    for name, keys in content["deleted"].items():
        changes.deleted[ALL_TABLES[name].name] = dict.fromkeys(map(str, keys))
    for name, rows in content["inserted"].items():
        found = [_from_json(name, row) for row in rows]
        changes.inserted[name] = {
            row[ALL_TABLES[name].key]: tuple(map(row.get, _PLACES[name])) for row in found
        }
    for name, key, row in content["updated"]:
        changes.updated[name, str(key)] = _from_json(name, row)
    changes.old_files = [str(name) for name in content["files"]]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    raise ArgumentTypeError(f"a row holds a {type(value).__name__}")


def _from_json(table: str, row: Values) -> Values:
    # The names of columns become part of statements: only those of the table.
    columns = {column.name: column for column in ALL_TABLES[table].columns}
    found = {}
    for name, value in row.items():
        column = columns[name]
        if value is not None and column.type == "TIMESTAMP":
            value = datetime.fromisoformat(value)
        elif value is not None and column.dtype is not None:
            value = numpy.array(value, column.dtype)
        found[name] = value
    return found
