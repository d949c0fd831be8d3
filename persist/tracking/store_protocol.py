"""The methods of a store, as a protocol that other stores can implement."""

# mypy: disable-error-code=misc
# The types are those of the methods that are named.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

from persist.tracking.artifacts import Artifacts
from persist.tracking.exporting import Exports
from persist.tracking.maintenance import Maintenance
from persist.tracking.queries import Queries
from persist.tracking.ranking import Ranking
from persist.tracking.recording import Records

__all__ = ["WorkspaceStoreProtocol"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _same(
    method: Callable[Concatenate[Any, _Arguments], _Result],
) -> Callable[Concatenate[Any, _Arguments], _Result]:
    """Return a method of a part, for type checkers that of any object."""
    return method


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

    begin_run = _same(Records.begin_run)
    complete_run = _same(Records.complete_run)
    fail_run = _same(Records.fail_run)
    begin_pipeline = _same(Records.begin_pipeline)
    complete_pipeline = _same(Records.complete_pipeline)
    fail_pipeline = _same(Records.fail_pipeline)
    save_chain = _same(Records.save_chain)
    log_step = _same(Records.log_step)
    save_prediction = _same(Records.save_prediction)
    save_prediction_arrays = _same(Records.save_prediction_arrays)
    save_artifact = _same(Artifacts.save_artifact)
    load_artifact = _same(Artifacts.load_artifact)
    get_artifact_path = _same(Artifacts.get_artifact_path)
    get_run = _same(Queries.get_run)
    get_pipeline = _same(Queries.get_pipeline)
    get_chain = _same(Queries.get_chain)
    get_prediction = _same(Queries.get_prediction)
    list_runs = _same(Queries.list_runs)
    list_pipelines = _same(Queries.list_pipelines)
    get_chains_for_pipeline = _same(Queries.get_chains_for_pipeline)
    query_predictions = _same(Queries.query_predictions)
    get_pipeline_log = _same(Queries.get_pipeline_log)
    get_run_log_summary = _same(Queries.get_run_log_summary)
    top_predictions = _same(Ranking.top_predictions)
    export_chain = _same(Exports.export_chain)
    export_pipeline_config = _same(Exports.export_pipeline_config)
    export_run = _same(Exports.export_run)
    export_predictions_parquet = _same(Exports.export_predictions_parquet)
    replay_chain = _same(Exports.replay_chain)
    delete_run = _same(Maintenance.delete_run)
    delete_prediction = _same(Maintenance.delete_prediction)
    gc_artifacts = _same(Maintenance.gc_artifacts)
    vacuum = _same(Maintenance.vacuum)

    def close(self) -> None:
        """Close the store."""
        ...
