"""Large arrays in an archive beside `numpy.save` and `numpy.load`."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy

from benchmarks.compare import MEGABYTE, compare, rounds
from benchmarks.measure import medians, peak_memory
from benchmarks.table import Row
from persist.archive import Archive

__all__ = ["array_rows"]


def array_rows(quick: bool) -> Iterator[Row]:
    """Compare saving and loading of a large array with `numpy.save` and `numpy.load`."""
    size = (32 if quick else 256) * MEGABYTE
    with tempfile.TemporaryDirectory() as folder:
        yield from _saving_rows(folder, size, rounds(quick))
        yield from _loading_rows(folder, size, rounds(quick))
    for name, prepare in {"save": prepare_save, "load": prepare_load}.items():
        extra, plain = (peak_memory(prepare, size, ours)[0] / MEGABYTE for ours in (True, False))
        note = f"{extra:.1f} MB, numpy {plain:.1f} MB"
        yield Row(f"{name} of an array, extra memory", extra - plain, 2, None, " MB", note)


def _array(size: int) -> numpy.ndarray[Any, Any]:
    return numpy.arange(size // 8, dtype=float)


def save_archive(array: Any, folder: str) -> None:
    """Save an array as an importable package."""
    archive = Archive(array_threshold=100)
    archive.insert(x=array)
    archive.save(folder, "saved", package=True, data_format="npy", force=True)


def load_archive(folder: str) -> Any:
    """Import the package anew and return its array."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "saved"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("saved").x
    finally:
        sys.path.remove(folder)


def save_plainly(array: Any, folder: str, *, flush: bool = False) -> None:
    """Save an array by numpy alone."""
    with open(Path(folder, "plain.npy"), "wb") as stream:
        numpy.save(stream, array)
        if flush:
            stream.flush()
            os.fsync(stream.fileno())


def load_plainly(folder: str) -> Any:
    """Load an array by numpy alone."""
    return numpy.load(Path(folder, "plain.npy"))


def _saving_rows(folder: str, size: int, count: int) -> Iterator[Row]:
    array = _array(size)
    contenders: dict[str, Callable[[], Any]] = {
        "archive": lambda: save_archive(array, folder),
        "numpy": lambda: save_plainly(array, folder),
        "numpy, flushed to disk": lambda: save_plainly(array, folder, flush=True),
    }

    def clear() -> None:
        shutil.rmtree(Path(folder, "saved"), ignore_errors=True)
        Path(folder, "plain.npy").unlink(missing_ok=True)
        # What the contender before left to be written would slow this one down.
        os.sync()

    times = medians(contenders, count, prepare=clear)
    ours = times["archive"]
    # An archive is on the disk when save returns; numpy leaves that to the system.
    for name in list(contenders)[1:]:
        note = f"{ours:.3f} s, {times[name]:.3f} s"
        yield Row(f"save of an array, beside {name}", ours / times[name], 1.15, 1.07, " x", note)


def _loading_rows(folder: str, size: int, count: int) -> Iterator[Row]:
    array = _array(size)
    save_archive(array, folder)
    save_plainly(array, folder)
    del array
    contenders = {"archive": lambda: load_archive(folder), "numpy": lambda: load_plainly(folder)}
    yield from compare("load of an array", contenders, "numpy", (1.15, 1.07), count)


def prepare_save(size: int, ours: bool) -> Callable[[], int]:
    """Return a saving of an array; the process has done it once with a small one."""
    save = save_archive if ours else save_plainly
    folder = tempfile.TemporaryDirectory()
    save(_array(8 * 1000), folder.name)
    array = _array(size)

    def run() -> int:
        with folder:
            save(array, folder.name)
        return 0

    return run


def prepare_load(size: int, ours: bool) -> Callable[[], int]:
    """Return a loading of an array; the process has done it once with a small one."""
    save, read = (save_archive, load_archive) if ours else (save_plainly, load_plainly)
    folder = tempfile.TemporaryDirectory()
    save(_array(8 * 1000), folder.name)
    read(folder.name)
    save(_array(size), folder.name)

    def run() -> int:
        with folder:
            kept = read(folder.name)
        return int(kept.size)

    return run
