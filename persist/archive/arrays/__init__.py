"""Where external arrays live: npy, npz, and HDF5, behind one contract."""

from persist.archive.arrays.dtypes import plain_dtype
from persist.archive.arrays.loader import loader_source
from persist.archive.arrays.manager import (
    COMPRESSIONS,
    EXTENSIONS,
    STORES,
    ArrayManager,
    UnknownFormatError,
    get_data_format,
    get_ext,
    get_store,
    load_arrays,
    replace_arrays,
    write_new,
)
from persist.archive.arrays.store import Array, MissingArrayError, Store, plain_arrays

__all__ = [
    "COMPRESSIONS",
    "EXTENSIONS",
    "STORES",
    "Array",
    "ArrayManager",
    "MissingArrayError",
    "Store",
    "UnknownFormatError",
    "get_data_format",
    "get_ext",
    "get_store",
    "load_arrays",
    "loader_source",
    "plain_arrays",
    "plain_dtype",
    "replace_arrays",
    "write_new",
]
