"""Pipelines as they are to be trained, made of what a user writes."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from persist.tracking.fitted import StepKind

__all__ = ["Plan", "PlannedStep", "class_name", "make_plans"]

_CHOICE = "_or_"
_WRAPPERS = ("step", "preprocessing", "model", "split")


@dataclass(frozen=True)
class PlannedStep:
    """A step of a pipeline.

    Parameters
    ----------
    index : int
        Its number, from 1.
    operators : tuple of object
        Estimators that are not fitted, or a splitter.
    kind : StepKind
        What they are for.
    """

    index: int
    operators: tuple[Any, ...]
    kind: StepKind = StepKind.FEATURES


@dataclass(frozen=True)
class Plan:
    """A pipeline.

    Parameters
    ----------
    name : str
        What people call it.
    before : tuple of PlannedStep
        The steps before the model.
    model : PlannedStep
        The step of the model.
    splitter : PlannedStep or None
        The step that makes folds.
    model_name : str
        What people call the model.
    choices : list
        What was chosen where there were alternatives.
    """

    name: str
    before: tuple[PlannedStep, ...]
    model: PlannedStep
    splitter: PlannedStep | None
    model_name: str
    choices: list[Any]

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

    def config(self) -> list[dict[str, Any]]:
        """Return the steps for JSON."""
        steps = [*self.before, *([self.splitter] if self.splitter else []), self.model]
        return [_config(step) for step in sorted(steps, key=lambda step: step.index)]


def class_name(obj: Any) -> str:
    """Return the full name of the class of an object."""
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def make_plans(pipeline: Any) -> list[Plan]:
    """Return the pipelines that an argument stands for.

    Parameters
    ----------
    pipeline : object
        A list of steps, or a list of such lists. A step is an estimator, a class or its full name,
        a splitter that makes folds, or a dict: ``{"class": name, "params": {…}}``, ``{"step": …}``,
        ``{"model": …, "name": …}``, ``{"y_processing": …}`` for the target,
        ``{"feature_augmentation": […]}`` for features beside those that are there, or
        ``{"_or_": […]}`` for alternatives, None for none. A pipeline of scikit-learn is
        taken apart.

    Raises
    ------
    TypeError, ValueError
        If a step is something else, or the last one is no model.
    """
    lists = pipeline if _is_list_of_lists(pipeline) else [pipeline]
    found = [choice for one in lists for choice in _expanded(_steps(one))]
    return [_plan(number, steps, choices) for number, (steps, choices) in enumerate(found, start=1)]


def _is_list_of_lists(pipeline: Any) -> bool:
    is_list = isinstance(pipeline, (list, tuple)) and bool(pipeline)
    return is_list and all(isinstance(one, (list, tuple)) for one in pipeline)


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
    options = [
        [(one, {_CHOICE: _shown(one)}) for one in step[_CHOICE]]
        if isinstance(step, Mapping) and _CHOICE in step
        else [(step, None)]
        for step in steps
    ]
    for combination in itertools.product(*options):
        chosen = [choice for _, choice in combination if choice is not None]
        yield [step for step, _ in combination], chosen


def _plan(number: int, steps: list[Any], choices: list[Any]) -> Plan:
    before: list[PlannedStep] = []
    splitter: PlannedStep | None = None
    model: PlannedStep | None = None
    model_name = ""
    for index, step in enumerate(steps, start=1):
        if step is None or step == "passthrough":
            continue
        kind, operators = _operators(step)
        planned = PlannedStep(index, operators, kind)
        if kind is not StepKind.FEATURES:
            before.append(planned)
        elif hasattr(operators[0], "split") and hasattr(operators[0], "get_n_splits"):
            splitter = planned
        elif index == len(steps) or (isinstance(step, Mapping) and "model" in step):
            model = planned
            named = step.get("name") if isinstance(step, Mapping) else None
            model_name = str(named or type(operators[0]).__name__)
        else:
            before.append(planned)
    if model is None or not hasattr(model.operators[0], "predict"):
        raise ValueError("The last step of a pipeline must be a model, with fit and predict")
    for planned in before:
        for operator in planned.operators:
            if not hasattr(operator, "transform"):
                raise ValueError(
                    f"Step {planned.index} must transform, and {type(operator).__name__} has no "
                    "transform; the model is the last step"
                )
    name = f"{number:04d}_{model_name.lower()}"
    return Plan(name, tuple(before), model, splitter, model_name, choices)


def _operators(step: Any) -> tuple[StepKind, tuple[Any, ...]]:
    if isinstance(step, Mapping):
        for kind in (StepKind.TARGET, StepKind.AUGMENTATION):
            if kind.value in step:
                given = step[kind.value]
                several = given if isinstance(given, (list, tuple)) else [given]
                return kind, tuple(map(_made, several))
    return StepKind.FEATURES, (_made(step),)


def _made(step: Any) -> Any:
    """Return an estimator or splitter of its own, not fitted."""
    if isinstance(step, Mapping):
        for key in _WRAPPERS:
            if key in step:
                return _made(step[key])
        if "class" in step:
            return _class(step["class"])(**step.get("params", {}))
        raise ValueError(
            f"A step must have one of the keys class, {', '.join(_WRAPPERS)}: {step!r}"
        )
    if isinstance(step, (str, type)):
        return _class(step)()
    if hasattr(step, "get_params"):
        from persist.tracking.optional import import_optional

        return import_optional("sklearn.base", "scikit-learn").clone(step)
    if hasattr(step, "split") or hasattr(step, "fit"):
        return step
    raise TypeError(f"A step must be an estimator, a splitter, or a dict of one, got {step!r:.80}")


def _class(name: Any) -> Any:
    if isinstance(name, type):
        return name
    module, _, attribute = str(name).rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"There is no class {name!r}: give its full name") from error


def _config(step: PlannedStep) -> dict[str, Any]:
    described = [
        {"class": class_name(operator), "params": _params(operator)} for operator in step.operators
    ]
    if step.kind is StepKind.FEATURES:
        return described[0]
    return {step.kind.value: described if len(described) > 1 else described[0]}


def _params(operator: Any) -> dict[str, Any]:
    return dict(operator.get_params(deep=False)) if hasattr(operator, "get_params") else {}


def _shown(choice: Any) -> Any:
    return choice if choice is None or isinstance(choice, (str, Mapping)) else repr(choice)
