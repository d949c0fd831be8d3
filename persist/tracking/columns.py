"""The tables of a store: their columns, and what each column takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

__all__ = [
    "ALL_TABLES",
    "LABELS",
    "METRICS",
    "ORIGINS",
    "PARENTS",
    "PENDING",
    "TABLES",
    "Column",
    "Table",
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
