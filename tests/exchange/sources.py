"""One of each kind that can be exported."""

import atexit
import functools
import os
import shutil
import tempfile

import numpy

import persist
from persist.experiment import Array, Storage, Trial

KINDS = ["data set", "workspace", "storage", "run store"]


def make(kind, folder):
    """Make one below a folder, and return its path."""
    if kind == "data set":
        return make_data_set(folder / "50 % größe")
    if kind == "workspace":
        ws = persist.AnalysisWorkspace(name="exp")
        ws.store("D0", "counts", numpy.arange(600.0).reshape(20, 30))
        ws.save(str(folder / "w"))
        return folder / "w"
    if kind == "storage":
        return make_storage(folder / "exp")
    from persist.tracking import WorkspaceStore

    with WorkspaceStore(folder / "workspace") as store:
        run = store.begin_run("first", {}, [])
        store.save_artifact({"a": 1}, "dict", "model", "joblib")
        store.complete_run(run, {})
    return folder / "workspace"


def make_storage(path, task="task 1"):
    """Make a storage with one trial at a path."""
    storage = Storage(str(path))
    storage.subject_id = "p0"
    with storage.create_task(task) as writer:
        trial = Trial({"block": 0, "trial": 0})
        trial.arrays["emg"] = Array(data=numpy.ones((2, 5)))
        writer.write(trial)
    return path


def make_data_set(path):
    """Copy a data set with two inside each other to a path."""
    shutil.copytree(_template(), path)
    return path


@functools.cache
def _template():
    # Who made it is asked of git, which takes long.
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "template")
    with persist.open(path, "w", provenance=True, durable=False) as results:
        results["x"] = numpy.arange(500.0)
        results["größe"] = {"a": [1, 2]}
        results.info["x"] = "250 Hz"
        results["x"] = numpy.arange(600.0)
        results.group("D0")["rate"] = 2.5
        results.group("D0").group("D1")["z"] = numpy.arange(400)
    return path
