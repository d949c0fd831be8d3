"""Predictions from a bundle, or from a chain of a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from persist.display import Row, View
from persist.tracking.bundle_reading import BundleLoader
from persist.tracking.errors import DataNotFoundError, DataTypeError, PipelineError
from persist.tracking.optional import import_optional
from persist.tracking.store import WorkspaceStore
from persist.tracking.training.data import is_frame
from persist.tracking.training.loading import as_array, collected
from persist.urls import is_url

__all__ = ["PredictResult", "predict"]


_MOST = 10  # rows that are shown


class PredictResult:
    """Predictions, and what made them.

    Parameters
    ----------
    y_pred : array, (n_samples,) or (n_samples, n_outputs)
        The predictions.
    metadata : mapping, optional
        What is known of them.
    sample_indices : array of int, optional
        Which samples these are.
    model_name : str, optional
        The model.
    preprocessing_steps : list of str, optional
        What came before it.
    """

    def __init__(
        self,
        y_pred: Any,
        metadata: Mapping[str, Any] | None = None,
        sample_indices: Any = None,
        model_name: str = "",
        preprocessing_steps: Sequence[str] = (),
    ) -> None:
        self.y_pred = numpy.asarray(y_pred)
        self.metadata = dict(metadata or {})
        self.sample_indices = None if sample_indices is None else numpy.asarray(sample_indices)
        self.model_name = model_name
        self.preprocessing_steps = list(preprocessing_steps)

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """The predictions."""
        return self.y_pred

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the predictions."""
        return self.y_pred.shape

    @property
    def is_multioutput(self) -> bool:
        """Whether there are several predictions for each sample."""
        return self.y_pred.ndim > 1 and self.y_pred.shape[1] > 1

    def __len__(self) -> int:
        return len(self.y_pred) if self.y_pred.ndim else 1

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray[Any, Any]:
        return numpy.array(self.y_pred, dtype=dtype, copy=bool(copy) or dtype is not None)

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """Return the predictions."""
        return self.y_pred

    def to_list(self) -> list[Any]:
        """Return the predictions as a list, of lists if there are several for each sample."""
        found: list[Any] = self.y_pred.tolist()
        return found

    def flatten(self) -> numpy.ndarray[Any, Any]:
        """Return the predictions without axes but one."""
        return self.y_pred.ravel()

    def to_dataframe(self, include_indices: bool = True) -> Any:
        """Return the predictions as a pandas.DataFrame.

        Parameters
        ----------
        include_indices : bool, optional
            Whether to have a column ``sample_index`` first, if the indices are known.
        """
        pandas = import_optional("pandas")
        columns: dict[str, Any] = {}
        if include_indices and self.sample_indices is not None:
            columns["sample_index"] = self.sample_indices
        if self.is_multioutput:
            for number in range(self.y_pred.shape[1]):
                columns[f"y_pred_{number}"] = self.y_pred[:, number]
        else:
            columns["y_pred"] = self.flatten()
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        by = f" by {self.model_name}" if self.model_name else ""
        headline = f"PredictResult: {len(self)} prediction(s){by}, of shape {self.shape}"
        rows = self.y_pred[:_MOST].tolist() if self.y_pred.ndim else []
        known = self.sample_indices
        indices = range(len(rows)) if known is None else known[: len(rows)].tolist()
        shown = [Row(pair) for pair in zip(indices, rows, strict=True)]
        more = max(0, len(self) - len(rows))
        return View(headline, ("sample", "predicted"), {"": shown}, more=more)


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
    trusted: Iterable[str] | bool = (),
) -> PredictResult:
    """Return what a model predicts for data.

    Parameters
    ----------
    model : path or mapping
        A bundle ``.n4a``; or an entry of a result, such as ``result.best``, whose chain predicts.
    data : array, list of rows, sparse matrix, frame, tuple or mapping
        The features, (n_samples, n_features); of a tuple the first, of a mapping its ``X``. The
        columns of a frame must be those that the model was fitted to, in this order.
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
    trusted : iterable of str, or True, optional
        What a bundle that somebody else has made may use: the names that
        `persist.untrusted_names` returns for it, if its artifacts are archives. True runs the code
        of any bundle.

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
        raise PipelineError("Provide either 'model' or 'chain_id', not both.")
    if model is None and chain_id is None:
        raise PipelineError("Provide either 'model' or 'chain_id'.")
    if data is None:
        raise PipelineError("'data' is required.")
    features = _features(data)
    if isinstance(model, (str, os.PathLike)):
        bundle = BundleLoader(model, trusted=trusted)
        chain, known = bundle.load(), {"bundle": str(bundle.bundle_path)}
    else:
        if chain_id is None:
            chain_id = _chain_of(model)
            workspace_path = workspace_path or model.get("workspace_path")
        where = workspace_path or getattr(session, "workspace_path", None) or "workspace"
        if not is_url(where) and not (Path(where) / "store.duckdb").exists():
            raise DataNotFoundError(
                f"cannot load a chain from {where}: no workspace was found there; give "
                "workspace_path"
            )
        with WorkspaceStore(where) as store:
            chain = store.load_chain(chain_id)
        known = {"chain_id": chain_id}
    return PredictResult(
        chain.predict(features),
        known if chain_id is not None else {**known, "name": name},
        _samples(features),
        chain.model_class,
        [type(t).__name__ for step in chain.steps for t in step.transformers],
    )


def _features(data: Any) -> Any:
    if isinstance(data, Mapping):
        if "X" not in data:
            raise DataTypeError("A mapping of data must have an 'X' key with the features")
        data = data["X"]
    elif isinstance(data, tuple) and data:
        data = data[0]
    if isinstance(data, list):
        data = as_array(data, "X")
    data = collected(data)
    if hasattr(data, "to_numpy") and not is_frame(data):
        data = data.to_numpy()
    if not is_frame(data) and not isinstance(data, numpy.ndarray) and not hasattr(data, "tocsr"):
        raise DataTypeError(
            f"Unsupported data type: {type(data).__name__}; give an array, a frame, a tuple (X, y) "
            "or a mapping with an 'X' key"
        )
    return data


def _samples(features: Any) -> Any:
    """Return the index of a pandas frame, or the numbers of rows."""
    index = getattr(features, "index", None)
    if hasattr(features, "iloc") and index is not None:
        return index.to_numpy()
    return numpy.arange(features.shape[0])


def _chain_of(model: Any) -> str:
    if not isinstance(model, Mapping):
        raise DataTypeError(
            "model must be the path of a bundle or an entry of a result, "
            f"got {type(model).__name__}"
        )
    chain_id = model.get("chain_id")
    if not isinstance(chain_id, str):
        raise PipelineError("This entry has no chain_id, so nothing can predict")
    return chain_id
