"""What made a run, and whether the process that records it is still alive."""

from __future__ import annotations

from typing import Any

from persist.tracking import encodings
from persist.tracking.artifacts import Artifacts
from persist.tracking.columns import TABLES
from persist.tracking.database import Opened
from persist.tracking.environment import has_left
from persist.tracking.errors import RecordNotFoundError
from persist.tracking.queries import Queries
from persist.tracking.statements import Statement
from persist.tracking.times import now

__all__ = ["Provenance"]


class Provenance:
    """Tells where runs come from, and which have died; see `WorkspaceStore`."""

    def __init__(self, opened: Opened, artifacts: Artifacts, queries: Queries) -> None:
        self._opened = opened
        self._artifacts = artifacts
        self._queries = queries

    def provenance(self, run_id: str) -> dict[str, Any]:
        """Return what made a run.

        Returns
        -------
        dict
            ``run_id``, ``name``, ``status``, ``created_at``, ``completed_at``, ``error``;
            ``datasets``, each with its ``digest``; what was asked for: ``seed``, ``random_state``,
            ``cv``, ``metric``, ``refit``, ``test``, ``tags``; ``environment`` with the versions of
            Python and packages, the commit, script and command; ``process``; ``params`` and
            ``artifacts`` of a run of mlflow, the latter by the names of the files; and ``source``,
            Python that builds the pipelines, splitter and metric, None if there is none, for which
            ``source_error`` has the reason. None where it has not been recorded.

        Raises
        ------
        KeyError
            If the run is unknown.
        """
        with self._opened.reading():
            run = self._queries.known("runs", run_id)
            config = run["config"] if isinstance(run["config"], dict) else {}
            source = config.get("source")
            text = None if source is None else self._artifacts.read(source)[0].decode()
        names = ("seed", "random_state", "cv", "metric", "refit", "test", "tags", "environment")
        others = ("process", "loading", "rerun", "params", "artifacts")
        return {
            **{
                name: run[name]
                for name in ("run_id", "name", "status", "created_at", "completed_at", "error")
            },
            "datasets": run["datasets"],
            **{name: config.get(name) for name in (*names, *others)},
            "source": text,
            "source_error": config.get("source_error"),
        }

    def load_source(self, run_id: str) -> dict[str, Any]:
        """Return the pipelines, splitter, metric and options that a run was made of.

        This runs what the workspace says: open only workspaces that you trust.

        Raises
        ------
        KeyError
            If the run is unknown, or no source of it was recorded.
        """
        run = self._queries.known("runs", run_id)
        config = run["config"] if isinstance(run["config"], dict) else {}
        if config.get("source") is None:
            reason = config.get("source_error") or "the release that ran it has not recorded it"
            raise RecordNotFoundError(
                f"cannot build the pipelines of run {run_id}: {reason}; call run with them"
            )
        found: dict[str, Any] = encodings.decode(*self._artifacts.read(config["source"]))
        return found

    def close_dead_runs(self) -> list[str]:
        """Mark runs as dead whose process has ended before they did, and return their ids.

        Only processes of this host are looked for; and so are runs that this process was
        interrupted in so often that it could not record that they have failed.
        """
        with self._opened.changing() as changes:
            dead = self._queries.dead_runs()
            for run_id in dead:
                process = self._queries.known("runs", run_id)["config"]["process"]
                has_left_it = has_left(run_id)
                ended = "left the run before its end" if has_left_it else "ended before the run did"
                error = f"process {process['pid']} on {process['host']} {ended}"
                values = {"status": "dead", "completed_at": now(run_id), "error": error}
                changes.update("runs", run_id, values)
        return dead

    def find_id(self, kind: str, prefix: str) -> str:
        """Return the id that begins with some characters.

        Parameters
        ----------
        kind : {'run', 'pipeline', 'chain', 'prediction'}
            Of what.
        prefix : str
            The id, or as many of its first characters as no other has.

        Raises
        ------
        KeyError
            If there is none, or more than one.
        """
        key = TABLES[f"{kind}s"].key
        text = f"SELECT {key} FROM {kind}s WHERE starts_with({key}, ?) ORDER BY {key} LIMIT 2"
        found = list(map(str, self._opened.column(Statement(text, [prefix]))))
        if prefix in found:
            return prefix
        if len(found) != 1 or not prefix:
            reason = "more than one begins so; give more characters" if found else "not found"
            raise RecordNotFoundError(f"{kind.capitalize()} {prefix!r}: {reason}")
        return found[0]
