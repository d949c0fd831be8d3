"""DuckDB, the engine of a store in a folder.

`persist.tracking.postgres` is the other engine. Both have the methods of `Connection`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from persist.errors import DamagedError, LockTimeout
from persist.tracking.errors import StoreError, database_error
from persist.tracking.optional import import_optional
from persist.tracking.schema import (
    ALL_TABLES,
    INDEX_DDL,
    NATURAL_KEY,
    SCHEMA_DDL,
    TABLES,
    VIEW,
    VIEW_DDL,
    table_ddl,
)
from persist.tracking.statements import REFUSED, Dialect, Rows, Statement, Transactional

__all__ = ["Connection", "connect", "create_schema"]

# No statement reaches a file but the database, nor a variable of the program.
_CONFIG = {"enable_external_access": "false", "python_enable_replacements": "false"}
# What every release since 1.0 reads; DuckDB 2 would choose a version that 1.x refuses.
_NEW = {"storage_compatibility_version": "v1.0.0"}
_PAUSE = 0.005  # s
_LOG = "replaying WAL"
_ADVICE = ". Move that file away to have the store without what was committed last"
_CORRUPT = re.compile(f"Corrupt database file|{_LOG}")
# By these and no shorter words, as messages hold paths.
_LOCKED = re.compile("Could not set lock|Conflicting lock|used by another process")
_HOLDER = re.compile(r"PID (\d+)")
_INCOMING = "incoming_rows"
# All others that a FROM may call reach files, settings, other tables by name, or write.
_TABLE_FUNCTIONS = frozenset(
    {
        *("range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row"),
        *("summary", "histogram", "histogram_values", "pragma_table_info", "pragma_show"),
        *("pragma_version", "pragma_database_size", "duckdb_tables", "duckdb_columns"),
        *("duckdb_views", "duckdb_indexes", "duckdb_constraints", "duckdb_schemas"),
        *("duckdb_types", "duckdb_functions", "duckdb_databases"),
    }
)
# DuckDB marks those as volatile that do something; these only return other values each time.
_VOLATILE = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"})


def connect(path: str, *, writes: bool, create: bool = False, timeout: float = 0) -> Connection:
    """Open a database.

    Nobody else can have it open if it `writes`. The `timeout`, in s, is for a program that has it
    open outside of the queue.

    Raises
    ------
    StoreError
        If the file is missing, and `create` is False.
    DamagedError
        If it is not a database.
    LockTimeout
        If another program keeps it open.
    """
    is_new = not os.path.exists(path)
    if is_new and not (create and writes):
        raise StoreError(f"cannot open the database {path}: it was removed, or never made")
    deadline = time.monotonic() + timeout
    duckdb = import_optional("duckdb")
    # A file of SQLite is one that DuckDB would need an extension for.
    damage = (duckdb.IOException, duckdb.SerializationException, duckdb.PermissionException)
    while True:
        try:
            try:
                config = {**_CONFIG, **_NEW} if is_new else _CONFIG
                raw = duckdb.connect(path, read_only=not writes, config=config)
            except duckdb.ConnectionException:
                # This process has it open with options of its own.
                raw = duckdb.connect(path)
            # Times that have a zone are returned in this one.
            raw.execute("SET TimeZone = 'UTC'")
            return Connection(path, raw)
        except duckdb.Error as error:
            text = str(error)
            if not _LOCKED.search(text):
                if is_new:
                    raise StoreError(
                        f"cannot make a store at {path}: {error}; choose another folder, as DuckDB "
                        "does not take every name"
                    ) from error
                if isinstance(error, damage) or _CORRUPT.search(text):
                    advice = _ADVICE if _LOG in text else ""
                    raise DamagedError(
                        f"{path} cannot be opened as a store: {error}{advice}"
                    ) from error
                raise
            if time.monotonic() >= deadline:
                holder = _HOLDER.search(text)
                pid = int(holder[1]) if holder else None
                raise LockTimeout(path, pid, None, timeout) from error
        time.sleep(_PAUSE)


class Connection(Transactional):
    """An open database: its file, and the connection of duckdb.

    Attributes
    ----------
    deletes_together : bool
        Whether one transaction can delete rows together with those that refer to them.
    """

    dialect = Dialect(
        like="LIKE ?",
        dataset_names="SELECT unnest(list_concat(json_extract_string(datasets, '$[*].name'), "
        "json_extract_string(datasets, '$[*]'))) AS name",
        checksum="bit_xor(hash(t))",
        rowid="rowid",
    )
    deletes_together = False
    _reading = "TRANSACTION READ ONLY"

    def __init__(self, path: str, raw: Any) -> None:
        self._path = path
        self._raw = raw
        self._tables: dict[str, bool] = {}

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()

    def _execute(self, text: str, values: Sequence[Any] = ()) -> Any:
        with self._translating():
            return self._raw.execute(text, list(values))

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """Context manager that raises the error of persist for one of DuckDB."""
        try:
            yield
        # DuckDB 1 says so where it cannot take a value.
        except (import_optional("duckdb").Error, RuntimeError) as error:
            if isinstance(error, StoreError):
                raise
            if _CORRUPT.search(str(error)):
                raise DamagedError(f"{self._path} is damaged: {error}") from error
            message = f"{self._path} refused a statement: {error}"
            raise database_error(type(error).__name__, message) from error

    def rows(self, statement: Statement) -> Rows:
        """Return the rows of a statement."""
        # DuckDB 2 wants each result to be read to its end before the next query.
        with self._translating():
            found: Rows = self._raw.execute(statement.text, list(statement.values)).fetchall()
        return found

    def arrow(self, statement: Statement) -> Any:
        """Return the rows of a statement as a pyarrow.Table."""
        import_optional("pyarrow")
        with self._translating():
            return self._raw.sql(statement.text, params=list(statement.values)).to_arrow_table()

    def _checked(self, text: str) -> str:
        """Return the text of one SELECT statement that calls what computes, and reads tables.

        Raises
        ------
        StoreError
            If it is anything else.
        """
        with self._translating():
            statements = self._raw.extract_statements(text)
            kinds = [statement.type.name for statement in statements]
            if kinds != ["SELECT"]:
                raise StoreError(f"{REFUSED}; got {', '.join(kinds) or 'nothing'}")
            found: str = statements[0].query.strip().rstrip(";")
            _check_calls(self._raw, found)
        return found

    def rollback(self) -> None:
        """Undo the transaction."""
        self._tables.clear()
        super().rollback()

    def insert(self, table: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows, encoded as by `encode_row`, through Arrow.

        A table of persist's own is created if it is missing.
        What happens to a row whose key exists is ``OR IGNORE`` or ``OR REPLACE``, or else an error.
        """
        if "." in table:
            self._create(table)
        self._raw.register(_INCOMING, _arrow_table(table, rows))
        self._execute(f"INSERT {conflict} INTO {table} BY NAME SELECT * FROM {_INCOMING}")
        # A failure has ended the transaction, in which this would fail for another reason.
        self._raw.unregister(_INCOMING)

    def has_table(self, name: str) -> bool:
        """Return True if a table of persist's own was created."""
        if name not in self._tables:
            # Not by a query that may fail, which would end the transaction of a batch.
            query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
            self._tables[name] = bool(self._execute(query, name.split(".")).fetchall())
        return self._tables[name]

    def has_schema(self) -> bool:
        """Return True if no table, column or view is missing."""
        duckdb = import_optional("duckdb")
        try:
            # Several times quicker than to ask for the names of all columns.
            for table in TABLES.values():
                names = ", ".join(f'"{column.name}"' for column in table.columns)
                self._execute(f"SELECT {names} FROM {table.name} LIMIT 0")
        except (duckdb.BinderException, duckdb.CatalogException):
            return False
        views = self._execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [VIEW])
        # That of other releases counts a mean over folds as a fold.
        return any("FILTER" in sql.upper() for (sql,) in views.fetchall())

    def create_schema(self) -> None:
        """Create the tables, columns, indexes and the view that are missing."""
        with self.transaction():
            self._execute(SCHEMA_DDL)
        # DuckDB adds no column to a table in the transaction that made its index.
        with self.transaction():
            query = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
            known = set(self._execute(query).fetchall())
            for table in TABLES.values():
                for column in table.columns:
                    if column.added and (table.name, column.name) not in known:
                        added = f"{column.name} {column.type}"
                        self._execute(f"ALTER TABLE {table.name} ADD COLUMN {added}")
        with self.transaction():
            self._execute(INDEX_DDL)
            self._execute(VIEW_DDL)
        with contextlib.suppress(import_optional("duckdb").ConstraintException):
            self._execute(NATURAL_KEY)

    def vacuum(self) -> None:
        """Give free space back to the disk, as far as DuckDB does."""
        self._execute("VACUUM")
        self._execute("CHECKPOINT")

    def _create(self, name: str) -> None:
        self._tables[name] = True
        self._execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        self._execute(table_ddl(ALL_TABLES[name]))


