"""The best predictions and pipelines, each in one query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from persist.tracking import statements
from persist.tracking.columns import METRICS, TABLES
from persist.tracking.database import Frame, Opened
from persist.tracking.errors import ArgumentError
from persist.tracking.statements import SCORES, STATISTICS, check_count, select

__all__ = ["HIGHER_IS_BETTER", "Ranking", "higher_is_better"]

_COLUMNS = frozenset(column.name for column in TABLES["predictions"].columns)
_RANKED = ("val_score", "val_mean", "test_score", "train_score")


HIGHER_IS_BETTER = frozenset(
    {
        *("accuracy", "auc", "average_precision", "balanced_accuracy", "explained_variance", "f1"),
        *("cohen_kappa", "d2_absolute_error", "jaccard", "kappa", "matthews_corrcoef", "mcc"),
        *(
            "ndcg",
            "pearson_r",
            "precision",
            "r2",
            "recall",
            "roc_auc",
            "rpd",
            "rpiq",
            "sensitivity",
        ),
        *("spearman_r", "specificity", "top_k_accuracy", "consistency", "r2_score"),
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


class Ranking:
    """Ranks pipelines and predictions; see `WorkspaceStore`."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

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
        with self._opened.reading():
            low_first, higher = ascending is None or bool(ascending), list[str]()
            if ascending is None and metric in SCORES:
                metrics = self._metrics(partition, dataset_name)
                higher = self._higher(metrics)
                low_first = not higher
                if higher and len(higher) == len(metrics):
                    higher = []
                elif higher and group_by is None:
                    raise ArgumentError(
                        f"These predictions are scored by {', '.join(metrics)}, of which some are "
                        "better when high and some when low: give ascending, a dataset_name, or "
                        "group_by='metric'"
                    )
            # For a database, a value that is not a number is the greatest of all.
            is_score = TABLES["predictions"].column(metric).type == "DOUBLE"
            may_mislead = is_score and not low_first and not higher
            has_nan = may_mislead and bool(
                self._opened.column(statements.any_not_a_number(metric))[0]
            )
            statement = statements.top(
                self._opened.dialect,
                count,
                metric,
                partition,
                dataset_name,
                group_by,
                low_first=low_first,
                has_nan=has_nan,
                higher=higher,
            )
            return self._opened.frame(statement, engine)

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
        with self._opened.reading():
            metrics = self._opened.column(select("predictions", ("metric",), distinct=True))
            higher = self._higher(metrics)
            if ascending is not None:
                higher = [] if ascending else metrics
            statement = statements.ranking(
                self._opened.dialect,
                count,
                by,
                higher,
                is_together=ascending is not None,
                dataset_name=dataset_name,
                metric=metric,
                run_id=run_id,
            )
            return self._opened.frame(statement, engine)

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
        if score_column not in STATISTICS:
            raise ArgumentError(
                f"Invalid score column: {score_column!r}; choose one of {', '.join(STATISTICS)}"
            )
        count = check_count("n", n)
        with self._opened.reading():
            low_first = not self._higher([metric]) if ascending is None else ascending
            order = statements.directed(score_column, low_first, has_nan=True)
            statement = statements.chain_scores(
                self._opened.dialect,
                f"{order}, chain_id, model_name",
                count,
                metric=metric,
                **_checked(**filters),
            )
            return self._opened.frame(statement, engine)

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
        filters = _checked(run_id, pipeline_id, chain_id, dataset_name, model_class)
        statement = statements.chain_scores(self._opened.dialect, metric=metric, **filters)
        return self._opened.frame(statement, engine)

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
        with self._opened.changing() as changes:
            if self.greater_is_better(metric) == greater_is_better:
                return
            if self._opened.rows(
                select("predictions", ("metric",), {"metric": metric}, distinct=True)
            ):
                good = "low" if greater_is_better else "high"
                raise ArgumentError(
                    f"cannot rank by metric {metric!r}: {self._opened.path} has scores by a metric "
                    f"of this name, of which {good} values are good; rename one of the two"
                )
            changes.put(METRICS, {"metric": metric, "greater_is_better": greater_is_better})

    def greater_is_better(self, metric: str) -> bool:
        """Return True if high values of a metric are good, as recorded or as its name says."""
        return bool(self._higher([metric]))

    def _higher(self, metrics: Iterable[str]) -> list[str]:
        """Return the metrics of which high values are good."""
        return [metric for metric, is_high in self._is_higher(metrics).items() if is_high]

    def _is_higher(self, metrics: Iterable[str]) -> dict[str, bool]:
        with self._opened.reading() as connection:
            is_defined = connection.has_table(METRICS)
            known: dict[str, bool] = dict(connection.rows(select(METRICS)) if is_defined else ())
        return {metric: known.get(metric, higher_is_better(metric)) for metric in metrics}

    def _metrics(self, partition: str | None, dataset_name: str | None) -> list[str]:
        """Return the metrics of some predictions, or of all if that is one."""
        # Most stores have one metric.
        [(least, greatest)] = self._opened.rows(statements.metric_range())
        if least == greatest:
            return [] if least is None else [least]
        return self._opened.column(
            statements.metrics(self._opened.dialect, partition, dataset_name)
        )


def _checked(
    run_id: str | None = None,
    pipeline_id: str | None = None,
    chain_id: str | None = None,
    dataset_name: str | None = None,
    model_class: str | None = None,
) -> dict[str, Any]:
    return locals()
