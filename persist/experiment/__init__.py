"""What a recording session writes: subjects, tasks, trials with attributes and arrays.

Each trial is on disk when it is written, in CSV and HDF5. When all is done, the whole goes into one
ZIP file, one HDF5 file, or a package.
"""

from persist.experiment.array_file import read_hdf5, write_hdf5
from persist.experiment.consolidation import hdf5_to_storage, storage_to_hdf5
from persist.experiment.design import Array, Block, Design, Trial
from persist.experiment.export import storage_to_dataset
from persist.experiment.reader import MissingRecordError, UnknownArrayError
from persist.experiment.storage import (
    MissingTaskError,
    Storage,
    StorageWriter,
    makedirs,
    repair_storage,
    repair_task,
)
from persist.experiment.task_reader import TaskReader
from persist.experiment.task_writer import TaskWriter
from persist.experiment.tree import is_storage
from persist.experiment.trial_folder import TrialWriter
from persist.experiment.working import WorkingDataset, is_working_dataset
from persist.experiment.zip_file import storage_to_zip, zip_to_storage

__all__ = [
    "Array",
    "Block",
    "Design",
    "MissingRecordError",
    "MissingTaskError",
    "Storage",
    "StorageWriter",
    "TaskReader",
    "TaskWriter",
    "Trial",
    "TrialWriter",
    "UnknownArrayError",
    "WorkingDataset",
    "hdf5_to_storage",
    "is_storage",
    "is_working_dataset",
    "makedirs",
    "read_hdf5",
    "repair_storage",
    "repair_task",
    "storage_to_dataset",
    "storage_to_hdf5",
    "storage_to_zip",
    "write_hdf5",
    "zip_to_storage",
]
