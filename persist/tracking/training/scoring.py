"""How good predictions are, by scikit-learn's metrics and scorers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy

from persist.tracking.errors import PipelineError
from persist.tracking.fitted import FittedChain
from persist.tracking.optional import import_optional
from persist.tracking.ranking import higher_is_better
from persist.tracking.training.data import Data, take

__all__ = [
    "METRICS",
    "Metric",
    "Outcome",
    "Predicted",
    "average_of",
    "check_metric",
    "make_metric",
    "outcomes_of",
    "score",
]

Array = Any

METRICS = {
    "regression": ("rmse", "mse", "mae", "r2"),
    "classification": ("accuracy", "balanced_accuracy", "f1", "precision", "recall"),
}
"""The metrics of each type of task that are always recorded; the first is the default."""


@dataclass(frozen=True)
class Predicted:
    """What a model has predicted."""

    y: Array  # (n_samples,) or (n_samples, n_outputs)
    proba: Array = None  # (n_samples, n_classes)
    classes: Any = None  # of the columns of proba; a list of those of each output
    decision: Array = None  # of a classifier without probabilities


@dataclass(frozen=True)
class Metric:
    """What pipelines are ranked by: a scorer of scikit-learn, a function, or one of `METRICS`."""

    name: str
    scorer: Any = None
    function: Callable[[Any, Any], float] | None = None  # of true and predicted values
    greater_is_better: bool | None = None  # None where the name says so

    def value(self, task_type: str, y_true: Any, predicted: Predicted) -> float:
        """Return the score of predictions, by a scorer or function."""
        if self.function is not None:
            return float(self.function(y_true, predicted.y))
        return float(self.scorer(_stand_in(task_type, predicted), None, y_true))


def make_metric(metric: Any, greater_is_better: bool | None = None) -> Metric | None:
    """Return what a user means by the arguments of `run`; None stands for the default of a task."""
    found, is_high = _metric(metric), greater_is_better
    if is_high is not None and not isinstance(is_high, bool):
        raise PipelineError(f"cannot rank by greater_is_better={is_high!r}: give True or False")
    if found is None or found.function is not None:
        if found is None and is_high is not None:
            raise PipelineError("cannot use greater_is_better without metric: give both")
        return None if found is None else replace(found, greater_is_better=is_high)
    if is_high is not None and is_high != higher_is_better(found.name):
        good = "low" if is_high else "high"
        raise PipelineError(
            f"cannot rank by metric {found.name!r} with greater_is_better={is_high}: its {good} "
            "values are good; leave it out, or give it to make_scorer"
        )
    return found


def _metric(metric: Any) -> Metric | None:
    if metric is None:
        return None
    if isinstance(metric, str):
        name = metric.strip().lower().replace("-", "_").replace(" ", "_")
        if any(name in known for known in METRICS.values()):
            return Metric(name)
        metrics = import_optional("sklearn.metrics")
        if metric not in metrics.get_scorer_names():
            known = [name for names in METRICS.values() for name in names]
            raise PipelineError(
                f"cannot score by metric {metric!r}: it is not known; choose one of "
                f"{', '.join(known)}, or a scorer of scikit-learn"
            )
        name = metric if higher_is_better(metric) else f"scorer:{metric}"
        return Metric(name, metrics.get_scorer(metric))
    if not callable(metric):
        raise PipelineError(f"cannot score by {metric!r}: give a name, a scorer or a function")
    if (function := getattr(metric, "_score_func", None)) is not None:
        name = getattr(function, "__name__", "scorer")
        options = getattr(metric, "_kwargs", None)
        if options:
            # Or scores by other options would be ranked with these.
            name += f"({', '.join(f'{key}={value!r:.40}' for key, value in options.items())})"
        return Metric(name if name.startswith("neg_") else f"scorer:{name}", metric)
    try:
        inspect.signature(metric).bind(None, None)
    except TypeError as error:
        raise PipelineError(
            f"cannot score by {metric!r}: {error}; give a function of true and predicted values"
        ) from error
    except ValueError:
        pass  # Functions of compiled code may not tell their arguments.
    return Metric(getattr(metric, "__name__", type(metric).__name__), function=metric)


def check_metric(metric: Metric | None, task_type: str) -> Metric:
    """Return the metric of a type of task, the default one for None; refuse that of another."""
    known = METRICS[task_type]
    if metric is None:
        return Metric(known[0])
    if metric.scorer is None and metric.function is None and metric.name not in known:
        raise PipelineError(
            f"cannot score a {task_type} by metric {metric.name!r}: give one of {', '.join(known)}"
        )
    return metric


def score(
    task_type: str, y_true: Any, predicted: Predicted, metric: Metric | None = None
) -> dict[str, float]:
    """Return the metrics of a type of task, and another one; f1, precision and recall are macro.

    A metric that is not defined for such values is left out.
    """
    found = import_optional("sklearn.metrics")
    y_pred = predicted.y
    # Each call checks and converts both arrays, so those that share a computation share a call.
    functions: dict[tuple[str, ...], Callable[[], Any]]
    if task_type == "regression":
        functions = {
            ("rmse", "mse"): lambda: _squared_errors(found, y_true, y_pred),
            ("mae",): lambda: [found.mean_absolute_error(y_true, y_pred)],
        }
        if len(y_true) > 1:
            functions["r2",] = lambda: [found.r2_score(y_true, y_pred)]
    else:
        functions = {
            ("accuracy",): lambda: [_accuracy(found, y_true, y_pred)],
            ("balanced_accuracy",): lambda: [found.balanced_accuracy_score(y_true, y_pred)],
            ("precision", "recall", "f1"): lambda: found.precision_recall_fscore_support(
                y_true, y_pred, average="macro", zero_division=0
            )[:3],
        }
    scores: dict[str, float] = {}
    with warnings.catch_warnings():
        # A fold may lack one of the classes: those who read the scores know.
        warnings.simplefilter("ignore")
        for names, function in functions.items():
            try:
                scores.update(zip(names, map(float, function()), strict=True))
            except ValueError:
                if metric is not None and metric.name in names:
                    raise
        is_other = metric is not None and (metric.scorer or metric.function)
        if metric is not None and is_other:
            scores[metric.name] = metric.value(task_type, y_true, predicted)
    return scores


def _squared_errors(metrics: Any, y_true: Any, y_pred: Any) -> tuple[float, float]:
    """Return the root mean squared error and the mean squared one, averaged over outputs."""
    errors = metrics.mean_squared_error(y_true, y_pred, multioutput="raw_values")
    return float(numpy.mean(numpy.sqrt(errors))), float(numpy.mean(errors))


def _accuracy(metrics: Any, y_true: Any, y_pred: Any) -> float:
    if numpy.ndim(y_true) == 2 and y_true.shape[1] > 1:
        # All outputs of a sample must be right, as for scikit-learn's multi-output classifiers.
        return float((numpy.asarray(y_true) == numpy.asarray(y_pred)).all(axis=1).mean())
    return float(metrics.accuracy_score(y_true, y_pred))


def _stand_in(task_type: str, predicted: Predicted) -> Any:
    """Return an estimator that predicts what was predicted, for a scorer to ask."""
    base = import_optional("sklearn.base")
    kind = base.ClassifierMixin if task_type == "classification" else base.RegressorMixin

    def method(name: str, values: Any) -> Any:
        def call(self: Any, features: Any) -> Any:
            return values

        # scikit-learn chooses among methods by their names.
        call.__name__ = name
        return call

    classes, proba = predicted.classes, predicted.proba
    if proba is not None and isinstance(classes, list):
        # Models of several outputs return a list.
        proba = numpy.split(proba, numpy.cumsum([*map(len, classes)])[:-1], axis=1)
    methods: dict[str, Any] = {
        "fit": lambda self, features, y=None: self,
        "predict": method("predict", predicted.y),
        "__sklearn_is_fitted__": lambda self: True,
    }
    for name, values in (("predict_proba", proba), ("decision_function", predicted.decision)):
        if values is not None:
            methods[name] = method(name, values)
    estimator = type("_Predicted", (kind, base.BaseEstimator), methods)()
    if task_type == "classification":
        estimator.classes_ = numpy.unique(predicted.y) if classes is None else classes
    return estimator


@dataclass(frozen=True)
class Outcome:
    """What was predicted for a part of the data, in a fold or by the refitted model."""

    fold: str
    partition: str
    y_true: Array
    predicted: Predicted
    rows: Array  # the samples, as rows of the part
    scores: dict[str, dict[str, float]]  # all those of the fold, by part and metric
    best_params: dict[str, Any] = field(default_factory=dict)
    is_refit: bool = False


def outcomes_of(
    fold: str,
    chain: FittedChain,
    data: Data,
    task_type: str,
    metric: Metric,
    rest: Array,
    part: Array | None,
    best_params: dict[str, Any],
) -> list[Outcome]:
    """Return what a chain predicts for each part of the data."""
    parts = {"train": (take(data.X, rest), data.y[rest], rest)}
    if part is not None:
        parts["val"] = (take(data.X, part), data.y[part], part)
    if data.X_test is not None:
        parts["test"] = (data.X_test, data.y_test, numpy.arange(len(data.y_test)))
    scores: dict[str, dict[str, float]] = {}
    found = []
    for name, (X, y, rows) in parts.items():  # noqa: N806 - scikit-learn's name
        predicted = _predicted(chain, X, y, task_type == "classification")
        scores[name] = score(task_type, y, predicted, metric)
        found.append(Outcome(fold, name, y, predicted, rows, scores, best_params, part is None))
    return found


def _predicted(chain: FittedChain, features: Any, y: Array, is_classifier: bool) -> Predicted:
    found = numpy.asarray(chain.predict(features))
    if found.size == y.size:
        # A column of targets and a flat one would be compared all with all.
        found = found.reshape(y.shape)
    if not is_classifier:
        return Predicted(found)
    proba = chain.response(features, "predict_proba")
    decision = chain.response(features, "decision_function") if proba is None else None
    return Predicted(found, proba, chain.classes(), decision)


def average_of(
    folds: list[Outcome], data: Data, task_type: str, metric: Metric, best_params: dict[str, Any]
) -> list[Outcome]:
    """Return what was predicted for each sample while it was left out, and all models for a test.

    A sample that was left out several times counts as often. For the test part numbers are
    averaged, and classifiers vote, as they do when the folds predict together.
    """
    left_out = [outcome for outcome in folds if outcome.partition == "val"]
    together = _joined(left_out)
    trains = [outcome.scores["train"] for outcome in left_out]
    scores = {
        "train": {
            name: float(numpy.mean([one[name] for one in trains]))
            for name in trains[0]
            if all(name in one for one in trains)
        },
        "val": score(task_type, together.y_true, together.predicted, metric),
    }
    tests = [outcome for outcome in folds if outcome.partition == "test"]
    voted = _voted(tests, task_type == "classification") if tests else None
    if voted is not None:
        scores["test"] = score(task_type, data.y_test, voted, metric)
    found = [replace(together, scores=scores, best_params=best_params)]
    if voted is not None:
        rows = numpy.arange(len(voted.y))
        found.append(Outcome("avg", "test", data.y_test, voted, rows, scores, best_params))
    return found


def _joined(outcomes: list[Outcome]) -> Outcome:
    found = _with_all_classes([outcome.predicted for outcome in outcomes])
    predicted = Predicted(numpy.concatenate([one.y for one in found]))
    if _have_same_classes(found):
        predicted = replace(predicted, classes=found[0].classes)
        for name in ("proba", "decision"):
            values = [getattr(one, name) for one in found]
            if all(value is not None for value in values):
                predicted = replace(predicted, **{name: numpy.concatenate(values)})
    y_true = numpy.concatenate([outcome.y_true for outcome in outcomes])
    rows = numpy.concatenate([outcome.rows for outcome in outcomes])
    return Outcome("avg", "val", y_true, predicted, rows, {})


def _with_all_classes(found: list[Predicted]) -> list[Predicted]:
    """Return predictions with a probability for each class that any model knows.

    It is 0 where a fold had no sample of a class, as `cross_val_predict` of scikit-learn has it.
    """
    if _have_same_classes(found) or any(
        one.proba is None or one.classes is None or isinstance(one.classes, list) for one in found
    ):
        return found
    every = numpy.unique(numpy.concatenate([one.classes for one in found]))
    spread = []
    for one in found:
        proba = numpy.zeros((len(one.proba), len(every)), one.proba.dtype)
        proba[:, numpy.searchsorted(every, one.classes)] = one.proba
        spread.append(replace(one, proba=proba, classes=every))
    return spread


def _voted(outcomes: list[Outcome], is_classifier: bool) -> Predicted:
    found = [outcome.predicted for outcome in outcomes]
    if not is_classifier:
        return Predicted(numpy.mean([one.y for one in found], axis=0))
    classes = found[0].classes
    has_proba = all(one.proba is not None for one in found)
    if has_proba and _have_same_classes(found) and not isinstance(classes, list):
        chances = numpy.average([one.proba for one in found], axis=0)
        labels = classes[chances.argmax(axis=1)].reshape(found[0].y.shape)
        return Predicted(labels, chances, classes)
    votes = numpy.stack([one.y for one in found])
    labels = numpy.unique(votes)
    counts = numpy.stack([(votes == label).sum(axis=0) for label in labels])
    return Predicted(labels[counts.argmax(axis=0)])


def _have_same_classes(found: list[Predicted]) -> bool:
    every = [one.classes if isinstance(one.classes, list) else [one.classes] for one in found]
    return found[0].classes is not None and all(
        len(one) == len(every[0]) and all(map(numpy.array_equal, one, every[0])) for one in every
    )
