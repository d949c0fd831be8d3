"""A workspace as a package, which can be imported without persist."""

import os
import shutil
import sys

import numpy
import pytest

import persist
from persist import AnalysisWorkspace, DataSet, LazyAnalysisWorkspace
from persist.dataset import Results
from persist.errors import DamagedError, DataSetError, LockTimeout
from persist.files import FolderLock
from tests.dataset.bare import run_bare
from tests.dataset.states import snapshot
from tests.interpreters import Interpreter
from tests.same import assert_same
from tests.workspace.kinds import assert_same_items, contents, listing, sample

HERE = Interpreter(sys.version_info[:2], sys.executable)


@pytest.fixture
def path(tmp_path):
    """Return the path of a package, in a folder of its own."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "results"


@pytest.fixture
def saved(path):
    """Return a workspace that was saved as a package."""
    ws = sample(AnalysisWorkspace("saved"))
    ws.save(path, format="package")
    return ws


def test_what_is_saved_is_loaded_with_order_notes_times_and_name(make, path, load):
    ws = sample(make("recordings"))
    ws.save(path, format="package")
    found = load(path)
    assert_same_items(found, ws)
    assert (found.workspace_id, found.name) == (ws.workspace_id, "recordings")
    assert found.created_at == ws.created_at
    assert listing(path.parent) == ["results"]


def test_it_is_imported_without_persist(path):
    ws = AnalysisWorkspace()
    ws.store("D0", "sttc_matrix", numpy.arange(100.0).reshape(10, 10), note="STTC")
    ws.store("D0", "params", {"a": [1, "x"]})
    ws.store("D0", "sttc 20ms", 2.5)
    ws.store("3-days", "x", numpy.arange(3))
    ws.save(path, format="package")
    printed = run_bare(
        HERE,
        path.parent,
        "import results",
        "print(results.D0.sttc_matrix.sum(), results.D0.sttc_matrix.shape)",
        "import results.D0",
        "print(results.D0.params, results.D0.named_sttc_20_20ms)",
        "print(results.named_3_2d_days.x)",
        "print(results.D0._info_dict['sttc_matrix'])",
        "from results.D0 import params; print(params)",
        flags="-IB",
    )
    assert printed.splitlines() == [
        "4950.0 (10, 10)",
        "{'a': [1, 'x']} 2.5",
        "[0 1 2]",
        "STTC",
        "{'a': [1, 'x']}",
    ]


def test_it_is_a_data_set_whose_namespaces_are_sub_packages(saved, path):
    ds = DataSet("results", "r", path=path.parent)
    assert set(ds._namespaces()) == {"D0", "D3"}
    assert ds._namespace("D3")._info_dict == {"rates": "Hz", "params": None}
    assert_same(ds._namespace("D3").rates, saved.get("D3", "rates"))
    assert ds._namespace("D0")["mixed"] == {"by": "hand"}
    assert persist.verify(path).ok


@pytest.mark.parametrize("spelled", [str, lambda path: path, lambda path: f"{path}/"], ids=range(3))
def test_the_path_is_that_of_the_folder(saved, path, load, spelled):
    assert_same_items(load(spelled(path)), saved)
    assert_same(AnalysisWorkspace.load_item(spelled(path), "D3", "rates"), saved.get("D3", "rates"))


def test_a_path_relative_to_the_process_is_found(saved, path, load, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert_same_items(load("results"), saved)
    saved.save("other", format="package")
    assert listing(path.parent) == ["other", "results"]


def test_saving_again_replaces_all_of_it(saved, path, load):
    ws = AnalysisWorkspace()
    ws.store("D9", "x", 1)
    ws.save(path, format="package")
    assert_same_items(load(path), ws)
    assert listing(path.parent) == ["results"]
    assert not (path / "D3").exists()


def test_what_was_loaded_is_saved_where_it_came_from(saved, path, load):
    found = load(path)
    found.delete("D3", "params")
    found.store("D0", "new", numpy.arange(50))
    found.save(path, format="package")
    again = AnalysisWorkspace.load(path)
    assert again.list_keys() == {"D3": ["rates"], "D0": ["labels", "mixed", "new"]}
    assert again.get("D0", "new").tolist() == list(range(50))


def test_a_package_is_saved_as_hdf5_and_back(saved, path, load, tmp_path):
    load(path).save(tmp_path / "ws")
    assert_same_items(load(tmp_path / "ws"), saved)
    load(tmp_path / "ws").save(tmp_path / "again", format="package")
    assert_same_items(load(tmp_path / "again"), saved)


def test_lazy_loading_reads_no_objects(saved, path, monkeypatch):
    loads = []
    real = Results.load

    def load(self, key, *args):
        loads.append(key)
        return real(self, key, *args)

    monkeypatch.setattr(Results, "load", load)
    with LazyAnalysisWorkspace.load(path) as ws:
        assert ws.describe() == saved.describe()
        assert loads == []
        ws.get("D3", "rates")
    assert loads == ["rates"]


def test_handles_of_a_package_read_the_file(path):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", numpy.arange(1000.0))
    ws.save(path, format="package")
    with LazyAnalysisWorkspace.load(path) as found:
        handle = found.get("D0", "x", lazy=True)
        assert isinstance(handle, numpy.memmap)
        assert handle[5:7].tolist() == [5.0, 6.0]
        del handle


def test_notes_that_were_set_as_infos_are_seen(saved, path, load):
    ds = DataSet("results", "w", path=path.parent)
    ds._namespace("D3")["params"] = "by hand"
    found = load(path)
    assert found.get_info("D3", "params")["note"] == "by hand"


def test_values_that_were_added_to_the_data_set_are_seen(saved, path, load):
    ds = DataSet("results", "w", path=path.parent)
    ds._namespace("D3").added = [1, 2]
    ds._namespace("D9").added = "text"
    found = load(path)
    assert found.list_keys() == {
        "D3": ["rates", "params", "added"],
        "D0": ["labels", "mixed"],
        "D9": ["added"],
    }
    assert found.get("D3", "added") == [1, 2]
    assert found.get_info("D9", "added") == {"type": "str", "created_at": 0.0}
    assert "D9/added" in repr(found)


def test_a_value_that_was_replaced_in_the_data_set_is_seen(saved, path, load):
    DataSet("results", "w", path=path.parent)._namespace("D3").rates = "text"
    found = load(path)
    assert found.get("D3", "rates") == "text"
    assert found.get_info("D3", "rates")["type"] == "str"
    assert "shape" not in found.get_info("D3", "rates")


def test_a_missing_value_is_an_error_or_left_out(saved, path):
    os.remove(path / "D3" / "params.py")
    for act in (
        lambda: AnalysisWorkspace.load(path),
        lambda: AnalysisWorkspace.load_item(path, "D3", "params"),
    ):
        with pytest.raises(DamagedError, match=r"params\.py is missing, which holds the value"):
            act()
    with pytest.warns(persist.PersistWarning, match=r"1 item\(s\) cannot be read: D3/params"):
        found = AnalysisWorkspace.load(path, errors="skip")
    assert list(found.unreadable) == [("D3", "params")]
    assert found.list_keys() == {"D3": ["rates"], "D0": ["labels", "mixed"]}


def write_text(path):
    path.write_text("mine")


def make_folder(path):
    path.mkdir()
    (path / "x").write_text("mine")


def make_data_set(path):
    DataSet("results", "w", path=path.parent).x = 1


def make_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "make", [write_text, make_folder, make_data_set, make_link], ids=lambda make: make.__name__
)
def test_what_no_workspace_has_written_is_not_replaced(path, make):
    make(path)
    before = snapshot(path.parent) if make is not make_link else os.readlink(path)
    with pytest.raises(FileExistsError, match="choose another path"):
        sample(AnalysisWorkspace()).save(path, format="package")
    assert (snapshot(path.parent) if make is not make_link else os.readlink(path)) == before
    assert listing(path.parent) == ["results"]


def test_another_data_set_is_no_workspace(path, load):
    make_data_set(path)
    with pytest.raises(DataSetError, match="no workspace was saved there"):
        load(path)


def test_an_item_that_cannot_be_stored_leaves_the_former_package(saved, path, load):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", 1)
    ws.store("D0", "y", (i for i in []))
    with pytest.raises(TypeError, match="generator"):
        ws.save(path, format="package")
    assert listing(path.parent) == ["results"]
    assert_same_items(load(path), saved)


@pytest.mark.parametrize("name", ["my-results", "3", "class", "a.b"])
def test_a_name_that_no_import_statement_takes_is_loaded_all_the_same(tmp_path, name, load):
    ws = sample(AnalysisWorkspace())
    ws.save(tmp_path / name, format="package")
    assert_same_items(load(tmp_path / name), ws)


def test_a_second_writer_waits_for_the_first(saved, path):
    with FolderLock(path.parent, name=".results.lock", keep=False), pytest.raises(LockTimeout):
        saved.save(path, format="package", timeout=0)
    saved.save(path, format="package")
    assert listing(path.parent) == ["results"]


def break_between_the_renames(path):
    """Leave what a writer leaves that dies there."""
    os.rename(path, path.parent / ".results.replaced")
    shutil.copytree(
        path.parent / ".results.replaced", path.parent / ".results.replacing" / "results"
    )


def test_a_crash_between_the_renames_is_recovered_by_a_reader(saved, path, load):
    break_between_the_renames(path)
    assert_same_items(load(path), saved)
    assert "results" in listing(path.parent)


def test_a_crash_between_the_renames_is_recovered_for_one_item(saved, path):
    break_between_the_renames(path)
    assert_same(AnalysisWorkspace.load_item(path, "D3", "rates"), saved.get("D3", "rates"))


def test_a_crash_between_the_renames_is_recovered_by_a_writer(saved, path, load):
    break_between_the_renames(path)
    ws = AnalysisWorkspace()
    ws.store("D0", "x", (i for i in []))
    with pytest.raises(TypeError):
        ws.save(path, format="package")
    assert_same_items(load(path), saved)
    assert listing(path.parent) == ["results"]


def test_what_a_crash_after_the_renames_left_is_removed_by_the_next_writer(saved, path, load):
    shutil.copytree(path, path.parent / ".results.replaced")
    assert_same_items(load(path), saved)
    ws = AnalysisWorkspace()
    ws.store("D0", "x", 1)
    ws.save(path, format="package")
    assert listing(path.parent) == ["results"]
    assert contents(load(path)) == {"D0": {"x": 1}}


def test_values_that_were_added_to_a_namespace_are_not_replaced(saved, path, load):
    namespace = next(name for name in saved.list_namespaces() if name.isidentifier())
    getattr(DataSet(path, "a"), namespace).added = [1.5]
    with pytest.raises(FileExistsError, match=f"{namespace}.added"):
        saved.save(path, format="package")
    assert load(path).get(namespace, "added") == [1.5]
    saved.save(path, format="package", replace=True)
    assert load(path).get(namespace, "added") is None
