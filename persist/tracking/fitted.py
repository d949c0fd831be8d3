"""A chain that was fitted, from data to predictions, and the artifacts that it refers to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy

from persist.errors import DamagedError
from persist.tracking import prediction
from persist.tracking.errors import DataError

__all__ = [
    "FEATURE_NAMES",
    "FINAL_FOLDS",
    "FittedChain",
    "FittedStep",
    "StepKind",
    "artifact_ids",
    "feature_names",
    "fold_models",
    "predicting",
    "recorded_steps",
    "run_artifacts",
    "step_artifacts",
    "step_kind",
    "wrapped_model",
]

FEATURE_NAMES = "feature_names"
"""The key of the first step of a chain with the names of the columns that it was fitted to."""

FINAL_FOLDS = ("fold_final", "final")
"""The names under which a chain keeps the model that was fitted to all data."""

Array = Any
_STEP = re.compile(r"-?\d+")


class StepKind(str, Enum):
    """What the transformers of a step are for."""

    FEATURES = "features"
    TARGET = "y_processing"
    AUGMENTATION = "feature_augmentation"


def step_kind(config: Any) -> StepKind:
    """Return what a step is for: a key of its configuration or parameters says so."""
    if isinstance(config, Mapping):
        for kind in (StepKind.TARGET, StepKind.AUGMENTATION):
            if kind.value in config:
                return kind
    return StepKind.FEATURES


def wrapped_model(model: Any) -> Any:
    """Return the model that a pipeline or a transformed target is around; None of another."""
    if hasattr(model, "regressor_"):
        return model.regressor_
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else None


@dataclass(frozen=True)
class FittedStep:
    """A step before the model, and its number in the chain.

    Transformers are applied one after the other, to features; the outputs of those of an
    augmentation are put beside the features, and those of a target are inverted on what is
    predicted.
    """

    index: int
    transformers: tuple[Any, ...]
    kind: StepKind = StepKind.FEATURES


@dataclass(frozen=True)
class FittedChain:
    """Steps and models that were fitted.

    Parameters
    ----------
    steps : tuple of FittedStep
        The steps before the model, in order.
    models : dict of str to object
        The model of each fold; one of ``fold_final`` or ``final`` was fitted to all data, and
        predicts alone.
    weights : dict of str to float
        The weights of the folds; 1 by default.
    model_class : str
        The class of the models.
    model_step : int
        The number of the step of the model.
    feature_names : sequence of str or None
        The names of the columns that it was fitted to, which those of a frame are checked against.
    """

    steps: tuple[FittedStep, ...]
    models: Mapping[str, Any]
    weights: Mapping[str, float] = field(default_factory=dict)
    model_class: str = ""
    model_step: int = 0
    feature_names: Sequence[str] | None = None

    def predict(self, X: Any, wavelengths: Any = None) -> Array:  # noqa: N803 - scikit-learn's
        """Return predictions, of the shape that the model gives them.

        Parameters
        ----------
        X : array, sparse matrix or frame, (n_samples, n_features)
            The features; they are not changed.
        wavelengths : array, optional
            Passed on to transformers whose ``transform`` takes it.

        Raises
        ------
        DataError
            If the features are of another shape than those that the chain was fitted to, a frame
            has other columns, or in another order, or the model does not take a cell.
        """
        try:
            return prediction.predict_named(
                self.feature_names, self._steps(), *self.voters(), X, wavelengths
            )
        except prediction.FeatureError as error:
            raise DataError(str(error)) from error

    def _steps(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the steps as `persist.tracking.prediction` takes them."""
        return [(step.kind.value, step.transformers) for step in self.steps]

    def classes(self) -> Any:
        """Return the classes of the model, a list of those of each output; None if none."""
        models, _ = self.voters()
        classes = getattr(models[0], "classes_", None)
        if len(models) > 1 or classes is None:
            return None
        if isinstance(classes, list):
            return [numpy.asarray(labels) for labels in classes]
        for step in reversed(self.steps):
            if step.kind is StepKind.TARGET:
                for transformer in reversed(step.transformers):
                    classes = prediction.invert(transformer, numpy.asarray(classes))
        return classes

    def response(self, X: Any, method: str) -> Array | None:  # noqa: N803 - scikit-learn's name
        """Return what ``predict_proba`` or ``decision_function`` of the model say; None if none.

        The columns of several outputs stand side by side.
        """
        models, _ = self.voters()
        if len(models) > 1 or not hasattr(models[0], method):
            return None
        found = getattr(models[0], method)(prediction.transform(self._steps(), X))
        return numpy.hstack(found) if isinstance(found, list) else found

    def voters(self) -> tuple[list[Any], list[float]]:
        """Return the models that predict, and their weights."""
        models = predicting(self.models)
        return [*models.values()], [self.weights.get(name, 1.0) for name in models]


