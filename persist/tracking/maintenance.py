"""Deleting, collecting what nothing needs, and checking what is there."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from persist.display import View, check_view
from persist.errors import DamagedError, PersistError
from persist.tracking.changes import Batch
from persist.tracking.database import Opened
from persist.tracking.environment import has_left
from persist.tracking.errors import ArgumentError, StoreError, not_found
from persist.tracking.fitted import FINAL_FOLDS, artifact_ids, fold_models, run_artifacts
from persist.tracking.queries import Queries
from persist.tracking.schema import ALL_TABLES, TABLES
from persist.tracking.statements import Statement, select
from persist.tracking.times import as_utc, now

__all__ = ["Maintenance", "StoreReport"]

_GRACE = 24 * 3600.0  # s
_LONGEST = 1e9  # s, 31 years
_REFERENCES = ("chain_id", "pipeline_id", "steps", "fold_artifacts", "shared_artifacts")


@dataclass(frozen=True)
class StoreReport:
    """What `WorkspaceStore.verify` found. Paths are relative to the workspace, or URLs.

    Parameters
    ----------
    missing : tuple of str
        Artifacts that should be there.
    damaged : tuple of str
        Artifacts that are not what was written, or cannot be read, and why.
    checked : int
        The number of files that are what was written, the database included.
    """

    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    checked: int

    @property
    def ok(self) -> bool:
        """Whether all is there, as it was written."""
        return not self.missing and not self.damaged

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        found = {"missing": self.missing, "damaged": self.damaged}
        return check_view(self.ok, self.checked, found)


@dataclass(frozen=True, eq=False)
class Maintenance:
    """Deletes, collects what nothing needs afterwards, and verifies; see `WorkspaceStore`.

    An artifact goes when no chain that is left refers to it. One that was saved for a chain that is
    not recorded yet stays: its count says so.
    """

    opened: Opened
    queries: Queries

    def delete_run(self, run_id: str, delete_artifacts: bool = True) -> int:
        """Delete a run with all that it has recorded: as a whole, or not at all.

        Parameters
        ----------
        run_id : str
            The run.
        delete_artifacts : bool, optional
            Whether artifacts go too that no chain needs any more.

        Returns
        -------
        int
            How many rows were deleted, without those of artifacts.

        Raises
        ------
        RecordNotFoundError
            If the run is unknown; a KeyError.
        StoreError
            In a batch.
        """
        run_id = str(run_id)
        with self._deleting() as changes:
            if not changes.has("runs", run_id):
                raise not_found("runs", run_id)
            keys = {"runs": [run_id]}
            for table, key, parent in (
                ("pipelines", "pipeline_id", "runs"),
                ("chains", "chain_id", "pipelines"),
                ("logs", "log_id", "pipelines"),
                ("predictions", "prediction_id", "pipelines"),
                ("prediction_arrays", "prediction_id", "predictions"),
            ):
                # The parent's key has the same name in both.
                refers = f"{parent.removesuffix('s')}_id"
                keys[table] = self.opened.column(select(table, [key], {refers: keys[parent]}))
            if delete_artifacts:
                [config] = self.opened.column(select("runs", ("config",), {"run_id": run_id}))
                lost = Counter(run_artifacts(config))
                for chain in self._chains({"chain_id": keys["chains"]}):
                    lost.update(artifact_ids(chain))
                self._release(changes, run_id, lost)
            for table, ids in keys.items():
                changes.delete(table, ids, are_known=True)
        return sum(map(len, keys.values()))

    def delete_prediction(self, prediction_id: str) -> bool:
        """Delete a prediction with its arrays, and return True.

        Raises
        ------
        RecordNotFoundError
            If it is unknown; a KeyError.
        StoreError
            In a batch.
        """
        prediction_id = str(prediction_id)
        with self._deleting() as changes:
            if not changes.has("predictions", prediction_id):
                raise not_found("predictions", prediction_id)
            changes.delete("prediction_arrays", [prediction_id])
            changes.delete("predictions", [prediction_id])
        return True

    def gc_artifacts(self, *, unreferenced: bool = False, grace_period: float | None = None) -> int:
        """Remove artifacts that nothing needs, and files that nothing knows.

        These are the artifacts whose count is 0 and that no chain refers to, and what a writer that
        died has left in the folder.

        Parameters
        ----------
        unreferenced : bool, optional
            Also remove artifacts that no chain refers to, whatever their count: to be asked for
            only while nobody trains.
        grace_period : float, optional
            How old in s an artifact or file must be to be removed: a day by default where the
            artifacts are shared, since others may be about to refer to it, and 0 in a workspace in
            a folder, whose files are written only while nobody else can collect.

        Returns
        -------
        int
            How many files were removed.

        Raises
        ------
        StoreError
            In a batch.
        """
        files = self.opened.files
        age = (_GRACE if files.is_shared else 0.0) if grace_period is None else grace_period
        if not 0 <= age <= _LONGEST:
            raise ArgumentError(
                f"grace_period must be seconds from 0 to {_LONGEST:.0e}, got {age!r}"
            )
        with self._deleting() as changes:
            needed = self._references()
            newest = datetime.now(timezone.utc) - timedelta(seconds=age)
            columns = ("artifact_id", "ref_count", "created_at")
            gone = [
                key
                for key, count, created_at in self.opened.rows(select("artifacts", columns))
                if key not in needed
                and (unreferenced or (count or 0) <= 0)
                and (not age or created_at is None or as_utc(key, created_at) <= newest)
            ]
            known = set(self.opened.column(select("artifacts", ("artifact_path",))))
            self._drop(changes, gone)
            changes.old_files += files.unreferenced(known, age)
            return sum(map(files.exists, changes.old_files))

    def cleanup_transient_artifacts(
        self, run_id: str, dataset_name: str, winning_pipeline_ids: Iterable[str]
    ) -> int:
        """Remove what a run keeps beside its winners, and no stored prediction is replayed from.

        These are the chains of other pipelines that have no predictions, and the models of the
        folds of winning chains that have a refitted model; and the artifacts that only these need.

        Parameters
        ----------
        run_id, dataset_name : str
            The run, and the data set that it was run on.
        winning_pipeline_ids : iterable of str
            The winners.

        Returns
        -------
        int
            How many files were removed.

        Raises
        ------
        StoreError
            In a batch.
        """
        winners = set(winning_pipeline_ids)
        with self._deleting() as changes:
            of_run = {"run_id": run_id, "dataset_name": dataset_name}
            pipelines = self.opened.column(select("pipelines", ("pipeline_id",), of_run))
            chains = self._chains({"pipeline_id": pipelines})
            of_chains = {"chain_id": [chain["chain_id"] for chain in chains]}
            predicted = set(self.opened.column(select("predictions", ("chain_id",), of_chains)))
            stripped, losers, lost = dict[str, dict[str, str]](), list[str](), Counter[str]()
            for chain in chains:
                models, key = fold_models(chain), chain["chain_id"]
                final = {name: models[name] for name in FINAL_FOLDS if name in models}
                if chain["pipeline_id"] in winners:
                    if final:
                        stripped[key] = final
                        left = {**chain, "fold_artifacts": final, "steps": None}
                        lost.update(artifact_ids(chain) - artifact_ids(left))
                elif key not in predicted:
                    losers.append(key)
                    lost.update(artifact_ids(chain))
            self._release(changes, run_id, lost)
            for key, final in stripped.items():
                changes.update("chains", key, {"fold_artifacts": final})
            changes.delete("chains", losers, are_known=True)
            return sum(map(self.opened.files.exists, changes.old_files))

    def vacuum(self) -> None:
        """Give free space in the database back to the disk, as far as the database does."""
        with self._deleting(), self.opened.reading() as connection:
            connection.vacuum()

    def close_dead_runs(self) -> list[str]:
        """Mark runs as dead whose process has ended before they did, and return their ids.

        Only processes of this host are looked for; and so are runs that this process was
        interrupted in so often that it could not record that they have failed.
        """
        with self.opened.changing() as changes:
            dead = self.queries.dead_runs()
            for run_id, process in dead.items():
                has_left_it = has_left(run_id)
                ended = "left the run before its end" if has_left_it else "ended before the run did"
                error = f"process {process['pid']} on {process['host']} {ended}"
                values = {"status": "dead", "completed_at": now(run_id), "error": error}
                changes.update("runs", run_id, values)
        return [*dead]

    def verify(self) -> StoreReport:
        """Read all rows, and compare each artifact with its digest.

        Raises
        ------
        DamagedError, duckdb.Error
            If the database cannot be read.
        """
        checksum = self.opened.dialect.checksum
        # What is in memory still says nothing about the disk.
        self.opened.database.release()
        with self.opened.reading() as connection:
            for table in ALL_TABLES:
                if table in TABLES or connection.has_table(table):
                    # A checksum of all columns makes the database read them from disk.
                    connection.rows(Statement(f"SELECT {checksum} FROM {table} AS t"))
            known = connection.rows(select("artifacts", ("artifact_path", "content_hash")))
        self.opened.database.release()
        files = self.opened.files
        checked, missing, damaged = 1, set(), set()
        for name, digest in known:
            shown = self._shown(name)
            try:
                files.read(name, digest)
                checked += 1
            except FileNotFoundError:
                missing.add(shown)
            except DamagedError:
                damaged.add(shown)
            except (OSError, PersistError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                damaged.add(f"{shown}: {reason or error}")
        return StoreReport(tuple(sorted(missing)), tuple(sorted(damaged)), checked)

    def _deleting(self) -> contextlib.AbstractContextManager[Batch]:
        if self.opened.database.is_in_batch:
            raise StoreError("Nothing can be deleted in a batch: do it before or after")
        return self.opened.changing()

    def _chains(self, where: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        rows = self.opened.rows(select("chains", _REFERENCES, where))
        return [dict(zip(_REFERENCES, row, strict=True)) for row in rows]

    def _references(self) -> Counter[str]:
        """Return how many chains and runs, by their source and files, refer to each artifact."""
        found: Counter[str] = Counter()
        # Not by SQL: PostgreSQL looks at no JSON that has a NUL character anywhere.
        for config in self.opened.column(select("runs", ("config",))):
            found.update(run_artifacts(config))
        for chain in self._chains():
            found.update(artifact_ids(chain))
        return found

    def _release(self, changes: Batch, run_id: str, lost: Counter[str]) -> None:
        """Release artifacts that some chains, or a run, refer to no longer, each so often."""
        if not lost:
            return
        needed = self._references() - lost
        # Somebody who trains may have saved one of these again for a chain of his own.
        others = Statement(
            "SELECT count(*) FROM pipelines WHERE status = 'running' AND run_id != ?", [run_id]
        )
        is_alone = self.opened.column(others) == [0]
        gone = []
        counts = select("artifacts", ("artifact_id", "ref_count"), {"artifact_id": lost})
        for key, count in self.opened.rows(counts):
            left = max(needed[key], 0 if is_alone else (count or 0) - lost[key])
            if left > 0:
                changes.update("artifacts", key, {"ref_count": left})
            else:
                gone.append(key)
        self._drop(changes, gone)

    def _drop(self, changes: Batch, keys: list[str]) -> None:
        """Delete artifacts, and after the commit the files that no other needs."""
        rows = self.opened.rows(select("artifacts", ("artifact_id", "artifact_path")))
        gone = set(keys)
        kept = {path for key, path in rows if key not in gone}
        paths = {path for key, path in rows if key in gone} - kept
        changes.delete("artifacts", keys, are_known=True)
        changes.old_files += sorted(paths)

    def _shown(self, name: str) -> str:
        place = self.opened.files.place
        if isinstance(place, Path) and place.is_relative_to(self.opened.path):
            place = place.relative_to(self.opened.path).as_posix()
        return f"{place}/{name}"
