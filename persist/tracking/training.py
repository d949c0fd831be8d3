"""One pipeline trained on one data set: cross-validated, and fitted to all training data."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy

from persist.tracking.data import Data
from persist.tracking.errors import StoreError
from persist.tracking.fitted import FittedChain, FittedStep, StepKind
from persist.tracking.optional import import_optional
from persist.tracking.outcomes import Outcome, average_of, outcomes_of
from persist.tracking.plan import Plan, PlannedStep, class_name
from persist.tracking.scoring import check_metric

__all__ = ["LogEntry", "StepFailure", "Trained", "train"]

Array = Any


class StepFailure(StoreError):  # noqa: N818 - it wraps the error of a step, and is recorded
    """A step of a pipeline raised an error."""


@dataclass(frozen=True)
class LogEntry:
    """What happened in a step: ``end`` or ``error``, and how long it took in ms."""

    step: int
    operator_class: str
    event: str
    duration_ms: int
    message: str | None = None


@dataclass
class Trained:
    """A pipeline that was trained.

    Attributes
    ----------
    task_type, metric : str
        ``regression`` or ``classification``, and what the scores are.
    target_steps : tuple of FittedStep
        The steps of the target, fitted to all training data.
    fold_models : dict of str to object
        The model of each fold, together with the steps before it.
    refit : FittedChain or None
        The steps and the model, fitted to all training data.
    outcomes : list of Outcome
        The predictions.
    log : list of LogEntry
        What happened.
    """

    task_type: str
    metric: str
    target_steps: tuple[FittedStep, ...] = ()
    fold_models: dict[str, Any] = field(default_factory=dict)
    refit: FittedChain | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)


def train(
    plan: Plan,
    data: Data,
    log: list[LogEntry],
    *,
    cv: Any,
    metric: str | None,
    refit: bool,
    random_state: int | None,
) -> Trained:
    """Train a pipeline.

    In each fold all steps but those of the target are fitted to the training part alone, so that
    what is predicted for the rest tells how well new data would be predicted.

    Parameters
    ----------
    plan : Plan
        The pipeline.
    data : Data
        The data.
    log : list of LogEntry
        Filled as the steps end, also if one fails.
    cv : int or splitter
        The folds, if the pipeline has no splitter.
    metric : str or None
        The metric, by default that of the type of task.
    refit : bool
        Whether to fit to all training data as well.
    random_state : int or None
        The seed of what is random and has none.

    Raises
    ------
    StepFailure
        If a step fails.
    """
    base = import_optional("sklearn.base", "scikit-learn")
    is_classifier = base.is_classifier(plan.model.operators[0])
    task_type = "classification" if is_classifier else "regression"
    trained = Trained(task_type, check_metric(metric, task_type), log=log)
    trained.target_steps = tuple(
        _fitted_target(step, data.y, log) for step in plan.before if step.kind is StepKind.TARGET
    )
    y = _scaled(trained.target_steps, data.y)
    fitting = _Fitting(plan, log, random_state)
    for number, (rest, part) in enumerate(fitting.folds(data, cv, is_classifier)):
        fold = str(number)
        model = _joined(*fitting.fit(data.X[rest], y[rest], f"fold {fold}"))
        trained.fold_models[f"fold_{fold}"] = model
        chain = FittedChain(trained.target_steps, {fold: model})
        trained.outcomes += outcomes_of(fold, chain, data, task_type, rest, part)
    folds = FittedChain(trained.target_steps, trained.fold_models)
    trained.outcomes += average_of(folds, data, task_type, trained.outcomes)
    if refit:
        steps, model = fitting.fit(data.X, y, "refit")
        steps = sorted([*steps, *trained.target_steps], key=lambda step: step.index)
        name, index = class_name(model), plan.model.index
        trained.refit = FittedChain(tuple(steps), {"fold_final": model}, {}, name, index)
        everything = numpy.arange(len(data.X))
        trained.outcomes += outcomes_of(
            "final", trained.refit, data, task_type, everything, None, is_refit=True
        )
    return trained


class _Fitting:
    """Fits the steps of a pipeline, each logged."""

    def __init__(self, plan: Plan, log: list[LogEntry], random_state: int | None) -> None:
        self._plan = plan
        self._log = log
        self._random_state = random_state

    def folds(self, data: Data, cv: Any, is_classifier: bool) -> Iterator[tuple[Array, Array]]:
        """Yield the samples to fit to, and those left out, of each fold."""
        step = self._plan.splitter
        splitter = cv if step is None else copy.copy(step.operators[0])
        if isinstance(splitter, int):
            selection = import_optional("sklearn.model_selection", "scikit-learn")
            kind = selection.StratifiedKFold if is_classifier else selection.KFold
            splitter = kind(splitter, shuffle=True, random_state=self._random_state)
        elif self._random_state is not None and getattr(splitter, "random_state", 0) is None:
            splitter = copy.copy(splitter)
            splitter.random_state = self._random_state
        with _logged(self._log, step or self._plan.model, class_name(splitter), "folds"):
            found = list(splitter.split(data.X, data.y))
        return iter(found)

    def fit(self, features: Array, y: Array, part: str) -> tuple[list[FittedStep], Any]:
        """Return the steps, but for those of the target, and the model, fitted."""
        steps = []
        for step in self._plan.before:
            if step.kind is StepKind.TARGET:
                continue
            operators, added = [], [features]
            with _logged(self._log, step, class_name(step.operators[0]), part):
                for operator in step.operators:
                    fitted = self._seeded(operator).fit(features, y)
                    operators.append(fitted)
                    if step.kind is StepKind.AUGMENTATION:
                        added.append(fitted.transform(features))
                    else:
                        features = fitted.transform(features)
                if step.kind is StepKind.AUGMENTATION:
                    features = numpy.hstack(added)
            steps.append(FittedStep(step.index, tuple(operators), step.kind))
        operator = self._plan.model.operators[0]
        with _logged(self._log, self._plan.model, class_name(operator), part):
            model = self._seeded(operator).fit(features, y)
        return steps, model

    def _seeded(self, operator: Any) -> Any:
        seed = self._random_state
        fresh = import_optional("sklearn.base", "scikit-learn").clone(operator, safe=False)
        if seed is not None and getattr(fresh, "random_state", seed) is None:
            fresh.set_params(random_state=seed)
        return fresh


def _joined(steps: list[FittedStep], model: Any) -> Any:
    """Return steps and a model as one estimator, fitted as they are."""
    pipelines = import_optional("sklearn.pipeline", "scikit-learn")
    preprocessing = import_optional("sklearn.preprocessing", "scikit-learn")
    before: list[Any] = []
    for step in steps:
        if step.kind is StepKind.AUGMENTATION:
            # Without a function, it passes features on.
            same = ("features", preprocessing.FunctionTransformer())
            beside = [(str(number), t) for number, t in enumerate(step.transformers)]
            before.append(pipelines.FeatureUnion([same, *beside]))
        else:
            before += step.transformers
    return pipelines.make_pipeline(*before, model) if before else model


def _fitted_target(step: PlannedStep, y: Array, log: list[LogEntry]) -> FittedStep:
    operators = []
    with _logged(log, step, class_name(step.operators[0])):
        for operator in step.operators:
            fitted = operator.fit(_column(operator, y))
            y = _transformed_target(fitted, y)
            operators.append(fitted)
    return FittedStep(step.index, tuple(operators), StepKind.TARGET)


def _scaled(steps: tuple[FittedStep, ...], y: Array) -> Array:
    for step in steps:
        for transformer in step.transformers:
            y = _transformed_target(transformer, y)
    return y


def _transformed_target(transformer: Any, y: Array) -> Array:
    found = transformer.transform(_column(transformer, y))
    return found if y.ndim > 1 else numpy.asarray(found).reshape(len(y))


def _column(transformer: Any, y: Array) -> Array:
    """Return a target as transformers of features want it; encoders of labels want it flat."""
    return y if y.ndim > 1 or type(transformer).__name__ == "LabelEncoder" else y.reshape(-1, 1)


@contextmanager
def _logged(
    log: list[LogEntry], step: PlannedStep, operator_class: str, part: str = ""
) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    except Exception as error:
        message = f"step {step.index} ({operator_class}): {type(error).__name__}: {error}"
        log.append(LogEntry(step.index, operator_class, "error", _elapsed(begin), message))
        raise StepFailure(message) from error
    log.append(LogEntry(step.index, operator_class, "end", _elapsed(begin), part or None))


def _elapsed(begin: float) -> int:
    return round(1000 * (time.perf_counter() - begin))
