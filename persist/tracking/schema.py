"""The tables, indexes and view of a store.

Those in DuckDB are those of nirs4all 0.7.1: either opens what the other has written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from persist.tracking.columns import TABLES, Column, Table
from persist.tracking.optional import import_optional

__all__ = [
    "INDEXES",
    "INDEX_DDL",
    "NATURAL_KEY",
    "SCHEMA_DDL",
    "TABLE_NAMES",
    "VIEW",
    "VIEW_DDL",
    "column_ddl",
    "create_schema",
    "has_schema",
    "view_ddl",
]

TABLE_NAMES = list(TABLES)
"""The names of the seven tables."""

VIEW = "v_aggregated_predictions"
"""The name of the view of predictions by chain."""

_IS_FOLD = "p.fold_id NOT IN ('avg', 'w_avg')"

INDEXES = {
    "idx_pipelines_run_id": "pipelines(run_id)",
    "idx_pipelines_dataset": "pipelines(dataset_name)",
    "idx_chains_pipeline_id": "chains(pipeline_id)",
    "idx_predictions_pipeline_id": "predictions(pipeline_id)",
    "idx_predictions_chain_id": "predictions(chain_id)",
    "idx_predictions_dataset": "predictions(dataset_name)",
    "idx_predictions_val_score": "predictions(val_score)",
    "idx_predictions_partition": 'predictions("partition")',
    "idx_logs_pipeline_id": "logs(pipeline_id)",
    "idx_artifacts_content_hash": "artifacts(content_hash)",
    "idx_artifacts_cache_key": "artifacts(chain_path_hash, input_data_hash)",
    "idx_artifacts_dataset_hash": "artifacts(dataset_hash)",
}
"""What the indexes cover, by their names."""

NATURAL_KEY = (
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_predictions_natural_key_v2 ON predictions"
    '(pipeline_id, chain_id, fold_id, "partition", model_name, branch_id)'
)
"""The statement that makes the index which keeps predictions apart."""

_OF_CHAIN = (
    *("pl.run_id", "c.pipeline_id", "c.chain_id", "c.model_class", "c.model_step_idx"),
    *("c.preprocessings", "c.branch_path", "c.source_index"),
    *("p.model_name", "p.metric", "p.dataset_name"),
)


def column_ddl(column: Column, is_key: bool, type: str | None = None) -> str:
    """Return SQL that declares a column, of its type in DuckDB by default."""
    words = [f'"{column.name}"', type or column.type]
    if is_key:
        words.append("PRIMARY KEY")
    if column.required:
        words.append("NOT NULL")
    if column.default is not None:
        words.append(f"DEFAULT {column.default}")
    if column.refers_to is not None:
        words.append(f"REFERENCES {column.refers_to}({TABLES[column.refers_to].key})")
    return " ".join(words)


def _table_ddl(table: Table) -> str:
    columns = ", ".join(column_ddl(c, c.name == table.key) for c in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({columns})"


def view_ddl(branch_path: str = "c.branch_path") -> str:
    """Return the statement that makes the view, which groups by the SQL for a path."""
    of_chain = [branch_path if name == "c.branch_path" else name for name in _OF_CHAIN]
    shown = [
        f"{sql} AS branch_path" if name == "c.branch_path" and sql != name else sql
        for name, sql in zip(_OF_CHAIN, of_chain, strict=True)
    ]
    # The means over folds that some record as a fold more are none; alone, they are all there is.
    scores = ", ".join(
        f"coalesce({function}(p.{score}) FILTER (WHERE {_IS_FOLD}), {function}(p.{score})) "
        f"AS {function}_{score}"
        for score in ("val_score", "test_score", "train_score")
        for function in ("min", "max", "avg")
    )
    return (
        f"CREATE OR REPLACE VIEW {VIEW} AS SELECT {', '.join(shown)}, "
        f"count(DISTINCT p.fold_id) FILTER (WHERE {_IS_FOLD}) AS fold_count, "
        'count(DISTINCT p."partition") AS partition_count, '
        f'array_agg(DISTINCT p."partition" ORDER BY p."partition") AS partitions, {scores}, '
        'array_agg(p.prediction_id ORDER BY p."partition", p.fold_id) AS prediction_ids, '
        'array_agg(p.fold_id ORDER BY p."partition", p.fold_id) AS fold_ids '
        "FROM predictions p JOIN chains c ON p.chain_id = c.chain_id "
        "JOIN pipelines pl ON c.pipeline_id = pl.pipeline_id "
        f"WHERE p.refit_context IS NULL GROUP BY {', '.join(of_chain)}"
    )


SCHEMA_DDL = ";\n".join(map(_table_ddl, TABLES.values())) + ";"
"""The statements that make the tables."""

INDEX_DDL = "".join(
    f"CREATE INDEX IF NOT EXISTS {name} ON {target};\n" for name, target in INDEXES.items()
)
"""The statements that make the indexes, but for that which keeps predictions apart."""

VIEW_DDL = view_ddl() + ";"
"""The statement that makes the view of predictions by chain."""


def create_schema(conn: Any) -> None:
    """Make the tables, columns, indexes and the view that a database does not have yet.

    No row is deleted or changed. Where an older release has recorded the same prediction twice,
    the index that would keep them apart is left out. The connection of duckdb is open for writing.
    """
    with _transaction(conn):
        conn.execute(SCHEMA_DDL)
    # DuckDB adds no column to a table in the transaction that made its index.
    with _transaction(conn):
        known = _columns(conn)
        for table in TABLES.values():
            for column in table.columns:
                if column.added and (table.name, column.name) not in known:
                    conn.execute(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}")
    with _transaction(conn):
        conn.execute(INDEX_DDL)
        conn.execute(VIEW_DDL)
    try:
        conn.execute(NATURAL_KEY)
    except import_optional("duckdb").ConstraintException:
        return


def has_schema(conn: Any) -> bool:
    """Return True if a database has all that `create_schema` makes, but for indexes."""
    wanted = {(t.name, c.name) for t in TABLES.values() for c in t.columns}
    views = conn.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [VIEW]).fetchall()
    # That of other releases counts a mean over folds as a fold.
    return wanted <= _columns(conn) and any("FILTER" in sql.upper() for (sql,) in views)


@contextlib.contextmanager
def _transaction(conn: Any) -> Iterator[None]:
    conn.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        conn.execute("ROLLBACK")
        raise
    conn.execute("COMMIT")


def _columns(conn: Any) -> set[tuple[str, str]]:
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    return set(conn.execute(query).fetchall())
