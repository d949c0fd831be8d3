"""Pipelines as they are to be trained, made of what a user writes, and as JSON."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import math
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from persist.errors import PersistError
from persist.tracking.errors import PipelineError, PipelineTypeError
from persist.tracking.fitted import StepKind
from persist.tracking.optional import import_optional

__all__ = ["Plan", "PlannedStep", "class_name", "described", "make_plans", "parts_of"]

_CHOICE = "_or_"
_WRAPPERS = ("step", "preprocessing", "model", "split")
_FLOAT = "float"


@dataclass(frozen=True)
class PlannedStep:
    """A step of a pipeline: estimators that are not fitted, or a splitter."""

    index: int  # from 1
    operators: tuple[Any, ...]
    kind: StepKind = StepKind.FEATURES


@dataclass(frozen=True)
class Plan:
    """A pipeline."""

    name: str
    before: tuple[PlannedStep, ...]
    model: PlannedStep
    splitter: PlannedStep | None  # the step that makes folds
    model_name: str
    choices: list[Any]  # what was chosen where there were alternatives

    @property
    def preprocessings(self) -> str:
        """A short name for what is before the model."""
        names = (
            f"y:{type(operator).__name__}"
            if step.kind is StepKind.TARGET
            else type(operator).__name__
            for step in self.before
            for operator in step.operators
        )
        return ">".join(names)

    @property
    def steps(self) -> list[PlannedStep]:
        """All steps, in order."""
        steps = [*self.before, *([self.splitter] if self.splitter else []), self.model]
        return sorted(steps, key=lambda step: step.index)

    def config(self) -> list[dict[str, Any]]:
        """Return the steps for JSON."""
        found = []
        for step in self.steps:
            several = [
                one if isinstance(one, dict) else {"class": class_name(operator), "params": {}}
                for operator in step.operators
                for one in [described(operator)]
            ]
            given: Any = several if len(several) > 1 else several[0]
            found.append(given if step.kind is StepKind.FEATURES else {step.kind.value: given})
        return found

    def parts(self) -> Iterator[Any]:
        """Yield all estimators and splitters, and what is inside them, at any depth."""
        for step in self.steps:
            for operator in step.operators:
                yield from parts_of(operator)


def make_plans(pipeline: Any) -> list[Plan]:
    """Return the pipelines that an argument stands for.

    Parameters
    ----------
    pipeline : object
        A list of steps, or a list of such lists. A step is an estimator, a class or its full name,
        a splitter that makes folds, a tuple of a name and one of these, or a dict:
        ``{"class": name, "params": {…}}``, ``{"step": …}``,
        ``{"model": …, "name": …}``, ``{"y_processing": …}`` for the target,
        ``{"feature_augmentation": […]}`` for features beside those that are there, or
        ``{"_or_": […]}`` for alternatives, None for none. A pipeline of scikit-learn is
        taken apart.

    Raises
    ------
    TypeError, ValueError
        If a step is something else, or the last one is not a model.
    """
    are_several = (
        isinstance(pipeline, (list, tuple))
        and bool(pipeline)
        and all(isinstance(one, (list, tuple)) and not _is_named(one) for one in pipeline)
    )
    lists = pipeline if are_several else [pipeline]
    found = [choice for one in lists for choice in _expanded(_steps(one))]
    return [_plan(number, steps, choices) for number, (steps, choices) in enumerate(found, start=1)]


def _is_named(step: Any) -> bool:
    """Return True if a step is a tuple of its name and itself, as scikit-learn has them."""
    is_pair = isinstance(step, (list, tuple)) and len(step) == 2 and isinstance(step[0], str)
    # A list may as well hold the names of two classes.
    return is_pair and (isinstance(step, tuple) or not isinstance(step[1], str))


def _steps(pipeline: Any) -> list[Any]:
    if isinstance(pipeline, Mapping) and ("pipeline" in pipeline or "steps" in pipeline):
        return _steps(pipeline.get("pipeline", pipeline.get("steps")))
    if isinstance(pipeline, (list, tuple)):
        return list(pipeline)
    if hasattr(pipeline, "named_steps"):
        return [step for _, step in pipeline.steps]
    return [pipeline]


def _expanded(steps: Sequence[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield the steps of each combination of alternatives, and what was chosen."""
    options: list[list[tuple[Any, Any]]] = []
    for step in steps:
        if not isinstance(step, Mapping) or _CHOICE not in step:
            options.append([(step, None)])
            continue
        _check_keys(step, _CHOICE)
        if not step[_CHOICE] or not isinstance(step[_CHOICE], (list, tuple)):
            raise PipelineError(f"A step must have a list of one alternative or more: {step!r:.80}")
        shown = [one if isinstance(one, str) else described(one) for one in step[_CHOICE]]
        pairs = zip(step[_CHOICE], shown, strict=True)
        options.append([(one, {_CHOICE: text}) for one, text in pairs])
    for combination in itertools.product(*options):
        chosen = [choice for _, choice in combination if choice is not None]
        yield [step for step, _ in combination], chosen


