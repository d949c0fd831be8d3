"""The questions that a store asks its database."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from persist.tracking.columns import ALL_TABLES, LABELS, ORIGINS, PENDING, TABLES
from persist.tracking.dialect import Dialect, Statement
from persist.tracking.engine import local_zone
from persist.tracking.errors import ArgumentError
from persist.tracking.schema import VIEW

__all__ = ["SCORES", "STATISTICS", "Statement", "check_count", "select"]

SCORES = ("val_score", "test_score", "train_score")
STATISTICS = tuple(f"{f}_{score}" for score in SCORES for f in ("min", "max", "avg"))
"""The columns of the view of chains that chains can be ranked by."""

# The filters of predictions that may be patterns; of other tables it is the data set alone.
_PATTERNS = {
    "predictions": ("dataset_name", "model_class", "partition", "fold_id", "pipeline_id"),
}
_IS_DATED = "(length({0}) = 36 AND substr({0}, 15, 1) = '7')"
_UTC = ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Universal", "Zulu")
_FOLD = "p.fold_id NOT IN ('avg', 'w_avg')"


def check_count(name: str, value: Any) -> int:
    """Return a number of rows, or raise ValueError if it is not a count."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise ArgumentError(f"{name} must be an integer of 0 or more, got {value!r}")
    return int(value.__index__())


def select(
    table: str,
    columns: Iterable[str] = ("*",),
    where: Mapping[str, Any] | None = None,
    *,
    order: str = "",
    distinct: bool = False,
) -> Statement:
    """Return a statement for some columns of the rows whose columns have some values.

    A collection stands for any of its members, and None for null. The names are those of the code.

    Examples
    --------
    >>> select("runs", ["run_id"], {"status": "running"})
    Statement(text='SELECT "run_id" FROM runs WHERE "status" = ?', values=['running'])
    """
    names = ", ".join(name if name == "*" else f'"{name}"' for name in columns)
    tests, values = [], []
    for name, value in (where or {}).items():
        if value is None:
            tests.append(f'"{name}" IS NULL')
        elif isinstance(value, Collection) and not isinstance(value, str):
            tests.append(f'"{name}" IN (SELECT unnest(?::VARCHAR[]))')
            values.append(list(value))
        else:
            tests.append(f'"{name}" = ?')
            values.append(value)
    names = f"DISTINCT {names}" if distinct else names
    text = f"SELECT {names} FROM {table}{_where(tests)}{order and f' ORDER BY {order}'}"
    return Statement(text, values)


def page_by_key(table: str, last: str | None, count: int) -> Statement:
    """Return a statement for the rows of a table whose keys come after one, in their order."""
    key = ALL_TABLES[table].key
    names = ", ".join(f'"{column.name}"' for column in ALL_TABLES[table].columns)
    after = "" if last is None else f" WHERE {key} > ?"
    text = f"SELECT {names} FROM {table}{after} ORDER BY {key} LIMIT ?"
    return Statement(text, [count] if last is None else [last, count])


def count_rows(tables: Sequence[str]) -> Statement:
    """Return a statement for the number of rows of some tables."""
    return Statement(f"SELECT {', '.join(f'(SELECT count(*) FROM {t})' for t in tables)}")


def pipelines_by_run() -> Statement:
    """Return a statement for the number of pipelines of each run."""
    return Statement("SELECT run_id, count(*) FROM pipelines GROUP BY run_id")


def pending() -> Statement:
    """Return a statement for what is to be done in several transactions."""
    return Statement(f"SELECT content FROM {PENDING} ORDER BY number")


def orphaned_labels() -> Statement:
    """Return a statement for the labels of predictions that are gone."""
    return Statement(
        f"SELECT prediction_id FROM {LABELS} WHERE prediction_id NOT IN "
        "(SELECT prediction_id FROM predictions)"
    )


