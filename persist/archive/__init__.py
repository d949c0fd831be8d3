"""Object graphs as Python source, and back."""

from persist.archive.archive import Archive
from persist.archive.arrays import ArrayManager, get_data_format, get_ext, load_arrays
from persist.archive.legacy import get_imports, repr_
from persist.archive.load import restore
from persist.archive.reduce import reduce
from persist.archive.registry import registry
from persist.errors import ArchiveError, CycleError, DuplicateError
from persist.files import backup
from persist.names import UniqueNames, unique_list

__all__ = [
    "Archive",
    "ArchiveError",
    "ArrayManager",
    "CycleError",
    "DuplicateError",
    "UniqueNames",
    "backup",
    "get_data_format",
    "get_ext",
    "get_imports",
    "load_arrays",
    "reduce",
    "registry",
    "repr_",
    "restore",
    "unique_list",
]
