"""Data sets beside pickle, JSON, numpy and h5py, at equal durability."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import pickle
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy

from benchmarks.compare import MEGABYTE, compare, rounds
from benchmarks.measure import medians, peak_memory
from benchmarks.table import Row
from persist.dataset import DataSet, verify

__all__ = ["GROUPS"]

Group = Callable[[bool], Iterator[Row]]
SMALL = {"subject": "S07", "rates": [1.5, 2.25, 3.0], "trial": 4}


def set_rows(quick: bool) -> Iterator[Row]:
    """Compare storing a value with pickling it to a file that is renamed.

    The value is a small object under a new key, or an array under a known one: the one that is
    there, or another.
    """
    array = numpy.arange(1000.0)
    kinds: dict[str, Callable[[int], tuple[str, Any]]] = {
        "a small object": lambda number: (f"k{number}", SMALL),
        "the same array": lambda number: ("x", array),
        "another array": lambda number: ("x", array + number),
    }
    for durable in (True, False):
        for kind, make in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                ds = DataSet("results", "w", folder, durable=durable)
                ds.first = 0
                numbers = itertools.count()

                def store(ds: Any = ds, make: Any = make, numbers: Any = numbers) -> None:
                    setattr(ds, *make(next(numbers)))

                def save(
                    folder: str = folder,
                    make: Any = make,
                    numbers: Any = numbers,
                    durable: bool = durable,
                ) -> None:
                    key, value = make(next(numbers))
                    save_pickle(f"{folder}/{key}", value, durable)

                times = medians({"ours": store, "pickle": save}, 100 if quick else 400)
            word = "durable" if durable else "not durable"
            note = f"{times['ours'] * 1e6:.0f} us, pickle {times['pickle'] * 1e6:.0f} us"
            found = times["ours"] / times["pickle"]
            yield Row(f"setting {kind}, {word}", found, 2.0 if durable else 4.0, None, " x", note)


def save_pickle(path: str, value: Any, durable: bool) -> None:
    """Pickle to a file of another name, and rename it."""
    with open(f"{path}.tmp", "wb") as stream:
        pickle.dump(value, stream)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    os.replace(f"{path}.tmp", path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load_pickle(path: str) -> Any:
    """Unpickle a file."""
    with open(path, "rb") as stream:
        return pickle.load(stream)


def growth_rows(quick: bool) -> Iterator[Row]:
    """Compare the cost of the last keys with that of the first, and of uses of the whole."""
    count = 1_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder, _importing(folder):
        ds = DataSet("results", "w", folder, durable=False)
        times = [_time(partial(setattr, ds, f"key_{i}", SMALL)) for i in range(count)]
        tenth = count // 10
        first, last = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
        note = f"{last * 1e6:.0f} us, {first * 1e6:.0f} us"
        yield Row(
            f"last tenth of {count} keys beside the first", last / first, 1.3, 1.1, " x", note
        )
        ds._update({}, {key: f"what {key} is about" for key in ds})
        infos = json.dumps(ds._info_dict)
        contenders: dict[str, Callable[[], Any]] = {
            "open": lambda: DataSet("results", path=folder)._info_dict,
            "json": lambda: json.loads(infos),
            "import": _import_results,
        }
        found = medians(contenders, 10 if quick else 30)
        yield Row(f"opening with {count} keys", found["open"] * 1e3, 10, 4, " ms")
        note = f"{found['json'] * 1e3:.2f} ms"
        yield Row(
            "opening, beside json.loads of the infos",
            found["open"] / found["json"],
            3,
            None,
            " x",
            note,
        )
        note = f"{found['import'] * 1e3:.2f} ms"
        yield Row("import, beside opening", found["import"] / found["open"], 2, None, " x", note)
        yield from _read_rows(folder, count, quick)


def _read_rows(folder: str, count: int, quick: bool) -> Iterator[Row]:
    few = DataSet("few", "w", folder, durable=False)
    for number in range(10):
        setattr(few, f"key_{number}", SMALL)
    many = DataSet("results", path=folder)
    save_pickle(f"{folder}/pickled", SMALL, durable=False)
    contenders = {
        f"with {count} keys": lambda: many.key_5,
        "with 10 keys": lambda: few.key_5,
        "pickle": lambda: load_pickle(f"{folder}/pickled"),
    }
    times = medians(contenders, 100 if quick else 400)
    for name in list(contenders)[:2]:
        note = f"{times[name] * 1e6:.0f} us, unpickling {times['pickle'] * 1e6:.0f} us"
        yield Row(f"reading a small key, {name}", times[name] / times["pickle"], 5, 3, " x", note)


def constant_rows(quick: bool) -> Iterator[Row]:
    """Compare each operation on a data set of many keys with the same on one of few."""
    counts = (100, 1_000 if quick else 10_000)
    rounds_of_each = 40 if quick else 200
    with tempfile.TemporaryDirectory() as folder:
        contenders = {count: _operations(folder, count) for count in counts}
        for name in contenders[counts[0]]:
            few, many = (contenders[count][name] for count in counts)
            times = medians({"few": few, "many": many}, rounds_of_each)
            note = f"{times['many'] * 1e6:.0f} us, {times['few'] * 1e6:.0f} us"
            ratio = times["many"] / times["few"]
            yield Row(f"{name}, {counts[1]} keys beside 100", ratio, 1.2, 1.2, " x", note)
        seconds = {
            count: medians({"verify": partial(verify, f"{folder}/keys_{count}")}, 3)["verify"]
            for count in counts
        }
        few, many = (seconds[count] / count for count in counts)
        note = f"{many * 1e6:.0f} us, {few * 1e6:.0f} us"
        yield Row(f"verify per file, {counts[1]} beside 100", many / few, 1.2, 1.2, " x", note)


def _operations(folder: str, count: int) -> dict[str, Callable[[], Any]]:
    """Return what is done to a data set of so many keys, which is made."""
    ds = DataSet(f"keys_{count}", "w", folder, durable=False)
    ds._update({f"key_{i}": SMALL for i in range(count)})
    ds._update({}, {key: f"what {key} is about" for key in ds})
    array = numpy.arange(1000.0)
    fresh = (f"new_{i}" for i in itertools.count())
    names = itertools.cycle([("key_1", "renamed"), ("renamed", "key_1")])
    first = ds._insert(SMALL)[0]

    def delete_and_set() -> None:
        ds._delete(first)
        setattr(ds, first, SMALL)

    return {
        "set a new key": lambda: setattr(ds, next(fresh), SMALL),
        "set a key again": lambda: setattr(ds, "key_2", SMALL),
        "set an array": lambda: setattr(ds, "key_3", array),
        "insert": lambda: ds._insert(SMALL),
        "set an info": lambda: ds.__setitem__("key_4", "another info"),
        "delete and set": delete_and_set,
        "rename": lambda: ds._rename(*next(names)),
        "read": lambda: ds.key_5,
    }


def _import_results() -> Any:
    for name in [name for name in sys.modules if name.partition(".")[0] == "results"]:
        del sys.modules[name]
    return importlib.import_module("results")._info_dict


@contextmanager
def _importing(folder: str) -> Iterator[None]:
    """Let packages in a folder be imported, without leaving compiled ones."""
    sys.path.insert(0, folder)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(folder)


def _time(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def array_rows(quick: bool) -> Iterator[Row]:
    """Compare setting and reading a large array with `numpy` and `h5py`."""
    size = (32 if quick else 256) * MEGABYTE
    array = numpy.random.default_rng(0).random(size // 8)
    for data_format in ("npy", "hdf5"):
        with tempfile.TemporaryDirectory() as folder:
            for durable in (True, False):
                yield from _setting_rows(folder, array, data_format, durable, rounds(quick))
            yield from _reading_rows(folder, array, data_format, rounds(quick))
        for name in ("set", "read"):
            extra, plain = (
                peak_memory(prepare_array, name, data_format, size, ours)[0] / MEGABYTE
                for ours in (True, False)
            )
            note = f"{extra:.1f} MB, plain {plain:.1f} MB"
            yield Row(
                f"{name} of an array, {data_format}, extra memory",
                extra - plain,
                2,
                None,
                " MB",
                note,
            )


def block_rows(quick: bool) -> Iterator[Row]:
    """Compare setting an array of dask with writing it by numpy, h5py and dask alone."""
    if not (importlib.util.find_spec("dask") and importlib.util.find_spec("zarr")):
        return
    import dask.array
    import zarr

    size = (32 if quick else 256) * MEGABYTE
    array = numpy.random.default_rng(0).random((size // 8192, 1024))
    blocks = dask.array.from_array(array, chunks=(len(array) // 8, 1024))
    for data_format in ("npy", "hdf5", "zarr"):
        with tempfile.TemporaryDirectory() as folder:

            def save_by_dask(folder: str = folder) -> None:
                target = zarr.create_array(
                    Path(folder, "plain.zarr"),
                    shape=blocks.shape,
                    chunks=blocks.chunksize,
                    dtype=blocks.dtype,
                    overwrite=True,
                )
                blocks.to_zarr(target)

            plain: Callable[[], Any] = save_by_dask
            if data_format != "zarr":
                plain = partial(save_plainly, folder, array, data_format, False)
            ours = partial(save_ours, folder, blocks, data_format, False)
            name = "dask" if data_format == "zarr" else "plain"
            yield from compare(
                f"set of an array of dask, {data_format}",
                {"persist": ours, name: plain},
                name,
                (1.15, None),
                rounds(quick),
            )


def save_ours(folder: str, array: Any, data_format: str, durable: bool) -> None:
    """Set a key."""
    DataSet("results", "w", folder, data_format=data_format, durable=durable).x = array


def save_plainly(folder: str, array: Any, data_format: str, durable: bool) -> None:
    """Write a file by numpy or h5py alone."""
    path = Path(folder, f"plain.{data_format}")
    if data_format == "npy":
        with open(path, "wb") as stream:
            numpy.save(stream, array)
    else:
        with h5py.File(path, "w") as file:
            file["x"] = array
    if durable:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def read_ours(folder: str, data_format: str) -> Any:
    """Read a key."""
    return DataSet("results", path=folder).x


def read_plainly(folder: str, data_format: str) -> Any:
    """Read a file by numpy or h5py alone."""
    path = Path(folder, f"plain.{data_format}")
    if data_format == "npy":
        return numpy.load(path)
    with h5py.File(path, "r") as file:
        return file["x"][...]


def _setting_rows(
    folder: str, array: Any, data_format: str, durable: bool, count: int
) -> Iterator[Row]:
    contenders = {
        "ours": lambda: save_ours(folder, array, data_format, durable),
        "plain": lambda: save_plainly(folder, array, data_format, durable),
    }

    def clear() -> None:
        shutil.rmtree(Path(folder, "results"), ignore_errors=True)
        Path(folder, f"plain.{data_format}").unlink(missing_ok=True)
        # What the contender before left to be written would slow this one down.
        os.sync()

    times = medians(contenders, count, prepare=clear)
    word = "durable" if durable else "not durable"
    note = f"{times['ours']:.3f} s, {times['plain']:.3f} s"
    ratio = times["ours"] / times["plain"]
    yield Row(f"set of an array, {data_format}, {word}", ratio, 1.15, 1.07, " x", note)


def _reading_rows(folder: str, array: Any, data_format: str, count: int) -> Iterator[Row]:
    save_ours(folder, array, data_format, durable=False)
    save_plainly(folder, array, data_format, durable=False)
    contenders = {
        "ours": lambda: read_ours(folder, data_format),
        "plain": lambda: read_plainly(folder, data_format),
    }
    times = medians(contenders, count)
    note = f"{times['ours']:.3f} s, {times['plain']:.3f} s"
    ratio = times["ours"] / times["plain"]
    yield Row(f"read of an array, {data_format}", ratio, 1.15, 1.07, " x", note)


def prepare_array(name: str, data_format: str, size: int, ours: bool) -> Callable[[], int]:
    """Return a setting or reading of an array; the process has done it once with a small one."""
    save = save_ours if ours else save_plainly
    read = read_ours if ours else read_plainly
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # One that is hashed and written by as many threads as the large one.
        save(folder, numpy.zeros(MEGABYTE), data_format, True)
        read(folder, data_format)
        array = numpy.random.default_rng(0).random(size // 8)
        if name == "read":
            save(folder, array, data_format, True)
            del array
        kept = stack.pop_all()

    def run() -> int:
        with kept:
            if name == "read":
                return int(read(folder, data_format).size)
            save(folder, array, data_format, True)
            return 0

    return run


def map_rows(quick: bool) -> Iterator[Row]:
    """Measure the opening of a large array that is mapped into memory."""
    size = (256 if quick else 4096) * MEGABYTE
    for data_format in ("npy", "hdf5"):
        with tempfile.TemporaryDirectory() as folder:
            save_ours(folder, numpy.zeros(size // 8), data_format, False)
            ds = DataSet("results", path=folder)
            found = medians({"map": lambda ds=ds: ds._load("x", mmap_mode="r")}, 30)
            yield Row(f"map of {size >> 20} MB, {data_format}", found["map"] * 1e3, 1, 0.2, " ms")
            extra, _ = peak_memory(prepare_map, folder)
            yield Row(
                f"map of {size >> 20} MB, {data_format}, memory", extra / MEGABYTE, 2, None, " MB"
            )


def prepare_map(folder: str) -> Callable[[], int]:
    """Return a mapping of an array; the process has done it once."""
    ds = DataSet("results", path=folder)
    ds._load("x", mmap_mode="r")

    def run() -> int:
        return int(ds._load("x", mmap_mode="r").size)

    return run


GROUPS: dict[str, Group] = {
    "set": set_rows,
    "growth": growth_rows,
    "constant": constant_rows,
    "arrays": array_rows,
    "blocks": block_rows,
    "map": map_rows,
}
"""What ``--only`` names."""
