"""Experiment storage beside the original, where it is installed, zipfile, and h5py alone."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy

from benchmarks.compare import MEGABYTE, ratio, rounds
from benchmarks.measure import medians, peak_memory
from benchmarks.table import Row
from persist.experiment import (
    Design,
    Storage,
    TaskWriter,
    Trial,
    TrialWriter,
    storage_to_hdf5,
    storage_to_zip,
)

__all__ = ["GROUPS"]

Group = Callable[[bool], Iterator[Row]]
CHANNELS, RATE, SECONDS = 64, 2000, 10


def attributes(number: int) -> dict[str, Any]:
    """Return what is noted of a trial of a reaching task."""
    return {
        "condition": "rotated" if number % 2 else "plain",
        "cue": "left",
        "target_x": 0.1 * number,
        "target_y": -0.1 * number,
        "radius": 0.05,
        "onset": 0.5 * number,
        "reaction_time": 0.3 + number * 1e-4,
        "movement_time": 0.9,
        "hit": number % 3 > 0,
        "score": number,
        "comment": "",
    }


def growth_rows(quick: bool) -> Iterator[Row]:
    """Write trials of a small and of a large task in turn, by us and by h5py alone.

    What h5py alone takes grows too: HDF5 writes the names in a group anew with each of them.
    """
    count = 2_000 if quick else 10_000
    emg = numpy.random.default_rng(0).random((CHANNELS, 20))
    for durable in (False, True):
        if durable and quick:
            continue
        with tempfile.TemporaryDirectory() as folder:
            times = write_in_turn(folder, count, emg, durable=durable)
        small, large, plain_small, plain_large = map(statistics.median, times)
        note = f"{large * 1e6:.0f} us, {small * 1e6:.0f} us; h5py {plain_large / plain_small:.2f} x"
        name = f"trial {count} beside trial 10{', durable' if durable else ''}"
        yield Row(name, large / small, 1.2, None, " x", note)


def write_in_turn(folder: str, count: int, emg: Any, *, durable: bool) -> list[list[float]]:
    """Return how long trials take in s: of a small task and of a large one, by us and by h5py."""
    times: list[list[float]] = [[], [], [], []]
    for name in ("small", "large"):
        os.mkdir(f"{folder}/{name}")
    tasks = [TaskWriter(f"{folder}/{name}", durable=durable) for name in ("small", "large")]
    files = [h5py.File(f"{folder}/{name}.h5", "w", libver="latest") for name in ("small", "large")]

    def write(task: TaskWriter, number: int) -> None:
        trial = Trial({**attributes(number), "block": 0, "trial": number})
        trial.add_array("emg", data=emg)
        task.write(trial)

    def write_plainly(file: Any, number: int) -> None:
        file.create_dataset(str(number), data=emg, track_times=False)
        file.flush()

    writes = [
        *(partial(write, task) for task in tasks),
        *(partial(write_plainly, f) for f in files),
    ]
    for number in range(10):
        writes[0](number)
        writes[2](number)
    for number in range(count):
        writes[1](number)
        writes[3](number)
    for number in range(100):
        for act, start, found in zip(writes, (10, count, 10, count), times, strict=True):
            begin = time.perf_counter()
            act(start + number)
            found.append(time.perf_counter() - begin)
    for opened in (*tasks, *files):
        opened.close()
    return times


def write_times(folder: str, count: int, emg: Any, *, durable: bool) -> list[float]:
    """Return how long each of many trials takes to be written, in s."""
    times = []
    with TaskWriter(folder, durable=durable) as writer:
        for number in range(count):
            trial = Trial({**attributes(number), "block": 0, "trial": number})
            trial.add_array("emg", data=emg)
            begin = time.perf_counter()
            writer.write(trial)
            times.append(time.perf_counter() - begin)
    return times


def column_rows(quick: bool) -> Iterator[Row]:
    """Measure what a new column of the table of trials costs, beside a copy of the file."""
    rows = 20_000 if quick else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trials.csv")
        lines = (f'0,{n},{n / 7},"text {n}"\n' for n in range(rows))
        path.write_text("block,trial,x,label\n" + "".join(lines))
        writer = TrialWriter(path, durable=False)
        numbers = itertools.count()

        def add() -> None:
            number = next(numbers)
            writer.write({"block": 1, "trial": number, f"new {number}": number})

        contenders = {"ours": add, "copy": partial(shutil.copyfile, path, f"{folder}/copy")}
        times = medians(contenders, rounds(quick))
        writer.close()
    note = f"{times['ours'] * 1e3:.3g} ms, {times['copy'] * 1e3:.3g} ms"
    name = f"a new column of {rows} trials beside a copy of the file"
    yield Row(name, times["ours"] / times["copy"], None, None, " x", note)


def original_rows(quick: bool) -> Iterator[Row]:
    """Compare a session with that of the original, which waits for no disk; neither do we here."""
    original = load_original("storage")
    if original is None:
        return
    count = 200 if quick else 1000
    emg = numpy.random.default_rng(0).random((CHANNELS, 20))
    with tempfile.TemporaryDirectory() as folder:

        def clear() -> None:
            shutil.rmtree(f"{folder}/data", ignore_errors=True)
            os.sync()

        def session(storage: Any) -> None:
            storage.subject_id = "p0"
            writer = storage.create_task("reach")
            block = Design().add_block()
            for number in range(count):
                trial = block.add_trial(attributes(number))
                trial.add_array("emg", data=emg)
                writer.write(trial)

        contenders: dict[str, Callable[[], Any]] = {
            "ours": lambda: session(Storage(f"{folder}/data", durable=False)),
            "original": lambda: session(original.Storage(f"{folder}/data")),
        }
        times = medians(contenders, 1 if quick else 3, prepare=clear)
    yield ratio(f"{count} trials, beside the original", times, "original", 1 / 20)


def load_original(name: str) -> Any:
    """Return a module of the original by itself; None if it is not installed."""
    found = importlib.util.find_spec("axopy")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"original_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_time_rows(quick: bool) -> Iterator[Row]:
    """Compare the time to write a large trial, to the disk, with the time that it records."""
    emg = numpy.random.default_rng(0).random((CHANNELS, RATE * SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        times = write_times(folder, 5 if quick else 50, emg, durable=True)
    name = f"a trial of {SECONDS} s, {CHANNELS} channels, durable"
    slowest = max(times)
    yield Row(name, slowest / SECONDS, 0.1, None, " x", f"{slowest * 1e3:.0f} ms at most")


def zip_rows(quick: bool) -> Iterator[Row]:
    """Compare zipping with zipfile alone, which verifies nothing; both wait for the disk."""
    with tempfile.TemporaryDirectory() as folder:
        make_tree(f"{folder}/data", 8, (200 if quick else 2000) * MEGABYTE // 8)
        contenders: dict[str, Callable[[], Any]] = {
            "ours": lambda: storage_to_zip(f"{folder}/data", f"{folder}/ours.zip"),
            "zipfile": lambda: zip_plainly(f"{folder}/data", f"{folder}/plain.zip"),
        }
        times = medians(contenders, rounds(quick), prepare=lambda: clear_outputs(folder))
        yield ratio("storage_to_zip beside zipfile", times, "zipfile", 1 / 0.9)


def hdf5_rows(quick: bool) -> Iterator[Row]:
    """Compare consolidation with h5py copying the same datasets; and take its memory."""
    size = (200 if quick else 2000) * MEGABYTE
    with tempfile.TemporaryDirectory() as folder:
        make_tree(f"{folder}/data", 8, size // 8)
        contenders: dict[str, Callable[[], Any]] = {
            "ours": lambda: storage_to_hdf5(f"{folder}/data", f"{folder}/ours.hdf5"),
            "h5py": lambda: copy_plainly(f"{folder}/data", f"{folder}/plain.hdf5"),
        }
        times = medians(contenders, rounds(quick), prepare=lambda: clear_outputs(folder))
        yield ratio(f"storage_to_hdf5 of {size >> 20} MB beside h5py", times, "h5py", 1 / 0.8)
        for layout in ("trials", "joined"):
            extra, _ = peak_memory(prepare_consolidation, folder, layout)
            trial = CHANNELS * RATE * SECONDS * 8
            yield Row(
                f"layout={layout!r}, memory beside one trial",
                (extra - trial) / MEGABYTE,
                50,
                None,
                " MB",
            )


def make_tree(root: str, tasks: int, size: int) -> None:
    """Write tasks of this many bytes each, in large trials."""
    emg = numpy.random.default_rng(0).random((CHANNELS, RATE * SECONDS))
    for number in range(tasks):
        storage = Storage(root, durable=False)
        storage.subject_id = f"p{number}"
        block = Design().add_block()
        with storage.create_task("reach") as writer:
            for trial_number in range(max(1, size // emg.nbytes)):
                trial = block.add_trial(attributes(trial_number))
                trial.add_array("emg", data=emg)
                writer.write(trial)


def clear_outputs(folder: str) -> None:
    """Remove the files beside the data, and wait until the disk is idle."""
    for path in Path(folder).iterdir():
        if path.is_file():
            path.unlink()
    os.sync()


def zip_plainly(root: str, path: str) -> None:
    """Zip a folder by zipfile alone, to the disk."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(Path(root).rglob("*")):
            archive.write(file, file.relative_to(Path(root).parent))
    sync(path)


