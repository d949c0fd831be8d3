"""What three calls pass through, found by profiling them."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import persist

ROOT = Path(persist.__file__).resolve().parent


class Step(NamedTuple):
    """A function that a call enters.

    Parameters
    ----------
    module : str
        Its dotted module.
    name : str
        Its qualified name.
    text : str
        The first line of its docstring; empty if it has none.
    """

    module: str
    name: str
    text: str


def traced(act: Callable[[], Any]) -> list[Step]:
    """Return the functions of persist that a call enters, in the order of their first calls."""
    seen: dict[CodeType, None] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{ROOT}{os.sep}"):
            seen.setdefault(frame.f_code)

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(previous)
    return [_step(code) for code in seen if not code.co_name.startswith("<")]


def _step(code: CodeType) -> Step:
    path = Path(code.co_filename).resolve().relative_to(ROOT.parent).with_suffix("")
    module = ".".join(path.parts).removesuffix(".__init__")
    found: Any = sys.modules.get(module)
    for part in code.co_qualname.split("."):
        found = inspect.getattr_static(found, part, None)
    for wrapper in ("fget", "func", "__func__"):
        found = getattr(found, wrapper, found)
    text = inspect.cleandoc(getattr(found, "__doc__", None) or "") if callable(found) else ""
    return Step(module, code.co_qualname, text.partition("\n")[0])


def write_array(folder: str) -> list[Step]:
    """Trace ``ds.x = array``, in a data set that has other values."""
    import numpy

    ds = persist.DataSet("results", "w", path=folder)
    ds.a = ds.b = numpy.arange(1000.0)
    return traced(lambda: setattr(ds, "x", numpy.arange(1000.0)))


def read_array(folder: str) -> list[Step]:
    """Trace opening a data set and reading ``ds.x``."""
    return traced(lambda: persist.DataSet("results", "r", path=folder).x)


def write_text(folder: str) -> list[Step]:
    """Trace ``str(archive)``."""
    import numpy

    def text() -> str:
        archive = persist.Archive(scoped=False)
        archive.insert(a=1, b=[1, "x"], c={"k": numpy.arange(3)})
        return str(archive)

    text()
    return traced(text)


def train(folder: str) -> list[Step]:
    """Trace `persist.tracking.run`, in a store that has a run."""
    import numpy
    from sklearn.linear_model import Ridge

    from persist.tracking import WorkspaceStore, run

    data = numpy.random.default_rng(0).random((20, 3))

    def act() -> None:
        run([Ridge()], (data, data.sum(axis=1)), workspace_path=folder, verbose=0, cv=2)

    act()
    # A connection that lingers would be used again, or not: that depends on the time.
    WorkspaceStore(folder).close()
    return traced(act)


FLOWS = {"write": write_array, "read": read_array, "text": write_text, "run": train}


def trace_all() -> dict[str, list[Step]]:
    """Return the functions of each flow."""
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as runs:
        return {name: flow(runs if name == "run" else data) for name, flow in FLOWS.items()}
