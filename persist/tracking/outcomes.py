"""What a trained pipeline predicts for each part of the data, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from persist.tracking.data import Data
from persist.tracking.fitted import FittedChain
from persist.tracking.scoring import score

__all__ = ["Outcome", "average_of", "outcomes_of"]

Array = Any


@dataclass(frozen=True)
class Outcome:
    """What was predicted for a part of the data, in a fold or by the refitted model."""

    fold: str
    partition: str
    y_true: Array
    y_pred: Array
    y_proba: Array
    indices: Array
    scores: dict[str, dict[str, float]]
    is_refit: bool = False


def outcomes_of(
    fold: str,
    chain: FittedChain,
    data: Data,
    task_type: str,
    rest: Array,
    part: Array | None,
    is_refit: bool = False,
) -> list[Outcome]:
    """Return what a chain predicts for each part of the data."""
    parts = {"train": (data.X[rest], data.y[rest], rest)}
    if part is not None:
        parts["val"] = (data.X[part], data.y[part], part)
    if data.X_test is not None:
        parts["test"] = (data.X_test, data.y_test, numpy.arange(len(data.X_test)))
    predicted = {name: chain.predict(X) for name, (X, _, _) in parts.items()}
    scores = {name: score(task_type, y, predicted[name]) for name, (_, y, _) in parts.items()}
    return [
        Outcome(fold, name, y, predicted[name], _probabilities(chain, X), indices, scores, is_refit)
        for name, (X, y, indices) in parts.items()
    ]


def _probabilities(chain: FittedChain, features: Array) -> Array:
    """Return the probability of each class, (n_samples, n_classes); None if there is none."""
    models, _ = chain.voters()
    if len(models) > 1 or not hasattr(models[0], "predict_proba"):
        return None
    return models[0].predict_proba(chain.transform(features))


def average_of(
    folds: FittedChain, data: Data, task_type: str, outcomes: list[Outcome]
) -> list[Outcome]:
    """Return what was predicted for each sample while it was left out, and all models for a test.

    A sample that was left out several times counts as often.
    """
    left_out = [outcome for outcome in outcomes if outcome.partition == "val"]
    y_true = numpy.concatenate([outcome.y_true for outcome in left_out])
    y_pred = numpy.concatenate([outcome.y_pred for outcome in left_out])
    indices = numpy.concatenate([outcome.indices for outcome in left_out])
    trains = [outcome.scores["train"] for outcome in left_out]
    scores = {
        "train": {name: float(numpy.mean([one[name] for one in trains])) for name in trains[0]},
        "val": score(task_type, y_true, y_pred),
    }
    tested = None
    if data.X_test is not None:
        tested = folds.predict(data.X_test)
        scores["test"] = score(task_type, data.y_test, tested)
    found = [Outcome("avg", "val", y_true, y_pred, None, indices, scores)]
    if tested is not None:
        everything = numpy.arange(len(tested))
        found.append(Outcome("avg", "test", data.y_test, tested, None, everything, scores))
    return found
