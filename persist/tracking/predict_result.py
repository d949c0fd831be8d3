"""What was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy

from persist.tracking.optional import import_pandas

__all__ = ["PredictResult"]

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
        pandas = import_pandas()
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
        return f"{self._headline()}\n{self._shown()}"

    def _repr_html_(self) -> str:
        return (
            f"<div><code>{escape(self._headline())}</code><pre>{escape(self._shown())}</pre></div>"
        )

    def _headline(self) -> str:
        by = f" by {self.model_name}" if self.model_name else ""
        return f"PredictResult: {len(self)} prediction(s){by}, of shape {self.shape}"

    def _shown(self) -> str:
        lines = [f"  {row}" for row in self.y_pred[:_MOST].tolist()] if self.y_pred.ndim else []
        left = len(self) - len(lines)
        return "\n".join([*lines, *([f"  … {left} more"] * (left > 0))])
