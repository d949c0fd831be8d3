"""Predictions and their arrays, as they are recorded."""

from __future__ import annotations

import uuid
from typing import Any

from persist.tracking.base import OpenStore, now

__all__ = ["Predictions"]


class Predictions(OpenStore):
    """The part of a store that records predictions; see `WorkspaceStore`."""

    def save_prediction(
        self,
        pipeline_id: str,
        chain_id: str | None,
        dataset_name: str,
        model_name: str,
        model_class: str,
        fold_id: str,
        partition: str,
        val_score: float | None,
        test_score: float | None,
        train_score: float | None,
        metric: str,
        task_type: str,
        n_samples: int | None,
        n_features: int | None,
        scores: Any,
        best_params: Any,
        branch_id: int | None,
        branch_name: str | None,
        exclusion_count: int | None,
        exclusion_rate: float | None,
        preprocessings: str = "",
        prediction_id: str | None = None,
        refit_context: str | None = None,
    ) -> str:
        """Record the scores of a model on a part of the data.

        One that is there, of the same pipeline, chain, fold, partition, model name and branch, is
        replaced: it keeps its id and loses its arrays. So is one of the id that is given.

        Parameters
        ----------
        pipeline_id, chain_id : str
            What made it; the chain may be None.
        dataset_name, model_name, model_class : str
            On what, and by what.
        fold_id, partition : str
            Of which fold, and on which part: ``train``, ``val``, ``test``.
        val_score, test_score, train_score : float
            The scores of the fold on each part; None where there is none.
        metric, task_type : str
            What the scores are: ``rmse``; ``regression``.
        n_samples, n_features : int
            The shape of what was predicted from.
        scores, best_params : object
            All scores, and the parameters that were found; anything that JSON can write.
        branch_id, branch_name
            The branch of the pipeline; None if it has none.
        exclusion_count, exclusion_rate : int, float
            How many samples were left out, and which part these were.
        preprocessings : str, optional
            A short name for the steps before the model.
        prediction_id : str, optional
            The id, made up by default.
        refit_context : str, optional
            None, or how the model was fitted to all data: ``standalone``.

        Returns
        -------
        str
            The id of the prediction.

        Raises
        ------
        duckdb.ConstraintException
            If there is no such pipeline or chain.
        """
        values = {
            "pipeline_id": pipeline_id,
            "chain_id": chain_id,
            "dataset_name": dataset_name,
            "model_name": model_name,
            "model_class": model_class,
            "fold_id": fold_id,
            "partition": partition,
            "val_score": val_score,
            "test_score": test_score,
            "train_score": train_score,
            "metric": metric,
            "task_type": task_type,
            "n_samples": n_samples,
            "n_features": n_features,
            "scores": scores,
            "best_params": best_params,
            "branch_id": branch_id,
            "branch_name": branch_name,
            "exclusion_count": exclusion_count,
            "exclusion_rate": exclusion_rate,
            "preprocessings": preprocessings,
            "refit_context": refit_context,
            "created_at": now(),
        }
        with self._changing() as changes:
            return changes.put_prediction(prediction_id, values, str(uuid.uuid4()))

    def save_prediction_arrays(
        self,
        prediction_id: str,
        y_true: Any,
        y_pred: Any,
        y_proba: Any = None,
        sample_indices: Any = None,
        weights: Any = None,
    ) -> None:
        """Record the arrays of a prediction, which are flattened in C order.

        Parameters
        ----------
        prediction_id : str
            The prediction, which has none yet.
        y_true, y_pred : array
            What was to be predicted, and what was, as float64; None where there is none.
        y_proba : array, (n_samples, n_classes), optional
            Probabilities.
        sample_indices : array of int, optional
            Which samples these are.
        weights : array, optional
            Their weights.

        Raises
        ------
        duckdb.ConstraintException
            If there is no such prediction, or it has arrays already.
        TypeError, ValueError
            If an array holds no numbers.
        """
        with self._changing() as changes:
            changes.insert(
                "prediction_arrays",
                {
                    "prediction_id": prediction_id,
                    "y_true": y_true,
                    "y_pred": y_pred,
                    "y_proba": y_proba,
                    "sample_indices": sample_indices,
                    "weights": weights,
                },
            )
