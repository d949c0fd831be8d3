"""What the arrays of a prediction mean: the columns of the database hold plain numbers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy

__all__ = ["Meaning", "meaning_of", "with_meaning"]

Array = Any
_EXACT = 2**53
_Arrays = dict[str, Array]


class Meaning(NamedTuple):
    """Numbers for arrays of labels, and what tells the labels from the numbers.

    What is numeric is kept, and labels are their places among ``labels`` of the document, which is
    None if the numbers speak for themselves.
    """

    y_true: Array
    y_pred: Array
    document: dict[str, Any] | None


def meaning_of(
    y_true: Any, y_pred: Any, proba_classes: Any, sample_ids: Any, labels: Any = None
) -> Meaning:
    """Return numbers for arrays of numbers or labels, and what they mean.

    The classes are those of the columns of probabilities, a list of arrays for several outputs;
    `sample_ids` are the names of the samples, and `labels` all that may occur.
    """
    document: dict[str, Any] = {}
    if proba_classes is not None:
        several = isinstance(proba_classes, list) and any(
            isinstance(one, (list, tuple, numpy.ndarray)) for one in proba_classes
        )
        document["classes"] = (
            [_listed(one) for one in proba_classes] if several else _listed(proba_classes)
        )
    if sample_ids is not None:
        document["sample_ids"] = _listed(sample_ids)
    arrays = [None if values is None else numpy.asarray(values) for values in (y_true, y_pred)]
    given = [values for values in arrays if values is not None]
    widths = [values.shape[1] for values in given if values.ndim == 2]
    if widths:
        document["n_outputs"] = max(widths)
    elif proba_classes is sample_ids is labels is None:
        # Quickly, as most predictions are numbers.
        return Meaning(arrays[0], arrays[1], None)
    if labels is not None and not all(map(_are_exact_as_floats, given)):
        known = _unique([*(values.ravel() for values in given), numpy.asarray(labels).ravel()])
        places = {label: place for place, label in enumerate(known)}
        document["labels"] = [_plain(label) for label in known]
        arrays = [
            None
            if values is None
            else numpy.array([places[v] for v in values.ravel().tolist()], float).reshape(
                values.shape
            )
            for values in arrays
        ]
    elif (
        (labels is not None or proba_classes is not None)
        and given
        and all(v.dtype.kind in "iub" for v in given)
    ):
        document["dtype"] = "bool" if all(v.dtype.kind == "b" for v in given) else "int64"
    if document:
        document["crc"] = _checksum(*arrays)
    return Meaning(arrays[0], arrays[1], document or None)


def with_meaning(arrays: _Arrays, document: Mapping[str, Any] | None) -> _Arrays:
    """Return the arrays of a prediction as what they mean."""
    found = {**arrays, "classes": None, "sample_ids": None}
    # Another program may have replaced the arrays.
    if document is None or document["crc"] != _checksum(arrays["y_true"], arrays["y_pred"]):
        return found
    for name in ("y_true", "y_pred"):
        values = found[name]
        if values is None:
            continue
        if "labels" in document:
            values = _array(document["labels"])[values.astype(int)]
        elif "dtype" in document:
            values = values.astype(document["dtype"])
        if "n_outputs" in document and values.size % document["n_outputs"] == 0:
            values = values.reshape(-1, document["n_outputs"])
        found[name] = values
    classes = document.get("classes")
    if classes is not None:
        is_nested = any(isinstance(one, list) for one in classes)
        found["classes"] = list(map(_array, classes)) if is_nested else _array(classes)
        width = sum(map(len, classes)) if is_nested else len(classes)
        if found["y_proba"] is not None and width and found["y_proba"].size % width == 0:
            found["y_proba"] = found["y_proba"].reshape(-1, width)
    if "sample_ids" in document:
        found["sample_ids"] = _array(document["sample_ids"])
    return found


def _checksum(y_true: Array, y_pred: Array) -> int:
    found = 0
    for values in (y_true, y_pred):
        if values is not None:
            plain = numpy.asarray(values, numpy.float64).ravel()
            found = zlib.crc32(numpy.ascontiguousarray(plain).tobytes(), found)
    return found


def _are_exact_as_floats(values: Array) -> bool:
    """Return True if the column of 64-bit floats tells all of these numbers apart."""
    if values.dtype.kind in "iu" and values.size:
        return int(values.max()) <= _EXACT and int(values.min()) >= -_EXACT
    return values.dtype.kind in "fiub"


def _unique(arrays: list[Array]) -> list[Any]:
    labels = {label for values in arrays for label in values.tolist()}
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=lambda label: (type(label).__name__, str(label)))


def _listed(values: Any) -> list[Any]:
    found = numpy.asarray(values)
    # As dates, and not as how many nanoseconds they are after another one.
    return [
        _plain(one) for one in (found.astype(str) if found.dtype.kind in "mM" else found).tolist()
    ]


def _array(values: list[Any]) -> Array:
    # numpy would make text of numbers that are beside text, and numbers of booleans.
    is_mixed = len({int if type(value) is float else type(value) for value in values}) > 1
    return numpy.array(values, dtype=object if is_mixed else None)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)
