"""What all of persist does in one way: waiting, telling how far it has come, paths and errors."""

import inspect
import io

import numpy
import pytest

import persist
import persist.experiment
import persist.workspace
from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.exchange.bag import verify_bag, write_bag
from persist.exchange.crate import verify_crate
from persist.exchange.mlflow import import_mlflow
from persist.experiment import (
    Storage,
    WorkingDataset,
    hdf5_to_storage,
    is_working_dataset,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
    zip_to_storage,
)
from persist.files import TIMEOUT
from persist.workspace.verification import verify_workspace
from tests.experiment.samples import make_storage

LONG = [
    persist.pull,
    persist.push,
    persist.report,
    AnalysisWorkspace.merge_from,
    AnalysisWorkspace.save,
    Storage.to_dataset,
    Storage.to_hdf5,
    Storage.to_zip,
    hdf5_to_storage,
    import_mlflow,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
    verify_bag,
    verify_crate,
    verify_workspace,
    zip_to_storage,
]


def public_callables():
    """Yield all public functions and classes, and the methods of these, with their names."""
    for module in (persist, persist.experiment, persist.workspace):
        for name in module.__all__:
            found = getattr(module, name)
            if not callable(found) or (inspect.isclass(found) and issubclass(found, Exception)):
                continue
            yield f"{module.__name__}.{name}", found
            for inner, method in (
                inspect.getmembers(found, callable) if inspect.isclass(found) else ()
            ):
                if not inner.startswith("_"):
                    yield f"{module.__name__}.{name}.{inner}", method


CALLABLES = dict(public_callables())
WAITING = {
    name: found
    for name, found in CALLABLES.items()
    if "timeout" in inspect.signature(found).parameters
}


@pytest.mark.parametrize("function", WAITING.values(), ids=WAITING)
def test_all_wait_equally_long_by_default(function):
    parameter = inspect.signature(function).parameters["timeout"]
    assert parameter.default == TIMEOUT


def test_all_that_waits_can_be_told_for_how_long():
    for name in ("repair", "accept", "pull", "DataSet", "AnalysisWorkspace.save"):
        assert f"persist.{name}" in WAITING
    for name in ("storage_to_zip", "storage_to_hdf5", "storage_to_dataset", "repair_storage"):
        assert f"persist.experiment.{name}" in WAITING


@pytest.mark.parametrize("function", LONG, ids=lambda function: function.__qualname__)
def test_long_work_takes_progress(function):
    parameter = inspect.signature(function).parameters["progress"]
    assert parameter.default is None
    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY


@pytest.fixture
def sources(tmp_path):
    """Return an experiment, and a workspace with its path."""
    storage = make_storage(tmp_path / "data")
    workspace = AnalysisWorkspace("w")
    workspace.store("D0", "x", numpy.arange(3.0))
    workspace.save(tmp_path / "w")
    return storage, workspace, tmp_path / "w"


