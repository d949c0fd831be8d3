"""Artifacts: objects that were fitted, stored once by content."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persist.errors import PortabilityWarning
from persist.files.digest import digest_pieces
from persist.tracking import encodings
from persist.tracking.artifact_files import name_of
from persist.tracking.database import Opened
from persist.tracking.errors import RecordNotFoundError
from persist.tracking.statements import Statement, select
from persist.tracking.times import new_id, now

__all__ = ["Artifacts"]


@dataclass(frozen=True, eq=False)
class Artifacts:
    """Keeps artifacts; see `WorkspaceStore`."""

    opened: Opened

    def save_artifact(
        self, obj: Any, operator_class: str | None, artifact_type: str | None, format: str
    ) -> str:
        """Store an object; one whose bytes are there already is only counted.

        Parameters
        ----------
        obj : object
            A fitted model or transformer, most often.
        operator_class, artifact_type : str
            Its class, and what it is for: ``model``, ``transformer``…
        format : {'joblib', 'archive', 'file', 'pickle', 'cloudpickle'}
            How it is stored. ``archive`` is readable source, which runs no pickle; ``file`` keeps
            bytes as they are, and loading them runs nothing.

        Returns
        -------
        str
            The id of the artifact.
        """
        if type(obj).__module__ == "__main__":
            warnings.warn(
                f"{type(obj).__qualname__} is defined in __main__: its artifact can be loaded only "
                "where that script runs; move it to a module to load it elsewhere",
                PortabilityWarning,
                stacklevel=3,
            )
        pieces = encodings.encode(obj, format)
        return self.save_encoded_artifact(pieces, operator_class, artifact_type, format)

    def save_artifact_with_cache_key(
        self,
        obj: Any,
        operator_class: str | None,
        artifact_type: str | None,
        format: str,
        chain_path_hash: str | None,
        input_data_hash: str | None,
        dataset_hash: str | None,
    ) -> str:
        """Store an object as `save_artifact` does, to be found by what it was made from."""
        keys = _cache_keys(chain_path_hash, input_data_hash, dataset_hash)
        pieces = encodings.encode(obj, format)
        return self.save_encoded_artifact(pieces, operator_class, artifact_type, format, keys)

    def register_existing_artifact(
        self,
        artifact_id: str,
        path: str,
        content_hash: str,
        operator_class: str | None,
        artifact_type: str | None,
        format: str,
        size_bytes: int | None,
    ) -> str:
        """Record a file that is in the folder of artifacts; nothing happens if its id is known.

        Parameters
        ----------
        artifact_id : str
            Its id.
        path : str
            Where it is in the folder.
        content_hash : str
            Its SHA-256.
        operator_class, artifact_type, format : str
            As for `save_artifact`.
        size_bytes : int
            Its size.

        Returns
        -------
        str
            The id.
        """
        self.opened.files.path(path)
        with self.opened.changing() as changes:
            if not changes.has("artifacts", artifact_id):
                row = {
                    "artifact_id": artifact_id,
                    "artifact_path": path,
                    "content_hash": content_hash,
                    "operator_class": operator_class,
                    "artifact_type": artifact_type,
                    "format": format,
                    "size_bytes": size_bytes,
                    "ref_count": 1,
                    "created_at": now(artifact_id),
                }
                changes.insert("artifacts", row)
        return artifact_id

    def load_artifact(self, artifact_id: str) -> Any:
        """Return the object of an artifact; its file is checked against its digest first.

        This runs what the file says: open only workspaces that you trust.

        Raises
        ------
        KeyError
            If the artifact is unknown.
        FileNotFoundError
            If its file is gone.
        DamagedError
            If its file is not what was written.
        """
        data, format = self.read(artifact_id)
        return encodings.decode(data, format)

    def get_artifact_path(self, artifact_id: str) -> Path | str:
        """Return the path of the file of an artifact, which may be gone; a URL where it has one.

        Raises
        ------
        KeyError
            If the artifact is unknown.
        """
        return self.opened.files.path(self._artifact(artifact_id)[0])

    def update_artifact_cache_key(
        self,
        artifact_id: str,
        chain_path_hash: str | None,
        input_data_hash: str | None,
        dataset_hash: str | None,
    ) -> None:
        """Record what an artifact was made from."""
        keys = _cache_keys(chain_path_hash, input_data_hash, dataset_hash)
        with self.opened.changing() as changes:
            changes.update("artifacts", artifact_id, keys)

    def find_cached_artifact(self, chain_path_hash: str, input_data_hash: str) -> str | None:
        """Return the id of an artifact that was made from this; None if there is none."""
        newest = Statement(
            "SELECT artifact_id FROM artifacts WHERE chain_path_hash = ? AND input_data_hash = ? "
            "AND ref_count > 0 ORDER BY created_at DESC NULLS LAST LIMIT 1",
            [chain_path_hash, input_data_hash],
        )
        found = self.opened.column(newest)
        return str(found[0]) if found else None

    def invalidate_dataset_cache(self, dataset_hash: str) -> int:
        """Forget what was made from a data set, and return of how many artifacts."""
        with self.opened.changing() as changes:
            statement = select("artifacts", ["artifact_id"], {"dataset_hash": dataset_hash})
            found = self.opened.column(statement)
            for artifact_id in found:
                changes.update("artifacts", artifact_id, _cache_keys(None, None, None))
        return len(found)

    def save_encoded_artifact(
        self,
        pieces: list[bytes],
        operator_class: str | None,
        artifact_type: str | None,
        format: str,
        keys: Mapping[str, str | None] | None = None,
    ) -> str:
        """Store an object that was encoded elsewhere, in pieces; see `save_artifact`.

        The `keys` are further columns of its row.
        """
        keys = keys or {}
        size, digest = digest_pieces(pieces)
        files, name = self.opened.files, name_of(digest, format)
        if files.is_shared:
            # Others write to the database meanwhile. They find it there, or collect it only after
            # a while.
            files.write(name, pieces)
        with self.opened.changing() as changes:
            found = changes.find_artifact(digest, format)
            if found is not None:
                artifact_id, name, count = found
                changes.update("artifacts", artifact_id, {"ref_count": count + 1, **keys})
            else:
                artifact_id = new_id()
                row = {
                    "artifact_id": artifact_id,
                    "artifact_path": name,
                    "content_hash": digest,
                    "operator_class": operator_class,
                    "artifact_type": artifact_type,
                    "format": format,
                    "size_bytes": size,
                    "ref_count": 1,
                    "created_at": now(artifact_id),
                    **keys,
                }
                changes.insert("artifacts", row, is_new=True)
            # The file first: a row never refers to nothing.
            if files.write(name, pieces) and found is None and not files.is_shared:
                changes.new_files.append(name)
        return artifact_id

    def _artifact(self, artifact_id: str) -> tuple[str, str, str]:
        """Return the path, digest and format of an artifact."""
        columns = ("artifact_path", "content_hash", "format")
        found = self.opened.rows(select("artifacts", columns, {"artifact_id": artifact_id}))
        if not found:
            raise RecordNotFoundError(f"Unknown artifact: {artifact_id}")
        path, digest, format = found[0]
        return path, digest, format or "joblib"

    def read(self, artifact_id: str) -> tuple[bytes, str]:
        """Return the bytes of an artifact, checked against its digest, and its format."""
        with self.opened.reading():
            path, digest, format = self._artifact(artifact_id)
            return self.opened.files.read(path, digest), format


def _cache_keys(chain: str | None, data: str | None, dataset: str | None) -> dict[str, str | None]:
    return {"chain_path_hash": chain, "input_data_hash": data, "dataset_hash": dataset}
