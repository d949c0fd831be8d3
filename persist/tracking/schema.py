"""The tables, indexes and view of a store, and what each column takes.

Those in DuckDB are those of nirs4all 0.7.1: either opens what the other has written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy

__all__ = [
    "ALL_TABLES",
    "INDEXES",
    "INDEX_DDL",
    "IS_FOLD",
    "LABELS",
    "METRICS",
    "NATURAL_KEY",
    "ORIGINS",
    "PARENTS",
    "PENDING",
    "SCHEMA_DDL",
    "TABLES",
    "TABLE_NAMES",
    "VIEW",
    "VIEW_DDL",
    "Column",
    "Table",
    "mean",
    "table_ddl",
    "view_ddl",
]

LABELS = "persist.prediction_labels"
"""The table with what the arrays of a prediction mean: labels of codes, names of samples."""

METRICS = "persist.metrics"
"""The table with the direction of metrics whose name does not tell it."""

PENDING = "persist.pending"
"""The table with what is to be done in several transactions."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    type : str
        Its DuckDB type.
    required : bool
        Whether it takes no null.
    default : str or None
        SQL for its default.
    refers_to : str or None
        The table of whose rows it holds ids.
    added : bool
        Whether releases before 0.7.1 did not have it.
    """

    name: str
    type: str = "VARCHAR"
    required: bool = False
    default: str | None = None
    refers_to: str | None = None
    added: bool = False

    @property
    def dtype(self) -> numpy.dtype[Any] | None:
        """The type of its arrays; None if it holds none."""
        names = {"DOUBLE[]": "float64", "INTEGER[]": "int32"}
        return numpy.dtype(names[self.type]) if self.type in names else None


@dataclass(frozen=True)
class Table:
    """A table with its columns in order, the first of which is its primary key."""

    name: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> str:
        """The name of the primary key."""
        return self.columns[0].name

    @property
    def json_columns(self) -> list[str]:
        """The names of the columns that hold JSON."""
        return [column.name for column in self.columns if column.type == "JSON"]

    @property
    def times(self) -> list[str]:
        """The names of the columns that hold times."""
        return [column.name for column in self.columns if column.type == "TIMESTAMP"]

    def column(self, name: str) -> Column:
        """Return the column of a name."""
        return next(column for column in self.columns if column.name == name)


_NOW = "current_timestamp"


def _table(name: str, *columns: Column, dated: bool = True) -> Table:
    dates = (Column("created_at", "TIMESTAMP", default=_NOW),) if dated else ()
    return Table(name, columns + dates)


def _named(*names: str, type: str = "VARCHAR", required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, type, required) for name in names)


# In the order in which rows can be inserted: what is referred to comes first.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "runs",
            (
                Column("run_id"),
                Column("name", required=True),
                *_named("config", "datasets", type="JSON"),
                Column("status", default="'running'"),
                Column("created_at", "TIMESTAMP", default=_NOW),
                Column("completed_at", "TIMESTAMP"),
                Column("summary", "JSON"),
                Column("error"),
            ),
        ),
        Table(
            "pipelines",
            (
                Column("pipeline_id"),
                Column("run_id", required=True, refers_to="runs"),
                Column("name", required=True),
                *_named("expanded_config", "generator_choices", type="JSON"),
                Column("dataset_name", required=True),
                Column("dataset_hash"),
                Column("status", default="'running'"),
                Column("created_at", "TIMESTAMP", default=_NOW),
                Column("completed_at", "TIMESTAMP"),
                *_named("best_val", "best_test", type="DOUBLE"),
                Column("metric"),
                Column("duration_ms", "INTEGER"),
                Column("error"),
            ),
        ),
        _table(
            "chains",
            Column("chain_id"),
            Column("pipeline_id", required=True, refers_to="pipelines"),
            Column("steps", "JSON", required=True),
            Column("model_step_idx", "INTEGER", required=True),
            Column("model_class", required=True),
            Column("preprocessings", default="''"),
            Column("fold_strategy", default="'per_fold'"),
            *_named("fold_artifacts", "shared_artifacts", "branch_path", type="JSON"),
            Column("source_index", "INTEGER"),
        ),
        _table(
            "predictions",
            Column("prediction_id"),
            Column("pipeline_id", required=True, refers_to="pipelines"),
            Column("chain_id", refers_to="chains"),
            *_named("dataset_name", "model_name", "model_class", required=True),
            *_named("fold_id", "partition", required=True),
            *_named("val_score", "test_score", "train_score", type="DOUBLE"),
            *_named("metric", "task_type", required=True),
            *_named("n_samples", "n_features", type="INTEGER"),
            *_named("scores", "best_params", type="JSON"),
            Column("preprocessings", default="''"),
            Column("branch_id", "INTEGER"),
            Column("branch_name"),
            Column("exclusion_count", "INTEGER", default="0"),
            Column("exclusion_rate", "DOUBLE", default="0.0"),
            Column("refit_context", default="NULL", added=True),
        ),
        _table(
            "prediction_arrays",
            Column("prediction_id", refers_to="predictions"),
            *_named("y_true", "y_pred", "y_proba", type="DOUBLE[]"),
            Column("sample_indices", "INTEGER[]"),
            Column("weights", "DOUBLE[]"),
            dated=False,
        ),
        _table(
            "artifacts",
            Column("artifact_id"),
            *_named("artifact_path", "content_hash", required=True),
            *_named("operator_class", "artifact_type"),
            Column("format", default="'joblib'"),
            Column("size_bytes", "BIGINT"),
            Column("ref_count", "INTEGER", default="1"),
            Column("chain_path_hash", added=True),
            Column("input_data_hash", added=True),
            Column("dataset_hash", added=True),
        ),
        _table(
            "logs",
            Column("log_id"),
            Column("pipeline_id", required=True, refers_to="pipelines"),
            Column("step_idx", "INTEGER", required=True),
            Column("operator_class"),
            Column("event", required=True),
            Column("duration_ms", "INTEGER"),
            Column("message"),
            Column("details", "JSON"),
            Column("level", default="'info'"),
        ),
    )
}
"""The tables by name."""

ALL_TABLES: dict[str, Table] = {
    **TABLES,
    # Of persist alone, made when they are first used, so that a store has otherwise the tables of
    # nirs4all. They refer to no other, so that nirs4all may delete what it likes.
    LABELS: Table(LABELS, (Column("prediction_id"), Column("document", "JSON", required=True))),
    METRICS: Table(METRICS, (Column("metric"), Column("greater_is_better", "BOOLEAN", True))),
    PENDING: Table(PENDING, (Column("number", "BIGINT"), Column("content", "VARCHAR", True))),
}
"""The tables by name, those in the schema ``persist`` included."""

PARENTS: dict[str, list[tuple[int, str, str]]] = {
    name: [(n, c.name, c.refers_to) for n, c in enumerate(table.columns) if c.refers_to is not None]
    for name, table in ALL_TABLES.items()
}
"""The columns of each table that refer to another: their place, their name, and to which."""

# The rows of a pipeline were written by whoever wrote that: ids of predictions may be given.
ORIGINS = {"predictions": "pipeline_id"}
"""The column whose id tells in which zone the times of a row are, if it is not the key."""

TABLE_NAMES = list(TABLES)
"""The names of the seven tables."""

VIEW = "v_aggregated_predictions"
"""The name of the view of predictions by chain."""

IS_FOLD = "p.fold_id NOT IN ('avg', 'w_avg')"
"""The test that a prediction ``p`` is of one fold."""

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


def table_ddl(table: Table, types: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the statement that makes a table; `types` are those of a database by DuckDB's."""
    columns = []
    for column in table.columns:
        words = [f'"{column.name}"', types.get(column.type, column.type)]
        if column.name == table.key:
            words.append("PRIMARY KEY")
        if column.required:
            words.append("NOT NULL")
        if column.default is not None:
            words.append(f"DEFAULT {column.default}")
        if column.refers_to is not None:
            words.append(f"REFERENCES {column.refers_to}({TABLES[column.refers_to].key})")
        columns.append(" ".join(words))
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(columns)})"


