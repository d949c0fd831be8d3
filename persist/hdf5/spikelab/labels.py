"""The labels of units: one dataset of numbers or of texts."""

from __future__ import annotations

from typing import Any

import numpy

from persist.errors import UnsupportedObjectError
from persist.hdf5.datasets import Dataset, Numbers, Texts
from persist.hdf5.stored import read_array
from persist.hdf5.texts import are_texts

__all__ = ["labels_dataset", "read_labels"]


def labels_dataset(labels: Any) -> tuple[Dataset | None, bool]:
    """Return the dataset for labels, if there are any, and whether they come back the same.

    Raises
    ------
    UnsupportedObjectError
        If they are neither texts nor numbers.
    """
    if labels is None:
        return None, True
    if all(label is None for label in labels):
        return None, False
    kinds = set(map(type, labels))
    if any(isinstance(label, str) for label in labels):
        texts = list(map(str, labels))
        if not are_texts(texts):
            raise UnsupportedObjectError("labels with NUL characters have no form in HDF5")
        return Texts(numpy.array(texts, object)), type(labels) is list and kinds == {str}
    array = numpy.array(labels)
    if array.dtype.kind not in "biufc":
        raise UnsupportedObjectError(
            f"labels must be numbers or texts, got {sorted(kind.__name__ for kind in kinds)}"
        )
    alike = len(kinds) == 1 and kinds <= {bool, int, float} and array.dtype.kind in "bif"
    return Numbers(array), type(labels) is list and alike


def read_labels(group: Any) -> list[Any] | None:
    """Return the labels that a group holds, or None."""
    if "labels" not in group:
        return None
    labels: list[Any] = read_array(group["labels"]).tolist()
    return labels
