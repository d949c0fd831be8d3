"""Results of queries as frames of polars, pandas or Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persist.tracking.optional import import_pandas, import_polars, import_pyarrow

__all__ = ["ENGINES", "check_engine", "to_frame"]

ENGINES = ("polars", "pandas", "arrow")
"""What a frame can be made for."""


def check_engine(engine: str) -> str:
    """Return `engine`, or raise ValueError if it is none of `ENGINES`."""
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    return engine


def to_frame(connection: Any, query: str, values: Sequence[Any], engine: str) -> Any:
    """Run a query, and return its rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        A database.
    query : str
        One statement that returns rows.
    values : sequence
        What its question marks stand for.
    engine : {'polars', 'pandas', 'arrow'}
        Whether to return a polars.DataFrame, a pandas.DataFrame or a pyarrow.Table.
    """
    import_pyarrow()
    table = connection.sql(query, params=list(values)).to_arrow_table()
    if engine == "arrow":
        return table
    if engine == "pandas":
        import_pandas()
        return table.to_pandas()
    return import_polars().from_arrow(table)
