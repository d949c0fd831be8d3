"""How good predictions are."""

from __future__ import annotations

import warnings
from typing import Any

from persist.tracking.optional import import_optional

__all__ = ["METRICS", "check_metric", "score"]

METRICS = {
    "regression": ("rmse", "mse", "mae", "r2"),
    "classification": ("accuracy", "balanced_accuracy", "f1", "precision", "recall"),
}
"""The metrics of each type of task; the first is the default."""


def check_metric(metric: str | None, task_type: str) -> str:
    """Return a metric of a type of task, the default one for None; else raise ValueError."""
    known = METRICS[task_type]
    if metric is None:
        return known[0]
    if metric not in known:
        raise ValueError(
            f"The metric of a {task_type} must be one of {', '.join(known)}: {metric!r}"
        )
    return metric


def score(task_type: str, y_true: Any, y_pred: Any) -> dict[str, float]:
    """Return all metrics of a type of task; f1, precision and recall are means over the classes."""
    found = import_optional("sklearn.metrics", "scikit-learn")
    if task_type == "regression":
        mse = float(found.mean_squared_error(y_true, y_pred))
        scores = {
            "rmse": mse**0.5,
            "mse": mse,
            "mae": float(found.mean_absolute_error(y_true, y_pred)),
        }
        if len(y_true) > 1:
            scores["r2"] = float(found.r2_score(y_true, y_pred))
        return scores
    options = {"average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        # A fold without one of the classes is no news to those who read the scores.
        warnings.simplefilter("ignore")
        return {
            "accuracy": float(found.accuracy_score(y_true, y_pred)),
            "balanced_accuracy": float(found.balanced_accuracy_score(y_true, y_pred)),
            "f1": float(found.f1_score(y_true, y_pred, **options)),
            "precision": float(found.precision_score(y_true, y_pred, **options)),
            "recall": float(found.recall_score(y_true, y_pred, **options)),
        }
