"""One pipeline fitted to one part of the data: a fold, or all that is there for training.

A part depends on nothing but its arguments, so that it may be fitted anywhere, in any order.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy

from persist.errors import PersistError
from persist.tracking import encodings, prediction
from persist.tracking.errors import PipelineError
from persist.tracking.fitted import FittedChain, FittedStep, StepKind, wrapped_model
from persist.tracking.optional import import_optional
from persist.tracking.training.data import Data, take
from persist.tracking.training.plan import Plan, PlannedStep, class_name
from persist.tracking.training.scoring import Metric, Outcome, outcomes_of
from persist.tracking.training.splitting import needs_groups, seeded

__all__ = [
    "Artifact",
    "Fitted",
    "LogEntry",
    "Settings",
    "fit_part",
    "one_thread",
    "reason_of",
    "task_type_of",
]

Array = Any
FINAL = "final"
"""The name of the part that is all training data."""

_NOT_SUPERVISED = {
    "clusterer": "clusterer",
    "outlier_detector": "detector of outliers",
    "density_estimator": "density estimator",
}


@dataclass(frozen=True)
class LogEntry:
    """What happened in a step: ``end`` or ``error``, and how long it took in ms."""

    step_idx: int
    operator_class: str
    event: str
    duration_ms: int
    message: str | None = None


@dataclass(frozen=True)
class Settings:
    """What is the same for all parts of a pipeline."""

    task_type: str  # regression or classification
    metric: Metric
    seed: int  # of what is random and has none
    artifact_format: str
    sklearn: Mapping[str, Any] = field(default_factory=dict)  # its configuration; see set_config


@dataclass(frozen=True)
class Artifact:
    """A fitted object on its way into a store."""

    step: int
    fold: str | None  # of a model; None for a transformer
    type: str
    operator_class: str
    content: Any  # pieces of its file; the object itself where only the caller can encode it
    is_encoded: bool


@dataclass
class Fitted:
    """A part that was fitted, or has failed."""

    part: str  # the number of the fold, or FINAL
    outcomes: list[Outcome] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    best_params: dict[str, Any] = field(default_factory=dict)
    # Text, because errors of other libraries may not come back from a worker.
    error: str | None = None


class _GroupSplits(list[Any]):
    """Splits of whole groups, in the place of the splitter that made them; clones keep both."""

    splitter: Any = None


def reason_of(error: BaseException) -> str:
    """Return why something failed: the message, after the class of an error of another library."""
    if isinstance(error, PersistError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def task_type_of(plan: Plan) -> str:
    """Return whether the model of a pipeline is a classifier or a regressor.

    Raises
    ------
    PipelineError
        If it predicts something else than the target, as clusterers do.
    """
    base = import_optional("sklearn.base")
    model = plan.model.operators[0]
    if base.is_classifier(model):
        return "classification"
    # Since scikit-learn 1.6 an estimator has tags, before it had an attribute.
    tags = model.__sklearn_tags__() if hasattr(model, "__sklearn_tags__") else None
    kind = getattr(tags, "estimator_type", getattr(model, "_estimator_type", None))
    if kind in _NOT_SUPERVISED:
        raise PipelineError(
            f"cannot train {type(model).__name__}: a {_NOT_SUPERVISED[kind]} does not predict the "
            "target; end the pipeline with a classifier or regressor"
        )
    return "regression"


def fit_part(
    plan: Plan, data: Data, part: str, rest: Array, left_out: Array | None, settings: Settings
) -> Fitted:
    """Fit a pipeline to some samples, and predict all parts of the data.

    All steps, those of the target included, are fitted to these samples alone, so that what is
    predicted for the rest tells how well new data would be predicted. Only the codes of class
    labels are those of all training data.

    Numbers do not depend on how many cores there are: BLAS and OpenMP, whose sums do, have one
    thread.

    `rest` are the rows to fit to; `left_out` those to validate on, None for the refitted model. An
    error is in the returned part, and not raised.
    """
    found = Fitted(part)
    try:
        # Other threads and processes have scikit-learn configured as it is by default.
        configured = import_optional("sklearn").config_context(**settings.sklearn)
        with one_thread(), configured, _kept_generators():
            # Some estimators draw from them: as others have left them, in each worker otherwise.
            random.seed(settings.seed)
            numpy.random.seed(settings.seed)
            _Fitting(plan, data, settings, found).fit(rest, left_out)
    except Exception as error:
        found.error = reason_of(error)
        found.outcomes, found.artifacts = [], []
    return found


class _OfProcess:
    """Makes context managers for a setting of the process.

    Of several threads the first sets it and the last sets it back, as their numbers would depend on
    their timing otherwise. `set` returns what sets it back.
    """

    def __init__(self, set: Callable[[], Callable[[], Any]]) -> None:
        self._set = set
        self._lock = threading.Lock()
        self._count = 0
        self._set_back: Callable[[], Any] = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._count:
                self._set_back = self._set()
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if not self._count:
                    self._set_back()


@functools.lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Return what limits the libraries of the process.

    To find them takes longer than to fit a small model, so that is only done when the number of
    modules that are loaded has changed.
    """
    return import_optional("threadpoolctl").ThreadpoolController()