def copy_plainly(root: str, path: str) -> None:
    """Copy all datasets of a folder into one file by h5py alone, to the disk."""
    with h5py.File(path, "w") as target:
        for file in sorted(Path(root).rglob("*.hdf5")):
            group = target.require_group(file.relative_to(root).with_suffix("").as_posix())
            with h5py.File(file, "r") as source:
                for name in source:
                    source.copy(name, group)
    sync(path)


def sync(path: str) -> None:
    """Wait until the disk holds a file."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def prepare_consolidation(folder: str, layout: str) -> Callable[[], int]:
    """Return a consolidation of what is in a folder."""
    storage_to_hdf5_of_little(folder)

    def run() -> int:
        storage_to_hdf5(f"{folder}/data", f"{folder}/{layout}.hdf5", layout=layout)
        return 1

    return run


def storage_to_hdf5_of_little(folder: str) -> None:
    """Consolidate something small, so that all is imported that will be used."""
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        storage = Storage(f"{inner}/data", durable=False)
        storage.subject_id = "p0"
        trial = Trial({"block": 0, "trial": 0})
        trial.add_array("emg", data=numpy.zeros(2))
        with storage.create_task("reach") as writer:
            writer.write(trial)
        storage_to_hdf5(storage.root)


GROUPS: dict[str, Group] = {
    "growth": growth_rows,
    "columns": column_rows,
    "original": original_rows,
    "real_time": real_time_rows,
    "zip": zip_rows,
    "hdf5": hdf5_rows,
}
"""What ``--only`` names."""
