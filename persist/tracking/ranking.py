"""The best predictions and pipelines, each in one query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from persist.tracking.database import Frame, Opened
from persist.tracking.errors import ArgumentError, ArgumentTypeError
from persist.tracking.schema import IS_FOLD, METRICS, TABLES, VIEW, mean
from persist.tracking.statements import (
    Statement,
    check_count,
    matching,
    page,
    select,
    select_utc,
    utc,
    where_all,
)

__all__ = ["HIGHER_IS_BETTER", "SCORES", "Ranking", "higher_is_better"]

_COLUMNS = frozenset(column.name for column in TABLES["predictions"].columns)
_RANKED = ("val_score", "val_mean", "test_score", "train_score")
SCORES = ("val_score", "test_score", "train_score")
"""The scores of a prediction."""

_STATISTICS = tuple(f"{f}_{score}" for score in SCORES for f in ("min", "max", "avg"))
_OF_CHAINS = ("run_id", "pipeline_id", "chain_id", "dataset_name", "model_class", "metric")
_LARGE = "'1e150'::FLOAT8"

HIGHER_IS_BETTER = frozenset(
    {
        *("accuracy", "auc", "average_precision", "balanced_accuracy", "explained_variance", "f1"),
        *("cohen_kappa", "d2_absolute_error", "jaccard", "kappa", "matthews_corrcoef", "mcc"),
        *("ndcg", "pearson_r", "precision", "r2", "recall", "roc_auc", "rpd", "rpiq"),
        *("sensitivity", "spearman_r", "specificity", "top_k_accuracy", "consistency", "r2_score"),
        *("accuracy_score", "f1_score", "precision_score", "recall_score", "roc_auc_score"),
    }
)
"""Names of metrics that are the better the higher they are."""

_AVERAGED = re.compile(r"_(?:macro|micro|weighted|samples|binary|ovr|ovo)(?:_weighted)?\Z")


def higher_is_better(metric: str) -> bool:
    """Return True if high values of a metric are good.

    Names that are not known are those of errors, which are the better the lower they are; those of
    scikit-learn that begin with ``neg_`` are the better the higher, as are scorers by definition,
    which are recorded as ``scorer:`` and their name.

    Examples
    --------
    >>> higher_is_better("r2"), higher_is_better("rmse"), higher_is_better("f1_macro")
    (True, False, True)
    """
    name = metric.strip().lower().replace("-", "_").replace(" ", "_")
    if name.startswith(("neg_", "scorer:")):
        return True
    while _AVERAGED.search(name):
        name = _AVERAGED.sub("", name)
    return name in HIGHER_IS_BETTER


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks pipelines and predictions; see `WorkspaceStore`."""

    opened: Opened

    def top_predictions(
        self,
        n: int,
        metric: str = "val_score",
        ascending: bool | None = None,
        partition: str | None = "val",
        dataset_name: str | None = None,
        group_by: str | None = None,
        *,
        run_id: str | None = None,
        engine: str | None = None,
    ) -> Frame:
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
        run_id : str, optional
            The run whose predictions are ranked; all by default.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return, instead of what the store was made with.

        Raises
        ------
        ValueError
            If predictions have no such column, or `n` is negative; or if the direction is to be
            inferred of metrics of which some are better when high and some when low.
        """
        for argument, name in (("metric", metric), ("group_by", group_by)):
            is_known = isinstance(name, str) and name in _COLUMNS
            if not is_known and (argument, name) != ("group_by", None):
                raise ArgumentError(
                    f"Invalid {argument} column: {name!r}; choose one of "
                    f"{', '.join(sorted(_COLUMNS))}"
                )
        count = check_count("n", n)
        filters = {"dataset_name": dataset_name, "predictions.run_id": run_id}
        tests, values = matching(self.opened.dialect, filters, ("dataset_name",))
        where, values = where_all(['"partition" = ?', *tests]), [partition, *values]
        with self.opened.reading():
            low_first, higher = ascending is None or bool(ascending), list[str]()
            if ascending is None and metric in SCORES:
                query = f"SELECT DISTINCT metric FROM predictions{where} ORDER BY metric"
                metrics = self.opened.column(Statement(query, values))
                higher = self._higher(metrics)
                if group_by is None and 0 < len(higher) < len(metrics):
                    raise ArgumentError(
                        f"These predictions are scored by {', '.join(metrics)}, of which some are "
                        "better when high and some when low: give ascending, a dataset_name, or "
                        "group_by='metric'"
                    )
            # JSON is compared as text.
            table = TABLES["predictions"]
            ranked, groups = (
                f'"{name}"::VARCHAR' if name in table.json_columns else f'"{name}"'
                for name in (metric, group_by)
            )
            if higher:
                key = f'CASE WHEN "metric" = ANY(?::VARCHAR[]) THEN -"{metric}" ELSE "{metric}" END'
                order, ordered = f"NULLIF({key}, 'NaN'::FLOAT8) ASC NULLS LAST", [higher]
            else:
                is_score = table.column(metric).type == "DOUBLE"
                order, ordered = _directed(ranked, low_first, is_score), []
            columns = select_utc("predictions")
            if group_by is None:
                text = f"SELECT {columns} FROM predictions{where} ORDER BY {order} LIMIT ?"
                return self.opened.frame(Statement(text, [*values, *ordered, count]), engine)
            text = (
                f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {groups} ORDER "
                f"BY {order}) AS place FROM predictions{where}) AS predictions WHERE place <= ? "
                f"ORDER BY {groups} NULLS LAST, {order}"
            )
            statement = Statement(text, [*ordered, *values, count, *ordered])
            return self.opened.frame(statement, engine)

    def ranking(
        self,
        n: int | None = None,
        *,
        by: str = "val_score",
        ascending: bool | None = None,
        dataset_name: str | None = None,
        metric: str | None = None,
        run_id: str | None = None,
        engine: str | None = None,
    ) -> Frame:
        """Return the pipelines by their score in cross-validation, the best first.

        Scores of different data sets, or by different metrics, are ranked apart.

        Parameters
        ----------
        n : int, optional
            How many of each data set and metric; all by default.
        by : {'val_score', 'val_mean', 'test_score', 'train_score'}, optional
            The score.
        ascending : bool, optional
            Whether low is good, by default what the metric asks for. Then metrics are ranked
            together.
        dataset_name, metric, run_id : str, optional
            Only pipelines of it.
        engine : {'polars', 'pandas', 'arrow'}, optional
            What to return.

        Returns
        -------
        frame
            ``model_name`` and ``val_score``, the score of all samples as they were predicted while
            they were left out; ``val_mean`` and ``val_std``, mean and standard deviation of the
            scores of the ``n_folds`` folds; ``test_score`` of the refitted model, if there is one.
            ``chain_id`` is the chain that is exported: that of the refitted model, if there is one;
            ``fold_chain_id`` that of the folds.

        Raises
        ------
        ValueError
            If it cannot be ranked by the column, or `n` is negative.
        """
        if by not in _RANKED:
            raise ArgumentError(f"Invalid score column: {by!r}; choose one of {', '.join(_RANKED)}")
        count = None if n is None else check_count("n", n)
        with self.opened.reading():
            metrics = self.opened.column(select("predictions", ("metric",), distinct=True))
            higher = self._higher(metrics)
            if ascending is not None:
                higher = [] if ascending else metrics
            names, text, values = self._ranked(dataset_name, metric, run_id)
            groups = "dataset_name, metric" if ascending is None else "dataset_name"
            key = f'CASE WHEN metric = ANY(?::VARCHAR[]) THEN -"{by}" ELSE "{by}" END'
            order = f"NULLIF({key}, 'NaN'::FLOAT8) ASC NULLS LAST, created_at, pipeline_id"
            if count is not None:
                text = (
                    f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {groups} ORDER BY "
                    f"{order}) AS place FROM ({text}) AS ranked) AS placed WHERE place <= ?"
                )
                values = [higher, *values, count]
            text = f"SELECT {names} FROM ({text}) AS chosen ORDER BY {groups}, {order}"
            return self.opened.frame(Statement(text, [*values, higher]), engine)

    def _ranked(
        self, dataset_name: str | None, metric: str | None, run_id: str | None
    ) -> tuple[str, str, list[Any]]:
        """Return the columns, SQL and values of a query with a row for each pipeline and chain."""
        filters = {"p.dataset_name": dataset_name, "p.metric": metric, "pl.run_id": run_id}
        tests, values = matching(self.opened.dialect, filters, ("p.dataset_name",))
        tests = ["p.\"partition\" = 'val'", "p.refit_context IS NULL", *tests]
        average, of_folds = "p.fold_id = 'avg'", mean("p.val_score", IS_FOLD)
        # The mean over folds that was recorded, or what the folds tell.
        columns = {
            "model_name": _one("p.model_name"),
            "val_score": f"coalesce({_one('p.val_score', average)}, {of_folds})",
            # NaN sorts above all numbers, and PostgreSQL raises an error where squares overflow.
            "val_std": "CASE WHEN max(abs(p.val_score)) FILTER (WHERE abs(p.val_score) < "
            f"'Infinity'::FLOAT8 AND {IS_FOLD}) > {_LARGE} THEN 'Infinity'::FLOAT8 ELSE stddev_pop("
            f"CASE WHEN abs(p.val_score) <= {_LARGE} THEN p.val_score END) "
            f"FILTER (WHERE {IS_FOLD}) END",
            "val_mean": of_folds,
            "n_folds": f"count(*) FILTER (WHERE {IS_FOLD})",
            "metric": "p.metric",
            "dataset_name": "p.dataset_name",
            "test_score": f"coalesce({_one('r.test_score')}, {_one('p.test_score', average)}, "
            f"{mean('p.test_score')})",
            "train_score": f"coalesce({_one('p.train_score', average)}, {mean('p.train_score')})",
            "preprocessings": _one("p.preprocessings"),
            "best_params": f"coalesce({_one('r.best_params')}, {_one('p.best_params::VARCHAR')})",
            "task_type": _one("p.task_type"),
            "run_id": _one("pl.run_id"),
            "pipeline_id": "p.pipeline_id",
            "chain_id": f"coalesce({_one('r.chain_id')}, p.chain_id)",
            "fold_chain_id": "p.chain_id",
            "prediction_id": f"coalesce({_one('p.prediction_id', average)}, min(p.prediction_id))",
            "created_at": f"max({utc('predictions', 'created_at', 'p')})",
        }
        refitted = (
            f"SELECT pipeline_id, model_name, {_one('chain_id')} AS chain_id, "
            f"{_one('test_score')} AS test_score, {_one('best_params::VARCHAR')} AS best_params "
            "FROM predictions WHERE refit_context IS NOT NULL GROUP BY pipeline_id, model_name"
        )
        text = (
            f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} "
            "FROM predictions p JOIN pipelines pl ON pl.pipeline_id = p.pipeline_id "
            f"LEFT JOIN ({refitted}) r "
            f"ON r.pipeline_id = p.pipeline_id AND r.model_name = p.model_name{where_all(tests)} "
            "GROUP BY p.pipeline_id, p.chain_id, p.model_name, p.metric, p.dataset_name"
        )
        return ", ".join(columns), text, values

    def query_top_aggregated_predictions(
        self,
        /,
        metric: str,
        n: int = 10,
        score_column: str = "avg_val_score",
        ascending: bool | None = None,
        *,
        engine: str | None = None,
        **filters: Any,
    ) -> Frame:
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
            If it is not one of these columns.
        """
        if score_column not in _STATISTICS:
            raise ArgumentError(
                f"Invalid score column: {score_column!r}; choose one of {', '.join(_STATISTICS)}"
            )
        count = check_count("n", n)
        with self.opened.reading():
            low_first = not self._higher([metric]) if ascending is None else ascending
            order = _directed(score_column, low_first) + ", chain_id, model_name"
            return self._chain_scores({"metric": metric, **filters}, order, count, engine)

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
    ) -> Frame:
        """Return one row for each chain, model, metric and data set, without refitted models.

        The rows have the numbers of folds and partitions, and the min, max and avg of the scores.
        """
        filters = {
            "run_id": run_id,
            "pipeline_id": pipeline_id,
            "chain_id": chain_id,
            "dataset_name": dataset_name,
            "model_class": model_class,
            "metric": metric,
        }
        order = "pipeline_id, chain_id, model_name, metric"
        return self._chain_scores(filters, order, None, engine)

    def _chain_scores(
        self, filters: Mapping[str, Any], order: str, limit: int | None, engine: str | None
    ) -> Frame:
        """Return rows of the view with a row for each chain."""
        for name in filters:
            if name not in _OF_CHAINS:
                raise ArgumentTypeError(
                    f"cannot filter chains by {name}: choose one of {', '.join(_OF_CHAINS)}"
                )
        tests, values = matching(self.opened.dialect, filters, ("dataset_name", "model_class"))
        text = f"SELECT * FROM {VIEW}{where_all(tests)} ORDER BY {order}"
        return self.opened.frame(page(text, values, limit, 0), engine)

    def define_metric(self, metric: str, *, greater_is_better: bool) -> None:
        """Record whether high values of a metric are good, for all rankings of this store.

        Parameters
        ----------
        metric : str
            Its name, as predictions have it.
        greater_is_better : bool
            Whether a high value is good.

        Raises
        ------
        ValueError
            If predictions were recorded by a metric of this name with the other direction.
        """
        with self.opened.changing() as changes:
            if self.greater_is_better(metric) == greater_is_better:
                return
            if self.opened.rows(
                select("predictions", ("metric",), {"metric": metric}, distinct=True)
            ):
                good = "low" if greater_is_better else "high"
                raise ArgumentError(
                    f"cannot rank by metric {metric!r}: {self.opened.path} has scores by a metric "
                    f"of this name, of which {good} values are good; rename one of the two"
                )
            changes.put(METRICS, {"metric": metric, "greater_is_better": greater_is_better})

    def greater_is_better(self, metric: str) -> bool:
        """Return True if high values of a metric are good, as recorded or as its name says."""
        return bool(self._higher([metric]))

    def _higher(self, metrics: Iterable[str]) -> list[str]:
        """Return the metrics of which high values are good."""
        with self.opened.reading() as connection:
            is_defined = connection.has_table(METRICS)
            known: dict[str, bool] = dict(connection.rows(select(METRICS)) if is_defined else ())
        return [metric for metric in metrics if known.get(metric, higher_is_better(metric))]


def _one(expression: str, where: str = "true") -> str:
    """Return SQL for the value that the rows of a group have in common, as far as they have one."""
    return f"min({expression}) FILTER (WHERE {where})"


def _directed(column: str, low_first: bool, is_score: bool = True) -> str:
    """Return how to order by a column, with nulls last."""
    # For both databases a value that is not a number is the greatest of all.
    key = f"NULLIF({column}, 'NaN'::FLOAT8)" if is_score else column
    return f"{key} {'ASC' if low_first else 'DESC'} NULLS LAST"