def predicting(models: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the models of folds that predict: that of all data, or else all of them."""
    final = [name for name in FINAL_FOLDS if name in models]
    return {name: models[name] for name in final[:1] or models}


def feature_names(steps: Any) -> list[str] | None:
    """Return the names of the columns that a chain was fitted to, from its recorded steps."""
    for step in steps or ():
        names = step.get(FEATURE_NAMES) if isinstance(step, Mapping) else None
        if isinstance(names, list):
            return [str(name) for name in names]
    return None


def artifact_ids(chain: Mapping[str, Any]) -> set[str]:
    """Return the ids of all artifacts that a chain refers to, which is decoded or has JSON."""
    found = set(fold_models(chain).values())
    for ids in step_artifacts(chain).values():
        found.update(ids)
    for step in recorded_steps(chain):
        found.update(_listed(step.get("artifact_id")))
        found.update(_listed(step.get("artifact_ids")))
    return found


def recorded_steps(chain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a chain, which is decoded or has JSON.

    Raises
    ------
    DamagedError
        If they are anything but a list of objects.
    """
    steps: list[dict[str, Any]] = _decoded(chain, "steps", list)
    if not all(isinstance(step, dict) for step in steps):
        raise DamagedError(f"cannot read a chain: its steps are {steps!r:.80}; record it again")
    return steps


def run_artifacts(config: str | None) -> list[str]:
    """Return the ids of the artifacts that a run refers to, from its configuration as JSON.

    They are its source, and its files by their names. What other programs keep under these keys
    refers to nothing.
    """
    found = json.loads(config) if config else None
    found = found if isinstance(found, dict) else {}
    files = found.get("artifacts")
    keys = [found.get("source"), *(files.values() if isinstance(files, dict) else ())]
    return [key for key in keys if isinstance(key, str)]


def fold_models(chain: Mapping[str, Any]) -> dict[str, str]:
    """Return the artifact of the model of each fold, by the name of the fold."""
    folds = _decoded(chain, "fold_artifacts", dict)
    return {str(fold): key for fold, key in folds.items() if isinstance(key, str)}


def step_artifacts(chain: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return the artifacts of each step before the model, by its index."""
    shared = _decoded(chain, "shared_artifacts", dict)
    # A key that is not a number is not a step: nirs4all keeps the source of the data there.
    return {int(step): _listed(ids) for step, ids in shared.items() if _STEP.fullmatch(step)}


def _listed(ids: Any) -> list[str]:
    if isinstance(ids, str):
        return [ids]
    if isinstance(ids, Iterable) and not isinstance(ids, Mapping):
        return [key for key in ids if isinstance(key, str)]
    return []


def _decoded(chain: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return what a column holds, decoded if it is JSON, and empty if it is null or empty."""
    value = chain.get(name)
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = value
    if found and not isinstance(found, kind):
        raise DamagedError(f"cannot read a chain: its {name} are {found!r:.80}; record it again")
    return found or kind()
