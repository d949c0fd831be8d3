"""A chain that was fitted: from data to predictions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy

from persist.tracking.chain_artifacts import FINAL_FOLDS

__all__ = ["FittedChain", "FittedStep", "StepKind", "combine", "invert", "step_kind"]

Array = Any


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


@dataclass(frozen=True)
class FittedStep:
    """A step before the model.

    Parameters
    ----------
    index : int
        Its number in the chain.
    transformers : tuple of object
        They are applied one after the other, to features; the outputs of those of an augmentation
        are put beside the features, and those of a target are inverted on what is predicted.
    kind : StepKind
        Which of these.
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
    """

    steps: tuple[FittedStep, ...]
    models: Mapping[str, Any]
    weights: Mapping[str, float] = field(default_factory=dict)
    model_class: str = ""
    model_step: int = 0

    def predict(self, X: Any, wavelengths: Any = None) -> Array:  # noqa: N803 - scikit-learn's
        """Return predictions, of the shape that the model gives them.

        Parameters
        ----------
        X : array, (n_samples, n_features)
            The features; they are not changed.
        wavelengths : array, optional
            Passed on to transformers whose ``transform`` takes it.
        """
        features = self.transform(X, wavelengths)
        models, weights = self.voters()
        predicted = combine(models, weights, features)
        for step in reversed(self.steps):
            if step.kind is StepKind.TARGET:
                for transformer in reversed(step.transformers):
                    predicted = invert(transformer, predicted)
        return predicted

    def transform(self, X: Any, wavelengths: Any = None) -> Array:  # noqa: N803 - scikit-learn's
        """Return features as the models get them; see `predict`."""
        features = numpy.array(X, copy=True)
        for step in self.steps:
            features = _transformed(features, step, wavelengths)
        return features

    def voters(self) -> tuple[list[Any], list[float]]:
        """Return the models that predict, and their weights."""
        for name in FINAL_FOLDS:
            if name in self.models:
                return [self.models[name]], [1.0]
        return list(self.models.values()), [self.weights.get(name, 1.0) for name in self.models]


def combine(models: Sequence[Any], weights: Sequence[float], features: Array) -> Array:
    """Return what models predict together.

    Numbers are averaged. Classifiers vote: by their probabilities where all have them for the same
    classes, otherwise each for one class.
    """
    if len(models) == 1:
        return numpy.asarray(models[0].predict(features))
    if not all(hasattr(model, "classes_") for model in models):
        found = [numpy.asarray(model.predict(features)) for model in models]
        # Not numpy.average, which rounds otherwise where all weights are equal.
        if len(set(weights)) == 1:
            return numpy.mean(found, axis=0)
        return numpy.average(found, axis=0, weights=weights)
    classes = models[0].classes_
    alike = all(numpy.array_equal(model.classes_, classes) for model in models)
    if alike and all(hasattr(model, "predict_proba") for model in models):
        chances = [model.predict_proba(features) for model in models]
        return classes[numpy.average(chances, axis=0, weights=weights).argmax(axis=1)]
    labels = numpy.unique(numpy.concatenate([model.classes_ for model in models]))
    votes = numpy.zeros((len(features), len(labels)))
    for model, weight in zip(models, weights, strict=True):
        chosen = numpy.searchsorted(labels, model.predict(features))
        votes[numpy.arange(len(votes)), chosen] += weight
    return labels[votes.argmax(axis=1)]


def invert(transformer: Any, predicted: Array) -> Array:
    """Return predictions as they were before the target was transformed, in the same shape."""
    if hasattr(transformer, "classes_") or predicted.ndim > 1:
        return transformer.inverse_transform(predicted)
    return transformer.inverse_transform(predicted.reshape(-1, 1)).reshape(predicted.shape)


def _transformed(features: Array, step: FittedStep, wavelengths: Any) -> Array:
    if step.kind is StepKind.TARGET:
        return features
    if step.kind is StepKind.AUGMENTATION:
        added = [_apply(t, features, wavelengths) for t in step.transformers]
        return numpy.hstack([features, *added])
    for transformer in step.transformers:
        features = _apply(transformer, features, wavelengths)
    return features


def _apply(transformer: Any, features: Array, wavelengths: Any) -> Array:
    transform = transformer.transform
    if wavelengths is not None and "wavelengths" in inspect.signature(transform).parameters:
        return transform(features, wavelengths=wavelengths)
    return transform(features)