def cached_artifact(chain_path_hash: str, input_data_hash: str) -> Statement:
    """Return a statement for the newest artifact that was made from something."""
    return Statement(
        "SELECT artifact_id FROM artifacts WHERE chain_path_hash = ? AND input_data_hash = ? "
        "AND ref_count > 0 ORDER BY created_at DESC NULLS LAST LIMIT 1",
        [chain_path_hash, input_data_hash],
    )


def ids_of(table: str, prefix: str) -> Statement:
    """Return a statement for two ids that begin with some characters."""
    key = TABLES[table].key
    return Statement(
        f"SELECT {key} FROM {table} WHERE starts_with({key}, ?) ORDER BY {key} LIMIT 2", [prefix]
    )


def run_artifacts(but: str | None) -> Statement:
    """Return a statement for the artifacts of runs, but for one run: the source, and the files."""
    return Statement(
        "SELECT config->>'source', config->>'artifacts' FROM runs WHERE run_id IS DISTINCT FROM ?",
        [but],
    )


def running_pipelines(but: str) -> Statement:
    """Return a statement for the number of pipelines that are being trained by other runs."""
    return Statement(
        "SELECT count(*) FROM pipelines WHERE status = 'running' AND run_id != ?", [but]
    )


def chains_on(run_id: str, dataset_name: str) -> Statement:
    """Return a statement for the chains of a run on a data set, and whether they have predicted."""
    return Statement(
        "SELECT c.chain_id, c.pipeline_id, c.fold_artifacts, "
        "EXISTS (SELECT 1 FROM predictions q WHERE q.chain_id = c.chain_id) "
        "FROM chains c JOIN pipelines p ON p.pipeline_id = c.pipeline_id "
        "WHERE p.run_id = ? AND p.dataset_name = ?",
        [run_id, dataset_name],
    )


def runs(
    dialect: Dialect,
    dead: Sequence[str],
    status: str | None,
    dataset: str | None,
    limit: int,
    offset: int,
) -> Statement:
    """Return a statement for runs, the newest first; some have the status ``dead``."""
    tests, values = [], [dead]
    shown = "CASE WHEN run_id = ANY(?::VARCHAR[]) THEN 'dead' ELSE runs.status END"
    if status is not None:
        tests.append(f"{shown} = ?")
        values += [dead, status]
    if dataset is not None:
        test = _equals_or_like(dialect, "name", dataset)
        tests.append(f"EXISTS (SELECT 1 FROM ({dialect.dataset_names}) AS names WHERE {test})")
        values.append(dataset)
    columns = _select_utc(dialect, "runs", status=shown)
    text = f"SELECT {columns} FROM runs{_where(tests)} {_newest_first(dialect, 'runs')}"
    return _page(text, values, limit, offset)


def table_rows(
    dialect: Dialect,
    table: str,
    order: str = "",
    limit: int | None = None,
    offset: int = 0,
    zone: str | None = None,
    **filters: Any,
) -> Statement:
    """Return a statement for rows of a table with times in UTC, by default the newest first.

    The `zone` is that of all times, None if they may have several.

    Of the filters, None tests nothing, and text with a ``%`` is a pattern, but for ids of parents.
    """
    tests, values = [], []
    for name, value in filters.items():
        if value is not None:
            is_pattern = name in _PATTERNS.get(table, ("dataset_name",))
            test = _equals_or_like(dialect, f'"{name}"', value if is_pattern else None)
            if name == "run_id" and table == "predictions":
                test = "pipeline_id IN (SELECT pipeline_id FROM pipelines WHERE run_id = ?)"
            tests.append(test)
            values.append(value)
    order = f"ORDER BY {order}" if order else _newest_first(dialect, table, zone)
    text = f"SELECT {_select_utc(dialect, table, zone)} FROM {table}{_where(tests)} {order}"
    return _page(text, values, limit, offset)


