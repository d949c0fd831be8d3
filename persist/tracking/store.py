"""The store of a workspace."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from persist.display import Row, View
from persist.files import TIMEOUT
from persist.progress import Progress
from persist.tracking.artifacts import Artifacts
from persist.tracking.database import Opened
from persist.tracking.exporting import Exports
from persist.tracking.maintenance import Maintenance
from persist.tracking.queries import Queries
from persist.tracking.ranking import Ranking
from persist.tracking.recording import Records
from persist.tracking.statements import Statement, count_rows

if TYPE_CHECKING:
    from persist.tracking.run_result import RunResult

__all__ = ["WorkspaceStore"]


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _delegated(
    part: str, method: Callable[Concatenate[Any, _Arguments], _Result]
) -> Callable[Concatenate[Any, _Arguments], _Result]:
    """Return a method of a part, which an attribute holds, as one of the whole."""

    @functools.wraps(method)
    def call(self: Any, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return method(getattr(self, part), *args, **kwargs)

    return call


class WorkspaceStore:
    """Runs, pipelines, chains, predictions, artifacts and logs of a workspace, in one database.

    Parameters
    ----------
    workspace_path : path or str
        The folder of the workspace, made with its parents if it is missing; or the URL of a
        PostgreSQL database, ``postgresql+psycopg://user@host/database``, which many machines share.
    timeout : float, optional
        How long to wait for other processes, in s.
    engine : {'polars', 'pandas', 'arrow'}, optional
        What queries return.
    artifacts : path or str, optional
        For a URL: where artifacts are kept, a folder that all machines share or a URL of fsspec
        such as ``s3://bucket/runs``. The database remembers what the first store was given.
    storage_options : mapping, optional
        Options of fsspec for a URL of artifacts.

    Raises
    ------
    LockTimeout
        If other processes do not finish in time.
    DamagedError
        If the file is not a DuckDB database.
    MissingExtraError
        If DuckDB, or what a URL needs, is not installed.
    StoreError
        If the server of a URL cannot be reached, or refuses.

    Notes
    -----
    Any number of processes and threads may use a workspace: the database is open only while one of
    them works, writers take turns in the order in which they came, and readers read together. Each
    call is one commit, and so is each `batch`. On PostgreSQL readers and writers do not wait for
    each other.

    Whatever reads, changes or deletes the record of an id raises `RecordNotFoundError`, which is a
    KeyError, if the id is unknown.

    Artifacts are pickles unless their format is ``archive``, and loading one runs what it says:
    open only workspaces that you trust.

    Examples
    --------
    .. code-block:: python

        with WorkspaceStore("workspace") as store:
            run_id = store.begin_run("wheat", config={"metric": "rmse"}, datasets=["wheat"])
            store.complete_run(run_id, summary={"best": 0.12})
            runs = store.list_runs(status="completed")
    """

    def __init__(
        self,
        workspace_path: str | os.PathLike[str],
        *,
        timeout: float = TIMEOUT,
        engine: str = "polars",
        artifacts: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        opened = self.opened = Opened(workspace_path, timeout, engine, artifacts, storage_options)
        self._records = Records(opened)
        self._artifacts = Artifacts(opened)
        self._queries = Queries(opened, self._artifacts)
        self._ranking = Ranking(opened)
        self._exports = Exports(opened, self._artifacts, self._queries)
        self._maintenance = Maintenance(opened, self._queries)

    begin_run = _delegated("_records", Records.begin_run)
    complete_run = _delegated("_records", Records.complete_run)
    fail_run = _delegated("_records", Records.fail_run)
    begin_pipeline = _delegated("_records", Records.begin_pipeline)
    complete_pipeline = _delegated("_records", Records.complete_pipeline)
    fail_pipeline = _delegated("_records", Records.fail_pipeline)
    save_chain = _delegated("_records", Records.save_chain)
    add_chain = _delegated("_records", Records.add_chain)
    log_step = _delegated("_records", Records.log_step)

    save_prediction = _delegated("_records", Records.save_prediction)
    add_prediction = _delegated("_records", Records.add_prediction)
    save_prediction_arrays = _delegated("_records", Records.save_prediction_arrays)

    save_artifact = _delegated("_artifacts", Artifacts.save_artifact)
    save_encoded_artifact = _delegated("_artifacts", Artifacts.save_encoded_artifact)
    save_artifact_with_cache_key = _delegated("_artifacts", Artifacts.save_artifact_with_cache_key)
    register_existing_artifact = _delegated("_artifacts", Artifacts.register_existing_artifact)
    load_artifact = _delegated("_artifacts", Artifacts.load_artifact)
    get_artifact_path = _delegated("_artifacts", Artifacts.get_artifact_path)
    update_artifact_cache_key = _delegated("_artifacts", Artifacts.update_artifact_cache_key)
    find_cached_artifact = _delegated("_artifacts", Artifacts.find_cached_artifact)
    invalidate_dataset_cache = _delegated("_artifacts", Artifacts.invalidate_dataset_cache)

    get_run = _delegated("_queries", Queries.get_run)
    get_pipeline = _delegated("_queries", Queries.get_pipeline)
    get_chain = _delegated("_queries", Queries.get_chain)
    get_prediction = _delegated("_queries", Queries.get_prediction)
    get_prediction_arrays = _delegated("_queries", Queries.get_prediction_arrays)
    load_arrays = _delegated("_queries", Queries.load_arrays)
    list_runs = _delegated("_queries", Queries.list_runs)
    list_pipelines = _delegated("_queries", Queries.list_pipelines)
    get_chains_for_pipeline = _delegated("_queries", Queries.get_chains_for_pipeline)
    query_predictions = _delegated("_queries", Queries.query_predictions)
    get_chain_predictions = _delegated("_queries", Queries.get_chain_predictions)
    get_pipeline_log = _delegated("_queries", Queries.get_pipeline_log)
    get_run_log_summary = _delegated("_queries", Queries.get_run_log_summary)
    sql = _delegated("_queries", Queries.sql)
    provenance = _delegated("_queries", Queries.provenance)
    load_source = _delegated("_queries", Queries.load_source)
    find_id = _delegated("_queries", Queries.find_id)

    ranking = _delegated("_ranking", Ranking.ranking)
    define_metric = _delegated("_ranking", Ranking.define_metric)
    greater_is_better = _delegated("_ranking", Ranking.greater_is_better)
    top_predictions = _delegated("_ranking", Ranking.top_predictions)
    query_aggregated_predictions = _delegated("_ranking", Ranking.query_aggregated_predictions)
    query_top_aggregated_predictions = _delegated(
        "_ranking", Ranking.query_top_aggregated_predictions
    )

    load_chain = _delegated("_exports", Exports.load_chain)
    replay_chain = _delegated("_exports", Exports.replay_chain)

    export_chain = _delegated("_exports", Exports.export_chain)
    export_pipeline_config = _delegated("_exports", Exports.export_pipeline_config)
    export_run = _delegated("_exports", Exports.export_run)
    export_predictions_parquet = _delegated("_exports", Exports.export_predictions_parquet)

    delete_run = _delegated("_maintenance", Maintenance.delete_run)
    delete_prediction = _delegated("_maintenance", Maintenance.delete_prediction)
    gc_artifacts = _delegated("_maintenance", Maintenance.gc_artifacts)
    cleanup_transient_artifacts = _delegated(
        "_maintenance", Maintenance.cleanup_transient_artifacts
    )
    vacuum = _delegated("_maintenance", Maintenance.vacuum)

    close_dead_runs = _delegated("_maintenance", Maintenance.close_dead_runs)
    verify = _delegated("_maintenance", Maintenance.verify)

    @property
    def workspace_path(self) -> Path | str:
        """The folder of the workspace, or the URL of its database without the password."""
        return self.opened.path

    @contextlib.contextmanager
    def batch(self) -> Iterator[WorkspaceStore]:
        """Make all that the block records one commit: all of it, or nothing.

        Other processes wait until it ends, so train before it and record in it. What the block has
        recorded can be queried in it. A batch within another becomes part of its commit, or nothing
        if it fails.

        Yields
        ------
        WorkspaceStore
            This store.

        Raises
        ------
        LockTimeout
            If others do not finish in time.
        """
        with self.opened.changing() as changes, changes.part():
            yield self

    def close(self) -> None:
        """Close the store. Further calls raise `StoreClosedError`."""
        self.opened.close()

    def __enter__(self) -> WorkspaceStore:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        # Other processes open it anew.
        options = {name: value for name, value in self.opened.options.items() if value is not None}
        make = functools.partial(type(self), **options) if options else type(self)
        return make, (self.opened.location,)

    def rerun(
        self,
        run_id: str,
        data: Any,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        test: Any = None,
        check_data: bool = True,
        workspace_path: str | os.PathLike[str] | None = None,
        verbose: int = 1,
        n_jobs: int | None = None,
        executor: Executor | None = None,
        progress: Progress = None,
    ) -> RunResult:
        """Train again what a run has trained, from the source and the seed that it has recorded.

        Under the same versions the numbers are the same. Otherwise a warning lists the versions
        that differ, and so does `RunResult.version_differences`.

        Parameters
        ----------
        run_id : str
            The run.
        data : object
            Its data; see `run`. The columns and the form of files are those that were given then.
        groups, sample_weight : array, optional
            Those that were given as arrays.
        test : tuple (X_test, y_test), optional
            The test part, if it was given so.
        check_data : bool, optional
            Whether to refuse other data than those of the run.
        workspace_path : path, optional
            Where to record, by default in this workspace.
        verbose, n_jobs, executor, progress
            As for `run`.

        Returns
        -------
        RunResult
            The new run.

        Raises
        ------
        KeyError
            If the run is unknown, or its pipelines have no form as source.
        ValueError
            If the data are others.
        """
        from persist.tracking.training.running import rerun

        return rerun(
            self,
            run_id,
            data,
            groups=groups,
            sample_weight=sample_weight,
            test=test,
            check_data=check_data,
            workspace_path=workspace_path,
            verbose=verbose,
            n_jobs=n_jobs,
            executor=executor,
            progress=progress,
        )

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        where = f"WorkspaceStore({str(self.opened.path)!r})"
        if self.opened.is_closed:
            return View(f"{where}: closed", (), {})
        with self.opened.reading():
            [counts] = self.opened.rows(count_rows(("runs", "predictions", "artifacts")))
            table: Any = self.list_runs(limit=20, engine="arrow")
            by_run = Statement("SELECT run_id, count(*) FROM pipelines GROUP BY run_id")
            pipelines = dict(self.opened.rows(by_run))
        rows = [
            Row((run["name"], run["status"], run["created_at"], pipelines.get(run["run_id"], 0)))
            for run in table.to_pylist()
        ]
        names = zip(counts, ("run(s)", "prediction(s)", "artifact(s)"), strict=True)
        headline = f"{where}: {', '.join(f'{count} {name}' for count, name in names)}"
        return View(headline, ("run", "status", "created", "pipelines"), {"": rows})