CALLS = {
    "storage_to_zip": lambda s, w, p, **o: storage_to_zip(s.root, **o),
    "storage_to_hdf5": lambda s, w, p, **o: storage_to_hdf5(s.root, **o),
    "storage_to_dataset": lambda s, w, p, **o: storage_to_dataset(s.root, **o),
    "hdf5_to_storage": lambda s, w, p, **o: hdf5_to_storage(
        storage_to_hdf5(s.root), p.parent / "new", **o
    ),
    "zip_to_storage": lambda s, w, p, **o: zip_to_storage(
        storage_to_zip(s.root), p.parent / "new", **o
    ),
    "save": lambda s, w, p, **o: w.save(p, **o),
    "save package": lambda s, w, p, **o: w.save(p.parent / "q", format="package", **o),
    "merge": lambda s, w, p, **o: AnalysisWorkspace().merge_from(w, **o),
    "verify workspace": lambda s, w, p, **o: verify_workspace(p, **o),
    "verify bag": lambda s, w, p, **o: (
        write_bag(p, p.parent / "bag"),
        verify_bag(p.parent / "bag", **o),
    ),
    "report workspace": lambda s, w, p, **o: persist.report(p, p.parent / "r.html", **o),
    "report experiment": lambda s, w, p, **o: persist.report(s.root, p.parent / "r.html", **o),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_progress_is_called_with_done_total_and_a_name(call, sources):
    calls = []

    def progress(done, total, what):
        calls.append((done, total, what))

    call(*sources, progress=progress)
    done, totals, names = zip(*calls, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert done[-1] == totals[-1]
    assert all(isinstance(name, str) for name in names)


def test_progress_true_writes_a_line_to_standard_error(sources, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    storage_to_zip(sources[0].root, progress=True)
    assert "%" in stream.getvalue()


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
@pytest.mark.parametrize("extension", ["", "file"])
def test_paths_of_files_are_given_with_or_without_extension(sources, tmp_path, kind, extension):
    def named(name, end):
        return kind(tmp_path / (name + end if extension else name))

    storage, workspace, _ = sources
    storage_to_hdf5(kind(storage.root))
    storage_to_zip(kind(storage.root))
    assert list(WorkingDataset(named("data", ".hdf5")).subject_ids) == list(storage.subject_ids)
    hdf5_to_storage(named("data", ".hdf5"), kind(tmp_path / "a"))
    zip_to_storage(named("data", ".zip"), kind(tmp_path / "b"))
    for folder in ("a", "b"):
        assert list(Storage(tmp_path / folder).subject_ids) == list(storage.subject_ids)
    assert AnalysisWorkspace.load(named("w", ".h5")).describe() == workspace.describe()
    assert is_working_dataset(kind(tmp_path / "data.hdf5"))


MISSING = {
    "workspace item": lambda s, w, p: w.delete("D0", "y"),
    "workspace namespace": lambda s, w, p: w.delete("D1"),
    "renamed item": lambda s, w, p: w.rename("D0", "y", "z"),
    "note on an item": lambda s, w, p: w.add_note("D0", "y", "Hz"),
    "saved item": lambda s, w, p: AnalysisWorkspace.load_item(p, "D0", "y"),
    "workspace of a manager": lambda s, w, p: persist.WorkspaceManager().delete_workspace("x"),
    "task to read": lambda s, w, p: s.require_task("none"),
    "task to resume": lambda s, w, p: s.resume_task("none"),
    "array": lambda s, w, p: s.require_task("reach").array("none"),
    "result": lambda s, w, p: s.require_task("reach").result("none"),
    "pickle": lambda s, w, p: s.require_task("reach").pickle("none"),
    "object": lambda s, w, p: s.require_task("reach").load("none"),
    "task of a file": lambda s, w, p: WorkingDataset(storage_to_hdf5(s.root)).task("p0", "none"),
    "pickle of a file": lambda s, w, p: (
        WorkingDataset(storage_to_hdf5(s.root)).task("p0", "reach").pickle("none")
    ),
    "object of a file": lambda s, w, p: (
        WorkingDataset(storage_to_hdf5(s.root)).task("p0", "reach").load("none")
    ),
}


@pytest.mark.parametrize("use", MISSING.values(), ids=MISSING)
def test_a_missing_record_is_a_key_error(sources, use):
    storage, workspace, path = sources
    storage.subject_id = "p0"
    with pytest.raises(KeyError) as caught:
        use(storage, workspace, path)
    assert isinstance(caught.value, persist.PersistError)


def test_missing_items_of_lazy_workspaces_are_the_same_error(sources):
    _, _, path = sources
    with LazyAnalysisWorkspace.open(path) as ws:
        for use in (
            lambda: ws.delete("D0", "y"),
            lambda: ws.rename("D0", "y", "z"),
            lambda: ws.add_note("D0", "y", "Hz"),
        ):
            with pytest.raises(KeyError, match="workspace item not found"):
                use()