def _plan(number: int, steps: list[Any], choices: list[Any]) -> Plan:
    before: list[PlannedStep] = []
    splitter: PlannedStep | None = None
    model: PlannedStep | None = None
    model_name = ""
    for index, step in enumerate(steps, start=1):
        given_name = None
        if _is_named(step):
            given_name, step = step
        if step is None or step == "passthrough":
            continue
        kind, operators = _operators(step)
        planned = PlannedStep(index, operators, kind)
        is_splitter = hasattr(operators[0], "split") and hasattr(operators[0], "get_n_splits")
        if model is not None and not is_splitter:
            raise PipelineError(
                f"Step {index} comes after the model, step {model.index}; put it before, or give "
                'models in turn as {"_or_": […]}'
            )
        if kind is not StepKind.FEATURES:
            before.append(planned)
        elif is_splitter:
            if splitter is not None:
                raise PipelineError(
                    f"Step {index} makes folds, as step {splitter.index} does; keep one of them"
                )
            splitter = planned
        elif index == len(steps) or (isinstance(step, Mapping) and "model" in step):
            model = planned
            named = step.get("name") if isinstance(step, Mapping) else given_name
            model_name = str(named or type(operators[0]).__name__)
        else:
            before.append(planned)
    if model is None or not _has(model.operators[0], "predict"):
        raise PipelineError("The last step of a pipeline must be a model, with fit and predict")
    for planned in before:
        for operator in planned.operators:
            if not _has(operator, "transform"):
                raise PipelineError(
                    f"Step {planned.index} must transform, and {type(operator).__name__} has no "
                    "transform; the model is the last step"
                )
    name = f"{number:04d}_{model_name.lower()}"
    return Plan(name, tuple(before), model, splitter, model_name, choices)


def _has(operator: Any, method: str) -> bool:
    """Return True if an estimator has a method, now or once it is fitted."""
    return hasattr(type(operator), method) or hasattr(operator, method)


def _operators(step: Any) -> tuple[StepKind, tuple[Any, ...]]:
    if isinstance(step, Mapping):
        for kind in (StepKind.TARGET, StepKind.AUGMENTATION):
            if kind.value in step:
                _check_keys(step, kind.value)
                given = step[kind.value]
                several = given if isinstance(given, (list, tuple)) else [given]
                if not several:
                    raise PipelineError(f"A step must have one {kind.value} or more: {step!r:.80}")
                return kind, tuple(map(_made, several))
    return StepKind.FEATURES, (_made(step),)


def _made(step: Any) -> Any:
    """Return an estimator or splitter of its own, not fitted."""
    if isinstance(step, Mapping):
        for key in _WRAPPERS:
            if key in step:
                _check_keys(step, key)
                return _made(step[key])
        if "class" in step:
            _check_keys(step, "class", "params")
            return _made_of({"class": step["class"], "params": step.get("params") or {}})
        raise PipelineError(
            f"A step must have one of the keys class, {', '.join(_WRAPPERS)}: {step!r}"
        )
    if _is_named(step):
        return _made(step[1])
    if isinstance(step, (str, type)):
        return _constructed(_named_object(step), {})
    if hasattr(step, "get_params"):
        try:
            return import_optional("sklearn.base").clone(step)
        except (RuntimeError, TypeError) as error:
            raise PipelineError(f"cannot make a step of {class_name(step)}: {error}") from error
    if hasattr(step, "split") or hasattr(step, "fit"):
        return step
    raise PipelineTypeError(
        f"A step must be an estimator, a splitter, or a dict of one, got {step!r:.80}"
    )


def _check_keys(step: Mapping[str, Any], *known: str) -> None:
    """Refuse a step with other keys: what they ask for would be left out without a word."""
    unknown = [key for key in step if key not in (*known, "name")]
    if unknown:
        raise PipelineError(
            f"cannot make a step of {step!r:.80}: it has the key {unknown[0]!r}; beside "
            f"{known[0]!r} give only {' and '.join((*known[1:], 'name'))}"
        )


