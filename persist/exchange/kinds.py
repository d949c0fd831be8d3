"""What is at a path: the one place that tells data sets, workspaces, storages and stores apart."""

from __future__ import annotations

import os
from enum import Enum

from persist.files import open_regular
from persist.urls import is_database, is_url

__all__ = ["BAG", "CRATE", "DATABASE", "Kind", "kind_of", "why_unknown"]

DATABASE = "store.duckdb"
CRATE = "ro-crate-metadata.json"
BAG = "bagit.txt"


class Kind(Enum):
    """What persist writes, in the words of messages."""

    DATA_SET = "data set"
    STORE = "run store"
    BAG = "BagIt package"
    CRATE = "RO-Crate"
    STORAGE = "storage"
    WORKSPACE = "workspace"


_FILES = {DATABASE: Kind.STORE, BAG: Kind.BAG, CRATE: Kind.CRATE}


def kind_of(path: str) -> Kind | None:
    """Return what is at a path or URL, without reading all of it; None if it is nothing of persist.

    A storage is a folder or the HDF5 file of a working dataset. A workspace is found with or
    without the extension of its file; one that is a package is a data set.
    """
    if is_url(path):
        return Kind.STORE if is_database(path) else None
    if os.path.isdir(path):
        from persist.dataset.layout import is_data_set

        if is_data_set(path):
            return Kind.DATA_SET
        for name, kind in _FILES.items():
            if os.path.isfile(os.path.join(path, name)):
                return kind
        from persist.experiment import is_storage

        return Kind.STORAGE if is_storage(path) else None
    if os.path.isfile(path):
        from persist.experiment import is_working_dataset

        # HDF5 would tell of its own flags where a file may not be read.
        open_regular(path, follow=True).close()
        if is_working_dataset(path):
            return Kind.STORAGE
    return Kind.WORKSPACE if os.path.isfile(path.removesuffix(".h5") + ".h5") else None


def why_unknown(path: str) -> str:
    """Return why `kind_of` finds nothing at a path, and what to do about a URL."""
    if is_url(path):
        return "it is a URL; get a local copy with persist pull"
    if not os.path.lexists(path):
        return "there is nothing at that path"
    return "it is not a data set, a workspace, a storage or a run store"
