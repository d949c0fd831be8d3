"""Artifacts: objects that were fitted, stored once by content."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from persist.files.digest import digest_pieces
from persist.tracking import encodings
from persist.tracking.base import OpenStore, now
from persist.tracking.errors import RecordNotFoundError

__all__ = ["Artifacts"]


class Artifacts(OpenStore):
    """The part of a store that keeps artifacts; see `WorkspaceStore`."""

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
        format : {'joblib', 'archive', 'pickle', 'cloudpickle'}
            How it is stored. ``archive`` is readable source, which runs no pickle.

        Returns
        -------
        str
            The id of the artifact.
        """
        return self._save(obj, operator_class, artifact_type, format, {})

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
        return self._save(obj, operator_class, artifact_type, format, keys)

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
        self._files.path(path)
        with self._changing() as changes:
            if not changes.has("artifacts", artifact_id):
                changes.insert(
                    "artifacts",
                    {
                        "artifact_id": artifact_id,
                        "artifact_path": path,
                        "content_hash": content_hash,
                        "operator_class": operator_class,
                        "artifact_type": artifact_type,
                        "format": format,
                        "size_bytes": size_bytes,
                        "ref_count": 1,
                        **_cache_keys(None, None, None),
                        "created_at": now(),
                    },
                )
        return artifact_id

    def load_artifact(self, artifact_id: str) -> Any:
        """Return the object of an artifact; its file is checked against its digest first.

        This runs what the file says: open only workspaces that you trust.

        Raises
        ------
        KeyError
            If there is no such artifact.
        FileNotFoundError
            If its file is gone.
        DamagedError
            If its file is not what was written.
        """
        data, format = self._read_artifact(artifact_id)
        return encodings.decode(data, format)

    def get_artifact_path(self, artifact_id: str) -> Path:
        """Return the path of the file of an artifact, which may be gone.

        Raises
        ------
        KeyError
            If there is no such artifact.
        """
        return self._files.path(self._artifact(artifact_id)[0])

    def update_artifact_cache_key(
        self,
        artifact_id: str,
        chain_path_hash: str | None,
        input_data_hash: str | None,
        dataset_hash: str | None,
    ) -> None:
        """Record what an artifact was made from."""
        keys = _cache_keys(chain_path_hash, input_data_hash, dataset_hash)
        with self._changing() as changes:
            changes.update("artifacts", artifact_id, keys)

    def find_cached_artifact(self, chain_path_hash: str, input_data_hash: str) -> str | None:
        """Return the id of an artifact that was made from this; None if there is none."""
        found = self._rows(
            "SELECT artifact_id FROM artifacts WHERE chain_path_hash = ? AND input_data_hash = ? "
            "AND ref_count > 0 ORDER BY created_at DESC LIMIT 1",
            [chain_path_hash, input_data_hash],
        )
        return str(found[0][0]) if found else None

    def invalidate_dataset_cache(self, dataset_hash: str) -> int:
        """Forget what was made from a data set, and return of how many artifacts."""
        with self._changing() as changes:
            with self._reading() as connection:
                found = connection.execute(
                    "SELECT artifact_id FROM artifacts WHERE dataset_hash = ?", [dataset_hash]
                ).fetchall()
            for (artifact_id,) in found:
                changes.update("artifacts", artifact_id, _cache_keys(None, None, None))
        return len(found)

    def _save(
        self,
        obj: Any,
        operator_class: str | None,
        artifact_type: str | None,
        format: str,
        keys: dict[str, str | None],
    ) -> str:
        pieces = encodings.encode(obj, format)
        size, digest = digest_pieces(pieces)
        with self._changing() as changes:
            found = changes.find_artifact(digest)
            if found is not None:
                name, count = found.artifact_path, found.ref_count
                changes.update("artifacts", found.artifact_id, {"ref_count": count + 1, **keys})
            else:
                name = self._files.name(digest, format)
                found_id = changes.insert(
                    "artifacts",
                    {
                        "artifact_id": str(uuid.uuid4()),
                        "artifact_path": name,
                        "content_hash": digest,
                        "operator_class": operator_class,
                        "artifact_type": artifact_type,
                        "format": format,
                        "size_bytes": size,
                        "ref_count": 1,
                        **_cache_keys(None, None, None),
                        **keys,
                        "created_at": now(),
                    },
                    is_new=True,
                )
            # The file first: a row never refers to nothing.
            if self._files.write(name, pieces) and found is None:
                changes.new_files.append(str(self._files.path(name)))
        return found_id if found is None else found.artifact_id

    def _artifact(self, artifact_id: str) -> tuple[str, str, str]:
        """Return the path, digest and format of an artifact."""
        found = self._rows(
            "SELECT artifact_path, content_hash, format FROM artifacts WHERE artifact_id = ?",
            [artifact_id],
        )
        if not found:
            raise RecordNotFoundError(f"Unknown artifact: {artifact_id}")
        path, digest, format = found[0]
        return path, digest, format or "joblib"

    def _read_artifact(self, artifact_id: str) -> tuple[bytes, str]:
        with self._reading():
            path, digest, format = self._artifact(artifact_id)
            return self._files.read(path, digest), format


def _cache_keys(chain: str | None, data: str | None, dataset: str | None) -> dict[str, str | None]:
    return {"chain_path_hash": chain, "input_data_hash": data, "dataset_hash": dataset}
