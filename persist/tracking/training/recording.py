"""A trained pipeline on its way into a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from persist.tracking import encodings
from persist.tracking.fitted import FEATURE_NAMES
from persist.tracking.recording import ChainRecord, PredictionRecord
from persist.tracking.training.configuration import class_name, described
from persist.tracking.training.data import Data
from persist.tracking.training.fitting import FINAL, Artifact, Fitted, LogEntry, Settings
from persist.tracking.training.plan import Plan
from persist.tracking.training.scoring import Outcome, average_of

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["Job", "Recorder", "Score"]


@dataclass(frozen=True)
class Score:
    """What a pipeline has reached in cross-validation: None where that is not defined."""

    dataset: str
    metric: str
    value: float | None


@dataclass(frozen=True)
class Job:
    """A pipeline that is trained on a data set."""

    plan: Plan
    data: Data
    digest: str  # of the data, before any split


class Recorder:
    """Records the pipelines of a run, each as one commit."""

    def __init__(self, store: WorkspaceStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    def record(
        self, job: Job, settings: Settings, parts: Sequence[Fitted], duration_ms: int
    ) -> Score:
        """Record a pipeline with all that it has left."""
        folds = [part for part in parts if part.part != FINAL]
        refits = [part for part in parts if part.part == FINAL]
        best_params = refits[0].best_params if refits else {}
        of_folds = [outcome for part in folds for outcome in part.outcomes]
        outcomes = [
            *of_folds,
            *average_of(of_folds, job.data, settings.task_type, settings.metric, best_params),
            *(outcome for part in refits for outcome in part.outcomes),
        ]
        metric = settings.metric.name
        best = next(outcome for outcome in outcomes if outcome.fold == "avg")
        final = next((outcome for outcome in outcomes if outcome.is_refit), best)
        with self._store.batch():
            pipeline_id = self._begin(job)
            for part in parts:
                self._log(pipeline_id, part.log)
            chains = {False: self._chain(pipeline_id, job, folds, settings, "per_fold")}
            if refits:
                chains[True] = self._chain(pipeline_id, job, refits, settings, "single_refit")
            for outcome in outcomes:
                self._prediction(pipeline_id, chains[outcome.is_refit], job, settings, outcome)
            val, test = _score(best, "val", metric), _score(final, "test", metric)
            self._store.complete_pipeline(pipeline_id, val, test, metric, duration_ms)
        return Score(job.data.name, metric, val)

    def record_failure(self, job: Job, log: Sequence[LogEntry], error: str) -> None:
        """Record a pipeline that failed, with its log and the error."""
        with self._store.batch():
            pipeline_id = self._begin(job)
            self._log(pipeline_id, log)
            self._store.fail_pipeline(pipeline_id, error)

    def _begin(self, job: Job) -> str:
        plan = job.plan
        try:
            config: list[Any] = plan.config()
        except Exception as error:
            # Parameters of any kind, which may refuse to be looked at; the row must be there.
            config = [{"error": f"{type(error).__name__}: {error}"}]
        return self._store.begin_pipeline(
            self._run_id, plan.name, config, plan.choices, job.data.name, job.digest
        )

    def _log(self, pipeline_id: str, log: Sequence[LogEntry]) -> None:
        for entry in log:
            level = "error" if entry.event == "error" else "info"
            self._store.log_step(pipeline_id, **vars(entry), level=level)

    def _chain(
        self,
        pipeline_id: str,
        job: Job,
        parts: Sequence[Fitted],
        settings: Settings,
        strategy: str,
    ) -> str:
        """Save the artifacts of the folds, or of the refitted pipeline, and their chain."""
        plan = job.plan
        models: dict[str, str] = {}
        shared: dict[str, list[str]] = {}
        for part in parts:
            for artifact in part.artifacts:
                if artifact.fold is not None:
                    models[artifact.fold] = self._artifact(artifact, settings.artifact_format)
                elif part is parts[0]:
                    # Those of all folds are the same: the codes of labels.
                    key = self._artifact(artifact, settings.artifact_format)
                    shared.setdefault(str(artifact.step), []).append(key)
        steps: list[dict[str, Any]] = []
        for step, config in zip(plan.steps, plan.config(), strict=True):
            is_model = step.index == plan.model.index
            keys = list(models.values()) if is_model else shared.get(str(step.index), [])
            steps.append(
                {
                    "step_idx": step.index,
                    "operator_class": type(step.operators[0]).__name__,
                    "params": config,
                    "artifact_ids": keys,
                    "stateless": not keys,
                }
            )
        if job.data.feature_names is not None:
            steps[0][FEATURE_NAMES] = job.data.feature_names
        return self._store.add_chain(
            ChainRecord(
                pipeline_id=pipeline_id,
                steps=steps,
                model_step_idx=plan.model.index,
                model_class=class_name(plan.model.operators[0]),
                preprocessings=plan.preprocessings,
                fold_strategy=strategy,
                fold_artifacts=models,
                shared_artifacts=shared,
            )
        )

    def _artifact(self, artifact: Artifact, format: str) -> str:
        pieces = artifact.content
        if not artifact.is_encoded:
            pieces = encodings.encode(artifact.content, format)
        return self._store.save_encoded_artifact(
            pieces, artifact.operator_class, artifact.type, format
        )

    def _prediction(
        self, pipeline_id: str, chain_id: str, job: Job, settings: Settings, outcome: Outcome
    ) -> None:
        plan, data = job.plan, job.data
        metric = settings.metric.name
        record = PredictionRecord(
            pipeline_id=pipeline_id,
            chain_id=chain_id,
            dataset_name=data.name,
            model_name=plan.model_name,
            model_class=class_name(plan.model.operators[0]),
            fold_id=outcome.fold,
            partition=outcome.partition,
            val_score=_score(outcome, "val", metric),
            test_score=_score(outcome, "test", metric),
            train_score=_score(outcome, "train", metric),
            metric=metric,
            task_type=settings.task_type,
            n_samples=len(outcome.y_true),
            n_features=data.X.shape[1],
            scores=outcome.scores,
            best_params=described(outcome.best_params),
            preprocessings=plan.preprocessings,
            refit_context="standalone" if outcome.is_refit else None,
        )
        prediction_id = self._store.add_prediction(record)
        is_test = outcome.partition == "test"
        rows = (data.rows_test if is_test else data.rows)[outcome.rows]
        ids = data.ids_test if is_test else data.ids
        names = None if ids is None else numpy.asarray(ids)[outcome.rows]
        weights = None if is_test else data.sample_weight
        if names is not None and names.dtype.kind in "iu" and numpy.abs(names).max() < 2**31:
            # The index of a frame leads back to its rows by itself.
            rows, names = names, None
        labels = None
        if settings.task_type == "classification":
            # Those that only the test part has, too.
            parts = [part for part in (data.y, data.y_test) if part is not None]
            labels = numpy.concatenate([numpy.asarray(part).ravel() for part in parts])
        self._store.save_prediction_arrays(
            prediction_id,
            outcome.y_true,
            outcome.predicted.y,
            outcome.predicted.proba,
            rows,
            None if weights is None else weights[outcome.rows],
            proba_classes=outcome.predicted.classes,
            sample_ids=names,
            labels=labels,
        )


def _score(outcome: Outcome, partition: str, metric: str) -> float | None:
    return outcome.scores.get(partition, {}).get(metric)
