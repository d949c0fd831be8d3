"""The best predictions, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persist.tracking.base import OpenStore
from persist.tracking.columns import TABLES
from persist.tracking.conditions import Conditions, check_count
from persist.tracking.metrics import higher_is_better

__all__ = ["Ranking"]

_SCORES = ("val_score", "test_score", "train_score")
_STATISTICS = tuple(f"{f}_{score}" for score in _SCORES for f in ("min", "max", "avg"))
_COLUMNS = frozenset(column.name for column in TABLES["predictions"].columns)
_VIEW = "v_aggregated_predictions"


class Ranking(OpenStore):
    """The part of a store that ranks predictions; see `WorkspaceStore`."""

    def top_predictions(
        self,
        n: int,
        metric: str = "val_score",
        ascending: bool | None = None,
        partition: str | None = "val",
        dataset_name: str | None = None,
        group_by: str | None = None,
        *,
        engine: str | None = None,
    ) -> Any:
        """Return the best predictions, the best first; nulls and not-a-numbers come last.

        Parameters
        ----------
        n : int
            How many; of each group, if there are groups.
        metric : str, optional
            The column by which they are ranked.
        ascending : bool, optional
            Whether low is good. By default, scores are ranked as the metric of the predictions
            asks for, and all other columns with the lowest first.
        partition : str, optional
            The partition whose rows are ranked.
        dataset_name : str, optional
            The data set, or a pattern with ``%``.
        group_by : str, optional
            A column: of each of its values, the `n` best are returned, in the order of the values.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return, instead of what the store was made with.

        Raises
        ------
        ValueError
            If a column is none of the predictions, or `n` is negative; or if the direction is to be
            inferred of metrics of which some are better when high and some when low.
        """
        column, group = _checked("metric", metric), _checked("group_by", group_by)
        count = check_count("n", n)
        where = Conditions()
        where.add('"partition" = ?', partition)
        where.match("dataset_name", dataset_name)
        with self._reading():
            metrics = self._metrics(column, ascending, where, group)
            order, values = self._order(column, ascending, metrics)
            if group is None:
                query = f"SELECT * FROM predictions{where} ORDER BY {order} LIMIT ?"
                return self._frame(query, [*where.values, *values, count], engine)
            rank = f'row_number() OVER (PARTITION BY "{group}" ORDER BY {order})'
            query = (
                f"SELECT * FROM predictions{where} QUALIFY {rank} <= ? "
                f'ORDER BY "{group}" NULLS LAST, {order}'
            )
            return self._frame(query, [*where.values, *values, count, *values], engine)

    def query_top_aggregated_predictions(
        self,
        metric: str,
        n: int = 10,
        score_column: str = "avg_val_score",
        ascending: bool | None = None,
        *,
        engine: str | None = None,
        **filters: Any,
    ) -> Any:
        """Return the chains with the best scores over their folds, the best first.

        Parameters
        ----------
        metric : str
            Only chains scored by it.
        n : int, optional
            How many.
        score_column : str, optional
            One of min, max and avg of the three scores: ``avg_val_score``.
        ascending : bool, optional
            Whether low is good, by default what the metric asks for.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return.
        **filters
            As for `query_aggregated_predictions`.

        Raises
        ------
        ValueError
            If the column is none of these.
        """
        if score_column not in _STATISTICS:
            raise ValueError(
                f"Invalid score column: {score_column!r}; choose one of {', '.join(_STATISTICS)}"
            )
        count = check_count("n", n)
        low_first = not higher_is_better(metric) if ascending is None else ascending
        where = _aggregated(metric=metric, **filters)
        order = _directed(score_column, low_first, has_nan=True)
        query = f"SELECT * FROM {_VIEW}{where} ORDER BY {order}, chain_id, model_name LIMIT ?"
        return self._frame(query, [*where.values, count], engine)

    def query_aggregated_predictions(
        self,
        run_id: str | None = None,
        pipeline_id: str | None = None,
        chain_id: str | None = None,
        dataset_name: str | None = None,
        model_class: str | None = None,
        metric: str | None = None,
        *,
        engine: str | None = None,
    ) -> Any:
        """Return one row for each chain, model, metric and data set, without refitted models.

        The rows have the numbers of folds and partitions, and the min, max and avg of the scores.
        """
        where = _aggregated(run_id, pipeline_id, chain_id, dataset_name, model_class, metric)
        query = f"SELECT * FROM {_VIEW}{where} ORDER BY pipeline_id, chain_id, model_name, metric"
        return self._frame(query, where.values, engine)

    def _order(
        self, column: str, ascending: bool | None, metrics: Sequence[str]
    ) -> tuple[str, list[list[str]]]:
        """Return what to order by, and what its question marks stand for."""
        higher = [metric for metric in metrics if higher_is_better(metric)]
        if higher and len(higher) < len(metrics):
            key = f'CASE WHEN list_contains(?, "metric") THEN -"{column}" ELSE "{column}" END'
            return f"{key} ASC NULLS LAST", [higher]
        low_first = not higher if ascending is None else ascending
        return _directed(column, low_first, not low_first and self._has_nan(column)), []

    def _has_nan(self, column: str) -> bool:
        if TABLES["predictions"].column(column).type != "DOUBLE":
            return False
        # For DuckDB it is the greatest of all numbers.
        [(found,)] = self._rows(f'SELECT isnan(max("{column}")) FROM predictions')
        return bool(found)

    def _metrics(
        self, column: str, ascending: bool | None, where: Conditions, group: str | None
    ) -> list[str]:
        """Return the metrics of the rows that are to be ranked, if their direction matters."""
        if ascending is not None or column not in _SCORES:
            return []
        # Most stores have one metric, which DuckDB tells without looking at the rows.
        [(least, greatest)] = self._rows("SELECT min(metric), max(metric) FROM predictions")
        if least == greatest:
            return [] if least is None else [least]
        query = f"SELECT DISTINCT metric FROM predictions{where}"
        metrics = sorted(metric for (metric,) in self._rows(query, where.values))
        if group is None and len(set(map(higher_is_better, metrics))) > 1:
            raise ValueError(
                f"These predictions are scored by {', '.join(metrics)}, of which some are better "
                "when high and some when low: give ascending, a dataset_name, or group_by='metric'"
            )
        return metrics


def _aggregated(
    run_id: str | None = None,
    pipeline_id: str | None = None,
    chain_id: str | None = None,
    dataset_name: str | None = None,
    model_class: str | None = None,
    metric: str | None = None,
) -> Conditions:
    where = Conditions()
    where.equal("run_id", run_id)
    where.equal("pipeline_id", pipeline_id)
    where.equal("chain_id", chain_id)
    where.match("dataset_name", dataset_name)
    where.match("model_class", model_class)
    where.equal("metric", metric)
    return where


def _checked(argument: str, column: Any) -> Any:
    if column is None and argument == "group_by":
        return None
    if not isinstance(column, str) or column not in _COLUMNS:
        raise ValueError(
            f"Invalid {argument} column: {column!r}; choose one of {', '.join(sorted(_COLUMNS))}"
        )
    return column


def _directed(column: str, low_first: bool, has_nan: bool) -> str:
    # Only where it matters: DuckDB finds the first few of a plain column quicker.
    key = f"NULLIF(\"{column}\", 'NaN'::DOUBLE)" if has_nan else f'"{column}"'
    return f"{key} {'ASC' if low_first else 'DESC'} NULLS LAST"