def mean(column: str, where: str = "true") -> str:
    """Return SQL for the mean of some rows of a group.

    PostgreSQL has no avg of numbers whose squares, or whose sum, are too large for it.
    """
    rows, scale = f"FILTER (WHERE {where})", "'0.0009765625'::FLOAT8"  # a power of two, as exact
    return f"(sum({column} * {scale}) {rows} / count({column}) {rows} / {scale})"


def view_ddl(branch_path: str = "c.branch_path", average: Callable[..., str] | None = None) -> str:
    """Return the statement that makes the view.

    It groups by the SQL for a path; `average` returns that for means, those of DuckDB by default.
    """
    of_chain = [branch_path if name == "c.branch_path" else name for name in _OF_CHAIN]
    shown = [
        f"{sql} AS branch_path" if name == "c.branch_path" and sql != name else sql
        for name, sql in zip(_OF_CHAIN, of_chain, strict=True)
    ]
    # The means over folds that some record as a fold more are none; alone, they are all there is.
    scores = ", ".join(
        f"coalesce({average(f'p.{score}', IS_FOLD)}, {average(f'p.{score}')}) AS avg_{score}"
        if function == "avg" and average is not None
        else f"coalesce({function}(p.{score}) FILTER (WHERE {IS_FOLD}), {function}(p.{score})) "
        f"AS {function}_{score}"
        for score in ("val_score", "test_score", "train_score")
        for function in ("min", "max", "avg")
    )
    return (
        f"CREATE OR REPLACE VIEW {VIEW} AS SELECT {', '.join(shown)}, "
        f"count(DISTINCT p.fold_id) FILTER (WHERE {IS_FOLD}) AS fold_count, "
        'count(DISTINCT p."partition") AS partition_count, '
        f'array_agg(DISTINCT p."partition" ORDER BY p."partition") AS partitions, {scores}, '
        'array_agg(p.prediction_id ORDER BY p."partition", p.fold_id) AS prediction_ids, '
        'array_agg(p.fold_id ORDER BY p."partition", p.fold_id) AS fold_ids '
        "FROM predictions p JOIN chains c ON p.chain_id = c.chain_id "
        "JOIN pipelines pl ON c.pipeline_id = pl.pipeline_id "
        f"WHERE p.refit_context IS NULL GROUP BY {', '.join(of_chain)}"
    )


SCHEMA_DDL = ";\n".join(map(table_ddl, TABLES.values())) + ";"
"""The statements that make the tables."""

INDEX_DDL = "".join(
    f"CREATE INDEX IF NOT EXISTS {name} ON {target};\n" for name, target in INDEXES.items()
)
"""The statements that make the indexes, but for that which keeps predictions apart."""

VIEW_DDL = view_ddl() + ";"
"""The statement that makes the view of predictions by chain."""
