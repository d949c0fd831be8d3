"""Records for tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

__all__ = ["Doubler", "Ids", "Mean", "Shifter", "fill", "predict_args"]


class Shifter:
    """A transformer that adds a number."""

    def __init__(self, shift=1.0):
        self.shift = shift

    def transform(self, X):
        return X + self.shift

    def inverse_transform(self, X):
        return X - self.shift


class Doubler:
    """A transformer that takes wavelengths."""

    def transform(self, X, wavelengths=None):
        return 2 * X if wavelengths is None else X * wavelengths


class Mean:
    """A model that predicts the mean of the features, and more."""

    def __init__(self, plus=0.0):
        self.plus = plus

    def predict(self, X):
        return X.mean(axis=1) + self.plus


class Ids(NamedTuple):
    """What `fill` has recorded."""

    run: str
    pipeline: str
    chain: str
    predictions: list[str]
    artifacts: dict[str, str]


def predict_args(pipeline: str, chain: str | None, **changes: Any) -> dict[str, Any]:
    """Return arguments for `save_prediction`."""
    values = {
        "pipeline_id": pipeline,
        "chain_id": chain,
        "dataset_name": "wheat",
        "model_name": "Mean",
        "model_class": "tests.tracking.samples.Mean",
        "fold_id": "fold_0",
        "partition": "val",
        "val_score": 0.1,
        "test_score": 0.2,
        "train_score": 0.05,
        "metric": "rmse",
        "task_type": "regression",
        "n_samples": 4,
        "n_features": 3,
        "scores": {"val": {"rmse": 0.1}},
        "best_params": {},
        "branch_id": None,
        "branch_name": None,
        "exclusion_count": 0,
        "exclusion_rate": 0.0,
    }
    return {**values, **changes}


def fill(store: Any, name: str = "exp", *, plus: float = 0.0, format: str = "joblib") -> Ids:
    """Record a run with one pipeline, a chain of two folds and their predictions."""
    with store.batch():
        return _fill(store, name, plus, format)


def _fill(store, name, plus, format):
    run = store.begin_run(name, {"metric": "rmse"}, [{"name": "wheat", "path": "p"}])
    pipeline = store.begin_pipeline(run, "0001_mean", [{"step": "Shifter"}], [], "wheat", "h")
    artifacts = {
        "shift": store.save_artifact(Shifter(2.0), "samples.Shifter", "transformer", format),
        "fold_0": store.save_artifact(Mean(plus), "samples.Mean", "model", format),
        "fold_1": store.save_artifact(Mean(plus + 1), "samples.Mean", "model", format),
    }
    steps = [
        {"step_idx": 0, "operator_class": "Shifter", "params": {}, "stateless": False},
        {"step_idx": 1, "operator_class": "Mean", "params": {}, "stateless": False},
    ]
    folds = {fold: artifacts[fold] for fold in ("fold_0", "fold_1")}
    chain = store.save_chain(
        pipeline, steps, 1, "samples.Mean", "Shift", "per_fold", folds, {"0": [artifacts["shift"]]}
    )
    predictions = []
    for number, fold in enumerate(folds):
        key = store.save_prediction(
            **predict_args(pipeline, chain, fold_id=fold, val_score=0.1 + number)
        )
        store.save_prediction_arrays(key, numpy.arange(4.0), numpy.arange(4.0) + number)
        predictions.append(key)
    store.log_step(pipeline, 0, "Shifter", "end", 3, details={"a": 1})
    store.complete_pipeline(pipeline, 0.1, 0.2, "rmse", 10)
    store.complete_run(run, {"best": 0.1})
    return Ids(run, pipeline, chain, predictions, artifacts)
