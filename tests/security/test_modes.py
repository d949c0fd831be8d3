"""A file that replaces another keeps its permissions, so what was private stays so."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.archive import Archive
from persist.experiment import Storage
from persist.tracking import WorkspaceStore
from tests.security.samples import make, run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")


def write_data_set(folder: Path, data_format: str = "npy") -> None:
    """Write a value and an info into a data set."""
    with persist.DataSet("ds", "w", path=str(folder), data_format=data_format) as dataset:
        dataset.x = [numpy.arange(1000.0)]
        dataset.y = 1
        dataset.x_info = "of x"


def write_module(folder: Path, data_format: str = "npy") -> None:
    """Save an archive with external arrays."""
    archive = Archive(array_threshold=0)
    archive.insert(x=numpy.arange(10.0))
    archive.save(folder, name="module", data_format=data_format, force=True)


def write_workspace(folder: Path) -> None:
    """Save a workspace as an HDF5 file and its description."""
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", numpy.arange(3.0))
    workspace.save(str(folder / "workspace"))


def write_package(folder: Path) -> None:
    """Save a workspace as a data set."""
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", numpy.arange(3000.0))
    workspace.save(str(folder / "package"), format="package")


def write_report(folder: Path) -> None:
    """Write the report of a data set."""
    if not (folder / "data_set").exists():
        make("data set", folder)
    assert run(["report", str(folder / "data_set"), "-o", str(folder / "report.html")]) == 0


def write_exports(folder: Path) -> None:
    """Copy an experiment to one file."""
    if not (folder / "experiment").exists():
        make("experiment", folder)
    for command, name in (("zip", "made.zip"), ("hdf5", "made.h5")):
        assert run([command, str(folder / "experiment"), str(folder / name)]) == 0


def write_task(folder: Path) -> None:
    """Write an experiment, or another task of it."""
    if not (folder / "experiment").exists():
        make("experiment", folder)
        return
    storage = Storage(folder / "experiment", durable=False)
    storage.subject_id = "p0"
    with storage.create_task("other") as writer:
        writer.store({"gain": 3}, "model")


def write_store(folder: Path) -> None:
    """Write a run store, or another run of it."""
    pytest.importorskip("duckdb")
    if not (folder / "store").exists():
        make("store", folder)
    with WorkspaceStore(folder / "store") as store:
        store.begin_run("another", {}, [])


def write_bundles(folder: Path) -> None:
    """Record a chain with artifacts of each kind, and export it in each format."""
    for library in ("duckdb", "sklearn", "joblib", "yaml", "pyarrow"):
        pytest.importorskip(library)
    from tests.tracking.samples import Mean
    from tests.tracking.test_bundles import save_chain

    with WorkspaceStore(folder / "store") as store:
        for artifacts in ("archive", "pickle", "joblib"):
            chain = save_chain(store, [], {"0": Mean()}, format=artifacts)
            for exported in ("n4a", "n4a.py", "package"):
                # A name in which a package may be, too.
                name = f"{artifacts}_{exported.replace('.', '_')}"
                store.export_chain(chain, folder / name, format=exported)
        run = store.begin_run("another", {}, [])
        store.export_run(run, folder / "run")
        pipeline = store.begin_pipeline(run, "p", {}, [], "d", None)
        store.export_pipeline_config(pipeline, folder / "pipeline")
        store.export_predictions_parquet(folder / "predictions")


WRITERS: dict[str, Callable[[Path], Any]] = {
    "data set": write_data_set,
    "data set in HDF5": lambda folder: write_data_set(folder, "hdf5"),
    "module": write_module,
    "module with npz": lambda folder: write_module(folder, "npz"),
    "workspace": write_workspace,
    "workspace package": write_package,
    "report": write_report,
    "exports of an experiment": write_exports,
    "experiment": write_task,
    "run store": write_store,
    "bundles": write_bundles,
}


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of all files in a folder."""
    return {
        str(file.relative_to(folder)): stat.S_IMODE(file.stat().st_mode)
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


@pytest.mark.cases(4)
@pytest.mark.parametrize("kept", [0o600, 0o640])
@pytest.mark.parametrize("kind", WRITERS)
def test_file_that_is_replaced_keeps_its_permissions(
    kind: str, kept: int, tmp_path: Path, capsys: Any
) -> None:
    before = os.umask(0o022)
    try:
        WRITERS[kind](tmp_path)
        old = modes(tmp_path)
        assert set(old.values()) == {0o644}
        for name in old:
            (tmp_path / name).chmod(kept)
        WRITERS[kind](tmp_path)
    finally:
        os.umask(before)
    found = modes(tmp_path)
    assert {name: found[name] for name in found if name in old} == dict.fromkeys(
        set(old) & set(found), kept
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_new_files_are_no_more_open_than_the_umask_says(
    kind: str, tmp_path: Path, capsys: Any
) -> None:
    tmp_path.chmod(0o700)
    before = os.umask(0o077)
    try:
        WRITERS[kind](tmp_path)
    finally:
        os.umask(before)
    assert {mode & 0o077 for mode in modes(tmp_path).values()} == {0}
