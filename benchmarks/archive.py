"""Archives beside pickle, which is written in C, and jsonpickle.

Each kind and size of sample has a process of its own, with the garbage collector on: much of the
time of large graphs is the collector's, and that of memory. Times are those of the processor.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import Any

import jsonpickle

from benchmarks.arrays import array_rows
from benchmarks.compare import MEGABYTE
from benchmarks.measure import apart, exponent, medians, peak_memory
from benchmarks.samples import SAMPLES
from benchmarks.table import Row
from persist.archive import Archive, restore

__all__ = ["GROUPS"]

FORMATS = {"flat": False, "scoped": True}
EXPONENT = (1.1, 1.05)
MEMORY = 6
# A contender that takes longer than this is timed once.
LONG = 10.0

Group = Callable[[bool], Iterator[Row]]
Contenders = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Targets:
    """What the times of one kind should not exceed.

    Parameters
    ----------
    dump : float or None
        The time of a dump in microseconds for each object.
    dump_ratio, load_ratio : float or None
        The times of dump and load in multiples of jsonpickle's.
    """

    dump: float | None = None
    dump_ratio: float | None = None
    load_ratio: float | None = None


LINKED = Targets(dump=35)
OBJECTS = Targets(dump=15)
NUMBERS = Targets(load_ratio=0.4)
TARGETS = {
    "records": Targets(dump_ratio=0.5, load_ratio=1.2),
    "custom": Targets(dump_ratio=0.5),
    "ints": NUMBERS,
    "short floats": NUMBERS,
    "floats": NUMBERS,
    "plain objects": OBJECTS,
    "dataclasses": OBJECTS,
    "dataclasses with slots": OBJECTS,
    "parents and children": LINKED,
    "linked list": LINKED,
    "ring": LINKED,
    "columns of a frame": Targets(dump=60),
    "nested lists": Targets(dump=10),
}


def dump(obj: Any, *, scoped: bool) -> str:
    """Return the source of an archive with one name."""
    archive = Archive(scoped=scoped)
    archive.insert(x=obj)
    return str(archive)


def times_of(kind: str, size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the times in seconds of dumping and loading a sample, by contender.

    A contender that cannot store the sample, or not so many objects of it, is left out.
    """
    sample = SAMPLES[kind](size)
    dumps: Contenders = {
        **{name: partial(dump, sample, scoped=scoped) for name, scoped in FORMATS.items()},
        "pickle": partial(pickle.dumps, sample, pickle.HIGHEST_PROTOCOL),
        "jsonpickle": partial(jsonpickle.encode, sample),
    }
    loaders: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(FORMATS, restore),
        "pickle": pickle.loads,
        "jsonpickle": jsonpickle.decode,
    }
    loads = {
        name: partial(loaders[name], written)
        for name, run in dumps.items()
        if (written := _result(run)) is not None
    }
    times = {"dump": _times({name: dumps[name] for name in loads}, rounds)}
    # The sample, and what pickle keeps of it, would cost the loaders passes of the collector.
    del sample, dumps
    times["load"] = _times(loads, rounds)
    return times


def _result(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except (RecursionError, TypeError, ValueError):
        return None


def _times(contenders: Contenders, rounds: int) -> dict[str, float]:
    able = {name: run for name, run in contenders.items() if _result(run) is not None}
    once = medians(able, 1, warm=False, collector=True, clock=process_time)
    quick = {name: able[name] for name, found in once.items() if found < LONG}
    if not quick:
        return once
    return {**once, **medians(quick, rounds, warm=False, collector=True, clock=process_time)}


def kind_rows(kind: str, quick: bool) -> Iterator[Row]:
    """Measure dump and load of one kind: time, how it grows, and peak memory of a dump."""
    size = 10_000 if quick else 100_000
    rounds = 3 if quick else 5
    times = {count: apart(times_of, kind, count, rounds) for count in (size // 10, size)}
    targets = TARGETS.get(kind, Targets())
    limits = {
        "dump": (targets.dump, targets.dump_ratio),
        "load": (None, targets.load_ratio),
    }
    for act, (each, ratio) in limits.items():
        found = times[size][act]
        others = ", ".join(
            f"{name} {found[name] / size * 1e6:.3g} us" if name in found else f"{name} fails"
            for name in ("pickle", "jsonpickle")
        )
        for name in FORMATS:
            quantity = f"{kind}, {size:.0e}, {act}, {name}"
            yield Row(quantity, found[name] / size * 1e6, each, None, " us", others)
            if "jsonpickle" in found:
                beside = found[name] / found["jsonpickle"]
                yield Row(f"{quantity}, beside jsonpickle", beside, ratio, None, " x")
            by_size = {count: times[count][act][name] for count in times}
            note = "exponent of " + ", ".join(f"{time:.3f}" for time in by_size.values()) + " s"
            yield Row(f"{quantity}, growth", exponent(by_size), *EXPONENT, "", note)
    for name, scoped in FORMATS.items():
        for act, prepare, limit in (("dump", prepare_dump, MEMORY), ("load", prepare_load, None)):
            extra, length = peak_memory(prepare, kind, size, scoped)
            note = f"{extra / MEGABYTE:.1f} MB for {length / MEGABYTE:.1f} MB of source"
            quantity = f"{kind}, {size:.0e}, {act}, {name}, memory"
            yield Row(quantity, extra / length, limit, None, " x", note)


def prepare_dump(kind: str, size: int, scoped: bool) -> Callable[[], int]:
    """Return a dump of a sample that gives the length of its source."""
    dump(SAMPLES[kind](100), scoped=scoped)
    sample = SAMPLES[kind](size)
    return lambda: len(dump(sample, scoped=scoped))


def prepare_load(kind: str, size: int, scoped: bool) -> Callable[[], int]:
    """Return a restoring of a sample that gives the length of its source."""
    restore(dump(SAMPLES[kind](100), scoped=scoped))
    source = _written_elsewhere(kind, size, scoped)

    def run() -> int:
        kept = restore(source)
        return len(source) if kept else 0

    return run


def _written_elsewhere(kind: str, size: int, scoped: bool) -> str:
    """Return source that another process made: what it took would else be free to be used again."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            stream.write(dump(SAMPLES[kind](size), scoped=scoped))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        source = stream.read()
    os.waitpid(child, 0)
    return source


def name_rows(quick: bool) -> Iterator[Row]:
    """Measure how the time of a dump grows with the number of names."""
    counts = (300, 1_000, 3_000) if quick else (1_000, 3_000, 10_000, 30_000)
    for name, scoped in FORMATS.items():
        inserts = {str(count): partial(_insert, count, scoped) for count in counts}
        found = medians(inserts, 3, collector=True, clock=process_time)
        times = {int(count): time for count, time in found.items()}
        note = "exponent of " + ", ".join(f"{time:.3f}" for time in times.values()) + " s"
        yield Row(f"names, to {counts[-1]:.0e}, {name}", exponent(times), *EXPONENT, "", note)


def _insert(count: int, scoped: bool) -> str:
    archive = Archive(scoped=scoped)
    for index in range(count):
        item: Any = [index, "item"]
        archive.insert(**{f"x{index}": item})
    return str(archive)


GROUPS: dict[str, Group] = {
    **{kind: partial(kind_rows, kind) for kind in SAMPLES},
    "names": name_rows,
    "arrays": array_rows,
}
"""What ``--only`` names."""
