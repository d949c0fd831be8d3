"""Archives beside jsonpickle.

The targets are those that the archive was built for. Times are in multiples of the contender's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jsonpickle

from benchmarks.arrays import array_rows
from benchmarks.compare import MEGABYTE, compare, rounds
from benchmarks.measure import exponent, medians, peak_memory
from benchmarks.samples import numbers, readings, records
from benchmarks.table import Row
from persist.archive import Archive, restore

__all__ = ["GROUPS"]

FORMATS = {"flat": False, "scoped": True}
SAMPLES: dict[str, Callable[[int], Any]] = {"records": records, "custom": readings}
DUMP_TARGETS = {"records": (0.6, 0.45), "custom": (0.8, 0.55)}
LOAD_TARGETS = {"records": (3.3, None), "custom": (1.8, None)}

Group = Callable[[bool], Iterator[Row]]


def dump(obj: Any, *, scoped: bool) -> str:
    """Return the source of an archive with one name."""
    archive = Archive(scoped=scoped)
    archive.insert(x=obj)
    return str(archive)


def load(source: str) -> Any:
    """Execute the source of an archive."""
    env: dict[str, Any] = {}
    exec(source, env)
    return env


def _sizes(quick: bool) -> tuple[int, ...]:
    return (1_000, 10_000) if quick else (10_000, 100_000)


def dump_rows(quick: bool) -> Iterator[Row]:
    """Compare the times of dumping records and custom objects."""
    for kind, build in SAMPLES.items():
        for size in _sizes(quick):
            sample = build(size)
            contenders = {
                **{name: partial(dump, sample, scoped=scoped) for name, scoped in FORMATS.items()},
                "jsonpickle": partial(jsonpickle.encode, sample),
            }
            quantity = f"dump, {kind}, {size:.0e}"
            targets = DUMP_TARGETS[kind]
            yield from compare(quantity, contenders, "jsonpickle", targets, rounds(quick))


def growth_rows(quick: bool) -> Iterator[Row]:
    """Measure how the time of a dump grows with the graph, and with the number of names."""
    powers = range(3, 6 if quick else 7)
    samples = {10**power: records(10**power) for power in powers}
    for name, scoped in FORMATS.items():
        contenders = {
            str(size): partial(dump, part, scoped=scoped) for size, part in samples.items()
        }
        yield _growth(f"growth, records, to {10 ** powers[-1]:.0e}, {name}", contenders)
    del samples
    counts = (300, 1_000, 3_000) if quick else (1_000, 3_000, 10_000, 30_000)
    for name, scoped in FORMATS.items():
        inserts = {str(count): _inserting(count, scoped) for count in counts}
        yield _growth(f"growth, names, to {counts[-1]:.0e}, {name}", inserts)


def _growth(quantity: str, contenders: Mapping[str, Callable[[], Any]]) -> Row:
    times = {int(size): found for size, found in medians(contenders, 3).items()}
    note = "exponent of " + ", ".join(f"{found:.3f}" for found in times.values()) + " s"
    return Row(quantity, exponent(times), 1.1, 1.05, "", note)


def _inserting(count: int, scoped: bool) -> Callable[[], str]:
    def run() -> str:
        archive = Archive(scoped=scoped)
        for index in range(count):
            item: Any = [index, "item"]
            archive.insert(**{f"x{index}": item})
        return str(archive)

    return run


def memory_rows(quick: bool) -> Iterator[Row]:
    """Measure the peak memory of a dump, in multiples of the length of its source."""
    size = _sizes(quick)[-1]
    for kind in SAMPLES:
        for name, scoped in FORMATS.items():
            extra, length = peak_memory(prepare_dump, kind, size, scoped)
            quantity = f"memory of dump, {kind}, {size:.0e}, {name}"
            note = f"{extra / MEGABYTE:.1f} MB for {length / MEGABYTE:.1f} MB of source"
            yield Row(quantity, extra / length, 8, 5.5, " x", note)


def prepare_dump(kind: str, size: int, scoped: bool) -> Callable[[], int]:
    """Return a dump of a sample that gives the length of its source."""
    dump(SAMPLES[kind](100), scoped=scoped)
    sample = SAMPLES[kind](size)
    return lambda: len(dump(sample, scoped=scoped))


def load_rows(quick: bool) -> Iterator[Row]:
    """Compare the times of executing source with those of reading JSON."""
    for kind, build in SAMPLES.items():
        for size in _sizes(quick):
            contenders = _loaders(build(size), load)
            quantity = f"exec, {kind}, {size:.0e}"
            targets = LOAD_TARGETS[kind]
            yield from compare(quantity, contenders, "jsonpickle", targets, rounds(quick))


def _loaders(sample: Any, read: Callable[[str], Any]) -> dict[str, Callable[[], Any]]:
    encoded = jsonpickle.encode(sample)
    return {
        **{name: partial(read, dump(sample, scoped=on)) for name, on in FORMATS.items()},
        "jsonpickle": partial(jsonpickle.decode, encoded),
    }


def restore_rows(quick: bool) -> Iterator[Row]:
    """Compare our own loader with jsonpickle, and measure its memory."""
    size = _sizes(quick)[-1]
    for kind, build in SAMPLES.items():
        contenders = _loaders(build(size), restore)
        quantity = f"restore, {kind}, {size:.0e}"
        yield from compare(quantity, contenders, "jsonpickle", (2, 1.5), rounds(quick))
        for name, scoped in FORMATS.items():
            extra, length = peak_memory(prepare_restore, kind, size, scoped)
            note = f"{extra / MEGABYTE:.1f} MB for {length / MEGABYTE:.1f} MB of source"
            quantity = f"memory of restore, {kind}, {size:.0e}, {name}"
            yield Row(quantity, extra / length, 12, None, " x", note)


def prepare_restore(kind: str, size: int, scoped: bool) -> Callable[[], int]:
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


def number_rows(quick: bool) -> Iterator[Row]:
    """Compare the times of loading long lists of numbers."""
    size = 100_000 if quick else 1_000_000
    readers: dict[str, Callable[[str], Any]] = {"exec": load, "restore": restore}
    for kind, sample in numbers(size).items():
        for quantity, read in readers.items():
            contenders = _loaders(sample, read)
            quantity = f"{quantity}, numbers: {kind}, {size:.0e}"
            yield from compare(quantity, contenders, "jsonpickle", (0.6, 0.35), rounds(quick))


GROUPS: dict[str, Group] = {
    "dump": dump_rows,
    "growth": growth_rows,
    "memory": memory_rows,
    "exec": load_rows,
    "restore": restore_rows,
    "numbers": number_rows,
    "arrays": array_rows,
}
"""What ``--only`` names."""