def create_schema(conn: Any) -> None:
    """Make the tables, columns, indexes and the view that a database does not have yet.

    No row is deleted or changed. Where an older release has recorded the same prediction twice,
    the index that would keep them apart is left out. The connection of duckdb is open for writing.
    """
    Connection("The database", conn).create_schema()


def _arrow_table(table: str, rows: Sequence[Sequence[Any]]) -> Any:
    """Return rows as a pyarrow.Table."""
    pa = import_optional("pyarrow")
    types = {
        "VARCHAR": pa.string(),
        "JSON": pa.string(),
        "DOUBLE": pa.float64(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP": pa.timestamp("us"),
    }
    columns = {}
    for column, values in zip(ALL_TABLES[table].columns, zip(*rows, strict=True), strict=True):
        element = column.type.removesuffix("[]")
        convert = pa.array if element == column.type else _lists
        columns[column.name] = convert(values, types[element])
    return pa.table(columns)


def _lists(values: Sequence[Any], element: Any) -> Any:
    pa = import_optional("pyarrow")
    arrays = [value for value in values if value is not None]
    offsets = numpy.zeros(len(values) + 1, numpy.int64)
    numpy.cumsum([0 if value is None else len(value) for value in values], out=offsets[1:])
    flat = pa.array(numpy.concatenate(arrays) if arrays else numpy.empty(0), element)
    mask = pa.array([value is None for value in values])
    # Arrow's lists end at 2**31 elements; its large lists do not, and DuckDB takes both.
    return pa.LargeListArray.from_arrays(pa.array(offsets), flat, mask=mask)


def _check_calls(connection: Any, query: str) -> None:
    """Refuse a statement that calls a function with an effect, or reads something but tables.

    The database may be open with the options of a connection of the user's own, which lets
    statements reach files; and some functions do something even where none may be reached.
    """
    [(text,)] = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    tree = json.loads(text)
    if tree.get("error"):
        # DESCRIBE, SUMMARIZE and what else has no tree name tables and call nothing, unless they
        # hold a query.
        if "(" in query or "'" in query:
            raise StoreError(
                f"{REFUSED}; got one that cannot be checked: {tree.get('error_message', '')}"
            )
        return
    nodes = list(_nodes(tree))
    names = {str(node["function_name"]).lower() for node in nodes if "function_name" in node}
    query_of_functions = (
        "SELECT lower(function_name), function_type, stability, internal FROM duckdb_functions() "
        "WHERE lower(function_name) IN (SELECT unnest(?))"
    )
    calls = {
        str(node["function"]["function_name"]).lower()
        for node in nodes
        if node.get("type") == "TABLE_FUNCTION"
    }
    for name in calls - _TABLE_FUNCTIONS:
        raise _refusal(f"the function {name}")
    known = connection.execute(query_of_functions, [sorted(names)]).fetchall()
    for name, kind, stability, is_internal in known:
        if not is_internal or (
            kind == "scalar" and stability == "VOLATILE" and name not in _VOLATILE
        ):
            raise _refusal(f"the function {name}")
    if any(str(node.get("type")).endswith("_QUERY_NODE") for node in nodes):
        raise _refusal("a statement that writes within it")
    _check_tables(connection, nodes)


def _check_tables(connection: Any, nodes: Sequence[dict[str, Any]]) -> None:
    """Refuse the names of files and of variables of the program, which can stand for tables."""
    common = {str(node["key"]).lower() for node in nodes if "key" in node and "value" in node}
    known = connection.execute(
        "SELECT lower(table_name) FROM duckdb_tables() UNION ALL "
        "SELECT lower(view_name) FROM duckdb_views() WHERE internal OR view_name IN "
        "(SELECT unnest(?))",
        [[VIEW]],
    ).fetchall()
    allowed = common | {name for (name,) in known}
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            name = str(node["table_name"])
            # What is in no schema of the store is not there: DuckDB says so itself.
            if name.lower() not in allowed:
                raise _refusal(f"{name!r}, which is not a table of the store")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a document."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def _refusal(what: str) -> StoreError:
    return StoreError(f"{REFUSED}; got one with {what}")
