"""PostgreSQL, the engine of a store that many machines share.

It has the methods of `persist.tracking.engine.Connection`, over SQLAlchemy core and psycopg.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import struct
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from persist.errors import LockTimeout
from persist.tracking.artifact_files import ArtifactFiles, LocalArtifactFiles, RemoteArtifactFiles
from persist.tracking.database import Database
from persist.tracking.errors import ArgumentError, StoreError, constraint_error
from persist.tracking.optional import import_optional
from persist.tracking.schema import (
    ALL_TABLES,
    INDEXES,
    NATURAL_KEY,
    PENDING,
    TABLES,
    mean,
    table_ddl,
    view_ddl,
)
from persist.tracking.statements import REFUSED, Dialect, Rows, Statement, Transactional
from persist.urls import is_url, without_password

__all__ = ["PostgresConnection", "PostgresDatabase"]

_OLDEST = 15  # the first version with NULLS NOT DISTINCT
_DRIVER = "postgresql+psycopg"
_SETTINGS = "persist.settings"
_WRITERS = 0x70657273697374  # the key of the lock of the one who writes: "persist"
_CONNECT = 10  # s, for a server that is busy, however short one may wait for other writers
_SECRET = ("password", "sslpassword")  # options of libpq
# PostgreSQL marks those as volatile that do something; these only return other values each time.
_VOLATILE = ("clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday", "uuidv7")
_OF_FILES = {"pg_file_settings", "pg_hba_file_rules", "pg_ident_file_mappings"}
_QUERY = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE | re.DOTALL
)
# What a question mark can be in without being that of a value.
_TOKEN = re.compile(
    r"""(?:\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/"""
    r"""|\$(\w*)\$.*?\$\1\$)|(\?)|(%)""",
    re.IGNORECASE | re.DOTALL,
)

_TYPES = {
    # DuckDB compares the bytes of text, whatever the language of the server.
    "VARCHAR": 'text COLLATE "C"',
    "DOUBLE": "double precision",
    "DOUBLE[]": "double precision[]",
}


class PostgresConnection(Transactional):
    """An open database: its URL without a password, and a connection of SQLAlchemy.

    That commits each statement which is not in a transaction.
    """

    dialect = Dialect(
        like="LIKE ? ESCAPE ''",
        dataset_names="SELECT coalesce(entry->>'name', entry #>> '{}') AS name FROM "
        # It looks at no JSON that has a NUL character, with which no text here can be compared.
        "json_array_elements(CASE WHEN json_typeof(datasets) = 'array' AND "
        "strpos(datasets::text, '\\u0000') = 0 THEN datasets ELSE '[]' END) AS entry",
        checksum="bit_xor(hashtextextended(t::text, 0))",
        rowid=None,
    )
    deletes_together = True
    _reading = "ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, path: str, raw: Any) -> None:
        self._path = path
        self._raw = raw

    def close(self) -> None:
        """Close the connection, which ends its transaction and releases its lock."""
        self._raw.close()

    def rows(self, statement: Statement) -> Rows:
        """Return the rows of a statement."""
        result = self._execute(statement.text, statement.values)
        return [tuple(row) for row in result]

    def arrow(self, statement: Statement) -> Any:
        """Return the rows of a statement as a pyarrow.Table."""
        return _as_arrow(self._execute(statement.text, statement.values))

    def _checked(self, text: str) -> str:
        if not _QUERY.match(text):
            raise StoreError(f"{REFUSED}; got {text.strip()[:40] or 'nothing'}")
        self._check_calls(text)
        if self.is_in_transaction:
            self._execute("SET TRANSACTION READ ONLY")
        return text

    def _check_calls(self, text: str) -> None:
        """Refuse SQL with the name of a function that reads files, waits, or has other effects.

        A superuser may call it in a transaction that cannot write, too. Every word may be its name,
        as comments and quotes can hide what is a call.
        """
        words = {word.lower() for word in re.findall(r"[^\W\d][\w$]*", text)}
        known = Statement(
            "SELECT proname::text FROM pg_proc WHERE provolatile = 'v' "
            "AND proname::text <> ALL(?::VARCHAR[]) AND proname::text = ANY(?::VARCHAR[]) "
            "ORDER BY 1",
            [list(_VOLATILE), sorted(words)],
        )
        found = [name for (name,) in self.rows(known)] + sorted(words & _OF_FILES)
        if re.search('U&"', text, re.IGNORECASE):
            found.append("an escaped name")
        if found:
            raise StoreError(f"{REFUSED}; got one with {found[0]}")

    def rollback(self) -> None:
        """Undo the transaction, as the server does by itself if the connection is lost."""
        if not self.is_lost:
            super().rollback()

    @property
    def is_lost(self) -> bool:
        """Whether the server has closed the connection."""
        return bool(self._raw.invalidated)

    def insert(self, table: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows; see `persist.tracking.engine.Connection.insert`."""
        columns = ALL_TABLES[table].columns
        names = ", ".join(f'"{column.name}"' for column in columns)
        text = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
        if conflict:
            key = ALL_TABLES[table].key
            changed = ", ".join(f'"{c.name}" = EXCLUDED."{c.name}"' for c in columns)
            action = "NOTHING" if conflict == "OR IGNORE" else f"UPDATE SET {changed}"
            text += f" ON CONFLICT ({key}) DO {action}"
        self._execute(text, [*map(tuple, rows)], many=True)

    def has_table(self, name: str) -> bool:
        """Return True if a table of persist's own was created: all are, but for one of DuckDB."""
        return name != PENDING

    def has_schema(self) -> bool:
        """Return True if the tables exist, which are created together."""
        [(found,)] = self.rows(Statement("SELECT to_regclass(?) IS NOT NULL", [_SETTINGS]))
        return bool(found)

    def create_schema(self) -> None:
        """Create the tables, indexes and the view."""
        with self.transaction():
            self._execute("CREATE SCHEMA IF NOT EXISTS persist")
            for table in ALL_TABLES.values():
                if table.name != PENDING:
                    self._execute(table_ddl(table, _TYPES))
            for name, target in INDEXES.items():
                self._execute(f"CREATE INDEX {name} ON {target}")
            self._execute(f"{NATURAL_KEY} NULLS NOT DISTINCT")
            self._execute(view_ddl("c.branch_path::text", mean))
            self._execute(f"CREATE TABLE {_SETTINGS} (name text PRIMARY KEY, value text NOT NULL)")

    def setting(self, name: str) -> str | None:
        """Return what was recorded for all who open the database; None if nothing was."""
        found = self.rows(Statement(f"SELECT value FROM {_SETTINGS} WHERE name = ?", [name]))
        return str(found[0][0]) if found else None

    def record_setting(self, name: str, value: str) -> None:
        """Record something for all who open the database, unless it was."""
        self._execute(
            f"INSERT INTO {_SETTINGS} VALUES (?, ?) ON CONFLICT DO NOTHING", [name, value]
        )

    def vacuum(self) -> None:
        """Give free space in the tables back to use, as far as PostgreSQL does."""
        for name in TABLES:
            self._execute(f"VACUUM {name}")

    def lock(self, timeout: float) -> None:
        """Wait until nobody else writes, in the order in which all came.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        lock = Statement(f"SELECT pg_try_advisory_lock({_WRITERS})")
        if self.rows(lock) == [(True,)]:
            return
        self._execute(f"SET lock_timeout = {max(1, round(timeout * 1000))}")
        try:
            self._execute(f"SELECT pg_advisory_lock({_WRITERS})")
        except StoreError as error:
            reason = getattr(error.__cause__, "orig", None)
            if not isinstance(reason, import_optional("psycopg.errors").LockNotAvailable):
                raise
            self._execute("SET lock_timeout = DEFAULT")
            raise LockTimeout(self._path, None, None, timeout) from error
        self._execute("SET lock_timeout = DEFAULT")

    def unlock(self) -> None:
        """Release the lock, so that the next one can write."""
        self._execute(f"SELECT pg_advisory_unlock({_WRITERS})")

    def _execute(self, text: str, values: Sequence[Any] = (), *, many: bool = False) -> Any:
        """Run a statement, or run it for each of several tuples of values."""
        try:
            return self._raw.exec_driver_sql(_as_driver(text), values if many else tuple(values))
        except UnicodeEncodeError as error:
            raise ArgumentError(f"cannot send text to {self._path}: {error}") from error
        except import_optional("sqlalchemy.exc").SQLAlchemyError as error:
            raise _translated(self._path, error, self.is_lost) from error


class PostgresDatabase(Database):
    """A database on a server: any number of processes read while one of them writes."""

    dialect = PostgresConnection.dialect

    def __init__(self, path: str, url: Any) -> None:
        super().__init__(path)
        self._url = url
        self._artifacts: tuple[str | None, Mapping[str, Any] | None] = (None, None)

    @classmethod
    def of(
        cls,
        location: str,
        artifacts: str | os.PathLike[str] | None,
        storage_options: Mapping[str, Any] | None,
    ) -> PostgresDatabase:
        """Return the database of a URL: one object for each.

        One that this process has open needs no password.
        """
        url, path = _parsed(location)
        place = None
        if artifacts is not None:
            place = str(artifacts).rstrip("/") if is_url(artifacts) else os.path.abspath(artifacts)
        with cls._all_lock:
            found = cls._all.get(path)
            if not isinstance(found, cls) or not found.admits(url.password):
                found = cls._all[path] = cls(path, url)
            if place is not None:
                found.keep_artifacts(place, storage_options)
            return found

    def admits(self, password: str | None) -> bool:
        """Return True if no password is given, or that with which this database is open."""
        return password in (None, self._url.password)

    def keep_artifacts(self, place: str, storage_options: Mapping[str, Any] | None) -> None:
        """Name the place of the artifacts, or raise ArgumentError if they are in another one."""
        known, _ = self._artifacts
        if known not in (None, place):
            raise ArgumentError(
                f"cannot open {self.path} with artifacts in {without_password(place)}: this "
                f"process has it open with those in {without_password(str(known))}; close that "
                "store first"
            )
        self._artifacts = (place, storage_options)

    def prepare(self, timeout: float) -> None:
        """Create the tables that are missing, and find the artifacts.

        Raises
        ------
        ArgumentError
            If no place for artifacts is known.
        """
        place, options = self._artifacts
        connection: Any
        with self.reading(timeout) as connection:
            exists = connection.has_schema()
            recorded = connection.setting("artifacts") if exists else None
        place = place or recorded
        if place is None:
            raise ArgumentError(
                f"cannot open {self.path}: it has no place for artifacts yet; give artifacts, a "
                "folder that all machines share or a URL such as s3://bucket/runs"
            )
        if recorded is None:
            with self._mutex, self._opened(True, timeout) as connection:
                # Somebody may have been faster.
                if not connection.has_schema():
                    connection.create_schema()
                connection.record_setting("artifacts", without_password(place))
        self._artifacts = (place, options)
        self.files: ArtifactFiles = (
            RemoteArtifactFiles(place, options)
            if is_url(place)
            else LocalArtifactFiles(Path(place), is_shared=True)
        )

    def start_anew(self) -> None:
        """Forget, in a child process, what its parent had open."""
        if self._closer is not None:
            self._closer.detach()
        super().start_anew()

    def _reset(self) -> None:
        super()._reset()
        self._closer: weakref.finalize[Any, Any] | None = None

    @contextlib.contextmanager
    def _opened(self, writes: bool, timeout: float) -> Iterator[Any]:
        """Context manager that connects; the caller must hold the mutex."""
        try:
            connection = self._begun(writes, timeout)
            self._is_open = True
            yield connection
            if writes:
                connection.unlock()
            else:
                connection.rollback()
        except BaseException:
            self._close()
            raise
        finally:
            self._is_open = False

    def _begun(self, writes: bool, timeout: float) -> PostgresConnection:
        """Return a connection that has the lock, or a transaction that reads."""
        while True:
            is_new = self._connection is None
            if is_new:
                self._connection = self._connect(timeout)
            connection: PostgresConnection = self._connection
            try:
                if writes:
                    connection.lock(timeout)
                else:
                    connection.begin_reading()
            except StoreError:
                # A server, or what is between, may have closed one that was idle.
                if is_new or not connection.is_lost:
                    raise
                self._close()
            else:
                return connection

    def _connect(self, timeout: float) -> PostgresConnection:
        sqlalchemy = import_optional("sqlalchemy")
        import_optional("psycopg")
        engine = sqlalchemy.create_engine(
            self._url,
            isolation_level="AUTOCOMMIT",
            poolclass=sqlalchemy.NullPool,
            connect_args={
                "application_name": "persist",
                "client_encoding": "utf8",
                "connect_timeout": max(_CONNECT, math.ceil(min(timeout, 1e6))),
                "cursor_factory": _cursor_class(),
            },
        )
        sqlalchemy.event.listen(engine, "connect", _prepare_connection)
        try:
            raw = engine.connect()
        except sqlalchemy.exc.SQLAlchemyError as error:
            # Not from that error, which holds what the driver was called with.
            reason = str(getattr(error, "orig", error))
            if self._url.password:
                reason = reason.replace(str(self._url.password), "***")
            raise StoreError(f"cannot connect to {self.path}: {reason}") from None
        try:
            (version,) = raw.dialect.server_version_info[:1]
            if version < _OLDEST:
                raise StoreError(
                    f"cannot use {self.path}: PostgreSQL {_OLDEST} or later is needed, and it is "
                    f"{version}"
                )
        except BaseException:
            raw.close()
            raise
        self._closer = weakref.finalize(self, raw.close)
        return PostgresConnection(self.path, raw)

    def _close(self) -> None:
        if self._closer is not None:
            self._closer.detach()
            self._closer = None
        super()._close()


def _parsed(location: str) -> tuple[Any, str]:
    """Return the URL of a database as SQLAlchemy has it, and as text without its password."""
    sqlalchemy = import_optional("sqlalchemy")
    wanted = "give one such as postgresql+psycopg://host/database"
    try:
        url = sqlalchemy.make_url(location)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise ArgumentError(
            f"cannot read the URL {without_password(location)} of a database; {wanted}"
        ) from None
    if url.drivername not in ("postgresql", _DRIVER):
        raise ArgumentError(
            f"cannot open {without_password(location)}: a store is a folder or in PostgreSQL; "
            f"{wanted}"
        )
    if "@" in (url.host or ""):
        raise ArgumentError(
            f"cannot read the URL {without_password(location)} of a database: its password has an "
            "@; write %40 in its place"
        )
    url = url.set(drivername=_DRIVER)
    secret = url.query.get("password")
    if isinstance(secret, str):
        url = url.difference_update_query(["password"]).set(password=url.password or secret)
    # The method set leaves alone what it is to set to None.
    shown = sqlalchemy.URL.create(
        url.drivername, url.username, None, url.host, url.port, url.database, url.query
    ).difference_update_query(_SECRET)
    return url, shown.render_as_string(hide_password=False)


@functools.lru_cache(maxsize=512)
def _as_driver(text: str) -> str:
    """Return SQL whose question marks are those of psycopg."""

    def replaced(match: re.Match[str]) -> str:
        if match[2]:
            return "%s"
        return match[0].replace("%", "%%")

    return _TOKEN.sub(replaced, text)


def _translated(path: str, error: Any, is_lost: bool) -> Exception:
    """Return the error of persist for one of SQLAlchemy."""
    reason = getattr(error, "orig", error)
    text = str(reason).strip()
    if is_lost:
        # Later statements of a batch fail with what SQLAlchemy has to say.
        why = f": {text}" if hasattr(error, "orig") else ""
        return StoreError(f"lost the connection to {path}{why}; call again, which connects anew")
    if isinstance(reason, import_optional("psycopg.errors").IntegrityError):
        return constraint_error(text)
    if isinstance(reason, import_optional("psycopg.errors").DataError) and "NUL" in text:
        return ArgumentError(f"cannot store text in {path}: it has a NUL character ({text})")
    return StoreError(f"{path} refused a statement: {text}")


@functools.lru_cache(maxsize=1)
def _cursor_class() -> type:
    """Return a class of cursors that read binary values, by a protocol for one statement."""
    psycopg = import_optional("psycopg")

    class BinaryCursor(psycopg.Cursor):  # type: ignore[misc, name-defined]
        def __init__(self, connection: Any, **options: Any) -> None:
            super().__init__(connection, **options)
            self.format = psycopg.pq.Format.BINARY

    return BinaryCursor


_HEADER = struct.Struct(">iiI")  # dimensions, whether there are nulls, type of the elements
_DIMENSION = struct.Struct(">ii")  # length, lower bound
_FLOAT8, _INT4, _FLOAT8S, _INT4S = 701, 23, 1022, 1007
_ELEMENTS = {
    _FLOAT8: numpy.dtype([("size", ">i4"), ("value", ">f8")]),
    _INT4: numpy.dtype([("size", ">i4"), ("value", ">i4")]),
}


@functools.lru_cache(maxsize=1)
def _array_adapters() -> tuple[type, type]:
    """Return classes that pass arrays as PostgreSQL sends and receives them.

    psycopg takes thirty times as long, as it passes each number by itself.

    References
    ----------
    PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_send.
    """
    psycopg = import_optional("psycopg")
    array = import_optional("psycopg.types.array")

    class ArrayDumper(psycopg.adapt.Dumper):  # type: ignore[misc, name-defined]
        format = psycopg.pq.Format.BINARY
        oid = _FLOAT8S

        def get_key(self, obj: Any, format: Any) -> Any:
            return (self.cls, obj.dtype.kind)

        def upgrade(self, obj: Any, format: Any) -> Any:
            dumper = type(self)(self.cls)
            dumper.oid = _INT4S if obj.dtype.kind == "i" else _FLOAT8S
            return dumper

        def dump(self, obj: Any) -> bytes:
            oid = _INT4 if self.oid == _INT4S else _FLOAT8
            if not len(obj):
                return _HEADER.pack(0, 0, oid)
            elements = numpy.empty(len(obj), _ELEMENTS[oid])
            elements["size"] = elements.dtype["value"].itemsize
            elements["value"] = obj
            return _HEADER.pack(1, 0, oid) + _DIMENSION.pack(len(obj), 1) + elements.tobytes()

    class ArrayLoader(array.ArrayBinaryLoader):  # type: ignore[misc, name-defined]
        def load(self, data: Any) -> Any:
            dimensions, has_nulls, oid = _HEADER.unpack_from(data)
            if has_nulls or dimensions > 1:
                return super().load(data)
            content = bytes(data)[_HEADER.size + _DIMENSION.size :] if dimensions else b""
            values = numpy.frombuffer(content, _ELEMENTS[oid])["value"]
            return values.astype(values.dtype.newbyteorder("="))

    return ArrayDumper, ArrayLoader


def _prepare_connection(connection: Any, record: object) -> None:
    """Teach a connection of psycopg to pass arrays whole, and to return JSON as text."""
    dumper, loader = _array_adapters()
    connection.adapters.register_dumper(numpy.ndarray, dumper)
    for oid in (_FLOAT8S, _INT4S):
        connection.adapters.register_loader(oid, loader)
    import_optional("psycopg.types.json").set_json_loads(bytes.decode, connection)
    connection.autocommit = True
    connection.execute("SET TIME ZONE 'UTC'")


def _as_arrow(result: Any) -> Any:
    """Return the rows of a result as a pyarrow.Table, with the types of the server."""
    pa = import_optional("pyarrow")
    types = {
        16: pa.bool_(),
        20: pa.int64(),
        21: pa.int16(),
        23: pa.int32(),
        700: pa.float32(),
        701: pa.float64(),
        1082: pa.date32(),
        1114: pa.timestamp("us"),
        1184: pa.timestamp("us", tz="UTC"),
        _INT4S: pa.list_(pa.int32()),
        _FLOAT8S: pa.list_(pa.float64()),
        **dict.fromkeys((18, 19, 25, 114, 1042, 1043), pa.string()),
        **dict.fromkeys((1009, 1015), pa.list_(pa.string())),
    }
    description = result.cursor.description
    rows = result.fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(description)
    arrays = [
        pa.array(values, types.get(column.type_code))
        for column, values in zip(description, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, [column.name for column in description])
