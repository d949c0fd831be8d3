"""Predictions from a bundle, or from a chain of a workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from persist.tracking.bundle_reading import BundleLoader
from persist.tracking.fitted import FittedChain
from persist.tracking.predict_result import PredictResult
from persist.tracking.store import WorkspaceStore

__all__ = ["predict"]


def predict(
    model: Any = None,
    data: Any = None,
    *,
    chain_id: str | None = None,
    workspace_path: str | os.PathLike[str] | None = None,
    name: str = "prediction_dataset",
    all_predictions: bool = False,
    session: Any = None,
    verbose: int = 0,
    trusted: bool = False,
) -> PredictResult:
    """Return what a model predicts for data.

    Parameters
    ----------
    model : path or mapping
        A bundle ``.n4a``; or an entry of a result, such as ``result.best``, whose chain predicts.
    data : array, frame, tuple or mapping
        The features, (n_samples, n_features); of a tuple the first, of a mapping its ``X``.
    chain_id : str, optional
        A chain of a workspace, in the place of `model`.
    workspace_path : path, optional
        The workspace, by default that of `session`, or ``workspace``.
    name : str, optional
        What the data are called, kept in the metadata.
    all_predictions : bool, optional
        Accepted and kept; it changes nothing.
    session : object, optional
        Something with a ``workspace_path``.
    verbose : int, optional
        Accepted and kept; it changes nothing.
    trusted : bool, optional
        Load a bundle that runs code when it is loaded, and that somebody else has made.

    Returns
    -------
    PredictResult
        The predictions.

    Raises
    ------
    ValueError
        If there are both or neither of a model and a chain, or no data.
    TypeError
        If the model or the data are of another kind.
    UntrustedError
        If a bundle runs code, and somebody else has made it.
    """
    if model is not None and chain_id is not None:
        raise ValueError("Provide either 'model' or 'chain_id', not both.")
    if model is None and chain_id is None:
        raise ValueError("Provide either 'model' or 'chain_id'.")
    if data is None:
        raise ValueError("'data' is required.")
    features = _features(data)
    if isinstance(model, (str, os.PathLike)):
        bundle = BundleLoader(model, trusted=trusted)
        chain, known = bundle.load(), {"bundle": str(bundle.bundle_path)}
    else:
        if chain_id is None:
            chain_id = _chain_of(model)
            workspace_path = workspace_path or model.get("workspace_path")
        where = workspace_path or getattr(session, "workspace_path", None) or "workspace"
        if not (Path(where) / "store.duckdb").exists():
            raise FileNotFoundError(f"There is no workspace at {where}: give workspace_path")
        with WorkspaceStore(where) as store:
            chain = store.load_chain(chain_id)
        known = {"chain_id": chain_id}
    return PredictResult(
        chain.predict(features),
        known if chain_id is not None else {**known, "name": name},
        numpy.arange(len(features)),
        chain.model_class,
        _names(chain),
    )


def _features(data: Any) -> Any:
    if isinstance(data, Mapping):
        if "X" not in data:
            raise TypeError("A mapping of data must have an 'X' key with the features")
        data = data["X"]
    elif isinstance(data, tuple):
        data = data[0]
    if hasattr(data, "to_numpy"):
        data = data.to_numpy()
    if not isinstance(data, numpy.ndarray):
        raise TypeError(
            f"Unsupported data type: {type(data).__name__}; give an array, a frame, a tuple (X, y) "
            "or a mapping with an 'X' key"
        )
    return data


def _chain_of(model: Any) -> str:
    if not isinstance(model, Mapping):
        raise TypeError(
            "model must be the path of a bundle or an entry of a result, "
            f"got {type(model).__name__}"
        )
    chain_id = model.get("chain_id")
    if not isinstance(chain_id, str):
        raise ValueError("This entry has no chain_id, so nothing can predict")
    return chain_id


def _names(chain: FittedChain) -> list[str]:
    return [type(t).__name__ for step in chain.steps for t in step.transformers]