def pipeline_log(pipeline_id: str, columns: Sequence[str]) -> Statement:
    """Return a statement for some columns of the log of a pipeline, by step and time."""
    return Statement(
        f"SELECT {', '.join(columns)}, {_utc('logs', 'created_at', 'logs')} AS created_at "
        "FROM logs WHERE pipeline_id = ? ORDER BY step_idx, logs.created_at",
        [pipeline_id],
    )


def log_summary(run_id: str) -> Statement:
    """Return a statement for how much the pipelines of a run have logged."""
    return Statement(
        "SELECT p.pipeline_id, p.name AS pipeline_name, p.status AS pipeline_status, "
        "count(l.log_id) AS log_count, "
        "sum(CASE WHEN l.event = 'end' THEN l.duration_ms END)::BIGINT AS total_duration_ms, "
        "count(*) FILTER (WHERE l.level = 'warning') AS warning_count, "
        "count(*) FILTER (WHERE l.level = 'error') AS error_count "
        "FROM pipelines p LEFT JOIN logs l ON l.pipeline_id = p.pipeline_id "
        "WHERE p.run_id = ? GROUP BY p.pipeline_id, p.name, p.status, p.created_at "
        "ORDER BY p.created_at, p.pipeline_id",
        [run_id],
    )


def chain_scores(
    dialect: Dialect,
    order: str = "pipeline_id, chain_id, model_name, metric",
    limit: int | None = None,
    **filters: Any,
) -> Statement:
    """Return a statement for the view with a row for each chain; see `table_rows`."""
    given = {name: value for name, value in filters.items() if value is not None}
    patterns = ("dataset_name", "model_class")
    tests = [
        _equals_or_like(dialect, f'"{name}"', value if name in patterns else None)
        for name, value in given.items()
    ]
    text = f"SELECT * FROM {VIEW}{_where(tests)} ORDER BY {order}"
    return _page(text, [*given.values()], limit, 0)


def origins() -> Statement | None:
    """Return a statement for whether the times of predictions are in UTC; None if all are."""
    if local_zone(os.environ.get("TZ")) in _UTC:
        return None
    return Statement(f"SELECT DISTINCT {_IS_DATED.format('pipeline_id')} FROM pipelines")


def metric_range() -> Statement:
    """Return a statement for the first and last metric by name, which DuckDB has at hand."""
    return Statement("SELECT min(metric), max(metric) FROM predictions")


def metrics(dialect: Dialect, partition: str | None, dataset_name: str | None) -> Statement:
    """Return a statement for the metrics of some predictions."""
    tests, values = _ranked(dialect, partition, dataset_name)
    text = f"SELECT DISTINCT metric FROM predictions{_where(tests)} ORDER BY metric"
    return Statement(text, values)


def any_not_a_number(column: str) -> Statement:
    """Return a statement for whether a score of predictions is not a number."""
    # For both databases it is the greatest of all numbers.
    return Statement(f"SELECT max(\"{column}\") = 'NaN'::FLOAT8 FROM predictions")


def directed(column: str, low_first: bool, has_nan: bool) -> str:
    """Return how to order by a column, with nulls last."""
    # Only where it matters: DuckDB finds the first few of a plain column quicker.
    key = f"NULLIF(\"{column}\", 'NaN'::FLOAT8)" if has_nan else f'"{column}"'
    return f"{key} {'ASC' if low_first else 'DESC'} NULLS LAST"


