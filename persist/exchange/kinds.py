"""Detection of what is at a path: a data set, workspace, storage, store or package."""

from __future__ import annotations

import os
from enum import Enum

from persist.files import open_regular
from persist.urls import is_database, is_url

__all__ = ["BAG", "CRATE", "DATABASE", "Kind", "kind_of", "store_folder", "why_refused"]

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

    @property
    def phrase(self) -> str:
        """The kind with its article."""
        return f"{'an' if self is Kind.CRATE else 'a'} {self.value}"


_FILES = {DATABASE: Kind.STORE, BAG: Kind.BAG, CRATE: Kind.CRATE}


def kind_of(path: str) -> Kind | None:
    """Return what is at a path or URL, without reading all of it; None if persist did not write it.

    A storage is a folder or the HDF5 file of a working dataset. A workspace is found with or
    without the extension of its file; one that is a package is a data set. A store is found by its
    folder or by the database in it.
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
        if os.path.basename(path) == DATABASE:
            return Kind.STORE
        from persist.experiment import is_working_dataset

        # HDF5 would tell of its own flags where a file may not be read.
        open_regular(path, follow=True).close()
        if is_working_dataset(path):
            return Kind.STORAGE
    return Kind.WORKSPACE if os.path.isfile(path.removesuffix(".h5") + ".h5") else None


def store_folder(path: str) -> str:
    """Return the folder of a run store, of which the database may be named; URLs as they are."""
    is_file = os.path.basename(path) == DATABASE and os.path.isfile(path)
    return os.path.dirname(path) or os.curdir if is_file else path


def why_refused(path: str) -> str:
    """Return the reason for refusing a path: what it is instead, or that nothing is there."""
    if is_url(path):
        return "it is a URL; get a local copy with persist pull"
    kind = kind_of(path)
    if kind is not None:
        advice = "; name what is in it" if kind in (Kind.BAG, Kind.CRATE) else ""
        return f"it is {kind.phrase}{advice}"
    if not os.path.exists(path):
        is_link = os.path.islink(path)
        return "it is a link that leads nowhere" if is_link else "there is nothing at that path"
    stem = path.removesuffix(".json")
    if stem != path and os.path.isfile(f"{stem}.h5"):
        return f"it is the index of a workspace; name {stem}.h5"
    from persist.dataset.layout import MARKER, lacks_marker

    if lacks_marker(path):
        return (
            f"it is a data set that lacks the file {MARKER}; bring that empty file back, or run: "
            f"persist repair {path}"
        )
    return "it is not a data set, a workspace, a storage or a run store"
