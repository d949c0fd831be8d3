"""The same files in both libraries: the original reads what we save, and we what it saves."""

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.hdf5 import read_item
from tests.same import assert_same
from tests.workspace.kinds import KINDS

spikelab = pytest.importorskip("spikelab")
theirs = pytest.importorskip("spikelab.workspace.workspace")
their_io = pytest.importorskip("spikelab.workspace.hdf5_io")


def objects():
    """Return one object of each type that both libraries store."""
    trains = [numpy.array([1.0, 5.5, 20.0]), numpy.array([2.5]), numpy.array([])]
    sd = spikelab.SpikeData(
        trains,
        length=100.0,
        metadata={"unit": "ms", "grid": numpy.arange(4).reshape(2, 2)},
        neuron_attributes=[{"depth": 1.5, "site": "a"}, {"depth": 2.5}, {"site": "c"}],
    )
    return {
        "spikedata": sd,
        "rates": spikelab.RateData(numpy.arange(6.0).reshape(2, 3), numpy.arange(3.0)),
        "rate_stack": spikelab.RateSliceStack(event_matrix=numpy.ones((2, 4, 3)), step_size=0.5),
        "spike_stack": sd.frames(25.0),
        "matrix": spikelab.PairwiseCompMatrix(
            numpy.eye(3), labels=["a", "b", "c"], metadata={"delt": 20}
        ),
        "matrices": spikelab.PairwiseCompMatrixStack(
            numpy.ones((2, 2, 3)), labels=[4, 5], times=[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
        ),
        "array": numpy.arange(6, dtype="f4").reshape(2, 3),
        "texts": numpy.array(["a", "é"]),
        "dict": {"z": 1, "a": 2.5, "s": "text", "n": None, "m": {"x": numpy.arange(3)}},
    }


NAMES = list(objects())


def plain(obj):
    """Return what an object of spikelab holds, for both sides to be compared."""
    if type(obj).__module__.startswith("spikelab."):
        return {"class": type(obj).__name__, **{k: plain(v) for k, v in vars(obj).items()}}
    if isinstance(obj, dict):
        return {key: plain(value) for key, value in sorted(obj.items())}
    if isinstance(obj, (list, tuple)):
        return [plain(item) for item in obj]
    if isinstance(obj, numpy.ndarray):
        return [str(obj.dtype), obj.tolist()]
    return obj


def filled(workspace):
    for number, (name, obj) in enumerate(objects().items()):
        workspace.store(f"D{number % 2}", name, obj, note=f"note {number}")
    return workspace


def entries(workspace):
    """Return the index, in one order, since the original keeps none."""
    return {
        (namespace, key): entry
        for namespace, keys in sorted(workspace.describe().items())
        for key, entry in sorted(keys.items())
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_loads_what_is_saved(make_kind, tmp_path, kind):
    ws = filled(make_kind(kind, "ours"))
    ws.save(tmp_path / "ws")
    found = theirs.AnalysisWorkspace.load(str(tmp_path / "ws"))
    check_same(found, ws)


def check_same(found, wanted):
    assert (found.workspace_id, found.name) == (wanted.workspace_id, wanted.name)
    assert found.created_at == wanted.created_at
    assert entries(found) == entries(wanted)
    for number, (name, obj) in enumerate(objects().items()):
        assert plain(found.get(f"D{number % 2}", name)) == plain(obj), name


def test_the_original_loads_a_file_that_is_changed_in_place(tmp_path):
    with LazyAnalysisWorkspace.open(tmp_path / "ws", name="ours") as ws:
        filled(ws)
        ws.store("D0", "spikedata", 1, note="replaced")
        ws.store("D0", "spikedata", objects()["spikedata"])
        ws.rename("D0", "array", "other")
        ws.rename("D0", "other", "array")
        ws.add_note("D0", "spikedata", "note 0")
        index = entries(ws)
    found = theirs.AnalysisWorkspace.load(str(tmp_path / "ws"))
    assert entries(found) == index
    for number, (name, obj) in enumerate(objects().items()):
        assert plain(found.get(f"D{number % 2}", name)) == plain(obj), name


@pytest.mark.parametrize("cls", ["AnalysisWorkspace", "LazyAnalysisWorkspace"])
def test_what_the_original_saves_is_loaded(tmp_path, load, cls):
    saved = filled(getattr(theirs, cls)(name="theirs"))
    saved.save(str(tmp_path / "ws"))
    check_same(load(tmp_path / "ws"), saved)


def test_what_the_original_saves_is_opened_and_changed_in_place(tmp_path):
    saved = filled(theirs.AnalysisWorkspace(name="theirs"))
    saved.save(str(tmp_path / "ws"))
    with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
        check_same(ws, saved)
        ws.store("D0", "new", numpy.arange(3))
        ws.delete("D1", "rates")
        ws.rename("D0", "spikedata", "renamed")
    found = theirs.AnalysisWorkspace.load(str(tmp_path / "ws"))
    assert found.get("D0", "new").tolist() == [0, 1, 2]
    assert plain(found.get("D0", "renamed")) == plain(objects()["spikedata"])
    assert "rates" not in found.list_keys("D1")


def extras_by_item(path):
    """Return the names of what no encoding reads of the items of a file."""
    found = {}
    with h5py.File(f"{path}.h5", "r") as file:
        for namespace in ("D0", "D1"):
            for key, group in file[namespace].items():
                extras = []
                read_item(group, extras=extras)
                found[key] = [name for extra in extras for name in extra.attributes + extra.members]
    return found


def test_all_that_either_library_writes_is_read(tmp_path):
    filled(AnalysisWorkspace()).save(tmp_path / "ours")
    filled(theirs.AnalysisWorkspace(name="theirs")).save(str(tmp_path / "theirs"))
    for name in ("ours", "theirs"):
        assert extras_by_item(tmp_path / name) == {key: [] for key in NAMES}, name


@pytest.mark.parametrize("library", ["ours", "theirs"])
def test_what_others_have_put_into_an_item_is_kept(tmp_path, library):
    ws = AnalysisWorkspace() if library == "ours" else theirs.AnalysisWorkspace()
    filled(ws).save(str(tmp_path / "ws"))
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        for name in (
            *("D0/spikedata", "D0/spikedata/spike_times", "D0/spikedata/neuron_attributes/depth"),
            *("D1/spike_stack/spike_stack/1", "D1/rates/times", "D1/matrices/labels"),
        ):
            file[name].attrs["unit"] = "ms"
        file["D0/spikedata/quality"] = [0.5]
    before = extras_by_item(tmp_path / "ws")
    assert sum(map(len, before.values())) == 7
    AnalysisWorkspace.load(tmp_path / "ws").save(tmp_path / "again")
    assert extras_by_item(tmp_path / "again") == before
    check_same(theirs.AnalysisWorkspace.load(str(tmp_path / "again")), ws)


@pytest.mark.parametrize("name", NAMES)
def test_the_original_loads_one_item(tmp_path, name):
    ws = AnalysisWorkspace()
    obj = objects()[name]
    ws.store("D0", name, obj)
    ws.save(tmp_path / "ws")
    found = theirs.AnalysisWorkspace.load_item(str(tmp_path / "ws"), "D0", name)
    assert plain(found) == plain(obj)


def test_the_summaries_are_those_of_the_original():
    ours = AnalysisWorkspace()
    for name, obj in {**objects(), "set": {1}, "none": None}.items():
        assert ours._make_summary(obj) == theirs._make_summary(obj), name


def test_both_save_the_same_to_the_json_file(tmp_path):
    ours, original = filled(AnalysisWorkspace("x")), filled(theirs.AnalysisWorkspace(name="x"))
    ours.save(tmp_path / "ours")
    original.save(str(tmp_path / "theirs"))
    import json

    ours, original = (
        json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("ours", "theirs")
    )
    del ours["save_id"]
    assert list(ours) == list(original)
    assert [*ours["index"]["D0"]] == [*original["index"]["D0"]]
    for document in (ours, original):
        for keys in document["index"].values():
            for entry in keys.values():
                entry["created_at"] = 0
    assert ours["index"] == original["index"]


def test_the_original_leaves_out_what_only_we_need(tmp_path):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", {"list": [1, 2], "a": 1})
    ws.save(tmp_path / "ws")
    found = theirs.AnalysisWorkspace.load(str(tmp_path / "ws"))
    assert found.list_namespaces() == ["D0"]
    assert found.get("D0", "x")["list"].tolist() == [1, 2]


def test_notes_that_the_original_sets_are_seen(tmp_path, load):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", 1, note={"a": 1})
    ws.store("D0", "y", 1)
    ws.save(tmp_path / "ws")
    their_io.set_note_in_file(str(tmp_path / "ws.h5"), "D0", "y", "theirs")
    their_io.set_note_in_file(str(tmp_path / "ws.h5"), "D0", "x", "theirs too")
    found = load(tmp_path / "ws")
    assert found.get_info("D0", "y")["note"] == "theirs"
    assert found.get_info("D0", "x")["note"] == "theirs too"


def test_items_that_the_original_writes_are_seen(tmp_path, load):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", 1)
    ws.save(tmp_path / "ws")
    their_io.dump_item_to_file(str(tmp_path / "ws.h5"), "D0", "x", numpy.arange(3), 5.0, "note")
    found = load(tmp_path / "ws")
    assert_same(found.get("D0", "x"), numpy.arange(3))
    assert found.get_info("D0", "x")["created_at"] == 5.0
    assert found.get_info("D0", "x")["shape"] == [3]


def test_names_and_ids_of_bytes_are_read(tmp_path, load):
    with h5py.File(tmp_path / "ws.h5", "w") as file:
        file.attrs["__workspace_id__"] = numpy.bytes_(b"an id")
        file.attrs["__workspace_name__"] = numpy.bytes_("é".encode())
    found = load(tmp_path / "ws")
    assert (found.workspace_id, found.name, found.created_at) == ("an id", "é", 0.0)