def _limit_threads() -> Callable[[], Any]:
    limits = _controller(len(sys.modules)).limit(limits=1)
    return cast("Callable[[], Any]", limits.restore_original_limits)


def _keep_generators() -> Callable[[], Any]:
    states = random.getstate(), numpy.random.get_state()
    return lambda: (random.setstate(states[0]), numpy.random.set_state(states[1]))


# OpenBLAS takes no limit from a thread that Python has started, so whoever starts threads sets it
# for them.
one_thread = _OfProcess(_limit_threads)
"""Context manager within which BLAS computes with one thread."""

_kept_generators = _OfProcess(_keep_generators)
"""Context manager after which the generators of the process are as they were."""


@dataclass(frozen=True)
class _Fitting:
    """Fits the steps of a pipeline to a part of the data, each logged."""

    _plan: Plan
    _data: Data
    _settings: Settings
    _found: Fitted

    def fit(self, rest: Array, left_out: Array | None) -> None:
        """Fit all steps, and fill what was found."""
        data, found, plan = self._data, self._found, self._plan
        is_final = left_out is None
        is_classifier = self._settings.task_type == "classification"
        y = data.y[rest]
        # The codes of labels tell nothing of the samples that are left out.
        targets = tuple(
            self._fit_target(step, data.y if is_classifier else y)
            for step in plan.before
            if step.kind is StepKind.TARGET
        )
        for step in targets:
            for transformer in step.transformers:
                y = _transformed_target(transformer, y)
        steps, model = self._fit_features(take(data.X, rest), y, rest)
        found.best_params = _best_params(model)
        index, fold = plan.model.index, f"fold_{found.part}"
        if is_final:
            every = tuple(sorted([*steps, *targets], key=lambda step: step.index))
        else:
            model = _joined(steps, model)
            if targets and not is_classifier:
                model = _with_target(model, targets, data.y[rest])
                targets = ()
            every = targets
        chain = FittedChain(every, {fold: model}, {}, class_name(model), index)
        found.outcomes = outcomes_of(
            found.part, chain, data, self._settings.task_type, self._settings.metric, rest,
            left_out, found.best_params,
        )  # fmt: skip
        for step in every:
            kind = "encoder" if step.kind is StepKind.TARGET else "transformer"
            found.artifacts += [
                self._artifact(t, step.index, None, kind) for t in step.transformers
            ]
        found.artifacts.append(self._artifact(model, index, fold, "model"))

    def _fit_features(self, features: Any, y: Array, rows: Array) -> tuple[list[FittedStep], Any]:
        """Return the steps, but for those of the target, and the model, fitted."""
        steps = []
        for step in self._plan.before:
            if step.kind is StepKind.TARGET:
                continue
            operators, added = [], [features]
            with self._logged(step, class_name(step.operators[0])):
                for operator in step.operators:
                    fitted = seeded(operator, self._settings.seed)
                    self._split_groups(fitted, features, y, rows)
                    transformed = _fit_transformed(fitted, features, y, self._routed(fitted, rows))
                    _restore_splitters(fitted)
                    operators.append(fitted)
                    if step.kind is StepKind.AUGMENTATION:
                        added.append(transformed)
                    else:
                        features = transformed
                if step.kind is StepKind.AUGMENTATION:
                    features = prediction.beside(added)
            steps.append(FittedStep(step.index, tuple(operators), step.kind))
        operator = self._plan.model.operators[0]
        with self._logged(self._plan.model, class_name(operator)):
            model = seeded(operator, self._settings.seed)
            self._split_groups(model, features, y, rows)
            weights = self._data.sample_weight
            model.fit(
                features, y, **({} if weights is None else {_weight_name(model): weights[rows]})
            )
            _restore_splitters(model)
        return steps, model

    def _routed(self, transformer: Any, rows: Array) -> dict[str, Array]:
        """Return the weights for a transformer that asks for them, as scikit-learn routes them."""
        weights = self._data.sample_weight
        if weights is None or not _is_routing() or not hasattr(transformer, "get_metadata_routing"):
            return {}
        requests = getattr(transformer.get_metadata_routing(), "fit", None)
        is_asked = getattr(requests, "requests", {}).get("sample_weight") is True
        return {"sample_weight": weights[rows]} if is_asked else {}

    def _fit_target(self, step: PlannedStep, y: Array) -> FittedStep:
        operators = []
        with self._logged(step, class_name(step.operators[0])):
            for operator in step.operators:
                fitted = seeded(operator, self._settings.seed).fit(_column(operator, y))
                y = _transformed_target(fitted, y)
                operators.append(fitted)
        return FittedStep(step.index, tuple(operators), StepKind.TARGET)

    def _split_groups(self, operator: Any, features: Any, y: Array, rows: Array) -> None:
        """Give the estimators inside that split by groups the splits: few pass groups to them."""
        cv = getattr(operator, "cv", None)
        if cv is not None and hasattr(cv, "split") and needs_groups(cv):
            if self._data.groups is None:
                raise PipelineError(
                    f"cannot fit {class_name(operator)}: its cv needs the group of each sample; "
                    "give groups="
                )
            splits = _GroupSplits(cv.split(features, y, self._data.groups[rows]))
            splits.splitter, operator.cv = cv, splits
        for part in _with_all_rows(operator):
            self._split_groups(part, features, y, rows)

    def _artifact(self, obj: Any, step: int, fold: str | None, kind: str) -> Artifact:
        name = class_name(obj)
        try:
            content: Any = encodings.encode(obj, self._settings.artifact_format)
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, PersistError):
            # A class of the caller's own script may be one that only the caller can name.
            return Artifact(step, fold, kind, name, obj, is_encoded=False)
        return Artifact(step, fold, kind, name, content, is_encoded=True)

    @contextmanager
    def _logged(self, step: PlannedStep, operator_class: str) -> Iterator[None]:
        begin = time.perf_counter()
        part = self._found.part
        event, message = "end", part if part == FINAL else f"fold {part}"
        try:
            yield
        except Exception as error:
            event = "error"
            message = f"step {step.index} ({operator_class}): {type(error).__name__}: {error}"
            raise PipelineError(message) from error
        finally:
            elapsed = round(1000 * (time.perf_counter() - begin))
            self._found.log.append(LogEntry(step.index, operator_class, event, elapsed, message))


