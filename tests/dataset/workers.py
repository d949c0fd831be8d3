"""What the processes of a test do: write, and read meanwhile.

Every value tells the number that it was made of, so that a value which is not whole is noticed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import Any

import numpy

import persist
from tests.dataset.states import is_same

__all__ = [
    "check_value",
    "make_value",
    "read_by_objects",
    "read_by_package",
    "run_together",
    "write_keys",
    "write_same_keys",
]

THRESHOLD = 3
STOP = "stop"


def make_value(number: int) -> Any:
    """Return a value made of a number; each fourth has a large array, and few of these differ."""
    if number % 4:
        return [number, str(number)]
    return {"number": number, "array": numpy.full(4 + number % 20, number % 20)}


def check_value(value: Any, number: int | None = None) -> None:
    """Make sure that a value is whole, and of that number if one is given."""
    found = value["number"] if isinstance(value, dict) else value[0]
    assert is_same(value, make_value(found)), value
    assert number is None or found == number


def write_keys(folder: str, writer: int, count: int) -> None:
    """Store keys that no other process stores: ``w3_17`` holds the value of 17."""
    ds = _open(folder)
    for number in range(count):
        setattr(ds, f"w{writer}_{number}", make_value(number))


def write_same_keys(folder: str, keys: Iterable[str], writer: int, count: int) -> None:
    """Store one value after the other under keys that others store too, one by one and together."""
    ds = _open(folder)
    keys = list(keys)
    for number in range(count):
        value = make_value(1000 * writer + number)
        if number % 5:
            setattr(ds, keys[number % len(keys)], value)
        else:
            ds._update(dict.fromkeys(keys, value), {keys[0]: number})


def read_by_objects(folder: str, stop: str) -> int:
    """Read with a `DataSet` until a file is there; return how often all keys were looked at."""
    ds = persist.DataSet(os.path.basename(folder), "r", path=os.path.dirname(folder))

    def read() -> tuple[Iterable[str], Callable[[str], Any]]:
        infos = ds._info_dict
        assert list(infos) == list(ds)[: len(infos)]
        return infos, ds._load

    return _read_until(stop, read)


def read_by_package(folder: str, stop: str) -> int:
    """Do as `read_by_objects` with the package alone, which is loaded anew each time."""
    with _without_persist():
        sys.path.insert(0, os.path.dirname(folder))
        package = importlib.import_module(os.path.basename(folder))

        def read() -> tuple[Iterable[str], Callable[[str], Any]]:
            importlib.reload(package)
            return package._info_dict, package._load

        return _read_until(stop, read)


def _read_until(stop: str, read: Callable[[], tuple[Iterable[str], Callable[[str], Any]]]) -> int:
    """Read some values again and again, and make sure that no key is lost."""
    known: set[str] = set()
    rounds = 0
    while not os.path.exists(stop) or not rounds:
        keys, load = read()
        assert known <= set(keys), known - set(keys)
        new = set(keys) - known
        known |= new
        for key in [*sorted(new)[-20:], *random.sample(sorted(known), min(20, len(known)))]:
            _, _, number = key.partition("_")
            check_value(load(key), int(number) if number else None)
        rounds += 1
    return rounds


def run_together(
    pool: ProcessPoolExecutor, stop: str, writers: list[Any], readers: list[Any]
) -> list[int]:
    """Run writers, and readers until these are done; return what the readers do.

    Each is a function and its arguments; the path `stop` is added to those of a reader.
    """
    reading = [pool.submit(*reader, stop) for reader in readers]
    writing = [pool.submit(*writer) for writer in writers]
    try:
        for future in writing:
            _wait_for(future, reading)
    finally:
        with open(stop, "x"):
            pass
    return [future.result() for future in reading]


def _wait_for(future: Future[Any], others: list[Future[Any]]) -> None:
    """Wait for a writer, unless a reader has failed."""
    while not future.done():
        for other in others:
            if other.done():
                other.result()
        with contextlib.suppress(FuturesTimeoutError):
            future.result(timeout=0.1)
    future.result()


@contextlib.contextmanager
def _without_persist() -> Iterator[None]:
    hidden = sys.modules["persist"]
    sys.modules["persist"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules["persist"] = hidden


def _open(folder: str) -> persist.DataSet:
    return persist.DataSet(
        os.path.basename(folder),
        "w",
        path=os.path.dirname(folder),
        array_threshold=THRESHOLD,
        durable=False,
        timeout=600,
    )
