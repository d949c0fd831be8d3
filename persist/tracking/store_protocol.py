"""The methods of a store, as a protocol that other stores can implement."""

# ruff: noqa: D102 - the documentation is that of the method that is named

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

from persist.tracking.artifacts import Artifacts
from persist.tracking.chains import Chains
from persist.tracking.deleting import Deletions
from persist.tracking.exporting import Exports
from persist.tracking.queries import Queries
from persist.tracking.ranking import Ranking
from persist.tracking.recording import PredictionRecords, RunRecords

__all__ = ["WorkspaceStoreProtocol"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def same(
    method: Callable[Concatenate[Any, _Arguments], _Result],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, _Arguments], _Result]]:
    """Return a decorator that gives a method the signature and documentation of another one."""
    return lambda named: method


@runtime_checkable
class WorkspaceStoreProtocol(Protocol):
    """The methods that programs written against `WorkspaceStore` may call.

    It has methods only, so that it can be used with ``issubclass`` as well as ``isinstance``. Both
    compare names; type checkers compare the signatures, which are those of `WorkspaceStore`.

    Examples
    --------
    >>> from persist.tracking import WorkspaceStore
    >>> issubclass(WorkspaceStore, WorkspaceStoreProtocol), issubclass(dict, WorkspaceStoreProtocol)
    (True, False)
    """

    @same(RunRecords.begin_run)
    def begin_run(self) -> None: ...

    @same(RunRecords.complete_run)
    def complete_run(self) -> None: ...

    @same(RunRecords.fail_run)
    def fail_run(self) -> None: ...

    @same(RunRecords.begin_pipeline)
    def begin_pipeline(self) -> None: ...

    @same(RunRecords.complete_pipeline)
    def complete_pipeline(self) -> None: ...

    @same(RunRecords.fail_pipeline)
    def fail_pipeline(self) -> None: ...

    @same(RunRecords.save_chain)
    def save_chain(self) -> None: ...

    @same(RunRecords.log_step)
    def log_step(self) -> None: ...

    @same(PredictionRecords.save_prediction)
    def save_prediction(self) -> None: ...

    @same(PredictionRecords.save_prediction_arrays)
    def save_prediction_arrays(self) -> None: ...

    @same(Artifacts.save_artifact)
    def save_artifact(self) -> None: ...

    @same(Artifacts.load_artifact)
    def load_artifact(self) -> None: ...

    @same(Artifacts.get_artifact_path)
    def get_artifact_path(self) -> None: ...

    @same(Queries.get_run)
    def get_run(self) -> None: ...

    @same(Queries.get_pipeline)
    def get_pipeline(self) -> None: ...

    @same(Queries.get_chain)
    def get_chain(self) -> None: ...

    @same(Queries.get_prediction)
    def get_prediction(self) -> None: ...

    @same(Queries.list_runs)
    def list_runs(self) -> None: ...

    @same(Queries.list_pipelines)
    def list_pipelines(self) -> None: ...

    @same(Queries.get_chains_for_pipeline)
    def get_chains_for_pipeline(self) -> None: ...

    @same(Queries.query_predictions)
    def query_predictions(self) -> None: ...

    @same(Queries.get_pipeline_log)
    def get_pipeline_log(self) -> None: ...

    @same(Queries.get_run_log_summary)
    def get_run_log_summary(self) -> None: ...

    @same(Ranking.top_predictions)
    def top_predictions(self) -> None: ...

    @same(Exports.export_chain)
    def export_chain(self) -> None: ...

    @same(Exports.export_pipeline_config)
    def export_pipeline_config(self) -> None: ...

    @same(Exports.export_run)
    def export_run(self) -> None: ...

    @same(Exports.export_predictions_parquet)
    def export_predictions_parquet(self) -> None: ...

    @same(Chains.replay_chain)
    def replay_chain(self) -> None: ...

    @same(Deletions.delete_run)
    def delete_run(self) -> None: ...

    @same(Deletions.delete_prediction)
    def delete_prediction(self) -> None: ...

    @same(Deletions.gc_artifacts)
    def gc_artifacts(self) -> None: ...

    @same(Deletions.vacuum)
    def vacuum(self) -> None: ...

    def close(self) -> None:
        """Close the store."""
        ...
