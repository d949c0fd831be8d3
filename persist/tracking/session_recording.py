"""A trained pipeline on its way into a store."""

from __future__ import annotations

from typing import Any

import numpy

from persist.tracking.data import Data
from persist.tracking.fitted import FittedStep, StepKind
from persist.tracking.outcomes import Outcome
from persist.tracking.plan import Plan, class_name
from persist.tracking.store import WorkspaceStore
from persist.tracking.training import LogEntry, Trained

__all__ = ["record_failure", "record_pipeline"]


def record_pipeline(
    store: WorkspaceStore,
    run_id: str,
    plan: Plan,
    data: Data,
    digest: str,
    trained: Trained,
    duration_ms: int,
    artifact_format: str,
) -> tuple[float | None, str]:
    """Record a pipeline with all that it has left, as one commit.

    Returns
    -------
    score : float or None
        What it reached in cross-validation.
    pipeline_id : str
        Its id.
    """
    with store.batch():
        pipeline_id = _begin(store, run_id, plan, data, digest)
        for entry in trained.log:
            _log(store, pipeline_id, entry)
        save = _Saver(store, pipeline_id, plan, artifact_format)
        chains = {False: save.folds(trained), True: save.refit(trained)}
        for outcome in trained.outcomes:
            _prediction(store, pipeline_id, chains[outcome.is_refit], plan, data, trained, outcome)
        best = next(o for o in trained.outcomes if o.fold == "avg")
        final = next((o for o in trained.outcomes if o.is_refit), best)
        val, test = _score(best, "val", trained), _score(final, "test", trained)
        store.complete_pipeline(pipeline_id, val, test, trained.metric, duration_ms)
    return val, pipeline_id


def record_failure(
    store: WorkspaceStore,
    run_id: str,
    plan: Plan,
    data: Data,
    digest: str,
    log: list[LogEntry],
    error: BaseException,
) -> None:
    """Record a pipeline that failed, with its log and the error."""
    with store.batch():
        pipeline_id = _begin(store, run_id, plan, data, digest)
        for entry in log:
            _log(store, pipeline_id, entry)
        store.fail_pipeline(pipeline_id, str(error) or type(error).__name__)


def _begin(store: WorkspaceStore, run_id: str, plan: Plan, data: Data, digest: str) -> str:
    return store.begin_pipeline(run_id, plan.name, plan.config(), plan.choices, data.name, digest)


def _log(store: WorkspaceStore, pipeline_id: str, entry: LogEntry) -> None:
    level = "error" if entry.event == "error" else "info"
    store.log_step(
        pipeline_id,
        entry.step,
        entry.operator_class,
        entry.event,
        entry.duration_ms,
        entry.message,
        level=level,
    )


class _Saver:
    """Saves the artifacts and chains of one pipeline."""

    def __init__(
        self, store: WorkspaceStore, pipeline_id: str, plan: Plan, artifact_format: str
    ) -> None:
        self._store = store
        self._pipeline_id = pipeline_id
        self._plan = plan
        self._format = artifact_format

    def folds(self, trained: Trained) -> str:
        """Save the models of the folds, each together with the steps before it."""
        models = {name: self._artifact(m, "model") for name, m in trained.fold_models.items()}
        return self._chain(trained.target_steps, models, "per_fold")

    def refit(self, trained: Trained) -> str | None:
        """Save the steps and the model that were fitted to all training data."""
        if trained.refit is None:
            return None
        models = {name: self._artifact(m, "model") for name, m in trained.refit.models.items()}
        return self._chain(trained.refit.steps, models, "single_refit")

    def _chain(self, steps: tuple[FittedStep, ...], models: dict[str, str], strategy: str) -> str:
        shared = {
            str(step.index): [self._artifact(t, _TYPES[step.kind]) for t in step.transformers]
            for step in steps
        }
        plan = self._plan
        planned = [*plan.before, *([plan.splitter] if plan.splitter else []), plan.model]
        described = []
        for step, config in zip(
            sorted(planned, key=lambda step: step.index), plan.config(), strict=True
        ):
            is_model = step.index == plan.model.index
            keys = list(models.values()) if is_model else shared.get(str(step.index), [])
            described.append(
                {
                    "step_idx": step.index,
                    "operator_class": type(step.operators[0]).__name__,
                    "params": config,
                    "artifact_ids": keys,
                    "stateless": not keys,
                }
            )
        return self._store.save_chain(
            self._pipeline_id,
            described,
            plan.model.index,
            class_name(plan.model.operators[0]),
            plan.preprocessings,
            strategy,
            models,
            shared,
        )

    def _artifact(self, obj: Any, kind: str) -> str:
        return self._store.save_artifact(obj, class_name(obj), kind, self._format)


_TYPES = {
    StepKind.FEATURES: "transformer",
    StepKind.AUGMENTATION: "transformer",
    StepKind.TARGET: "encoder",
}


def _prediction(
    store: WorkspaceStore,
    pipeline_id: str,
    chain_id: str | None,
    plan: Plan,
    data: Data,
    trained: Trained,
    outcome: Outcome,
) -> None:
    prediction_id = store.save_prediction(
        pipeline_id,
        chain_id,
        data.name,
        plan.model_name,
        class_name(plan.model.operators[0]),
        outcome.fold,
        outcome.partition,
        _score(outcome, "val", trained),
        _score(outcome, "test", trained),
        _score(outcome, "train", trained),
        trained.metric,
        trained.task_type,
        len(outcome.y_true),
        data.X.shape[1],
        outcome.scores,
        {},
        None,
        None,
        0,
        0.0,
        plan.preprocessings,
        refit_context="standalone" if outcome.is_refit else None,
    )
    if all(_is_numeric(values) for values in (outcome.y_true, outcome.y_pred)):
        store.save_prediction_arrays(
            prediction_id, outcome.y_true, outcome.y_pred, outcome.y_proba, outcome.indices
        )
    elif trained.task_type == "classification":
        # The columns hold numbers: those of the classes, in their order.
        classes = numpy.unique(data.y)
        store.save_prediction_arrays(
            prediction_id,
            numpy.searchsorted(classes, outcome.y_true),
            numpy.searchsorted(classes, outcome.y_pred),
            outcome.y_proba,
            outcome.indices,
        )


def _is_numeric(values: Any) -> bool:
    return values.dtype.kind in "fiub"


def _score(outcome: Outcome, partition: str, trained: Trained) -> float | None:
    return outcome.scores.get(partition, {}).get(trained.metric)
