"""How fitted objects predict together.

This text is part of every script and package that is exported, too: it needs numpy alone, and runs
on any Python since 3.6.
"""

import inspect
from typing import Any

import numpy

__all__ = [
    "beside",
    "combine",
    "invert",
    "misfit",
    "name_mismatch",
    "predict_named",
    "predict_together",
    "transform",
]


def predict_named(names: Any, steps: Any, models: Any, weights: Any, features: Any) -> Any:
    """Return what models predict together, if features are such as they were fitted to."""
    mismatch = misfit(names, steps, models, features)
    if mismatch is not None:
        raise ValueError(mismatch)
    return predict_together(steps, models, weights, features)


def predict_together(
    steps: Any, models: Any, weights: Any, features: Any, wavelengths: Any = None
) -> Any:
    """Return what models predict together for features.

    Parameters
    ----------
    steps : list of tuple
        What each step before the models is for, and its fitted transformers, in order:
        ``features``, ``feature_augmentation`` or ``y_processing``.
    models, weights : list
        The fitted models, and how much each counts.
    features : array, sparse matrix or frame, (n_samples, n_features)
        The features, which are not changed.
    wavelengths : array, optional
        Passed on to transformers whose ``transform`` takes it.
    """
    predicted = combine(models, weights, transform(steps, features, wavelengths))
    for kind, transformers in reversed(steps):
        if kind == "y_processing":
            for transformer in reversed(transformers):
                predicted = invert(transformer, predicted)
    return predicted


def transform(steps: Any, features: Any, wavelengths: Any = None) -> Any:
    """Return features as models get them; see `predict_together`."""
    if hasattr(features, "iloc") or hasattr(features, "tocsr"):
        features = features.copy()
    elif not hasattr(features, "columns"):
        features = numpy.array(features, copy=True)
    for kind, transformers in steps:
        if kind == "feature_augmentation":
            added = [_applied(one, features, wavelengths) for one in transformers]
            features = beside([features, *added])
        elif kind == "features":
            for one in transformers:
                features = _applied(one, features, wavelengths)
    return features


def beside(parts: Any) -> Any:
    """Return features side by side; sparse if one part of them is."""
    if any(hasattr(part, "tocsr") for part in parts):
        from scipy.sparse import hstack

        return hstack(parts).tocsr()
    return numpy.hstack([numpy.asarray(part) for part in parts])


def combine(models: Any, weights: Any, features: Any) -> Any:
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
    first = models[0].classes_
    is_one = not isinstance(first, list)
    alike = is_one and all(numpy.array_equal(model.classes_, first) for model in models)
    if alike and all(hasattr(model, "predict_proba") for model in models):
        chances = [model.predict_proba(features) for model in models]
        if numpy.ndim(chances[0]) == 2 and numpy.ndim(models[0].predict(features[:1])) == 1:
            return first[numpy.average(chances, axis=0, weights=weights).argmax(axis=1)]
    single = numpy.stack([numpy.asarray(model.predict(features)) for model in models])
    labels = numpy.unique(single)
    votes = [numpy.tensordot(weights, single == label, axes=1) for label in labels]
    return labels[numpy.stack(votes).argmax(axis=0)]


def invert(transformer: Any, predicted: Any) -> Any:
    """Return predictions as they were before the target was transformed, in the same shape."""
    if hasattr(transformer, "classes_") or predicted.ndim > 1:
        return transformer.inverse_transform(predicted)
    return transformer.inverse_transform(predicted.reshape(-1, 1)).reshape(predicted.shape)


def misfit(names: Any, steps: Any, models: Any, features: Any) -> Any:
    """Return why features are not such as models were fitted to, or None."""
    shape = numpy.shape(features)
    if len(shape) != 2:
        return f"cannot predict: X must be of shape (n_samples, n_features), got {shape}"
    mismatch = name_mismatch(names, features)
    if mismatch is not None:
        return mismatch
    before = [one for kind, several in steps if kind != "y_processing" for one in several]
    width = getattr((before + list(models))[0], "n_features_in_", None)
    if width is None or shape[1] == width:
        return None
    return f"cannot predict: X has {shape[1]} features, and the model was fitted to {width}"


def name_mismatch(wanted: Any, features: Any) -> Any:
    """Return how the columns of a frame differ from those that a model was fitted to, or None."""
    if wanted is None or not hasattr(features, "columns") or not hasattr(features, "to_numpy"):
        return None
    found = list(features.columns)
    if found == list(wanted):
        return None
    missing = [name for name in wanted if name not in found]
    unknown = [str(name) for name in found if name not in wanted]
    reasons = []
    if missing:
        reasons.append("missing: " + _some(missing))
    if unknown:
        reasons.append("not known: " + _some(unknown))
    if not reasons:
        reasons.append("the same columns are in another order")
    return (
        "cannot predict: feature names should match those that were passed during fit; "
        + "; ".join(reasons)
    )


def _some(names: Any) -> Any:
    more = " and %d more" % (len(names) - 5) if len(names) > 5 else ""  # noqa: UP031 - Python 3.6
    return ", ".join(names[:5]) + more


def _applied(transformer: Any, features: Any, wavelengths: Any) -> Any:
    function = transformer.transform
    if wavelengths is not None and "wavelengths" in inspect.signature(function).parameters:
        return function(features, wavelengths=wavelengths)
    return function(features)
