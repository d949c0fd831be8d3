"""A workspace whose objects are on disk until they are got."""

import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import ClosedError
from persist.workspace import file_backend, groups
from tests.dataset.crashes import run_in_child
from tests.same import assert_same
from tests.workspace.kinds import assert_same_items, listing, sample

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def ws(make_kind):
    """Return an empty workspace on a temporary file."""
    return make_kind("lazy")


@pytest.fixture
def saved(tmp_path, make_kind):
    """Return the path of a saved workspace."""
    sample(make_kind("memory")).save(tmp_path / "saved")
    return tmp_path / "saved"


def count_reads(monkeypatch):
    """Return a list that grows with each object that is read."""
    reads = []
    real = groups.read_item

    def read_item(group, **options):
        reads.append(group.name)
        return real(group, **options)

    monkeypatch.setattr(groups, "read_item", read_item)
    return reads


def test_the_temporary_file_is_a_workspace(ws):
    path = ws._h5_path
    assert os.path.basename(path).startswith("iat_lazy_ws_")
    assert path.endswith(".h5")
    assert ws._file.attrs["__workspace_id__"] == ws.workspace_id
    assert {"__workspace_name__", "__created_at__"} <= set(ws._file.attrs)


def test_objects_are_released_when_they_are_stored(ws):
    array = numpy.arange(10)
    gone = weakref.ref(array)
    ws.store("D0", "x", array)
    del array
    gc.collect()
    assert gone() is None


def test_objects_are_equal_and_not_identical_each_time(ws):
    ws.store("D0", "x", [1, 2])
    first, second = ws.get("D0", "x"), ws.get("D0", "x")
    assert first == second == [1, 2]
    assert first is not second


def test_the_objects_are_not_kept_in_memory(ws):
    with pytest.raises(
        NotImplementedError, match=r"list_namespaces\(\), list_keys\(\) and get\(\)"
    ):
        ws._items  # noqa: B018
    ws._items = {"D0": {"x": 1}}
    assert ws.list_keys() == {}


def test_close_removes_the_file_and_forgets_all(ws):
    ws.store("D0", "x", 1)
    path = ws._h5_path
    ws.close()
    assert not os.path.exists(path)
    assert ws._h5_path is None
    assert ws.get("D0", "x") is None
    assert ws.list_keys() == {}
    with pytest.raises(TypeError, match="closed"):
        ws.store("D0", "x", 1)
    ws.close()


def test_the_end_of_a_with_block_removes_the_file():
    with LazyAnalysisWorkspace() as ws:
        path = ws._h5_path
        assert os.path.exists(path)
    assert not os.path.exists(path)


def test_an_error_in_a_with_block_removes_the_file_too():
    ws = LazyAnalysisWorkspace()
    path = ws._h5_path
    with pytest.raises(ZeroDivisionError), ws:
        raise ZeroDivisionError
    assert not os.path.exists(path)


def test_what_nobody_uses_any_more_removes_its_file():
    ws = LazyAnalysisWorkspace()
    path = ws._h5_path
    del ws
    gc.collect()
    assert not os.path.exists(path)


