"""One value: as its loader module and the arrays beside it, and read back from them.

Nobody is asked for a lock to read. Meanwhile a writer may replace the value: then its arrays are
gone, and what is there is whole.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy

from persist.archive import Archive, load_arrays, registry, restore
from persist.archive.arrays import Array, Store, loader_source
from persist.archive.arrays.blocks import BlockArray, named_blocks, without_blocks
from persist.archive.load import run
from persist.archive.rules.numpy_types import reduce_ndarray
from persist.archive.safe.policy import current
from persist.dataset.blocks import Written, chunked_arrays
from persist.dataset.layout import MANIFEST, Place, item_file
from persist.dataset.manifest import InfoSource
from persist.errors import ArgumentError, DamagedError, DataSetError, MissingFileError
from persist.files.digest import FileRecord, digest_pieces

__all__ = [
    "Item",
    "data_of_source",
    "is_json",
    "make_item",
    "read_value",
    "stored_info",
]

# Libraries whose objects have a shape that is cheap to ask for.
_SHAPED = frozenset(["numpy", "pandas", "scipy", "xarray"])
# Source that is longer takes much memory if it is run whole.
_LONG = 1 << 15
_REMOVAL = "try: del __builtins__, _arrays\nexcept NameError: pass\n"
_CLOSING = f"\n{_REMOVAL}import sys\nsys.modules[__name__] = "
_LOADED = "\n    _arrays = _arrays()\n"
# The line of a loader module that names its arrays is in its head.
_HEAD = 1 << 13
_DATA = re.compile(
    r"\bos\.path\.join\([^'\n]*'((?:data_\w+(?:\.[0-9]+)?|\w+_data)(?:\.npz|\.hd5|\.zarr\.zip)?)'"
)
_LOCKED = re.compile(r"^\w+\.setflags\(write=False\)\n", re.MULTILINE)
_OWN_DATA = re.compile(r"\n        path = os\.path\.join\(folder, '([^'/\\]+)'\)\n")
_numbers = itertools.count()
_DEEPEST = 50  # levels of an info that JSON holds
_LARGEST = 1 << 53  # Other readers of JSON would lose digits of larger integers.


@dataclass(frozen=True)
class Item:
    """A value to be stored, as source that defines its key, and the arrays that it expects.

    An array of one element stands for each that is written block by block, and is in `blocks`;
    arrays that are in files already are in `written`.
    """

    key: str
    text: str
    arrays: Mapping[str, Array]
    description: dict[str, Any]
    blocks: Mapping[str, BlockArray] = field(default_factory=dict)
    written: Written | None = None

    def source(self, store: Store, location: str | None) -> bytes:
        """Return the loader module, whose arrays are in a file or folder beside it."""
        head = "" if location is None else loader_source(store, self.arrays, location=location)
        # The name `sys` would hide the module.
        name = "_sys" if self.key == "sys" else "sys"
        as_name = " as _sys" if self.key == "sys" else ""
        closing = f"import sys{as_name}\n{name}.modules[__name__] = {self.key}"
        return f"{head}{self.text}{closing}".encode()


def make_item(key: str, value: Any, *, array_threshold: float, scoped: bool) -> Item:
    """Reduce a value to source and arrays; ArchiveError if it cannot be stored."""
    blocks: dict[str, BlockArray] = {}
    if _is_external(value, array_threshold):
        # What the archive of an array alone is, without its graph.
        source, arrays = f"{key} = _arrays['array_0']\n{_REMOVAL}", {"array_0": value}
    else:
        value, found = without_blocks(value, array_threshold)
        archive = Archive(single_item_mode=True, array_threshold=array_threshold, scoped=scoped)
        archive.insert_items({key: value})
        source = str(archive).rstrip("\n") + "\n"
        arrays = archive.data or {}
        blocks = named_blocks(arrays, found)
    cls = type(value)
    about: dict[str, Any] = {"type": f"{cls.__module__}.{cls.__qualname__}"}
    if cls.__module__.partition(".")[0] in _SHAPED or isinstance(value, numpy.ndarray):
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if type(shape) is tuple and {int}.issuperset(map(type, shape)):
            about["shape"] = list(shape)
        if isinstance(dtype, numpy.dtype):
            about["dtype"] = dtype.str if dtype.names is None else str(dtype)
    return Item(key, source, arrays, about, blocks)


def _is_external(value: Any, threshold: float) -> bool:
    """Return True if a value is an array of plain numbers that is kept outside of the source."""
    return (
        type(value) is numpy.ndarray
        and value.dtype.kind in "biufc"
        # The very type that is read back.
        and numpy.dtype(value.dtype.str) is value.dtype
        # The others have bytes that belong to no value.
        and value.dtype.type not in (numpy.longdouble, numpy.clongdouble)
        and value.size > max(threshold, 0)
        # The others stay as they are by a statement more.
        and value.flags.writeable
        # Users may have a rule of their own for arrays.
        and registry.found[numpy.ndarray] is reduce_ndarray
    )


def stored_info(info: Any) -> Any:
    """Return an info as the index holds it: an `InfoSource` unless JSON holds it exactly.

    ArchiveError if it cannot be stored.
    """
    if is_json(info):
        return info
    archive = Archive(scoped=False)
    archive.insert(info=info)
    return InfoSource(f"{archive}\n")


def is_json(obj: Any) -> bool:
    """Return True if JSON gives back `obj` as it is: value, types, and nothing shared.

    Examples
    --------
    >>> is_json({"rate": 250.0, "channels": ["a", None]}), is_json((1, 2)), is_json({1: 2})
    (True, False, False)
    """
    return _is_json(obj, set(), 0)


def _is_json(obj: Any, seen: set[int], depth: int) -> bool:
    cls = type(obj)
    if obj is None or cls is bool or cls is str:
        return True
    if cls is int:
        return bool(-_LARGEST <= obj <= _LARGEST)
    if cls is float:
        return math.isfinite(float(obj))
    if cls not in (list, dict) or depth == _DEEPEST or id(obj) in seen:
        return False
    seen.add(id(obj))
    if cls is list:
        return all(_is_json(item, seen, depth + 1) for item in obj)
    return all(type(key) is str and _is_json(obj[key], seen, depth + 1) for key in obj)


def data_of_source(text: str) -> list[str]:
    """Return the names of the files or folders of arrays that a loader module reads."""
    return list(dict.fromkeys(_DATA.findall(text[:_HEAD])))


def read_value(
    place: Place,
    key: str,
    mmap_mode: str | None = None,
    *,
    chunks: Any = None,
    record: Mapping[str, Any] | None = None,
) -> Any:
    """Return the value of a key, from its module run or interpreted as the policy in force says.

    For its arrays to be mapped, or to be ones of dask, its module must be what `record` says.
    Without a module, or if its arrays are missing, that is a FileNotFoundError.
    """
    if mmap_mode not in (None, "r", "c"):
        raise ArgumentError(
            f"mmap_mode must be 'r' or 'c', got {mmap_mode!r}: equal arrays share their files, "
            "which are never changed in place"
        )
    load: Callable[[str], dict[str, Any]] | None = None
    if chunks is not None:
        if current() is not None:
            raise DataSetError(
                f"cannot load {key!r} in chunks: its files would be opened without being checked; "
                "load it without chunks, or open the data set with trusted=True"
            )
        load = functools.partial(chunked_arrays, chunks=chunks)
    elif mmap_mode is not None:
        load = functools.partial(load_arrays, mmap_mode=mmap_mode)
    path, text = f"{place.folder}/{item_file(key)}", place.find(key)
    while True:
        if text is None:
            raise MissingFileError(2, "No such file or directory", path)
        try:
            if load is not None and text.count("_arrays") > 1:
                _check_arrays(text, path, record, "mmap_mode" if chunks is None else "chunks")
            allowed = current()
            # Nobody writes to arrays of dask or zarr, nor to maps: they have no flag for that.
            run = text if load is None or mmap_mode == "c" else _LOCKED.sub("", text)
            value = allowed.item(path, text) if allowed else _run_item(run, path, load)
        except OSError:
            if text == (again := place.find(key)):
                raise
        else:
            # Arrays of a value that came later may have the place of those that belong to the text.
            # Every module has that name once, in its last lines.
            has_arrays = text.count("_arrays") > 1
            if not has_arrays or text == (again := place.find(key)):
                return value
        text = again


def _check_arrays(text: str, path: str, record: Mapping[str, Any] | None, option: str) -> None:
    """Refuse a module whose arrays cannot be found without running it, which an option needs."""
    files = (record or {"files": {}})["files"]
    known = files.get(os.path.basename(path))
    if known is None or _OWN_DATA.search(text, 0, _HEAD) is None:
        raise DataSetError(
            f"cannot load the arrays of {path} with {option}: an older release or another program "
            f"wrote it; load it without {option}, or store it again"
        )
    if FileRecord(*known) != digest_pieces([text.encode()]):
        raise DataSetError(
            f"cannot load the arrays of {path} with {option}: it is not what {MANIFEST} says; load "
            f"it without {option}, or run: persist accept"
        )


def _run_item(text: str, path: str, load: Callable[[str], dict[str, Any]] | None) -> Any:
    """Run a loader module and return the value that takes its place; DamagedError without one."""
    # What only evaluates an expression takes half as long if that is compiled alone.
    if load is None and len(text) <= _LONG:
        statement, closing, after = text.partition(_CLOSING)
        name, equals, expression = statement.partition(" = ")
        if closing and equals and after == name and name.isidentifier():
            with contextlib.suppress(SyntaxError):
                return eval(compile(expression, path, "eval", dont_inherit=True), {})
    # Another thread may be reading the same key.
    module = f"persist value {next(_numbers)}"
    env: dict[str, Any] = {"__name__": module, "__file__": path}
    if load is not None and text.count("_arrays") > 1:
        data = _OWN_DATA.search(text, 0, _HEAD)
        assert data is not None
        data_path = os.path.join(os.path.dirname(path), data[1])
        if not os.path.lexists(data_path):
            # Those of another version differ from it by what looks like an extension.
            raise MissingFileError(2, "No such file or directory", data_path)
        env["_arrays"] = load(data_path)
        # What would load the arrays does nothing, and takes long to compile.
        text = text.partition(_LOADED)[2] or text
    try:
        if len(text) > _LONG:
            restore(text, env)
        else:
            run(text, env, path)
        return sys.modules[module]
    except KeyError as error:
        if error.args != (module,):
            raise
        raise DamagedError(
            f"cannot read {path}: it leaves no value, so it is not a module of a data set; "
            "restore it from a copy, or delete the key"
        ) from None
    finally:
        sys.modules.pop(module, None)
