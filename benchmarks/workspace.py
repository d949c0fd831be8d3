"""Workspaces beside h5py alone and, where it is installed, spikelab."""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy

from benchmarks.compare import MEGABYTE, ratio, rounds
from benchmarks.measure import medians, peak_memory
from benchmarks.table import Row
from persist.workspace import AnalysisWorkspace, LazyAnalysisWorkspace

__all__ = ["GROUPS"]

Group = Callable[[bool], Iterator[Row]]
SMALL = {"rate": 1.5, "unit": "Hz", "counts": numpy.arange(8)}
ARRAYS = 16


def array_rows(quick: bool) -> Iterator[Row]:
    """Compare saving and loading arrays with the same datasets written and read by h5py."""
    size = (64 if quick else 1024) * MEGABYTE
    arrays = make_arrays(size)
    ws = AnalysisWorkspace()
    for name, array in arrays.items():
        ws.store("D0", name, array)
    with tempfile.TemporaryDirectory() as folder:

        def clear() -> None:
            for path in Path(folder).iterdir():
                path.unlink()
            # What the contender before left to be written would slow this one down.
            os.sync()

        saving: dict[str, Callable[[], Any]] = {
            "ours": lambda: ws.save(f"{folder}/ours"),
            "plain": lambda: write_plainly(f"{folder}/plain.h5", arrays),
        }
        times = medians(saving, rounds(quick), prepare=clear)
        yield ratio(f"save of {size >> 20} MB", times, "plain", 1.15)
        for save in saving.values():
            save()
        loading: dict[str, Callable[[], Any]] = {
            "ours": lambda: AnalysisWorkspace.load(f"{folder}/ours"),
            "plain": lambda: read_plainly(f"{folder}/plain.h5"),
        }
        times = medians(loading, rounds(quick))
        yield ratio(f"load of {size >> 20} MB", times, "plain", 1.15)
        few = AnalysisWorkspace()
        few.store("D0", "small", SMALL)
        few.save(f"{folder}/few")
        ws.store("D0", "small", SMALL)
        ws.save(f"{folder}/ours")
        times = medians(
            {
                "large": lambda: AnalysisWorkspace.load_item(f"{folder}/ours", "D0", "small"),
                "small": lambda: AnalysisWorkspace.load_item(f"{folder}/few", "D0", "small"),
            },
            20 if quick else 100,
        )
        yield ratio(
            f"load_item from {size >> 20} MB beside a small file", times, "small", 1.15, "large"
        )


