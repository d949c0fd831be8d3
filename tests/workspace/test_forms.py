"""One form per path, files that keep their permissions, and workspaces that can be copied."""

import copy
import os
import pickle
import shutil
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import ClosedError, FileInUseError, LockTimeout, PersistError
from persist.workspace.verification import verify_workspace
from tests.workspace.kinds import assert_same_items, contents, listing, sample


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "ws"


def first(make_kind):
    ws = make_kind("memory")
    ws.store("D0", "x", "older")
    return ws


FORMATS = ["hdf5", "package"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_path_has_one_form(make_kind, load, path, format):
    """The older one would be loaded otherwise."""
    other = FORMATS[1 - FORMATS.index(format)]
    first(make_kind).save(path, format=format)
    names = listing(path.parent)
    ws = sample(make_kind("memory"))
    with pytest.raises(FileExistsError, match="replace=True"):
        ws.save(path, format=other)
    assert listing(path.parent) == names
    assert load(path).get("D0", "x") == "older"
    ws.save(path, format=other, replace=True)
    assert listing(path.parent) == (["ws"] if other == "package" else ["ws.h5", "ws.json"])
    assert load(path).list_keys() == ws.list_keys()


def test_a_package_is_not_opened_in_place(make_kind, path):
    first(make_kind).save(path, format="package")
    with pytest.raises(ValueError, match="it is a package; load it, and save it in HDF5"):
        LazyAnalysisWorkspace.open(path)
    assert listing(path.parent) == ["ws"]


def test_both_forms_of_a_former_release_are_told_apart(make_kind, load, path):
    first(make_kind).save(path.parent / "other")
    sample(make_kind("memory")).save(path, format="package")
    for ending in (".h5", ".json"):
        os.rename(f"{path.parent / 'other'}{ending}", f"{path}{ending}")
    with pytest.raises(ValueError, match=r"a package is there, and an HDF5 file"):
        load(path)
    assert load(f"{path}.h5").list_keys() == {"D0": ["x"]}


def test_values_beside_the_items_of_a_package_are_not_lost(make_kind, path):
    from persist import DataSet

    ws = sample(make_kind("memory"))
    ws.save(path, format="package")
    with DataSet("ws", "w", path.parent) as dataset:
        dataset.mine = 3
    with pytest.raises(FileExistsError, match=r"a workspace did not write \(mine\)"):
        ws.save(path, format="package")
    ws.save(path, format="package", replace=True)
    assert "mine" not in DataSet("ws", "r", path.parent)


def test_what_is_no_workspace_is_not_replaced_by_a_package(make_kind, path):
    from persist import DataSet

    def folder():
        path.mkdir()
        (path / "mine.txt").write_text("mine")

    def data_set():
        with DataSet("ws", "w", path.parent) as dataset:
            dataset.mine = 3

    for make in (folder, data_set):
        make()
        names = listing(path)
        for replace in (False, True):
            with pytest.raises(FileExistsError, match="No workspace was saved here"):
                sample(make_kind("memory")).save(path, format="package", replace=replace)
        assert listing(path) == names
        shutil.rmtree(path)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", b"bytes", None, 5], ids=repr)
def test_a_path_that_no_file_can_have_is_told(make_kind, load, name):
    ws = sample(make_kind("memory"))
    for act in (
        lambda: load(name),
        lambda: AnalysisWorkspace.load_item(name, "D0", "x"),
        lambda: LazyAnalysisWorkspace.open(name),
        lambda: ws.save(name),
        lambda: ws.save(name, format="package"),
    ):
        with pytest.raises(PersistError, match="path of a workspace"):
            act()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664])
def test_files_keep_their_permissions(make_kind, path, kept):
    old = os.umask(0o022)
    try:
        ws = sample(make_kind("memory"))
        ws.save(path)
        assert mode(f"{path}.h5") == mode(f"{path}.json") == 0o644
        for ending in (".h5", ".json"):
            os.chmod(f"{path}{ending}", kept)
        ws.save(path)
        assert mode(f"{path}.h5") == mode(f"{path}.json") == kept
        with LazyAnalysisWorkspace.open(path) as lazy:
            lazy.store("D0", "x", 1)
            lazy.compact()
        assert mode(f"{path}.h5") == mode(f"{path}.json") == kept
        os.remove(f"{path}.json")
        AnalysisWorkspace.load(path)
        assert mode(f"{path}.json") == kept
    finally:
        os.umask(old)


