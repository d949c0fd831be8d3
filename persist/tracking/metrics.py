"""Which of two scores is the better one."""

from __future__ import annotations

import re

__all__ = ["HIGHER_IS_BETTER", "higher_is_better"]

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
    """Tell whether a metric is the better the higher it is.

    Names that are not known are those of errors, which are the better the lower they are; those of
    scikit-learn that begin with ``neg_`` are the better the higher.

    Examples
    --------
    >>> higher_is_better("r2"), higher_is_better("rmse"), higher_is_better("f1_macro")
    (True, False, True)
    """
    name = metric.strip().lower().replace("-", "_").replace(" ", "_")
    if name.startswith("neg_"):
        return True
    while _AVERAGED.search(name):
        name = _AVERAGED.sub("", name)
    return name in HIGHER_IS_BETTER
