"""How fitted objects predict together.

This text is part of every script and package that is exported, too: it needs numpy alone, and runs
on any Python since 3.6.
"""

import inspect
import math
import re
from typing import Any

import numpy

__all__ = [
    "FeatureError",
    "beside",
    "invert",
    "name_mismatch",
    "predict_named",
    "transform",
    "unmasked",
]


class FeatureError(ValueError):
    """The features do not match those that the models were fitted to."""


def predict_named(
    names: Any, steps: Any, models: Any, weights: Any, features: Any, wavelengths: Any = None
) -> Any:
    """Return what models predict together, once their features are known to match.

    Parameters
    ----------
    names : list of str or None
        The columns of a frame that models were fitted to.
    steps : list of tuple
        What each step before the models is for, and its fitted transformers, in order:
        ``features``, ``feature_augmentation`` or ``y_processing``.
    models, weights : list
        The fitted models, and how much each counts.
    features : array, sparse matrix or frame, (n_samples, n_features)
        The features, which are not changed.
    wavelengths : array, optional
        Passed on to transformers whose ``transform`` takes it.

    Raises
    ------
    FeatureError
        If the features have another shape or other names, or cells that a model does not take.
    """
    mismatch = _misfit(names, steps, models, features)
    if mismatch is not None:
        raise FeatureError(mismatch)
    features = unmasked(features)
    try:
        predicted = _combined(models, weights, transform(steps, features, wavelengths))
    except (ValueError, TypeError) as error:
        found = _refused_cells(features, str(error))
        raise FeatureError("cannot predict: " + found + str(error)) from error
    for kind, transformers in reversed(steps):
        if kind == "y_processing":
            for transformer in reversed(transformers):
                predicted = invert(transformer, predicted)
    return predicted


def transform(steps: Any, features: Any, wavelengths: Any = None) -> Any:
    """Return features as models get them; see `predict_named`."""
    if hasattr(features, "tocsr"):
        # Not every format of sparse matrices gives rows.
        features = features.tocsr(copy=True)
    elif hasattr(features, "iloc"):
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


def _combined(models: Any, weights: Any, features: Any) -> Any:
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
    """Return predictions as they were before the target was transformed.

    One of one column stays flat, unless it was made of several.
    """
    if hasattr(transformer, "classes_") or predicted.ndim > 1:
        return transformer.inverse_transform(predicted)
    found = transformer.inverse_transform(predicted.reshape(-1, 1))
    return found.reshape(predicted.shape) if found.size == predicted.size else found


def _misfit(names: Any, steps: Any, models: Any, features: Any) -> Any:
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


def unmasked(values: Any) -> Any:
    """Return a masked array with not-a-number, or None, where it is masked; others as they are."""
    if not numpy.ma.isMaskedArray(values):
        return values
    if not numpy.ma.is_masked(values):
        return values.data
    if values.dtype.kind in "biuf":
        kind = numpy.result_type(values.dtype, numpy.float16)
        return numpy.ma.filled(values.astype(kind), numpy.nan)
    return numpy.ma.filled(values.astype(object), None)


def _refused_cells(features: Any, message: str) -> Any:
    """Return text with the first cell of each column that may have made a model raise an error."""
    if hasattr(features, "tocsr"):
        return ""
    is_frame = hasattr(features, "columns")
    features = features if is_frame else numpy.asarray(features)
    is_text = re.search("convert|numeric|to float|real number", message, re.IGNORECASE)
    is_missing = re.search("nan|infin|missing|none", message, re.IGNORECASE)
    found = []
    for number, name in enumerate(list(features.columns) if is_frame else range(features.shape[1])):
        column = numpy.asarray(features[name] if is_frame else features[:, number])
        for row, cell in enumerate(column.tolist()):
            what = None
            try:
                value = math.nan if cell is None else float(cell)
            except (TypeError, ValueError):
                what = repr(cell) if is_text else None
            else:
                if is_missing and not math.isfinite(value):
                    what = "no value" if math.isnan(value) else "an infinite number"
            if what is not None:
                found.append(what + " in row " + str(row) + ", column " + str(name))
                break
    if not found:
        return ""
    return "the model takes finite numbers, and X has " + _some(found, "; ") + "; "


def name_mismatch(wanted: Any, features: Any) -> Any:
    """Return how the columns of a frame differ from those that a model was fitted to, or None."""
    if wanted is None or not hasattr(features, "columns") or not hasattr(features, "to_numpy"):
        return None
    found = list(features.columns)
    if found == list(wanted):
        return None
    set_of_found, set_of_wanted = set(found), set(wanted)
    missing = [name for name in wanted if name not in set_of_found]
    unknown = [str(name) for name in found if name not in set_of_wanted]
    reasons = []
    if missing:
        reasons.append("missing: " + _some(missing))
    if unknown:
        reasons.append("not known: " + _some(unknown))
    if not reasons:
        is_permuted = len(found) == len(wanted)
        reasons.append(
            "the same columns are in another order"
            if is_permuted
            else "some columns are there more than once"
        )
    return (
        "cannot predict: feature names should match those that were passed during fit; "
        + "; ".join(reasons)
    )


def _some(names: Any, mark: Any = ", ") -> Any:
    more = " and %d more" % (len(names) - 5) if len(names) > 5 else ""  # noqa: UP031 - Python 3.6
    return mark.join(names[:5]) + more


def _applied(transformer: Any, features: Any, wavelengths: Any) -> Any:
    function = transformer.transform
    if wavelengths is not None and "wavelengths" in inspect.signature(function).parameters:
        return function(features, wavelengths=wavelengths)
    return function(features)