def _with_all_rows(operator: Any) -> Iterator[Any]:
    """Yield the estimators inside another that are fitted to the same samples."""
    yield from (step for _, step in getattr(operator, "steps", None) or ())
    for name in ("regressor", "regressor_"):
        if hasattr(operator, name):
            yield getattr(operator, name)


def _restore_splitters(operator: Any) -> None:
    cv = getattr(operator, "cv", None)
    if isinstance(cv, _GroupSplits):
        operator.cv = cv.splitter
    for part in _with_all_rows(operator):
        _restore_splitters(part)


def _weight_name(model: Any, prefix: str = "") -> str:
    """Return the argument of ``fit`` by which the model at the end of pipelines gets weights.

    Raises
    ------
    PipelineError
        If that takes none.
    """
    if _is_routing():
        return "sample_weight"
    if getattr(model, "steps", None):
        name, last = model.steps[-1]
        return _weight_name(last, f"{prefix}{name}__")
    inner = [getattr(model, name, None) for name in ("estimator", "regressor")]
    fit = inspect.signature(model.fit).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in fit.values())
    # Searches and transformed targets pass on what they get.
    passed_on = next((one for one in inner if hasattr(one, "fit")), None)
    if takes_any and "sample_weight" not in fit and passed_on is not None:
        return _weight_name(passed_on, prefix)
    if not takes_any and "sample_weight" not in fit:
        raise PipelineError(
            f"cannot fit {class_name(model)}: it takes no sample_weight; train it in a run "
            "without weights"
        )
    return f"{prefix}sample_weight"


