"""A chain as a package: ``predict``, the module that does it, and fitted objects as source."""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
from typing import Any

from persist.dataset import open as open_data_set
from persist.dataset.layout import is_data_set
from persist.files import FolderLock, replace_folder, settle_folder, write_text
from persist.names import check_identifier
from persist.tracking import prediction
from persist.tracking.errors import TakenError
from persist.tracking.fitted import FittedChain

__all__ = ["write_package"]

_FITTED, _CHAIN = "fitted", "chain"
_KIND = "fitted chain"
_THRESHOLD = 100

_INIT = f'''\
"""A fitted chain: ``predict(X)`` returns what it predicts.

It needs numpy and the packages of the fitted objects. These are in ``{_FITTED}``, a data set, where
``_info_dict["{_CHAIN}"]`` tells what they are.
"""

from .{_FITTED} import _load
from .prediction import predict_named

__all__ = ["predict"]

_chain = _load("{_CHAIN}")


def predict(X):
    """Return predictions for X, an array or frame of shape (n_samples, n_features)."""
    return predict_named(
        _chain["feature_names"], _chain["steps"], _chain["models"], _chain["weights"], X
    )
'''
_FILES = frozenset(["__init__.py", "prediction.py", _FITTED, "__pycache__"])


def write_package(path: str, chain: FittedChain, about: dict[str, Any]) -> None:
    """Write a package with ``predict``, which any Python with scikit-learn imports.

    The name of its folder is that of the package. One that was written so before is replaced. What
    `about` says of the chain is its info in the data set ``fitted``.

    Raises
    ------
    ValueError
        If the name is not an identifier.
    FileExistsError
        If there is something else at the path.
    ArchiveError
        If an object of the chain has no form as source.
    """
    folder, name = os.path.split(os.path.abspath(path))
    check_identifier(name, "The name of a package")
    path = os.path.join(folder, name)
    models, weights = chain.voters()
    fitted = {
        "feature_names": None if chain.feature_names is None else list(chain.feature_names),
        "steps": [(step.kind.value, list(step.transformers)) for step in chain.steps],
        "models": models,
        "weights": weights,
    }
    with FolderLock(folder, name=f".{name}.lock", keep=False):
        settle_folder(path)
        _check_replaceable(path)
        with replace_folder(path) as new:
            os.mkdir(new)
            write_text(os.path.join(new, "__init__.py"), _INIT)
            write_text(os.path.join(new, "prediction.py"), inspect.getsource(prediction))
            data_set = os.path.join(new, _FITTED)
            with open_data_set(data_set, "w", array_threshold=_THRESHOLD) as values:
                values.store({_CHAIN: fitted}, {_CHAIN: {"kind": _KIND, **about}})


def _check_replaceable(path: str) -> None:
    """Refuse a path where something else is than a package that was exported."""
    if not os.path.lexists(path):
        return
    data_set = os.path.join(path, _FITTED)
    if is_data_set(data_set) and _FILES.issuperset(os.listdir(path)):
        with contextlib.suppress(Exception):
            info = open_data_set(data_set, trusted=False).info.get(_CHAIN)
            if isinstance(info, dict) and info.get("kind") == _KIND:
                return
    raise TakenError(
        errno.EEXIST, "No chain was exported here: choose another path, or remove it", path
    )
