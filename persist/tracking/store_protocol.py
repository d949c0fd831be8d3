"""The methods of a store, as a protocol that other stores can implement."""

# mypy: disable-error-code=misc
# The types are those of the methods that are named.

from __future__ import annotations

from typing import Protocol, runtime_checkable

from persist.tracking.store import WorkspaceStore

__all__ = ["WorkspaceStoreProtocol"]


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

    begin_run = WorkspaceStore.begin_run
    complete_run = WorkspaceStore.complete_run
    fail_run = WorkspaceStore.fail_run
    begin_pipeline = WorkspaceStore.begin_pipeline
    complete_pipeline = WorkspaceStore.complete_pipeline
    fail_pipeline = WorkspaceStore.fail_pipeline
    save_chain = WorkspaceStore.save_chain
    log_step = WorkspaceStore.log_step
    save_prediction = WorkspaceStore.save_prediction
    save_prediction_arrays = WorkspaceStore.save_prediction_arrays
    save_artifact = WorkspaceStore.save_artifact
    load_artifact = WorkspaceStore.load_artifact
    get_artifact_path = WorkspaceStore.get_artifact_path
    get_run = WorkspaceStore.get_run
    get_pipeline = WorkspaceStore.get_pipeline
    get_chain = WorkspaceStore.get_chain
    get_prediction = WorkspaceStore.get_prediction
    list_runs = WorkspaceStore.list_runs
    list_pipelines = WorkspaceStore.list_pipelines
    get_chains_for_pipeline = WorkspaceStore.get_chains_for_pipeline
    query_predictions = WorkspaceStore.query_predictions
    get_pipeline_log = WorkspaceStore.get_pipeline_log
    get_run_log_summary = WorkspaceStore.get_run_log_summary
    top_predictions = WorkspaceStore.top_predictions
    export_chain = WorkspaceStore.export_chain
    export_pipeline_config = WorkspaceStore.export_pipeline_config
    export_run = WorkspaceStore.export_run
    export_predictions_parquet = WorkspaceStore.export_predictions_parquet
    replay_chain = WorkspaceStore.replay_chain
    delete_run = WorkspaceStore.delete_run
    delete_prediction = WorkspaceStore.delete_prediction
    gc_artifacts = WorkspaceStore.gc_artifacts
    vacuum = WorkspaceStore.vacuum

    def close(self) -> None:
        """Close the store."""
        ...
