"""What a recording session writes: subjects, tasks, trials with attributes and arrays.

Each trial is on disk when it is written, in CSV and HDF5. When all is done, the whole goes into one
ZIP file, one HDF5 file, or a package.
"""

from persist.experiment.array_hdf5 import read_hdf5, write_hdf5
from persist.experiment.consolidation import storage_to_hdf5
from persist.experiment.design import Array, Block, Design, Trial
from persist.experiment.export import storage_to_dataset
from persist.experiment.layout import is_working_dataset
from persist.experiment.reader import UnknownArrayError
from persist.experiment.restoration import hdf5_to_storage
from persist.experiment.storage import Storage, StorageWriter, makedirs
from persist.experiment.task_reader import TaskReader
from persist.experiment.task_writer import TaskWriter
from persist.experiment.tree import is_storage
from persist.experiment.trial_writer import TrialWriter
from persist.experiment.unzipping import zip_to_storage
from persist.experiment.working import WorkingDataset
from persist.experiment.zipping import storage_to_zip

__all__ = [
    "Array",
    "Block",
    "Design",
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
    "storage_to_dataset",
    "storage_to_hdf5",
    "storage_to_zip",
    "write_hdf5",
    "zip_to_storage",
]
