"""One of each kind of thing that the command line reads, small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy

import persist
from persist.cli import main
from persist.experiment import Storage, Trial
from tests.classes import Plain

__all__ = ["KEYS", "KINDS", "command_lines", "make", "other_command_lines", "run"]

KINDS = ("data set", "workspace", "experiment", "working dataset", "store")
"""What `make` makes."""

KEYS = {"data set": ("x", "y", "z"), "workspace": ("D0/x", "D0/y")}
"""What is in them."""

_OF_STORES = (["runs"], ["top"], ["gc"], ["show", "latest"], ["export", "latest", "made.n4a"])


def make(kind: str, folder: Path) -> Path:
    """Make one of a kind in a folder, and return its path."""
    path = folder / kind.replace(" ", "_")
    if kind == "data set":
        with persist.DataSet(path.name, path=str(folder), mode="w") as dataset:
            dataset.x = [1, 2]
            dataset.y = numpy.arange(1000.0)
            dataset.z = Plain(a=1)
            dataset.x_info = "of x"
    elif kind == "workspace":
        workspace = persist.AnalysisWorkspace()
        workspace.store("D0", "x", Plain(a=1))
        workspace.store("D0", "y", numpy.arange(3.0))
        workspace.save(str(path))
        return path.with_suffix(".h5")
    elif kind == "store":
        _make_store(path)
    else:
        storage = Storage(path, durable=False)
        storage.subject_id = "p0"
        with storage.create_task("reach") as writer:
            trial = Trial({"block": 0, "trial": 0, "label": "a"})
            trial.add_array("emg", data=numpy.arange(6.0).reshape(2, 3))
            writer.write(trial)
            writer.pickle({"gain": 2}, "settings")
            writer.store({"gain": 3, "long": numpy.arange(500)}, "model")
        if kind == "working dataset":
            storage.to_hdf5(path.with_suffix(".h5"))
            return path.with_suffix(".h5")
    return path


def _make_store(path: Path) -> None:
    from persist.tracking import WorkspaceStore

    with WorkspaceStore(path) as store:
        run = store.begin_run("r", {"model": Plain(a=1)}, [])
        pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
        model = store.save_artifact(Plain(a=1), "m.Plain", "model", "archive")
        steps = [{"step_idx": 1, "operator_class": "Plain", "params": {}}]
        store.save_chain(pipeline, steps, 1, "m.Plain", "", "per_fold", {"0": model}, {})


def command_lines(kind: str, path: Path) -> Iterator[list[str]]:
    """Yield the command lines that read one of a kind."""
    where = str(path)
    if kind in ("data set", "workspace"):
        yield from (["show", where, key] for key in KEYS[kind])
    if kind in ("data set", "workspace", "experiment", "working dataset"):
        yield from (["ls", where], ["ls", "--all", "--json", where], ["verify", where])
    if kind == "data set":
        yield from (["diff", where, where], ["repair", where])
    if kind == "experiment":
        yield from (["repair", where], ["zip", where, "made.zip"], ["hdf5", where, "made.h5"])
    if kind == "store":
        yield from ([*words, "--workspace", where] for words in _OF_STORES)


def other_command_lines(kind: str, path: Path) -> Iterator[list[str]]:
    """Yield the command lines that make something of one of a kind, or change it."""
    where = str(path)
    yield ["report", where, "-o", "made.html"]
    for option in ("--crate", "--bag"):
        yield ["export", where, option, f"made{option}"]
        yield ["verify", f"made{option}"]
    if kind == "data set":
        here = Path.cwd().as_uri()
        yield from (["diff", "--html", "-o", "diff.html", where, where], ["accept", where])
        yield from (["push", where, f"{here}/pushed"], ["pull", f"{here}/pushed", "pulled"])
        yield ["pull", f"{here}/{where}", "copied"]
        yield from (["verify", "copied"], ["ls", "copied"], ["pack", where, "x.csv"])
    if kind == "store":
        yield from (["import", "mlruns", "--workspace", where], ["verify", where])
        yield from (["migrate", where, "moved"], ["predict", "made.n4a", "x.csv"])


def run(arguments: Sequence[str]) -> int:
    """Run the command line, where misuse of options is misuse too."""
    try:
        return main(list(arguments))
    except SystemExit as error:
        return int(error.code or 0)
