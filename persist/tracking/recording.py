"""What a training session records: runs, pipelines, chains, predictions, logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from persist.tracking.database import Opened
from persist.tracking.schema import LABELS, TABLES
from persist.tracking.times import new_id, now
from persist.tracking.values import meaning_of

__all__ = ["ChainRecord", "PredictionRecord", "Records"]


@dataclass(frozen=True, kw_only=True)
class ChainRecord:
    """The way from data to predictions: the steps, and the artifacts that they need.

    Parameters
    ----------
    pipeline_id : str
        The pipeline.
    steps : list of dict
        Each with ``step_idx``, ``operator_class``, ``params``, ``artifact_ids``, ``stateless``.
    model_step_idx : int
        The ``step_idx`` of the model.
    model_class, preprocessings : str
        The class of the model, and a short name for what is before it.
    fold_strategy : str
        How the models of the folds make one prediction: ``per_fold``.
    fold_artifacts : dict of str to str
        The artifact of the model of each fold; that of ``fold_final`` was fitted to all data.
    shared_artifacts : dict of str to list of str
        The artifacts of each other step, by ``step_idx``.
    branch_path, source_index
        Where in a pipeline with branches or several sources the chain is.
    """

    pipeline_id: str
    steps: Sequence[Mapping[str, Any]]
    model_step_idx: int
    model_class: str
    preprocessings: str = ""
    fold_strategy: str = "per_fold"
    fold_artifacts: Mapping[str, str] | None = None
    shared_artifacts: Mapping[str, Any] | None = None
    branch_path: Any = None
    source_index: int | None = None


@dataclass(frozen=True, kw_only=True)
class PredictionRecord:
    """The scores of a model on a part of the data.

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
    preprocessings : str
        A short name for the steps before the model.
    refit_context : str
        None, or how the model was fitted to all data: ``standalone``.
    """

    pipeline_id: str
    chain_id: str | None = None
    dataset_name: str
    model_name: str
    model_class: str
    fold_id: str
    partition: str
    val_score: float | None = None
    test_score: float | None = None
    train_score: float | None = None
    metric: str
    task_type: str
    n_samples: int | None = None
    n_features: int | None = None
    scores: Any = None
    best_params: Any = None
    branch_id: int | None = None
    branch_name: str | None = None
    exclusion_count: int | None = 0
    exclusion_rate: float | None = 0.0
    preprocessings: str = ""
    refit_context: str | None = None


@dataclass(frozen=True, eq=False)
class Records:
    """Records runs, pipelines, chains, predictions and logs; see `WorkspaceStore`."""

    opened: Opened

    def begin_run(self, name: str, config: Any, datasets: Any) -> str:
        """Record that a run begins.

        Parameters
        ----------
        name : str
            What people call it.
        config : object
            Anything that JSON can write; the rest of it becomes text.
        datasets : list of dict
            What it is run on, each with its ``name``.

        Returns
        -------
        str
            The id of the run.
        """
        return self._insert("runs", locals(), status="running")

    def complete_run(self, run_id: str, summary: Any) -> None:
        """Record that a run has come to its end."""
        self._end("runs", "completed", locals())

    def fail_run(self, run_id: str, error: str) -> None:
        """Record that a run has failed, and why."""
        self._end("runs", "failed", locals())

    def begin_pipeline(
        self,
        run_id: str,
        name: str,
        expanded_config: Any,
        generator_choices: Any,
        dataset_name: str,
        dataset_hash: str | None,
    ) -> str:
        """Record that a pipeline of a run begins.

        Parameters
        ----------
        run_id : str
            The run.
        name : str
            What people call it.
        expanded_config, generator_choices : object
            Its steps, and what was chosen for them; anything that JSON can write.
        dataset_name, dataset_hash : str
            What it is trained on.

        Returns
        -------
        str
            The id of the pipeline.

        Raises
        ------
        duckdb.ConstraintException
            If the run is unknown.
        """
        return self._insert("pipelines", locals(), status="running")

    def complete_pipeline(
        self,
        pipeline_id: str,
        best_val: float | None,
        best_test: float | None,
        metric: str | None,
        duration_ms: int | None,
    ) -> None:
        """Record that a pipeline has come to its end, with its best scores."""
        self._end("pipelines", "completed", locals())

    def fail_pipeline(self, pipeline_id: str, error: str) -> None:
        """Record that a pipeline has failed, and why; what it has recorded stays."""
        self._end("pipelines", "failed", locals())

    def save_chain(
        self,
        pipeline_id: str,
        steps: Sequence[Mapping[str, Any]],
        model_step_idx: int,
        model_class: str,
        preprocessings: str,
        fold_strategy: str,
        fold_artifacts: Mapping[str, str] | None,
        shared_artifacts: Mapping[str, Any] | None,
        branch_path: Any = None,
        source_index: int | None = None,
    ) -> str:
        """Record the way from data to predictions; see `ChainRecord` for the arguments.

        Returns
        -------
        str
            The id of the chain.

        Raises
        ------
        duckdb.ConstraintException
            If the pipeline is unknown.
        """
        return self._insert("chains", locals())

    def add_chain(self, record: ChainRecord) -> str:
        """Record a chain, and return its id; see `save_chain`."""
        return self._insert("chains", vars(record))

    def log_step(
        self,
        pipeline_id: str,
        step_idx: int,
        operator_class: str | None,
        event: str,
        duration_ms: int | None = None,
        message: str | None = None,
        details: Any = None,
        level: str = "info",
    ) -> None:
        """Record that something happened in a step of a pipeline.

        Parameters
        ----------
        pipeline_id : str
            The pipeline.
        step_idx : int
            The step.
        operator_class : str
            The class of what it does.
        event : str
            ``start``, ``end``, ``error``…
        duration_ms : int, optional
            How long it took, in ms.
        message : str, optional
            What to tell people.
        details : object, optional
            Anything that JSON can write.
        level : {'info', 'warning', 'error', 'debug'}, optional
            How much it matters.

        Raises
        ------
        duckdb.ConstraintException
            If the pipeline is unknown.
        """
        self._insert("logs", locals())

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

        The arguments are those of `PredictionRecord`, and the id that is wanted, made up by
        default.

        Returns
        -------
        str
            The id of the prediction.

        Raises
        ------
        duckdb.ConstraintException
            If the pipeline or chain is unknown.
        """
        # Not as a record: this is called for each of many predictions.
        values = locals()
        del values["self"], values["prediction_id"]
        values["created_at"] = now(pipeline_id)
        with self.opened.changing() as changes:
            return changes.put_prediction(prediction_id, values, new_id())

    def add_prediction(self, record: PredictionRecord, prediction_id: str | None = None) -> str:
        """Record a prediction, and return its id; see `save_prediction`."""
        return self.save_prediction(**vars(record), prediction_id=prediction_id)

    def save_prediction_arrays(
        self,
        prediction_id: str,
        y_true: Any,
        y_pred: Any,
        y_proba: Any = None,
        sample_indices: Any = None,
        weights: Any = None,
        *,
        proba_classes: Any = None,
        sample_ids: Any = None,
        labels: Any = None,
    ) -> None:
        """Record the arrays of a prediction, which are flattened in C order.

        Labels that are not numbers are recorded as their places among all labels; they are labels
        again when they are loaded.

        Parameters
        ----------
        prediction_id : str
            The prediction, which has none yet.
        y_true, y_pred : array
            What was to be predicted, and what was: numbers, or labels; None where there is none.
        y_proba : array, (n_samples, n_classes), optional
            Probabilities.
        sample_indices : array of int, optional
            Which samples these are.
        weights : array, optional
            Their weights.
        proba_classes : array, (n_classes,), optional
            The classes of the columns of `y_proba`.
        sample_ids : array, (n_samples,), optional
            The names of the samples.
        labels : array, optional
            All labels that the target can have, if it has labels that are not numbers.

        Raises
        ------
        duckdb.ConstraintException
            If the prediction is unknown, or it has arrays already.
        TypeError, ValueError
            If an array holds no numbers.
        """
        meaning = meaning_of(y_true, y_pred, proba_classes, sample_ids, labels)
        with self.opened.changing() as changes:
            changes.insert(
                "prediction_arrays",
                {
                    "prediction_id": prediction_id,
                    "y_true": meaning.y_true,
                    "y_pred": meaning.y_pred,
                    "y_proba": y_proba,
                    "sample_indices": sample_indices,
                    "weights": weights,
                },
            )
            if meaning.document is not None:
                values = {"prediction_id": prediction_id, "document": meaning.document}
                changes.put(LABELS, values)

    def _insert(self, table: str, arguments: Mapping[str, Any], **others: Any) -> str:
        """Insert a row, whose columns have the names of arguments, and return its new id."""
        key = new_id()
        values = {**arguments, **others, TABLES[table].key: key, "created_at": now(key)}
        with self.opened.changing() as changes:
            return changes.insert(table, values, is_new=True)

    def _end(self, table: str, status: str, arguments: dict[str, Any]) -> None:
        """Set columns, which have the names of arguments, of the row of the first of these."""
        _, key, *names = arguments
        values = {name: arguments[name] for name in names}
        ended = {"status": status, "completed_at": now(arguments[key])}
        with self.opened.changing() as changes:
            changes.update(table, str(arguments[key]), {**ended, **values})
