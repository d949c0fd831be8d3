"""External arrays of source that nobody vouches for: plain files, and no more than they hold."""

from __future__ import annotations

import ast
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy

from persist.archive.arrays.npy import read_array, read_header
from persist.archive.arrays.pieces import grid_boxes
from persist.archive.arrays.vocabulary import ARCHIVE
from persist.archive.arrays.zarr import decode_shard, is_number, read_grid, unpacked
from persist.archive.safe.budget import Budget
from persist.archive.safe.checks import is_shape
from persist.archive.safe.templates import ArraysTemplate
from persist.errors import DamagedError, MissingFileError, PersistError, UnreadableError
from persist.files import check_name, confine, open_regular
from persist.files.hdf5_heaps import check_heaps

__all__ = ["read_arrays", "read_dataset_checked", "read_external", "read_npy"]

_Array = numpy.ndarray[Any, Any]


def read_external(folder: str, template: ArraysTemplate, budget: Budget) -> dict[str, _Array]:
    """Return the arrays of a saved module, as its loader names them, from its folder alone.

    The longer the files of the arrays are, the more the load may take. UnsafePathError if a name
    leads out of the folder, NotRegularError if there is a link, pipe or device instead of a file,
    DamagedError if a file does not hold the arrays, or not in a form that persist writes.
    """
    path = folder
    if template.location != os.curdir:
        path = confine(folder, template.location, nested=True)
    return read_arrays(path, template.data_format, template.names, budget)


def read_arrays(
    path: str,
    data_format: str,
    names: Sequence[str] | None = None,
    budget: Budget | None = None,
) -> dict[str, _Array]:
    """Return arrays of a file or folder of a format; all that are there, or those of `names`.

    Raises as `read_external`, and MissingFileError or UnreadableError if a file is missing or the
    system cannot read it.
    """
    budget = Budget(0) if budget is None else budget
    try:
        if data_format == "npy":
            if names is None:
                found = sorted(os.listdir(path))
                names = [name.removesuffix(".npy") for name in found if name.endswith(".npy")]
            arrays = {}
            for name in names:
                with open_regular(confine(path, f"{name}.npy", devices=True)) as file:
                    size = budget.allow_for(file)
                    budget.take(size)
                    arrays[name] = read_npy(file, size)
            return arrays
        with open_regular(path) as file:
            budget.allow_for(file)
            return _READERS[data_format](file, names, budget)
    except PersistError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(error.errno, error.strerror, error.filename) from error
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            # Of the system; HDF5 names no file.
            raise UnreadableError(f"cannot read the arrays in {path}: {error}") from error
        # numpy, zipfile and HDF5 meet damage with errors of every kind.
        raise DamagedError(
            f"cannot read the arrays in {path}: {type(error).__name__}: {error}"
        ) from error


def read_npy(file: IO[bytes], size: int) -> _Array:
    """Read an npy file; DamagedError if its header says of more bytes than there are."""
    shape, _, dtype = read_header(file)
    if not is_shape(shape):
        raise DamagedError(f"an array has no shape {shape}")
    if math.prod(shape) * dtype.itemsize > size:
        raise DamagedError(f"an array of shape {shape} is said to be in {size} bytes")
    file.seek(0)
    return read_array(file)


def _read_npz(file: IO[bytes], names: Sequence[str] | None, budget: Budget) -> dict[str, _Array]:
    found = {}
    with zipfile.ZipFile(file) as archive:
        for name in names or [name.removesuffix(".npy") for name in archive.namelist()]:
            check_name(name, devices=True)
            info = archive.getinfo(f"{name}.npy")
            budget.take(info.file_size)
            with archive.open(info) as member:
                # A member is no longer than its directory says, whatever it holds.
                found[name] = read_npy(io.BytesIO(member.read(info.file_size)), info.file_size)
    return found


def _read_hdf5(file: IO[bytes], names: Sequence[str] | None, budget: Budget) -> dict[str, _Array]:
    import h5py

    check_heaps(file.name, file)
    with h5py.File(file, "r") as opened:
        return {
            check_name(name, devices=True)[0]: read_dataset_checked(opened, name, budget)
            for name in names or opened
        }


def _read_zarr(file: IO[bytes], names: Sequence[str] | None, budget: Budget) -> dict[str, _Array]:
    # zarr itself would look up, and run, whatever codec the file names.
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise DamagedError("what is in the zip is compressed twice")
        if names is None:
            names = [key.partition("/")[0] for key in members if key.count("/") == 1]
        return {
            check_name(name, devices=True)[0]: _read_shards(archive, name, budget) for name in names
        }


def _read_shards(archive: zipfile.ZipFile, name: str, budget: Budget) -> _Array:
    about = json.loads(archive.read(f"{name}/zarr.json"))
    numbers = numpy.dtype(about["data_type"])
    shard, chunk = read_grid(about, numbers)
    shape, attributes = tuple(about["shape"]), about["attributes"]
    if not is_number(numbers) or not is_shape(shape):
        raise DamagedError(f"{name} has no shape {shape} of {numbers}")
    dtype = numpy.dtype(ast.literal_eval(attributes.get(ARCHIVE.dtype, repr(numbers.str))))
    if dtype.hasobject:
        raise DamagedError(f"{name} is said to hold objects")
    budget.take(math.prod(shape) * numbers.itemsize + math.prod(shard) * numbers.itemsize)

    def pieces() -> Iterator[tuple[Any, _Array]]:
        for box in grid_boxes(shape, shard):
            place = [part.start // size for part, size in zip(box, shard, strict=True)]
            data = archive.read("/".join([name, "c", *map(str, place)]))
            whole = decode_shard(data, shard, chunk, numbers)
            yield box, whole[tuple(slice(part.stop - part.start) for part in box)]

    return unpacked(shape, numbers, attributes, pieces())


_READERS = {"npz": _read_npz, "hdf5": _read_hdf5, "zarr": _read_zarr}


def read_dataset_checked(group: Any, name: str, budget: Budget) -> _Array:
    """Read an array of an HDF5 group, if the file itself holds it.

    DamagedError if the dataset is a link, or its data is in another file or dataset.
    """
    import h5py

    from persist.archive.arrays.datasets import Stored

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DamagedError(f"{name} is a link, which persist does not write")
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise DamagedError(f"the data of {name} is not in its file")
    if dataset.dtype.hasobject:
        raise DamagedError(f"{name} holds references, which persist does not write")
    literal = dataset.attrs.get(ARCHIVE.dtype)
    if literal is not None and numpy.dtype(ast.literal_eval(literal)).hasobject:
        raise DamagedError(f"{name} is said to hold objects")
    budget.take(dataset.size * dataset.dtype.itemsize)
    return Stored(dataset, ARCHIVE).read()