def top(
    dialect: Dialect,
    n: int,
    column: str,
    partition: str | None,
    dataset_name: str | None,
    group: str | None,
    *,
    low_first: bool,
    has_nan: bool,
    higher: Sequence[str] = (),
) -> Statement:
    """Return a statement for the best predictions by a column.

    Parameters
    ----------
    n : int
        How many, of each value of the column `group` if it is given.
    column, partition, dataset_name, group
        As for `WorkspaceStore.top_predictions`.
    low_first, has_nan : bool
        Whether low is good, and whether the column has values that are not numbers.
    higher : sequence of str, optional
        If low is good by some metrics and high by others: the latter.
    """
    tests, values = _ranked(dialect, partition, dataset_name)
    if higher:
        key = f'CASE WHEN "metric" = ANY(?::VARCHAR[]) THEN -"{column}" ELSE "{column}" END'
        order, ordered = f"NULLIF({key}, 'NaN'::FLOAT8) ASC NULLS LAST", [higher]
    else:
        order, ordered = directed(column, low_first, has_nan), []
    if group is None:
        columns = _select_utc(dialect, "predictions")
        text = f"SELECT {columns} FROM predictions{_where(tests)} ORDER BY {order} LIMIT ?"
        return Statement(text, [*values, *ordered, n])
    # JSON is compared as text.
    groups = f'"{group}"'
    if TABLES["predictions"].column(group).type == "JSON":
        groups += "::VARCHAR"
    columns = _select_utc(dialect, "predictions", hidden=("place",))
    return Statement(
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {groups} ORDER BY "
        f"{order}) AS place FROM predictions{_where(tests)}) AS predictions WHERE place <= ? "
        f"ORDER BY {groups} NULLS LAST, {order}",
        [*ordered, *values, n, *ordered],
    )


def ranking(
    dialect: Dialect,
    n: int | None,
    by: str,
    higher: Sequence[str],
    *,
    is_together: bool,
    dataset_name: str | None,
    metric: str | None,
    run_id: str | None,
) -> Statement:
    """Return a statement for pipelines by a score; see `WorkspaceStore.ranking`.

    Parameters
    ----------
    higher : sequence of str
        The metrics of which high is good.
    is_together : bool
        Whether metrics are ranked together.
    """
    tests, values = ["p.\"partition\" = 'val'", "p.refit_context IS NULL"], list[Any]()
    for name, value in (
        ("p.dataset_name", dataset_name),
        ("p.metric", metric),
        ("pl.run_id", run_id),
    ):
        if value is not None:
            is_pattern = name == "p.dataset_name"
            tests.append(_equals_or_like(dialect, name, value if is_pattern else None))
            values.append(value)
    groups = "dataset_name" if is_together else "dataset_name, metric"
    key = f'CASE WHEN metric = ANY(?::VARCHAR[]) THEN -"{by}" ELSE "{by}" END'
    order = f"NULLIF({key}, 'NaN'::FLOAT8) ASC NULLS LAST, created_at, pipeline_id"
    average = "p.fold_id = 'avg'"
    one = dialect.any_value
    # One row a pipeline and chain: the mean over folds that was recorded, or what the folds tell.
    columns = {
        "model_name": one("p.model_name"),
        "val_score": f"coalesce({one('p.val_score', average)}, avg(p.val_score) FILTER (WHERE "
        f"{_FOLD}))",
        # A value that is not a number is greater than all.
        "val_std": "stddev_pop(CASE WHEN abs(p.val_score) < 'Infinity'::FLOAT8 THEN p.val_score "
        f"END) FILTER (WHERE {_FOLD})",
        "val_mean": f"avg(p.val_score) FILTER (WHERE {_FOLD})",
        "n_folds": f"count(*) FILTER (WHERE {_FOLD})",
        "metric": "p.metric",
        "dataset_name": "p.dataset_name",
        "test_score": f"coalesce({one('r.test_score')}, {one('p.test_score', average)}, "
        "avg(p.test_score))",
        "train_score": f"coalesce({one('p.train_score', average)}, avg(p.train_score))",
        "preprocessings": one("p.preprocessings"),
        "best_params": f"coalesce({one('r.best_params')}, {one('p.best_params')})",
        "task_type": one("p.task_type"),
        "run_id": one("pl.run_id"),
        "pipeline_id": "p.pipeline_id",
        "chain_id": f"coalesce({one('r.chain_id')}, p.chain_id)",
        "fold_chain_id": "p.chain_id",
        "prediction_id": f"coalesce({one('p.prediction_id', average)}, min(p.prediction_id))",
        "created_at": f"max({_utc('predictions', 'created_at', 'p')})",
    }
    refitted = (
        f"SELECT pipeline_id, model_name, {one('chain_id')} AS chain_id, "
        f"{one('test_score')} AS test_score, {one('best_params')} AS best_params "
        "FROM predictions WHERE refit_context IS NOT NULL GROUP BY pipeline_id, model_name"
    )
    text = (
        f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} "
        "FROM predictions p JOIN pipelines pl ON pl.pipeline_id = p.pipeline_id "
        f"LEFT JOIN ({refitted}) r "
        f"ON r.pipeline_id = p.pipeline_id AND r.model_name = p.model_name{_where(tests)} "
        "GROUP BY p.pipeline_id, p.chain_id, p.model_name, p.metric, p.dataset_name"
    )
    names = ", ".join(columns)
    if n is None:
        return Statement(
            f"SELECT {names} FROM ({text}) AS ranked ORDER BY {groups}, {order}", [*values, higher]
        )
    return Statement(
        f"SELECT {names} FROM (SELECT *, row_number() OVER (PARTITION BY {groups} ORDER BY "
        f"{order}) AS place FROM ({text}) AS ranked) AS placed WHERE place <= ? "
        f"ORDER BY {groups}, {order}",
        [higher, *values, n, higher],
    )


