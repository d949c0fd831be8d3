"""The store of a workspace."""

from __future__ import annotations

from typing import Any

from persist.tracking.deleting import Deleting
from persist.tracking.exporting import Exporting
from persist.tracking.predictions import Predictions
from persist.tracking.ranking import Ranking
from persist.tracking.recording import Recording
from persist.tracking.sql import Sql
from persist.tracking.tables import html_table, text_table

__all__ = ["WorkspaceStore"]


class WorkspaceStore(Recording, Predictions, Exporting, Ranking, Sql, Deleting):
    """Runs, pipelines, chains, predictions, artifacts and logs of a workspace, in one database.

    Parameters
    ----------
    workspace_path : path
        The folder of the workspace, made with its parents if it is missing.
    timeout : float, optional
        How long to wait for other processes, in s.
    engine : {'polars', 'pandas', 'arrow'}, optional
        What queries return.

    Raises
    ------
    LockTimeout
        If another process does not let go of the database in time.
    DamagedError
        If the database is none.
    MissingExtraError
        If DuckDB is not installed.

    Notes
    -----
    Any number of processes and threads may use a workspace: the database is open only while one of
    them works, writers take turns in the order in which they came, and readers read together. Each
    call is one commit, and so is each `batch`.

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

    def __repr__(self) -> str:
        return self._headline() if self._is_closed else text_table(*self._table())

    def _repr_html_(self) -> str:
        table = (self._headline(), (), ()) if self._is_closed else self._table()
        return html_table(*table)

    def _headline(self, counts: str = "closed") -> str:
        return f"WorkspaceStore({str(self._path)!r}): {counts}"

    def _table(self) -> tuple[str, tuple[str, ...], list[tuple[Any, ...]]]:
        with self._reading():
            [counts] = self._rows(
                "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM predictions), "
                "(SELECT count(*) FROM artifacts)"
            )
            rows = self._rows(
                "SELECT name, status, created_at, (SELECT count(*) FROM pipelines p "
                "WHERE p.run_id = r.run_id) FROM runs r ORDER BY created_at DESC LIMIT 20"
            )
        names = zip(counts, ("run(s)", "prediction(s)", "artifact(s)"), strict=True)
        headline = self._headline(", ".join(f"{count} {name}" for count, name in names))
        return headline, ("run", "status", "created", "pipelines"), rows