def _is_routing() -> bool:
    return bool(import_optional("sklearn").get_config().get("enable_metadata_routing"))


def _fit_transformed(operator: Any, features: Any, y: Array, routed: dict[str, Array]) -> Any:
    """Fit a transformer and return what it makes of the features, as scikit-learn's Pipeline."""
    if not hasattr(operator, "fit_transform"):
        return operator.fit(features, y, **routed).transform(features)
    found = operator.fit_transform(features, y, **routed)
    # Those of partial least squares return the transformed target beside.
    return found[0] if isinstance(found, tuple) else found


def _joined(steps: list[FittedStep], model: Any) -> Any:
    """Return steps and a model as one estimator, fitted as they are."""
    pipelines = import_optional("sklearn.pipeline")
    preprocessing = import_optional("sklearn.preprocessing")
    before: list[Any] = []
    for step in steps:
        if step.kind is StepKind.AUGMENTATION:
            # Without a function, it passes features on.
            same = ("features", preprocessing.FunctionTransformer())
            added = [(str(number), t) for number, t in enumerate(step.transformers)]
            before.append(pipelines.FeatureUnion([same, *added]))
        else:
            before += step.transformers
    return pipelines.make_pipeline(*before, model) if before else model


def _with_target(model: Any, targets: tuple[FittedStep, ...], y: Array) -> Any:
    """Return a fitted model that transforms what it predicts back, as fitted as it is."""
    compose = import_optional("sklearn.compose")
    dummy = import_optional("sklearn.dummy").DummyRegressor()
    pipelines = import_optional("sklearn.pipeline")
    transformers = [t for step in targets for t in step.transformers]
    transformer = (
        transformers[0] if len(transformers) == 1 else pipelines.make_pipeline(*transformers)
    )
    joined = compose.TransformedTargetRegressor(dummy, transformer=transformer, check_inverse=False)
    joined.fit(numpy.zeros((len(y), 1)), y)
    joined.regressor = joined.regressor_ = model
    if hasattr(model, "feature_names_in_"):
        joined.feature_names_in_ = model.feature_names_in_
    return joined


def _transformed_target(transformer: Any, y: Array) -> Array:
    found = transformer.transform(_column(transformer, y))
    return found if y.ndim > 1 else numpy.asarray(found).reshape(len(y))


def _column(transformer: Any, y: Array) -> Array:
    """Return a target as transformers of features want it; encoders of labels want it flat."""
    return y if y.ndim > 1 or type(transformer).__name__ == "LabelEncoder" else y.reshape(-1, 1)


def _best_params(model: Any) -> dict[str, Any]:
    """Return what a search has found, also one inside of a pipeline or around a target."""
    while model is not None:
        found = getattr(model, "best_params_", None)
        if isinstance(found, dict):
            return dict(found)
        model = wrapped_model(model)
    return {}