def class_name(obj: Any) -> str:
    """Return the full name of the class of an object."""
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def described(value: Any) -> Any:
    """Return a value as JSON can hold it.

    An object that tells its parameters becomes ``{"class": name, "params": {…}}``, a function
    ``{"function": name}``, a number that is not finite ``{"float": "nan"}``; arrays are listed
    whole. What has no such form becomes its repr.

    Examples
    --------
    >>> described({"axis": numpy.arange(3), "function": numpy.log1p})
    {'axis': [0, 1, 2], 'function': {'function': 'numpy.log1p'}}
    """
    if isinstance(value, float) and not math.isfinite(value):
        # For JSON this is null, which is None.
        return {_FLOAT: str(float(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, numpy.generic):
        return described(value.item())
    if isinstance(value, numpy.ndarray):
        return described(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): described(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(one) for one in value]
    if isinstance(value, type):
        return {"function": f"{value.__module__}.{value.__qualname__}"}
    if callable(value) and not hasattr(value, "get_params"):
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", repr(value))
        module = getattr(value, "__module__", None) or _module_of(value)
        return {"function": f"{module}.{name}"}
    parameters = _parameters(value)
    if parameters is None:
        return repr(value)
    return {"class": class_name(value), "params": described(parameters)}


def _made_of(value: Any) -> Any:
    """Return a value of which `described` was written, as far as that tells it."""
    if isinstance(value, list):
        return [_made_of(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {_FLOAT} and isinstance(value[_FLOAT], str):
        return float(value[_FLOAT])
    if set(value) == {"function"} and isinstance(value["function"], str):
        return _named_object(value["function"])
    if "class" in value and set(value) <= {"class", "params"}:
        return _constructed(_named_object(value["class"]), value.get("params") or {})
    return {key: _made_of(one) for key, one in value.items()}


def _named_object(name: Any) -> Any:
    """Return the class or function of a full name.

    Raises
    ------
    PipelineError
        If there is none.
    """
    if isinstance(name, type):
        return name
    path, _, last = str(name).rpartition(".")
    # A full name has dots alone; resolve_name would take a colon for one of them.
    if ":" not in path:
        with contextlib.suppress(ImportError, AttributeError, ValueError):
            # Not the whole name, as a module may have the name of the class in it.
            return getattr(pkgutil.resolve_name(path), last)
    raise PipelineError(f"cannot make a step: no class {name!r}; give its full name")


def parts_of(obj: Any) -> Iterator[Any]:
    """Yield an estimator, and all objects among its parameters, at any depth."""
    yield obj
    values: Any = ()
    if isinstance(obj, Mapping):
        values = obj.values()
    elif isinstance(obj, (list, tuple)):
        values = obj
    elif not isinstance(obj, type):
        values = (_parameters(obj) or {}).values()
    for value in values:
        if not isinstance(value, (str, int, float, numpy.ndarray, type(None))):
            yield from parts_of(value)


def _constructed(kind: Any, parameters: Any) -> Any:
    """Return an object of a class; PipelineError if that does not take the parameters."""
    given = {}
    try:
        signature = inspect.signature(kind).parameters
        for name, value in parameters.items():
            default = getattr(signature.get(name), "default", None)
            value = _made_of(value)
            # JSON has no tuples, and some classes take nothing else.
            given[name] = (
                tuple(value) if isinstance(default, tuple) and isinstance(value, list) else value
            )
        return kind(**given)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PersistError):
            raise
        name = getattr(kind, "__qualname__", kind)
        raise PipelineError(f"cannot make a step of {name}: {error}") from error


def _parameters(obj: Any) -> dict[str, Any] | None:
    """Return the parameters of an object whose class keeps each as an attribute of its name."""
    if hasattr(obj, "get_params"):
        return dict(obj.get_params(deep=False))
    kind = type(obj)
    if kind.__module__ == "builtins" or kind.__init__ is object.__init__:
        return None
    try:
        names = [
            name
            for name, parameter in inspect.signature(kind.__init__).parameters.items()
            if name != "self"
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        return None
    if names and all(hasattr(obj, name) for name in names):
        return {name: getattr(obj, name) for name in names}
    # Splitters that repeat another keep the arguments of that.
    kept = getattr(obj, "cvargs", None)
    if isinstance(kept, dict) and all(hasattr(obj, name) or name in kept for name in names):
        return {name: getattr(obj, name, kept.get(name)) for name in names}
    return None


def _module_of(function: Any) -> str:
    # Functions of compiled code, as those of numpy, may not tell their module.
    name = getattr(function, "__name__", "")
    for module in ("numpy", "scipy.special"):
        if getattr(importlib.import_module(module), name, None) is function:
            return module
    return type(function).__module__
