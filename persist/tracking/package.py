"""A chain as a package: fitted objects as readable source, and ``predict``."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any

from persist.dataset import DataSet
from persist.dataset.layout import is_data_set
from persist.files import FolderLock, replace_folder, settle_folder
from persist.names import check_identifier
from persist.tracking.fitted import FittedChain, StepKind

__all__ = ["write_package"]

_PREDICT = "predict"
_KIND = "fitted chain"
_THRESHOLD = 100


def write_package(path: str, chain: FittedChain, about: dict[str, Any]) -> None:
    """Write a data set with ``predict``, which any Python with scikit-learn imports.

    Parameters
    ----------
    path : str
        Its folder, whose name is that of the package. One that was written so before is replaced.
    chain : FittedChain
        What predicts.
    about : dict
        What to say of it, kept as the info of ``predict``.

    Raises
    ------
    ValueError
        If the name is no identifier.
    FileExistsError
        If there is something else at the path.
    ArchiveError
        If an object of the chain has no form as source.
    """
    folder, name = os.path.split(os.path.abspath(path))
    check_identifier(name, "The name of a package")
    path = os.path.join(folder, name)
    with FolderLock(folder, name=f".{name}.lock", keep=False):
        settle_folder(path)
        _check_replaceable(path)
        with replace_folder(path) as new:
            place = os.path.dirname(new)
            with DataSet(name, "w", place, array_threshold=_THRESHOLD, scoped=True) as dataset:
                info = {"kind": _KIND, **about}
                dataset._update({_PREDICT: _Predict(chain)}, {_PREDICT: info})


class _Predict:
    """What is written as a function of X; see the protocol `get_persistent_rep`."""

    def __init__(self, chain: FittedChain) -> None:
        self._chain = chain

    def get_persistent_rep(
        self, env: Any
    ) -> tuple[str, dict[str, Any], list[tuple[str, str | None, str]]]:
        """Return the function as an expression, what its names stand for, and its imports."""
        names: dict[str, Any] = {}
        features = "X"
        for step in self._chain.steps:
            steps = [_named(names, f"step_{step.index}", t) for t in step.transformers]
            if step.kind is StepKind.FEATURES:
                for name in steps:
                    features = f"{name}.transform({features})"
            elif step.kind is StepKind.AUGMENTATION:
                added = "".join(f", {name}.transform(Z)" for name in steps)
                features = f"(lambda Z: numpy.hstack([Z{added}]))({features})"
        predicted = self._model(names, features)
        for step in reversed(self._chain.steps):
            if step.kind is StepKind.TARGET:
                for transformer in reversed(step.transformers):
                    name = _named(names, f"target_{step.index}", transformer)
                    predicted = _inverted(name, transformer, predicted)
        return f"lambda X: {predicted}", names, [("numpy", None, "numpy")]

    def _model(self, names: dict[str, Any], features: str) -> str:
        models, weights = self._chain.voters()
        if len(models) == 1:
            names["model"] = models[0]
            return f"numpy.asarray(model.predict({features}))"
        names["models"] = models
        if len(set(weights)) > 1:
            names["weights"] = weights
        mean = f"axis=0{', weights=weights' * ('weights' in names)}"
        if not all(hasattr(model, "classes_") for model in models):
            function = "average" if "weights" in names else "mean"
            each = "[model.predict(Z) for model in models]"
            return f"(lambda Z: numpy.{function}({each}, {mean}))({features})"
        classes = models[0].classes_
        if not all(
            hasattr(model, "predict_proba") and list(model.classes_) == list(classes)
            for model in models
        ):
            raise ValueError(
                "Classifiers without predict_proba, or of different classes, cannot be one "
                "package: refit the model, or export as n4a"
            )
        each = "[model.predict_proba(Z) for model in models]"
        chosen = f"numpy.average({each}, {mean}).argmax(axis=1)"
        return f"(lambda Z: models[0].classes_[{chosen}])({features})"


def _named(names: dict[str, Any], stem: str, value: Any) -> str:
    name, number = stem, 1
    while name in names:
        number += 1
        name = f"{stem}_{number}"
    names[name] = value
    return name


def _inverted(name: str, transformer: Any, predicted: str) -> str:
    if hasattr(transformer, "classes_"):
        return f"{name}.inverse_transform({predicted})"
    one = f"{name}.inverse_transform(y.reshape(-1, 1)).reshape(y.shape)"
    return f"(lambda y: {one} if y.ndim == 1 else {name}.inverse_transform(y))({predicted})"


def _check_replaceable(path: str) -> None:
    if not os.path.lexists(path):
        return
    if is_data_set(path):
        folder, name = os.path.split(os.path.abspath(path))
        with contextlib.suppress(Exception):
            info = DataSet(name, "r", folder)._info_dict.get(_PREDICT)
            if isinstance(info, dict) and info.get("kind") == _KIND:
                return
    raise FileExistsError(
        errno.EEXIST, "No chain was exported here: choose another path, or remove it", path
    )