def _where(tests: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(tests)}" if tests else ""


def _equals_or_like(dialect: Dialect, column: str, value: Any) -> str:
    """Return the test of a column against a value, which may be a pattern if it is given."""
    if value is not None and "%" in str(value):
        return f"{column} {dialect.like}"
    return f"{column} = ?"


def _ranked(
    dialect: Dialect, partition: str | None, dataset_name: str | None
) -> tuple[list[str], list[Any]]:
    tests, values = ['"partition" = ?'], [partition]
    if dataset_name is not None:
        tests.append(_equals_or_like(dialect, "dataset_name", dataset_name))
        values.append(dataset_name)
    return tests, values


def _page(text: str, values: list[Any], limit: int | None, offset: int) -> Statement:
    if limit is not None:
        text, values = f"{text} LIMIT ?", [*values, check_count("limit", limit)]
    if check_count("offset", offset):
        text, values = f"{text} OFFSET ?", [*values, offset]
    return Statement(text, values)


def _newest_first(dialect: Dialect, table: str, zone: str | None = None) -> str:
    # Rows of predictions have no second column, as no two of a process have the same time, and
    # DuckDB is quicker with one.
    second = "" if table == "predictions" else f", {dialect.insertion_order(table)} DESC"
    # The time itself where all are of one zone, as DuckDB finds the first few of a plain column
    # several times quicker.
    time = _utc(table, "created_at", table, zone)
    time = time if "CASE" in time else f"{table}.created_at"
    return f"ORDER BY {time} DESC NULLS LAST{second}"


def _utc(table: str, column: str, alias: str = "", zone: str | None = None) -> str:
    """Return SQL for a time with its zone; see `persist.tracking.times`."""
    prefix = f"{alias}." if alias else ""
    local = local_zone(os.environ.get("TZ"))
    if zone is None and local not in _UTC:
        key = f"{prefix}{ORIGINS.get(table, TABLES[table].key)}"
        zones = f"CASE WHEN {_IS_DATED.format(key)} THEN 'UTC' ELSE '{local}' END"
    else:
        zones = f"'{zone or 'UTC'}'"
    return f"timezone({zones}, {prefix}{column})"


def _select_utc(
    dialect: Dialect,
    table: str,
    zone: str | None = None,
    hidden: Sequence[str] = (),
    **others: str,
) -> str:
    """Return SQL for all columns of a table, times with their zone, and others instead."""
    changed = {name: _utc(table, name, zone=zone) for name in TABLES[table].times} | others
    return dialect.columns(table, changed, hidden)
