"""The names that programs written for axopy import from ``storage``: see `persist.experiment`."""

from persist.experiment import (
    Storage,
    StorageWriter,
    TaskReader,
    TaskWriter,
    TrialWriter,
    hdf5_to_storage,
    makedirs,
    read_hdf5,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
    write_hdf5,
    zip_to_storage,
)

__all__ = [
    "Storage",
    "StorageWriter",
    "TaskReader",
    "TaskWriter",
    "TrialWriter",
    "hdf5_to_storage",
    "makedirs",
    "read_hdf5",
    "storage_to_dataset",
    "storage_to_hdf5",
    "storage_to_zip",
    "write_hdf5",
    "zip_to_storage",
]
