"""Changes of a data set that a crash may interrupt, and the data sets on which they begin."""

from __future__ import annotations

import compileall
import contextlib
import functools
import os
import py_compile
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

import persist
from tests.dataset.states import State

__all__ = ["OPERATIONS", "Operation", "make_start"]

DATA = Path(__file__).parents[1] / "data"
THRESHOLD = 3
LARGE = numpy.arange(10.0)
OTHER = numpy.arange(20.0) / 2


@dataclass(frozen=True)
class Operation:
    """What is done to a data set, in this order.

    Parameters
    ----------
    start : str
        The data set on which it begins, for `make_start`.
    renamed, values, infos, deleted, inner
        The keys that get other names; the values and infos that are set; the keys that are deleted;
        the data sets that are made inside.
    is_batch : bool
        Whether all of it is one commit.
    compacts : bool
        Whether the manifest is written anew at the end.
    """

    start: str = "filled"
    renamed: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    infos: dict[str, Any] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    is_batch: bool = False
    compacts: bool = False

    def act(self, ds: persist.DataSet) -> None:
        """Do it."""
        with ds._batch() if self.is_batch else contextlib.nullcontext():
            for old, new in self.renamed.items():
                ds._rename(old, new)
            for key, value in self.values.items():
                setattr(ds, key, value)
            for key, info in self.infos.items():
                ds[key] = info
            for key in self.deleted:
                ds._delete(key)
        for name in self.inner:
            ds._namespace(name)
        if self.compacts:
            with ds._results.changing():
                ds._results._writer.compact()

    def after(self, state: State) -> State:
        """Return the state that it makes of another one."""
        for old, new in self.renamed.items():
            state = state.renamed(old, new)
        for key, value in self.values.items():
            state = state.with_value(key, value)
        for key, info in self.infos.items():
            state = state.with_info(key, info)
        for key in self.deleted:
            state = state.without(key)
        return functools.reduce(State.with_inner, self.inner, state)


OPERATIONS = {
    "set a new key": Operation(values={"new": OTHER}),
    "set a new key to an equal array": Operation(values={"new": LARGE}),
    "overwrite large by large": Operation(values={"large": OTHER}),
    "overwrite large by small": Operation(values={"large": "small now"}),
    "overwrite small by large": Operation(values={"small": OTHER}),
    "set an info": Operation(infos={"small": "another info"}),
    "delete": Operation(deleted=("large",)),
    "rename": Operation(renamed={"large": "renamed"}),
    "batch": Operation(
        values={"new": OTHER, "equal": LARGE, "large": OTHER + 1, "third": [1, 2]},
        infos={"small": (1, "no JSON"), "new": "new info"},
        deleted=("twin", "noted"),
        is_batch=True,
    ),
    "overwrite and compact": Operation(values={"large": "small now"}, compacts=True),
    "make a namespace": Operation(inner=("D0",)),
    "first write": Operation("empty", values={"new": OTHER}),
    "first write in a namespace": Operation("new namespace", values={"new": OTHER}),
    "first write after release 3.2.1": Operation("dataset-3.2.1", values={"x": OTHER}),
    "first write after release 0.9": Operation("dataset-0.9", values={"x": OTHER}),
}


def make_start(start: str, folder: Path, data_format: str) -> None:
    """Make the data set on which an operation begins.

    Its modules have been imported by Python and seem to be written in an hour, so that what takes
    the place of one has to be made younger.
    """
    if start in ("empty", "new namespace"):
        ds = persist.DataSet(folder.name, "w", path=folder.parent)
        if start == "new namespace":
            ds._namespace("inner")
            shutil.move(folder / "inner", folder.parent / "moved")
            shutil.rmtree(folder)
            shutil.move(folder.parent / "moved", folder)
    elif start == "filled":
        _fill(folder, data_format)
    else:
        _copy_sample(DATA / start / f"ds_{data_format}_scoped", folder)
    later = time.time() + 3600
    for path in folder.glob("*.py"):
        os.utime(path, (later, later))
    if start != "dataset-0.9":
        mode = py_compile.PycInvalidationMode.TIMESTAMP
        assert compileall.compile_dir(folder, quiet=1, invalidation_mode=mode)


def _copy_sample(sample: Path, folder: Path) -> None:
    """Copy a data set of an older release, and leave only infos of the keys that add nothing.

    A value of one of them is of a class of persist.
    """
    shutil.copytree(sample, folder)
    for key in ("a", "c", "mixed"):
        for path in (*folder.glob(f"{key}.py"), *folder.glob(f"data_{key}.*")):
            path.unlink()


def _fill(folder: Path, data_format: str) -> None:
    ds = persist.DataSet(
        folder.name, "w", path=folder.parent, array_threshold=THRESHOLD, data_format=data_format
    )
    ds.small = [1, 2]
    ds.large = LARGE
    ds.twin = LARGE
    ds["large"] = "a large array"
    ds["noted"] = (1, "no data")
