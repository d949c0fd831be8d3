"""What is deleted, and what is collected afterwards."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from persist.tracking.base import OpenStore
from persist.tracking.batch import Batch
from persist.tracking.chain_artifacts import FINAL_FOLDS, artifact_ids, fold_models
from persist.tracking.errors import StoreError

__all__ = ["Deleting"]

_REFERENCES = ("chain_id", "steps", "fold_artifacts", "shared_artifacts")


class Deleting(OpenStore):
    """The part of a store that deletes; see `WorkspaceStore`.

    An artifact goes when no chain that is left refers to it. One that was saved for a chain that is
    not recorded yet stays: its count says so.
    """

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
            How many rows were deleted, without those of artifacts; 0 if there is no such run.

        Raises
        ------
        StoreError
            In a batch.
        """
        with self._deleting() as changes:
            if not changes.has("runs", run_id):
                return 0
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
                query = f"SELECT {key} FROM {table} WHERE {refers} IN (SELECT unnest(?))"
                keys[table] = [found for (found,) in self._rows(query, [keys[parent]])]
            if delete_artifacts:
                self._release(changes, set(keys["chains"]), excluding_run=run_id)
            for table, ids in keys.items():
                changes.delete(table, ids, are_there=True)
        return sum(map(len, keys.values()))

    def delete_prediction(self, prediction_id: str) -> bool:
        """Delete a prediction with its arrays, and tell whether there was one.

        Raises
        ------
        StoreError
            In a batch.
        """
        with self._deleting() as changes:
            found = changes.has("predictions", prediction_id)
            changes.delete("prediction_arrays", [prediction_id])
            changes.delete("predictions", [prediction_id])
        return found

    def gc_artifacts(self, *, unreferenced: bool = False) -> int:
        """Remove artifacts that nothing needs, and files that nothing knows.

        These are the artifacts whose count is 0 and that no chain refers to, and what a writer that
        died has left in the folder.

        Parameters
        ----------
        unreferenced : bool, optional
            Also remove artifacts that no chain refers to, whatever their count: to be asked for
            only while nobody trains.

        Returns
        -------
        int
            How many files were removed.

        Raises
        ------
        StoreError
            In a batch.
        """
        with self._deleting() as changes:
            needed = self._references(())
            gone = [
                key
                for key, count in self._rows("SELECT artifact_id, ref_count FROM artifacts")
                if key not in needed and (unreferenced or (count or 0) <= 0)
            ]
            known = {name for (name,) in self._rows("SELECT artifact_path FROM artifacts")}
            self._drop(changes, gone)
            changes.old_files += self._files.unreferenced(known)
            return sum(map(self._exists, changes.old_files))

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
        query = (
            "SELECT c.chain_id, c.pipeline_id, c.fold_artifacts, "
            "EXISTS (SELECT 1 FROM predictions q WHERE q.chain_id = c.chain_id) "
            "FROM chains c JOIN pipelines p ON p.pipeline_id = c.pipeline_id "
            "WHERE p.run_id = ? AND p.dataset_name = ?"
        )
        with self._deleting() as changes:
            losers: set[str] = set()
            for chain, pipeline, folds, is_predicted in self._rows(query, [run_id, dataset_name]):
                if pipeline in winners:
                    final = {
                        name: key
                        for name, key in fold_models({"fold_artifacts": folds}).items()
                        if name in FINAL_FOLDS
                    }
                    if final:
                        changes.update("chains", chain, {"fold_artifacts": final})
                elif not is_predicted:
                    losers.add(chain)
            self._release(changes, losers, excluding_run=run_id)
            changes.delete("chains", losers, are_there=True)
            return sum(map(self._exists, changes.old_files))

    def vacuum(self) -> None:
        """Give free space in the database back to the disk, as far as DuckDB does."""
        with self._deleting(), self._reading() as connection:
            connection.execute("VACUUM")
            connection.execute("CHECKPOINT")

    @contextlib.contextmanager
    def _deleting(self) -> Iterator[Batch]:
        if self._database.is_in_batch:
            raise StoreError("Nothing can be deleted in a batch: do it before or after")
        with self._changing() as changes:
            yield changes

    def _references(
        self, chains: Collection[str], stripped: dict[str, Any] | None = None
    ) -> Counter[str]:
        """Return how many chains refer to each artifact, but for some, or with other folds."""
        found: Counter[str] = Counter()
        for values in self._rows(f"SELECT {', '.join(_REFERENCES)} FROM chains"):
            chain = dict(zip(_REFERENCES, values, strict=True))
            if chain["chain_id"] in chains:
                continue
            if stripped and chain["chain_id"] in stripped:
                chain["fold_artifacts"] = stripped[chain["chain_id"]]
                chain["steps"] = None
            found.update(artifact_ids(chain))
        return found

    def _release(self, changes: Batch, chains: set[str], excluding_run: str) -> None:
        """Let go of the artifacts of chains that are deleted, or that refer to fewer."""
        stripped = {
            key: json.loads(values["fold_artifacts"])
            for (table, key), values in changes.updated.items()
            if table == "chains"
        }
        before, after = self._references(()), self._references(chains, stripped)
        # Somebody who trains may have saved one of these again for a chain of his own.
        query = "SELECT count(*) FROM pipelines WHERE status = 'running' AND run_id != ?"
        is_alone = self._rows(query, [excluding_run])[0][0] == 0
        gone = []
        released = {key: count - after[key] for key, count in before.items() if count > after[key]}
        query = (
            "SELECT artifact_id, ref_count FROM artifacts WHERE artifact_id IN (SELECT unnest(?))"
        )
        for key, count in self._rows(query, [list(released)]):
            left = max(after[key], 0 if is_alone else (count or 0) - released[key])
            if left > 0:
                changes.update("artifacts", key, {"ref_count": left})
            else:
                gone.append(key)
        self._drop(changes, gone)

    def _drop(self, changes: Batch, keys: list[str]) -> None:
        """Delete artifacts, and after the commit the files that no other needs."""
        rows = self._rows("SELECT artifact_id, artifact_path FROM artifacts")
        gone = set(keys)
        kept = {path for key, path in rows if key not in gone}
        paths = {path for key, path in rows if key in gone} - kept
        changes.delete("artifacts", keys, are_there=True)
        changes.old_files += sorted(str(self._files.path(path)) for path in paths)

    def _exists(self, path: str) -> bool:
        return self._files.path(path).is_file()
