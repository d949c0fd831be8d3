"""Ctrl-C at each point at which CPython delivers signals, during each operation."""

from __future__ import annotations

import gc
import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.cli import packing
from persist.dataset.index import Index
from persist.dataset.writer import Writer
from persist.files import FolderLock
from tests.dataset.operations import make_start
from tests.dataset.states import is_same
from tests.effort import IS_SHORT

OLD, NEW = numpy.arange(30.0), numpy.arange(40) * 2

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "set": lambda results: results.__setitem__("x", NEW),
    "set a new key": lambda results: results.__setitem__("new", NEW),
    "set an info": lambda results: results.info.__setitem__("x", (1, "new")),
    "delete": lambda results: results.__delitem__("x"),
    "rename": lambda results: results.rename("x", "renamed"),
    "insert": lambda results: results.insert(1, NEW, info="inserted"),
    "make a group": lambda results: results.make_group("inner"),
    "batch": lambda results: batch(results),
    "read": lambda results: results["x"],
    "open": lambda results: persist.open(results.path)["x"],
    "set in a group": lambda results: results.group("old").__setitem__("x", NEW),
    "rename a group": lambda results: results.rename("old", "inner"),
    "delete a group": lambda results: results.delete_group("old"),
    "delete an info": lambda results: results.info.__delitem__("x"),
    "compact": lambda results: compact(results),
    "verify": lambda results: persist.verify(results.path),
    "repair": lambda results: persist.repair(results.path, timeout=0),
    "accept": lambda results: persist.accept(results.path, "y", timeout=0),
    "diff": lambda results: persist.diff(results.path, results.path),
    "hold the lock": lambda results: hold(results),
    "pack": lambda results: pack(results),
    "upgrade dataset-3.2.1": lambda results: results.__setitem__("new", NEW),
    "upgrade dataset-0.9": lambda results: results.__setitem__("new", NEW),
}


def batch(results: Any) -> None:
    with results.batch():
        results["x"] = NEW
        results["new"] = [1, 2]
        del results["y"]


def compact(results: Any) -> None:
    writer = Writer(results.path, Index(results.path), results.options)
    with FolderLock(results.path, timeout=0):
        writer.index.refresh()
        writer.compact()


def hold(results: Any) -> None:
    results.acquire()
    try:
        results["y"] = "unchanged"
    finally:
        try:
            results.release()
        except KeyboardInterrupt:
            # It came before anything of it had run.
            results.release()
            raise


def pack(results: Any) -> None:
    numpy.save(f"{results.path}/../packed.npy", NEW)
    plan = packing.plan([f"{results.path}/../packed.npy"], prefix="", skip=())
    packing.store(results, plan, replace=False)


class Interrupt:
    """Raises KeyboardInterrupt at one function entry or return from C, and counts them."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.count = -1
        self.is_done = False

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        if event not in ("call", "c_return") or arg is sys.setprofile:
            return
        if "persist" not in frame.f_code.co_filename and event == "call":
            # What others do at these points is theirs.
            return
        self.count += 1
        if self.count == self.number:
            self.is_done = True
            sys.setprofile(None)
            raise KeyboardInterrupt


def content(results: Any) -> Any:
    inner = {name: content(results.group(name)) for name in results.groups}
    return ({key: results[key] for key in results}, dict(results.info), inner)


def fill(path: Path, name: str) -> None:
    if name.startswith("upgrade "):
        make_start(name.partition(" ")[2], path, "npy")
        return
    results = persist.open(path, "w", array_threshold=10, durable=False, timeout=0)
    results.update({"x": OLD, "y": "unchanged"})
    results.info["x"] = "old"
    results.group("old")["x"] = OLD


def copied(start: Path, path: Path) -> Any:
    shutil.copytree(start, path)
    return persist.open(path, "w", array_threshold=10, durable=False, timeout=0)


# What numpy has open, and generators that are closed, tell of the interrupt in their own way.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.cases(3)
def test_an_interrupt_anywhere_leaves_the_state_before_or_after_and_no_lock(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    act = OPERATIONS[name]
    start = tmp_path / "before"
    fill(start, name)
    before = content(persist.open(start))
    done = copied(start, tmp_path / "after")
    counter = Interrupt(-2)
    sys.setprofile(counter)
    try:
        act(done)
    finally:
        sys.setprofile(None)
    after = content(done)
    # In a short run, some points that are spread over the operation. The longest operations repeat
    # themselves: an upgrade reads one module after the other.
    step = max(23, counter.count // 7) if IS_SHORT else 1 + counter.count // 1000
    # What other tests have left in memory is not looked through again at each point.
    gc.collect()
    gc.freeze()
    request.addfinalizer(gc.unfreeze)
    for number in itertools.count(0, step):
        path = tmp_path / f"at_{number}"
        results = copied(start, path)
        interrupt = Interrupt(number)
        sys.setprofile(interrupt)
        try:
            act(results)
        except BaseException:
            # numpy makes a TypeError of one that comes while it asks for the path of a file.
            if not interrupt.is_done:
                raise
        finally:
            sys.setprofile(None)
        gc.collect()
        found = content(persist.open(path))
        assert is_same(found, before) or is_same(found, after), number
        if not interrupt.is_done:
            assert is_same(found, after)
            break
        # The object goes on, and so does another one that does not wait for a lock.
        results["probe"] = number
        for inner in results.groups:
            results.group(inner)["probe"] = number
        other = persist.open(path, "w", timeout=0)
        assert other["probe"] == number
        other["probe"] = NEW
        assert is_same(results["probe"], NEW)
        report = persist.verify(path)
        assert report.ok, (number, report)
        assert not report.unfinished, (number, report)
    assert number > step
