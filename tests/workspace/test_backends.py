"""What every place for the objects of a workspace does, checked behind its back."""

import ast
import os
from pathlib import Path

import h5py
import numpy
import pytest

import persist.workspace
from persist import AnalysisWorkspace
from persist.workspace.backend import MemoryBackend, SavedFile
from persist.workspace.file_backend import InPlaceFile, TemporaryFile
from persist.workspace.groups import Header
from persist.workspace.loaded import LoadedFile
from persist.workspace.package import SavedPackage
from persist.workspace.pair import Pair
from tests.same import assert_same

HEADER = Header("an-id", "name", 1.0)
OBJECTS = {
    "array": numpy.arange(6.0).reshape(2, 3),
    "dict": {"a": 1, "b": numpy.arange(3)},
    "a/b": [1, "two", None],
    "": "text",
}
BACKENDS = {
    "memory": lambda folder: MemoryBackend(),
    "temporary": lambda folder: TemporaryFile(HEADER),
    "in place": lambda folder: InPlaceFile(Pair.at(folder / "ws"), HEADER, 0),
    "loaded": lambda folder: loaded(folder),
}


def entry(note=None):
    found = {"type": "?", "created_at": 2.0}
    return found if note is None else {**found, "note": note}


def saved(folder):
    ws = AnalysisWorkspace()
    for key, obj in OBJECTS.items():
        ws.store("D0", key, obj)
    ws.save(folder / "saved")
    return SavedFile(h5py.File(folder / "saved.h5", "r"))


def loaded(folder, *places):
    (folder / "loaded").mkdir()
    return LoadedFile(HEADER, saved(folder / "loaded"), places)


def package(folder):
    ws = AnalysisWorkspace()
    for key, obj in OBJECTS.items():
        ws.store("D0", key, obj)
    ws.save(folder / "package", format="package")
    return SavedPackage(str(folder / "package"))


SOURCES = {"saved": saved, "package": package}


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    made = BACKENDS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture(params=[*BACKENDS, *SOURCES])
def source(request, tmp_path):
    """Return a source of the objects."""
    if request.param in SOURCES:
        made = SOURCES[request.param](tmp_path)
    else:
        (tmp_path / "source").mkdir()
        made = BACKENDS[request.param](tmp_path / "source")
        for key, obj in OBJECTS.items():
            made.put("D0", key, obj, entry())
    yield made
    made.close()


def check_missing(backend, *keys):
    """Check that these objects are missing; None may be an object."""
    for key in keys:
        with pytest.raises(KeyError, match="workspace item not found"):
            backend.read("D0", key)


def test_objects_are_read(source):
    for key, obj in OBJECTS.items():
        assert_same(source.read("D0", key), obj)


def test_objects_are_copied_to_a_file_under_other_names(source, tmp_path):
    with h5py.File(tmp_path / "copy.h5", "w", track_order=True) as file:
        for number, key in enumerate(OBJECTS):
            source.copy_to(file, "D0", key, ("D1", f"k{number}"), entry("n"))
        assert [file[f"D1/k{number}"].attrs["__note__"] for number in range(4)] == ["n"] * 4
        assert file["D1/k0"].attrs["__created_at__"] == 2.0
        assert file["D1/k0/data"][()].tolist() == OBJECTS["array"].tolist()
        found = SavedFile(file)
        for number, obj in enumerate(OBJECTS.values()):
            assert_same(found.read("D1", f"k{number}"), obj)


def test_objects_of_every_source_are_taken(backend, source):
    backend.put("D1", "x", "older", entry())
    for key, obj in OBJECTS.items():
        backend.take(source, ("D0", key), ("D1", "x"), entry())
        assert_same(backend.read("D1", "x"), obj)


def test_a_change_is_there_when_its_call_returns(backend):
    backend.put("D0", "x", numpy.arange(3), entry())
    backend.put("D0", "x", numpy.arange(5), entry())
    backend.put("D0", "y", [1], entry())
    backend.set_note("D0", "x", "note")
    backend.move("D0", "x", "z")
    check_missing(backend, "x")
    assert backend.read("D0", "z").tolist() == [0, 1, 2, 3, 4]
    backend.move("D0", "z", "y")
    assert backend.read("D0", "y").tolist() == [0, 1, 2, 3, 4]
    if isinstance(backend, InPlaceFile):
        # Nothing but the file, as others would see it after a crash.
        copy = f"{backend.path}.copy"
        Path(copy).write_bytes(Path(backend.path).read_bytes())
        with h5py.File(copy, "r") as file:
            assert list(file["D0"]) == ["y"]
            assert file["D0/y/data"][()].tolist() == [0, 1, 2, 3, 4]
            assert file["D0/y"].attrs["__note__"] == "note"
        os.remove(copy)
    backend.remove("D0", ["y"])
    check_missing(backend, "y")
    if not isinstance(backend, MemoryBackend):
        assert "D0" not in getattr(backend, "added", backend).file


def test_objects_that_were_loaded_make_way_for_new_ones_and_stay_in_their_file(tmp_path):
    names = ["array", "dict", "a/b"]
    backend = loaded(tmp_path, *(("D0", key) for key in names))
    backend.set_note("D0", "array", "only in the index")
    backend.put("D0", "dict", "new", entry())
    backend.move("D0", "array", "dict")  # what was loaded in the place of what is new
    assert_same(backend.read("D0", "dict"), OBJECTS["array"])
    assert "D0" not in backend.file
    backend.put("D0", "new", [1], entry())
    backend.move("D0", "new", "a/b")  # and the reverse
    backend.move("D0", "a/b", "c")
    check_missing(backend, "array", "new", "a/b")
    assert backend.read("D0", "c") == [1]
    backend.remove("D0", ["c", "dict"])
    assert "D0" not in backend.file
    for key, obj in OBJECTS.items():
        assert_same(backend.saved.read("D0", key), obj)
    backend.close()


@pytest.mark.parametrize("kind", ["temporary", "in place"])
def test_what_cannot_be_stored_changes_nothing(tmp_path, kind):
    backend = BACKENDS[kind](tmp_path)
    backend.put("D0", "x", 1, entry())
    with pytest.raises(TypeError, match="Cannot serialise"):
        backend.put("D0", "x", (i for i in []), entry())
    assert backend.read("D0", "x") == 1
    backend.close()


def imports_of(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("persist.workspace."):
            yield node.module.rpartition(".")[2]


def test_no_module_of_the_package_leads_back_to_itself():
    folder = Path(persist.workspace.__file__).parent
    graph = {path.stem: set(imports_of(path)) for path in folder.glob("*.py")}
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"these import each other: {sorted(graph)}"
        for name in leaves:
            del graph[name]


def test_what_saves_and_merges_knows_no_workspace():
    folder = Path(persist.workspace.__file__).parent
    for name in ("saving", "index", "package", "foreign", "pair", "backend"):
        assert not {"workspace", "lazy"} & set(imports_of(folder / f"{name}.py"))
