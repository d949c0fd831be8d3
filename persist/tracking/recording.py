"""What a training session records: runs, pipelines, chains, predictions, logs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from persist.tracking.base import OpenStore, now

__all__ = ["Recording"]


class Recording(OpenStore):
    """The part of a store that records; see `WorkspaceStore`."""

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
        return self._insert(
            "runs",
            run_id=_new_id(),
            name=name,
            config=config,
            datasets=datasets,
            status="running",
            completed_at=None,
            summary=None,
            error=None,
        )

    def complete_run(self, run_id: str, summary: Any) -> None:
        """Record that a run has come to its end."""
        self._update("runs", run_id, status="completed", completed_at=now(), summary=summary)

    def fail_run(self, run_id: str, error: str) -> None:
        """Record that a run has failed, and why."""
        self._update("runs", run_id, status="failed", completed_at=now(), error=error)

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
            If there is no such run.
        """
        return self._insert(
            "pipelines",
            pipeline_id=_new_id(),
            run_id=run_id,
            name=name,
            expanded_config=expanded_config,
            generator_choices=generator_choices,
            dataset_name=dataset_name,
            dataset_hash=dataset_hash,
            status="running",
            completed_at=None,
            best_val=None,
            best_test=None,
            metric=None,
            duration_ms=None,
            error=None,
        )

    def complete_pipeline(
        self,
        pipeline_id: str,
        best_val: float | None,
        best_test: float | None,
        metric: str | None,
        duration_ms: int | None,
    ) -> None:
        """Record that a pipeline has come to its end, with its best scores."""
        self._update(
            "pipelines",
            pipeline_id,
            status="completed",
            completed_at=now(),
            best_val=best_val,
            best_test=best_test,
            metric=metric,
            duration_ms=duration_ms,
        )

    def fail_pipeline(self, pipeline_id: str, error: str) -> None:
        """Record that a pipeline has failed, and why; what it has recorded stays."""
        self._update("pipelines", pipeline_id, status="failed", completed_at=now(), error=error)

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
        """Record the way from data to predictions: the steps, and the artifacts that they need.

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

        Returns
        -------
        str
            The id of the chain.

        Raises
        ------
        duckdb.ConstraintException
            If there is no such pipeline.
        """
        return self._insert(
            "chains",
            chain_id=_new_id(),
            pipeline_id=pipeline_id,
            steps=steps,
            model_step_idx=model_step_idx,
            model_class=model_class,
            preprocessings=preprocessings,
            fold_strategy=fold_strategy,
            fold_artifacts=fold_artifacts,
            shared_artifacts=shared_artifacts,
            branch_path=branch_path,
            source_index=source_index,
        )

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
            If there is no such pipeline.
        """
        self._insert(
            "logs",
            log_id=_new_id(),
            pipeline_id=pipeline_id,
            step_idx=step_idx,
            operator_class=operator_class,
            event=event,
            duration_ms=duration_ms,
            message=message,
            details=details,
            level=level,
        )

    def _insert(self, table: str, **values: Any) -> str:
        with self._changing() as changes:
            return changes.insert(table, {**values, "created_at": now()}, is_new=True)

    def _update(self, table: str, key: str, **values: Any) -> None:
        with self._changing() as changes:
            changes.update(table, key, values)


def _new_id() -> str:
    return str(uuid.uuid4())