def make_arrays(size: int) -> dict[str, Any]:
    """Return arrays of this many bytes together."""
    generator = numpy.random.default_rng(0)
    return {f"array_{i}": generator.random(size // 8 // ARRAYS) for i in range(ARRAYS)}


def write_plainly(path: str, arrays: dict[str, Any]) -> None:
    """Write datasets by h5py alone, to the disk."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def read_plainly(path: str) -> dict[str, Any]:
    """Read datasets by h5py alone."""
    with h5py.File(path, "r") as file:
        return {name: file[name][...] for name in file}


def growth_rows(quick: bool) -> Iterator[Row]:
    """Compare the cost of the last of many small items with the first, and with spikelab's."""
    count = 1_000 if quick else 10_000
    ours = store_times(LazyAnalysisWorkspace, count)
    tenth = count // 10
    first, last = statistics.median(ours[:tenth]), statistics.median(ours[-tenth:])
    yield Row(
        f"last tenth of {count} items beside the first",
        last / first,
        1.3,
        None,
        " x",
        f"{last * 1e6:.0f} us, {first * 1e6:.0f} us",
    )
    try:
        from spikelab.workspace.workspace import LazyAnalysisWorkspace as Theirs
    except ImportError:
        return
    # Ten at a time, in turn, each in a workspace of its own.
    pairs = [
        (sum(store_times(LazyAnalysisWorkspace, 10)), sum(store_times(Theirs, 10)))
        for _ in range(5 if quick else 25)
    ]
    mine, other = (statistics.median(found) for found in zip(*pairs, strict=True))
    note = f"{mine * 1e3:.1f} ms, {other * 1e3:.1f} ms"
    yield Row("ten items, beside spikelab", mine / other, 2, None, " x", note)
    theirs = sum(store_times(Theirs, count))
    note = f"{sum(ours):.1f} s, {theirs:.1f} s"
    yield Row(f"{count} items, beside spikelab", sum(ours) / theirs, 0.5, None, " x", note)


def store_times(cls: Any, count: int) -> list[float]:
    """Return how long each of many small items takes to be stored, in s."""
    ws = cls()
    times = []
    for number in range(count):
        begin = time.perf_counter()
        ws.store("D0", f"key_{number}", SMALL)
        times.append(time.perf_counter() - begin)
    ws.close()
    return times


def spikelab_rows(quick: bool) -> Iterator[Row]:
    """Compare saving and loading small items, and dicts of three, with spikelab."""
    try:
        from spikelab.workspace.workspace import AnalysisWorkspace as Theirs
    except ImportError:
        return
    samples: dict[str, Callable[[int], Any]] = {
        "2000 items": lambda number: numpy.arange(3.0) + number,
        "1000 dicts of three": lambda number: {"a": number, "b": number / 2, "c": f"text {number}"},
    }
    classes: dict[str, Any] = {"ours": AnalysisWorkspace, "spikelab": Theirs}
    for what, make in samples.items():
        with tempfile.TemporaryDirectory() as folder:
            filled = {name: cls(name="w") for name, cls in classes.items()}
            for ws in filled.values():
                for number in range(int(what.split()[0])):
                    ws.store("D0", f"key_{number}", make(number))
            paths = {name: f"{folder}/{name}" for name in classes}
            saving = {n: functools.partial(ws.save, paths[n]) for n, ws in filled.items()}
            times = medians(saving, rounds(quick))
            yield ratio(f"save of {what}, beside spikelab", times, "spikelab", 1.0)
            loading = {n: functools.partial(cls.load, paths[n]) for n, cls in classes.items()}
            times = medians(loading, rounds(quick))
            yield ratio(f"load of {what}, beside spikelab", times, "spikelab", 1.0)


def in_place_rows(quick: bool) -> Iterator[Row]:
    """Compare storing in a given file, durably, with a new file of h5py for each item."""
    numbers = itertools.count()
    with (
        tempfile.TemporaryDirectory() as folder,
        LazyAnalysisWorkspace.open(f"{folder}/ours") as ws,
    ):
        contenders: dict[str, Callable[[], Any]] = {
            "ours": lambda: ws.store("D0", f"key_{next(numbers)}", SMALL),
            "plain": lambda: write_plainly(f"{folder}/plain_{next(numbers)}.h5", {"x": [1.5]}),
        }
        times = medians(contenders, 20 if quick else 200)
        yield ratio("store in place, durable, beside a synced file", times, "plain", 3)


def memory_rows(quick: bool) -> Iterator[Row]:
    """Measure what storing, getting and merging take beside one item."""
    size = (32 if quick else 256) * MEGABYTE
    for name in ("store", "merge"):
        extra, _ = peak_memory(prepare_lazy, name, size)
        # The item that is stored is there before.
        yield Row(f"lazy {name}, extra memory", extra / MEGABYTE, 50, None, " MB")


def prepare_lazy(name: str, size: int) -> Callable[[], int]:
    """Return a store of one array, or a merge of four."""
    with ExitStack() as stack:
        ws = stack.enter_context(LazyAnalysisWorkspace())
        other = stack.enter_context(LazyAnalysisWorkspace())
        ws.store("warm", "up", SMALL)
        array = numpy.random.default_rng(0).random(size // 8)
        if name == "merge":
            for number in range(4):
                other.store("D0", f"array_{number}", array)
            del array
        kept = stack.pop_all()

    def run() -> int:
        with kept:
            if name == "merge":
                return int(ws.merge_from(other)["merged"])
            ws.store("D0", "array", array)
            return 1

    return run


GROUPS: dict[str, Group] = {
    "arrays": array_rows,
    "growth": growth_rows,
    "spikelab": spikelab_rows,
    "in_place": in_place_rows,
    "memory": memory_rows,
}
"""What ``--only`` names."""