COPIES = {
    "pickle": lambda ws: pickle.loads(pickle.dumps(ws)),
    "old pickle": lambda ws: pickle.loads(pickle.dumps(ws, protocol=2)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_workspace_is_copied(make, made, how):
    ws = sample(make("original"))
    ws.tag = ["mine"]
    made.append(COPIES[how](ws))
    found = made[-1]
    assert type(found) is type(ws)
    assert (found.workspace_id, found.name, found.created_at, found.tag) == (
        ws.workspace_id,
        "original",
        ws.created_at,
        ["mine"],
    )
    assert_same_items(found, ws)
    found.store("D0", "new", numpy.arange(3))
    found.delete("D3")
    found.add_note("D0", "labels", "note")
    assert ws.list_keys() == {"D3": ["rates", "params"], "D0": ["labels", "mixed"]}
    assert "note" not in ws.get_info("D0", "labels")


def test_a_copy_in_memory_shares_its_objects_and_not_its_names(make_kind):
    ws = sample(make_kind("memory"))
    found = copy.copy(ws)
    assert found.get("D3", "rates") is ws.get("D3", "rates")
    found.delete("D3")
    assert ws.list_namespaces() == ["D3", "D0"]


def test_what_was_loaded_is_pickled(make_kind, load, made, path):
    ws = sample(make_kind("memory"))
    for format in FORMATS:
        ws.save(path, format=format, replace=True)
        made.append(pickle.loads(pickle.dumps(load(path))))
        assert_same_items(made[-1], ws)


def test_a_closed_workspace_is_pickled_as_one(make_kind):
    ws = make_kind("lazy")
    ws.store("D0", "x", 1)
    ws.close()
    found = pickle.loads(pickle.dumps(ws))
    assert found.list_keys() == {}
    with pytest.raises(ClosedError):
        found.store("D0", "x", 1)


def analyse(kind, number):
    ws = AnalysisWorkspace() if kind == "memory" else LazyAnalysisWorkspace()
    ws.store(f"D{number}", "rates", numpy.full(100, number), note=str(number))
    return ws


@pytest.mark.cases(1)
@pytest.mark.parametrize("kind", ["memory", "lazy"])
def test_workers_return_workspaces_that_are_merged(ws, kind):
    from multiprocessing import get_context

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for found in pool.map(analyse, [kind] * 3, range(3)):
            assert ws.merge_from(found)["merged"] == 1
            if kind == "lazy":
                found.close()
    assert ws.list_keys() == {f"D{number}": ["rates"] for number in range(3)}
    assert all(ws.get(f"D{number}", "rates")[0] == number for number in range(3))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_workspace_of_spikelab_is_merged(ws, lazy):
    spikelab = pytest.importorskip("spikelab")
    from spikelab.workspace import LazyAnalysisWorkspace as Lazy

    theirs = Lazy("theirs") if lazy else spikelab.AnalysisWorkspace("theirs")
    theirs.store("D0", "x", numpy.arange(3.0), note="theirs")
    theirs.store("D0", "y", {"a": 1})
    ws.store("D0", "y", "ours")
    found = ws.merge_from(theirs)
    assert found == {"merged": 1, "skipped": 1, "skipped_keys": [("D0", "y")]}
    assert ws.get("D0", "x").tolist() == [0, 1, 2]
    assert ws.get_info("D0", "x")["note"] == "theirs"


def test_a_workspace_is_merged_by_spikelab():
    spikelab = pytest.importorskip("spikelab")
    ours = sample(AnalysisWorkspace())
    theirs = spikelab.AnalysisWorkspace()
    assert theirs.merge_from(ours)["merged"] == 4
    assert contents(ours)["D3"]["rates"] is theirs.get("D3", "rates")


FAILING = {
    "no workspace": (lambda p: h5py.File(f"{p}.h5", "w").close(), ValueError, "ws.h5' does not"),
    "no HDF5 file": (lambda p: Path(f"{p}.h5").write_text("text"), OSError, "ws.h5|signature"),
    "a pipe": (lambda p: os.mkfifo(f"{p}.h5"), OSError, "it is a pipe"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_file_that_cannot_be_opened_is_not_kept_locked(make_kind, path, name):
    make, error, message = FAILING[name]
    make(path)
    for _ in range(2):
        with pytest.raises(error, match=message):
            LazyAnalysisWorkspace.open(path, timeout=0)
        with pytest.raises(error, match=message):
            LazyAnalysisWorkspace.load(path)
    os.remove(f"{path}.h5")
    with LazyAnalysisWorkspace.open(path, timeout=0) as ws:
        ws.store("D0", "x", 1)


def test_no_temporary_folder_is_needed_to_open_a_file(path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(path.parent / "missing"))
    with LazyAnalysisWorkspace.open(path) as ws:
        ws.store("D0", "x", 1)
    with LazyAnalysisWorkspace.load(path) as ws:
        assert ws.get("D0", "x") == 1


NAMES = ["a\0b", "\ud800", "é", "\\x00", "a" * 5000]


@pytest.mark.cases(10)
@pytest.mark.parametrize("name", NAMES)
def test_a_workspace_has_any_name(make, load, path, name):
    ws = make(name)
    ws.store("D0", "x", 1)
    ws.save(path)
    assert load(path).name == name
    with LazyAnalysisWorkspace.open(path.parent / "other", name=name) as lazy:
        lazy.store("D0", "x", 1)
    assert load(path.parent / "other").name == name
    renamed = load(path)
    renamed.name = "plain"
    renamed.save(path)
    assert load(path).name == "plain"


def test_a_long_key_is_refused_by_a_package_before_anything_is_written(make, path):
    reads = []
    ws = make()
    ws.store("D0", "x", 1)
    ws.store("D0", "k" * 1000, 1)
    with pytest.raises(ValueError, match="too many for a file name, as which a package keeps it"):
        ws.save(path, format="package", progress=lambda *args: reads.append(args))
    assert reads == []
    assert listing(path.parent) == []


def test_a_file_that_was_moved_is_named_when_it_is_closed(path):
    ws = LazyAnalysisWorkspace.open(path)
    ws.store("D0", "x", 1)
    os.rename(f"{path}.h5", path.parent / "moved.h5")
    with pytest.raises(FileNotFoundError, match=r"cannot finish .* moved or removed"):
        ws.close()
    assert AnalysisWorkspace.load(path.parent / "moved").get("D0", "x") == 1
    with LazyAnalysisWorkspace.open(path, timeout=0):
        pass


def test_a_file_in_use_is_told_as_such(path):
    with (
        LazyAnalysisWorkspace.open(path),
        pytest.raises(TimeoutError, match=r"cannot open .*ws.h5: another object of this process"),
    ):
        LazyAnalysisWorkspace.open(path, timeout=0)
    reader = h5py.File(f"{path}.h5", "r")
    with pytest.raises(TimeoutError, match="another program, or another object of this one"):
        LazyAnalysisWorkspace.open(path, timeout=0)
    reader.close()


class Marker:
    """What a picture must not make."""

    def __reduce__(self):
        return print, ("source was run",)


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_runs_no_source(make_kind, load, path, capsys, format):
    ws = make_kind("memory")
    ws.store("D0", "x", [Marker()])
    ws.save(path, format=format)
    if format == "hdf5":
        with h5py.File(f"{path}.h5", "r+") as file:
            file["D0/x"].attrs["encoding-summary"] = (
                '{"type": "ndarray", "shape": [3], "dtype": "float64"}'
            )
            del file["__persist__/index"]
    found = LazyAnalysisWorkspace.load(path)
    assert "x" in found._repr_html_()
    assert capsys.readouterr().out == ""
    found.close()


def test_small_arrays_have_pictures(make, load, path):
    ws = make()
    ws.store("D0", "x", numpy.arange(5.0))
    assert "<svg" in ws._repr_html_()
    ws.save(path)
    assert "<svg" in load(path)._repr_html_()


def test_verifying_ends(make_kind, path):
    ws = sample(make_kind("memory"))
    ws.save(path)
    with h5py.File(f"{path}.h5", "r+") as file:
        item = file["D3/params"]
        group = item.create_group("huge")
        group.attrs["__type__"] = "ndarray"
        group.create_dataset("data", (2**40,), "f8", chunks=(2**10,))
        group["data"][5] = 1
        item["again"] = item
    assert verify_workspace(path).checked == 4
    with h5py.File(f"{path}.h5", "r+") as file:
        file["D3/params/soft"] = h5py.SoftLink("/D3")
    report = verify_workspace(path)
    assert [line.partition(":")[0] for line in report.damaged] == ["D3/params"]
    assert "a soft link" in report.damaged[0]


def test_the_names_in_the_documents_can_be_imported():
    from persist.workspace import workspace

    assert workspace.LazyAnalysisWorkspace is LazyAnalysisWorkspace
    assert workspace.WorkspaceManager
    assert workspace.get_workspace_manager
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        workspace.nothing  # noqa: B018
    from persist import storage
    from persist.experiment import Storage, storage_to_hdf5, storage_to_zip

    assert storage.Storage is Storage
    assert (storage.storage_to_zip, storage.storage_to_hdf5) == (storage_to_zip, storage_to_hdf5)


@pytest.mark.parametrize("form", ["package", "hdf5"])
def test_a_package_that_was_loaded_can_be_replaced_by_what_was_made_of_it(tmp_path, form):
    before = AnalysisWorkspace()
    for key in "abc":
        before.store("D", key, key)
    before.save(tmp_path / "ws", format="package")
    with LazyAnalysisWorkspace.load(tmp_path / "ws") as ws:
        ws.delete("D", "c")
        for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
            ws.rename("D", old, new)
        ws.store("D", "new", [1])
        for _ in range(2):
            ws.save(tmp_path / "ws", format=form, replace=True)
            assert {key: ws.get("D", key) for key in ws.list_keys("D")} == {
                "a": "b",
                "b": "a",
                "new": [1],
            }
        ws.save(tmp_path / "other")
    for name in ("ws", "other"):
        assert AnalysisWorkspace.load(tmp_path / name).get("D", "a") == "b"


def test_a_package_that_another_replaced_is_not_read_in_the_place_of_that_which_was_loaded(
    tmp_path,
):
    for value in ("mine", "theirs"):
        ws = AnalysisWorkspace()
        ws.store("D", "x", value)
        if value == "mine":
            ws.save(tmp_path / "ws", format="package")
            loaded = LazyAnalysisWorkspace.load(tmp_path / "ws")
        else:
            ws.save(tmp_path / "ws", format="package")
    with loaded, pytest.raises(ClosedError, match=r"was replaced or removed .* load it again"):
        loaded.get("D", "x")


def test_a_file_that_is_open_in_place_is_not_replaced_by_a_package(tmp_path):
    with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
        ws.store("D", "x", 1)
        with pytest.raises(ValueError, match="is kept in that file; save it to another path"):
            ws.save(tmp_path / "ws", format="package", replace=True, timeout=0.1)
        assert not (tmp_path / "ws").exists()
    assert AnalysisWorkspace.load(tmp_path / "ws").get("D", "x") == 1


def test_a_file_that_another_program_writes_is_not_replaced_by_a_package(tmp_path):
    pytest.importorskip("fcntl")
    ws = AnalysisWorkspace()
    ws.store("D", "x", 1)
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+"), pytest.raises(FileInUseError):
        ws.save(tmp_path / "ws", format="package", replace=True, timeout=0.1)
    assert not (tmp_path / "ws").exists()
    with LazyAnalysisWorkspace.open(tmp_path / "ws"), pytest.raises(LockTimeout):
        ws.save(tmp_path / "ws", format="package", replace=True, timeout=0.1)
    assert not (tmp_path / "ws").exists()
