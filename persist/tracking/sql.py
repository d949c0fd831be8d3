"""SQL of the user's own, which reads, and only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persist.tracking.base import OpenStore
from persist.tracking.errors import StoreError
from persist.tracking.frames import check_engine, to_frame
from persist.tracking.optional import import_duckdb

__all__ = ["Sql"]


class Sql(OpenStore):
    """The part of a store that takes SQL; see `WorkspaceStore`."""

    def sql(self, query: str, parameters: Sequence[Any] = (), *, engine: str | None = None) -> Any:
        """Return the rows of one SELECT statement.

        The database is open for reading only, and no statement reaches any other file.

        Parameters
        ----------
        query : str
            DuckDB's SQL, with question marks for values.
        parameters : sequence, optional
            What the question marks stand for.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return, instead of what the store was made with.

        Raises
        ------
        StoreError
            If it is anything but one statement that reads.
        duckdb.Error
            If DuckDB refuses it.
        """
        chosen = self._engine if engine is None else check_engine(engine)
        with self._database.reading_only(self._timeout) as (connection, can_write):
            statements = connection.extract_statements(query)
            kinds = [statement.type.name for statement in statements]
            if kinds != ["SELECT"]:
                found = ", ".join(kinds) or "nothing"
                raise StoreError(f"sql takes one SELECT statement, which only reads; got {found}")
            text = statements[0].query.strip().rstrip(";")
            if can_write:
                _check_reads(connection, text, parameters)
            return to_frame(connection, text, parameters, chosen)


def _check_reads(connection: Any, query: str, parameters: Sequence[Any]) -> None:
    """Refuse a statement that changes something, as one that begins with WITH can.

    Such a statement cannot stand within another, where one that reads can.
    """
    duckdb = import_duckdb()
    try:
        connection.execute(f"EXPLAIN SELECT * FROM ({query}\n)", list(parameters))
    except (duckdb.BinderException, duckdb.ParserException) as error:
        raise StoreError(f"sql takes one SELECT statement, which only reads: {error}") from error