@pytest.mark.cases(1)
@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemError"])
def test_the_end_of_the_interpreter_removes_the_file(tmp_path, ending):
    program = (
        "import sys\nfrom persist import LazyAnalysisWorkspace\n"
        f"ws = LazyAnalysisWorkspace()\nws.store('D0', 'x', [1])\nprint(ws._h5_path)\n{ending}"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    assert os.path.dirname(done.stdout.strip()) == str(tmp_path)
    assert listing(tmp_path) == []
    assert ("SystemError" in done.stderr) == ("SystemError" in ending)


def test_a_cleanup_that_fails_is_told(make_kind, monkeypatch, capfd):
    ws = make_kind("lazy")

    def refuse():
        raise OSError("the disk is broken")

    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    with monkeypatch.context() as patch:
        patch.setattr(ws, "close", refuse)
        ws.__del__()
    assert "LazyAnalysisWorkspace cleanup failed: the disk is broken" in capfd.readouterr().err


@needs_fork
def test_a_forked_child_leaves_the_file_to_its_parent(ws):
    ws.store("D0", "x", numpy.arange(1000))

    def read_and_close():
        assert ws.get("D0", "x").sum() == 499500
        with pytest.raises(ClosedError, match="forked"):
            ws.store("D0", "y", 1)
        ws.close()

    assert run_in_child(read_and_close) == 0
    assert os.path.exists(ws._h5_path)
    ws.store("D0", "y", 1)
    assert ws.get("D0", "x").sum() == 499500
    assert ws.get("D0", "y") == 1


@needs_fork
def test_a_child_that_ends_as_programs_do_writes_nothing(tmp_path):
    program = """
import os, sys, numpy
from persist import LazyAnalysisWorkspace
ws = LazyAnalysisWorkspace()
for i in range(50):
    ws.store("D0", f"a{i}", numpy.arange(i))
reading, writing = os.pipe()
if not os.fork():
    os.read(reading, 1)
    sys.exit()
for i in range(50):
    ws.delete("D0", f"a{i}")
    ws.store("D1", f"b{i}", numpy.arange(i))
ws._file.flush()
os.write(writing, b"x")
os.wait()
ws.compact()
assert [ws.get("D1", f"b{i}").tolist() for i in range(50)] == [list(range(i)) for i in range(50)]
ws.save(sys.argv[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "ws")], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert len(AnalysisWorkspace.load(tmp_path / "ws").list_keys("D1")) == 50


def test_a_handle_is_stored_as_the_array_that_it_reads(ws, tmp_path):
    array = numpy.arange(30_000.0).reshape(100, 300)
    ws.store("D0", "x", array)
    ws.store("D0", "copy", ws.get("D0", "x", lazy=True))
    ws.store("D0", "dict", {"a": ws.get("D0", "x", lazy=True), "b": 1})
    ws.store("D0", "x", ws.get("D0", "x", lazy=True))
    other = AnalysisWorkspace()
    other.store("D0", "x", ws.get("D0", "copy", lazy=True))
    other.save(tmp_path / "package", format="package")
    assert other.get_info("D0", "x")["type"] == "ndarray"
    for found in (
        ws.get("D0", "copy"),
        ws.get("D0", "dict")["a"],
        ws.get("D0", "x"),
        pickle.loads(pickle.dumps(other)).get("D0", "x"),
        AnalysisWorkspace.load(tmp_path / "package").get("D0", "x"),
    ):
        assert_same(found, array)


def test_a_handle_reads_what_is_asked_for(ws):
    array = numpy.arange(24.0).reshape(4, 6)
    ws.store("D0", "x", array)
    handle = ws.get("D0", "x", lazy=True)
    assert (handle.shape, handle.dtype, handle.ndim) == ((4, 6), numpy.dtype("f8"), 2)
    assert (handle.size, handle.nbytes, len(handle)) == (24, 192, 4)
    assert_same(handle[1:3, ::2], array[1:3, ::2].copy())
    assert_same(handle[-1], array[-1].copy())
    assert_same(handle[...], array)
    assert_same(numpy.asarray(handle), array)
    assert_same(numpy.asarray(handle, "f4"), array.astype("f4"))
    assert numpy.sum(handle) == 276
    assert [row.tolist() for row in handle] == array.tolist()
    assert repr(handle) == "<array on disk: shape (4, 6), dtype float64>"


def test_a_handle_without_axes_has_no_length(ws):
    ws.store("D0", "x", numpy.array(2.5))
    handle = ws.get("D0", "x", lazy=True)
    assert numpy.asarray(handle) == 2.5
    with pytest.raises(TypeError, match="without axes"):
        len(handle)


def test_a_handle_cannot_be_had_without_a_copy(ws):
    ws.store("D0", "x", numpy.arange(3))
    with pytest.raises(ValueError, match="copy"):
        ws.get("D0", "x", lazy=True).__array__(copy=False)


@pytest.mark.parametrize("dtype", ["?", ">i4", "f2", "g", "c8", [("a", "i1"), ("b", ">f8", (2,))]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_handle_gives_the_dtype_of_the_array(ws, dtype, order):
    array = numpy.ones((2, 3), dtype, order=order)
    ws.store("D0", "x", array)
    handle = ws.get("D0", "x", lazy=True)
    assert handle.dtype == array.dtype
    assert_same(handle[1], array[1].copy())


def test_dicts_have_handles_and_all_else_is_read(ws):
    ws.store("D0", "x", {"array": numpy.arange(3), "inner": {"b": numpy.arange(4)}, "text": "t"})
    found = ws.get("D0", "x", lazy=True)
    assert found["array"][1:].tolist() == [1, 2]
    assert found["inner"]["b"][0] == 0
    assert found["text"] == "t"
    ws.store("D0", "y", numpy.array(["text"]))
    assert_same(ws.get("D0", "y", lazy=True), numpy.array(["text"]))


def test_memory_gives_its_objects_for_handles(make_kind):
    ws = make_kind("memory")
    array = numpy.arange(3)
    ws.store("D0", "x", array)
    assert ws.get("D0", "x", lazy=True) is array


END = {
    "replaced": lambda ws: ws.store("D0", "x", 1),
    "renamed": lambda ws: ws.rename("D0", "x", "y"),
    "removed": lambda ws: ws.delete("D0", "x"),
    "closed": lambda ws: ws.close(),
}


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("kind", ["lazy", "in place"])
def test_a_handle_of_what_is_gone_says_so(make_kind, kind, end):
    ws = make_kind(kind)
    ws.store("D0", "x", numpy.arange(3))
    handle = ws.get("D0", "x", lazy=True)
    END[end](ws)
    with pytest.raises(ClosedError, match=r"\('D0', 'x'\) was replaced, renamed or removed"):
        handle[0]


KEEP = {
    "a note": lambda ws: ws.add_note("D0", "x", "note"),
    "compacted": lambda ws: ws.compact(),
    "another item": lambda ws: ws.store("D0", "y", 1),
    "another renamed": lambda ws: (ws.store("D0", "y", 1), ws.rename("D0", "y", "z")),
}


@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("kind", ["lazy", "in place"])
def test_a_handle_lasts_as_long_as_its_item(make_kind, kind, keep):
    ws = make_kind(kind)
    ws.store("D0", "x", numpy.arange(3))
    handle = ws.get("D0", "x", lazy=True)
    KEEP[keep](ws)
    assert handle[1] == 1


def test_a_handle_of_what_was_loaded_reads_the_saved_file(saved, made):
    ws = LazyAnalysisWorkspace.load(saved)
    made.append(ws)
    handle = ws.get("D3", "rates", lazy=True)
    ws.save(saved)
    assert handle[1].tolist() == [3, 4, 5]
    ws.close()
    with pytest.raises(ClosedError):
        handle[1]


def test_loading_reads_no_objects(saved, made, monkeypatch):
    reads = count_reads(monkeypatch)
    ws = LazyAnalysisWorkspace.load(saved)
    made.append(ws)
    ws.describe()
    repr(ws)
    assert reads == []
    ws.get("D3", "rates")
    assert reads == ["/D3/rates"]


def test_one_item_is_loaded_without_the_others(saved, monkeypatch):
    reads = count_reads(monkeypatch)
    AnalysisWorkspace.load_item(saved, "D3", "rates")
    assert reads == ["/D3/rates"]


def test_what_was_loaded_is_changed_without_changing_the_file(saved, made):
    before = {name: (saved.parent / name).read_bytes() for name in listing(saved.parent)}
    ws = LazyAnalysisWorkspace.load(saved)
    made.append(ws)
    ws.store("D3", "rates", 1)
    ws.delete("D0", "labels")
    ws.rename("D0", "mixed", "other")
    ws.add_note("D3", "params", "note")
    ws.store("D4", "new", [1])
    assert ws.get("D3", "rates") == 1
    assert ws.get("D0", "labels") is None
    assert ws.get("D0", "other") == [1, "two", None, {3: 4.0}]
    assert {name: (saved.parent / name).read_bytes() for name in listing(saved.parent)} == before
    ws.save(saved.parent / "other")
    assert_same_items(AnalysisWorkspace.load(saved.parent / "other"), ws)


def test_what_was_loaded_takes_the_place_of_another_item(saved, made):
    ws = LazyAnalysisWorkspace.load(saved)
    made.append(ws)
    ws.store("D3", "new", "stored")
    assert ws.rename("D3", "rates", "new", overwrite=True)
    assert ws.get("D3", "new").shape == (2, 3)
    ws.store("D3", "other", "stored")
    assert ws.rename("D3", "other", "params", overwrite=True)
    assert ws.get("D3", "params") == "stored"
    ws.delete("D3")
    assert ws.get("D3", "new") is None
    ws.store("D3", "new", 5)
    assert ws.get("D3", "new") == 5


def test_a_namespace_that_was_loaded_is_deleted_and_no_other(tmp_path, made, make_kind):
    memory = make_kind("memory")
    memory.store("a/b", "x", 1)
    memory.save(tmp_path / "saved")
    ws = LazyAnalysisWorkspace.load(tmp_path / "saved")
    made.append(ws)
    ws.store("a", "b", {"x": 2})
    ws.delete("a/b")
    assert ws.get("a", "b") == {"x": 2}


def test_a_removed_file_is_an_error_and_made_again_by_storing(ws):
    ws.store("D0", "x", 1)
    os.remove(ws._h5_path)
    with pytest.raises(OSError, match="removed"):
        ws.get("D0", "x")
    ws.store("D0", "y", 2)
    assert ws.get("D0", "y") == 2
    assert ws.get("D0", "x") is None
    assert ws.list_keys("D0") == ["x", "y"]


def test_what_was_lost_with_its_file_is_not_saved_as_none(ws, tmp_path, make_kind):
    ws.store("D0", "x", 1)
    os.remove(ws._h5_path)
    ws.store("D0", "y", 2)
    for act in (lambda: ws.save(tmp_path / "ws"), lambda: make_kind("lazy").merge_from(ws)):
        with pytest.raises(KeyError, match=r"workspace item not found: \('D0', 'x'\)"):
            act()
    assert listing(tmp_path) == []


def test_listing_touches_no_disk(ws):
    sample(ws)
    os.remove(ws._h5_path)
    assert ws.list_namespaces() == ["D3", "D0"]
    assert ws.list_keys("D0") == ["labels", "mixed"]
    assert ws.describe()["D3"]["rates"]["shape"] == [2, 3]
    assert ws.get_info("D0", "mixed")["note"] == {"by": "hand"}
    assert "D3/rates" in repr(ws)


def test_compact_gives_back_the_space_of_what_is_gone(ws):
    for number in range(4):
        ws.store("D0", f"x{number}", numpy.zeros(100_000))
    ws.store("D0", "x0", 1)
    ws.delete("D0", "x1")
    ws.delete("D0", "x2")
    ws.compact()
    assert os.path.getsize(ws._h5_path) < 1_000_000
    assert ws.get("D0", "x0") == 1
    assert ws.get("D0", "x3").shape == (100_000,)
    ws.store("D0", "y", 2)
    assert ws.get("D0", "y") == 2
    assert ws.list_keys("D0") == ["x0", "x3", "y"]
    assert not os.path.exists(f"{ws._h5_path}.tmp")


def test_a_failing_compact_changes_nothing(ws, monkeypatch):
    sample(ws)

    def refuse(*args):
        raise OSError("the disk is broken")

    for module, name in ((file_backend, "write_header"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, refuse)
            with pytest.raises(OSError, match="broken"):
                ws.compact()
        assert not os.path.exists(f"{ws._h5_path}.tmp")
        assert ws.get("D3", "rates").shape == (2, 3)


def test_save_leaves_out_the_space_of_what_is_gone(ws, tmp_path):
    ws.store("D0", "x", numpy.zeros(100_000))
    ws.store("D0", "x", 1)
    ws.save(tmp_path / "ws")
    assert os.path.getsize(tmp_path / "ws.h5") < 100_000


def test_a_closed_workspace_replaces_nothing_that_was_saved(ws, saved):
    before = (saved.parent / "saved.h5").read_bytes()
    ws.close()
    with pytest.raises(TypeError, match="closed"):
        ws.save(saved)
    assert (saved.parent / "saved.h5").read_bytes() == before


def test_ten_threads_store_different_keys(ws):
    start = threading.Barrier(10)

    def store(number):
        start.wait()
        for i in range(10):
            ws.store(f"n{number % 3}", f"k{number}_{i}", numpy.full(50, number))
            assert ws.get(f"n{number % 3}", f"k{number}_{i}")[0] == number

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(store, range(10)))
    assert sum(map(len, ws.list_keys().values())) == 100
    for number in range(10):
        assert ws.get(f"n{number % 3}", f"k{number}_9").tolist() == [number] * 50


def test_a_failing_write_leaves_the_old_item(ws, monkeypatch):
    ws.store("D0", "x", numpy.arange(3), note="old")

    def refuse(*args):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("persist.archive.arrays.datasets.Encoded.write", refuse)
        with pytest.raises(OSError, match="full"):
            ws.store("D0", "x", numpy.arange(5))
    assert ws.get("D0", "x").tolist() == [0, 1, 2]
    ws.store("D0", "x", numpy.arange(5))
    assert ws.get("D0", "x").tolist() == [0, 1, 2, 3, 4]


def test_an_empty_namespace_is_not_saved(ws, tmp_path):
    ws.store("D0", "x", 1)
    ws.delete("D0", "x")
    assert [name for name in ws._file if not name.startswith("__")] == []
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert [name for name in file if not name.startswith("__")] == []


INDICES = {
    "backwards": numpy.s_[::-1],
    "some backwards": numpy.s_[2:0:-1, ::-2, [4, 0, 0]],
    "nothing backwards": numpy.s_[0:2:-1],
    "in another order": numpy.s_[[1, 0]],
    "small numbers in another order": numpy.s_[numpy.array([1, 0], "u1")],
    "twice, from the end": numpy.s_[..., [-1, 0, -1]],
    "a number before a list": numpy.s_[0, :, [1, 2]],
    "a list before a number": numpy.s_[[0, 1], :, 0],
    "pairs": numpy.s_[[2, 0], [1, 3]],
    "pairs around an axis": numpy.s_[[2, 0], :, [1, 3]],
    "a table": numpy.s_[:, numpy.array([[0, 1], [3, 2]])],
    "a mask and a list": numpy.s_[numpy.array([True, False, True]), [0, 2]],
    "a mask of all": numpy.arange(60).reshape(3, 4, 5) % 7 == 0,
    "a new axis": numpy.s_[:, None, 1],
    "no rows": numpy.s_[[], ::-1],
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_a_handle_is_indexed_as_an_array_is(ws, index):
    array = numpy.arange(60).reshape(3, 4, 5)
    ws.store("D0", "x", array)
    found = ws.get("D0", "x", lazy=True)[index]
    numpy.testing.assert_array_equal(found, array[index], strict=True)


@pytest.mark.parametrize("index", [[3], [-4], numpy.s_[[0], 0, 0, 0], [0.5], [True]], ids=repr)
def test_a_handle_refuses_an_index_that_an_array_refuses(ws, index):
    ws.store("D0", "x", numpy.zeros((3, 4, 5)))
    with pytest.raises(IndexError):
        ws.get("D0", "x", lazy=True)[index]
