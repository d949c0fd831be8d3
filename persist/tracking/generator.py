"""Bundles by way of the class that the older generation has for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from persist.tracking.errors import StoreError
from persist.tracking.exporting import FORMATS

if TYPE_CHECKING:
    from persist.tracking.store import WorkspaceStore

__all__ = ["BundleGenerator"]


class BundleGenerator:
    """Exports the chains of a store.

    Parameters
    ----------
    workspace_path : path
        The folder of the workspace.
    verbose : int, optional
        Accepted and kept; it changes nothing.
    store : WorkspaceStore, optional
        The store, which exporting needs.
    """

    def __init__(
        self,
        workspace_path: str | os.PathLike[str],
        verbose: int = 0,
        store: WorkspaceStore | None = None,
    ) -> None:
        self.workspace_path = Path(workspace_path)
        self.verbose = verbose
        self.store = store

    def export_from_chain(
        self, chain_id: str, output_path: str | os.PathLike[str], fmt: str = "n4a"
    ) -> Path:
        """Export a chain; see `WorkspaceStore.export_chain`.

        Raises
        ------
        RuntimeError
            If there is no store.
        ValueError
            If the format is unknown.
        """
        if self.store is None:
            raise StoreError(
                "Exporting from a chain needs a store: BundleGenerator(…, store=store)"
            )
        if fmt not in FORMATS:
            raise ValueError(f"Unsupported bundle format: {fmt}")
        return self.store.export_chain(chain_id, Path(output_path), format=fmt)
