"""What other software has put into the file of a workspace: reported, and never lost."""

import copy
import pickle
import warnings

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import DamagedError, PersistWarning
from tests.workspace.kinds import sample

UNREADABLE = {
    ("D3", "sttc"): "Unknown __type__ ''",
    ("D3", "alien"): "Unknown __type__ 'Alien'",
    ("D3", "number"): "dataset '/D3/number' is where an item should be",
    ("D3", "axis"): "dataset '/D3/axis' is where an item should be",
    ("axis", ""): "dataset '/axis' is where an item should be",
    ("mine", ""): "dataset '/mine' is where an item should be",
    ("soft", ""): "a link",
    ("D3", "elsewhere"): "a link",
}


@pytest.fixture
def path(tmp_path):
    """Return the path of a workspace with all sorts of things that are no items."""
    sample(AnalysisWorkspace("saved")).save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        group = file.create_group("D3/sttc/20ms")
        group.attrs["__type__"] = "ndarray"
        group["data"] = numpy.arange(3)
        alien = file.create_group("D3/alien")
        alien.attrs["__type__"] = "Alien"
        alien.create_dataset("x", data=numpy.arange(100), chunks=(10,), compression="gzip")
        alien["x"].attrs["unit"] = "mV"
        file["D3/number"] = 3.5
        file["mine"] = numpy.array(["é", "b"], h5py.string_dtype())
        file["mine"].attrs["by"] = numpy.array([1, 2], ">i2")
        file["soft"] = h5py.SoftLink("/mine")
        file["D3/elsewhere"] = h5py.ExternalLink("other.h5", "/x")
        file["__spikelab__/cache"] = [1, 2]
        file["axis"] = file["D3/axis"] = [1.5, 2.5]
        for name in ("axis", "D3/axis"):
            file[name].make_scale()
            file["__spikelab__/cache"].dims[0].attach_scale(file[name])
        file.attrs["lab"] = "lab3"
        file.attrs["numbers"] = numpy.arange(4, dtype="u1")
        file["D3"].attrs["colour"] = "red"
    return tmp_path / "ws"


def foreign(path):
    """Return all that is not of the workspace."""
    with h5py.File(f"{path}.h5", "r") as file:
        return {
            "sttc": file["D3/sttc/20ms/data"][()].tolist(),
            "sttc type": file["D3/sttc/20ms"].attrs["__type__"],
            "alien": file["D3/alien/x"][()].tolist(),
            "filters": (file["D3/alien/x"].chunks, file["D3/alien/x"].compression),
            "alien unit": file["D3/alien/x"].attrs["unit"],
            "number": file["D3/number"][()],
            "mine": file["mine"].asstr()[()].tolist(),
            "by": (file["mine"].attrs["by"].tolist(), file["mine"].attrs["by"].dtype.str),
            "soft": file.get("soft", getlink=True).path,
            "elsewhere": (
                file.get("D3/elsewhere", getlink=True).filename,
                file.get("D3/elsewhere", getlink=True).path,
            ),
            "cache": file["__spikelab__/cache"][()].tolist(),
            "scales": [scale.name for scale in file["__spikelab__/cache"].dims[0].values()],
            "lab": file.attrs["lab"],
            "numbers": (file.attrs["numbers"].tolist(), file.attrs["numbers"].dtype.str),
            "colour": file["D3"].attrs["colour"],
        }


def load(cls, path):
    with pytest.warns(PersistWarning, match=r"8 item\(s\) cannot be read"):
        return cls.load(path, errors="skip")


def open_in_place(path):
    with pytest.warns(PersistWarning, match=r"8 item\(s\) cannot be read"):
        return LazyAnalysisWorkspace.open(path, errors="skip")


OPENERS = {
    "memory": lambda path: load(AnalysisWorkspace, path),
    "lazy": lambda path: load(LazyAnalysisWorkspace, path),
    "in place": open_in_place,
}


@pytest.fixture
def before(path):
    """Return all that is not of the workspace, as it is at first."""
    return foreign(path)


@pytest.fixture(params=OPENERS)
def ws(request, path, before, made):
    made.append(OPENERS[request.param](path))
    return made[-1]


def test_what_cannot_be_read_is_an_error(path):
    for act in (AnalysisWorkspace.load, LazyAnalysisWorkspace.load, LazyAnalysisWorkspace.open):
        with pytest.raises(ValueError, match=r"Unknown __type__|is where an item should be"):
            act(path)


def test_it_is_reported_and_shown(ws):
    assert set(ws.unreadable) == set(UNREADABLE)
    for item, reason in UNREADABLE.items():
        assert reason in ws.unreadable[item]
    assert ws.list_keys() == {"D3": ["rates", "params"], "D0": ["labels", "mixed"]}
    for text in (repr(ws), ws._repr_html_()):
        assert text.count("unreadable") == 8
        assert "sttc" in text


CHANGES = {
    "nothing": lambda ws: None,
    "store": lambda ws: ws.store("D3", "new", [1, 2]),
    "overwrite": lambda ws: ws.store("D3", "rates", 1),
    "note": lambda ws: ws.add_note("D3", "rates", "note"),
    "rename": lambda ws: ws.rename("D3", "rates", "other"),
    "delete": lambda ws: ws.delete("D3", "rates"),
    "delete a namespace": lambda ws: ws.delete("D3"),
    "delete all": lambda ws: [ws.delete(name) for name in ws.list_namespaces()],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("copies", ["same", "other", "compact", "pickle"])
@pytest.mark.cases(12)
def test_it_is_never_lost(ws, path, before, tmp_path, change, copies):
    CHANGES[change](ws)
    if copies == "pickle":
        copied = copy.deepcopy(ws)
        if isinstance(ws, LazyAnalysisWorkspace):
            ws.close()
        ws, copies = copied, "other"
    if copies == "compact" and isinstance(ws, LazyAnalysisWorkspace):
        ws.compact()
    if copies in ("same", "other"):
        ws.save(path if copies == "same" else tmp_path / "other")
    keys = ws.list_keys()
    if isinstance(ws, LazyAnalysisWorkspace):
        ws.close()
    where = tmp_path / "other" if copies == "other" else path
    assert foreign(where) == before
    if copies != "compact":
        again = load(AnalysisWorkspace, where)
        assert {name: set(found) for name, found in again.list_keys().items()} == {
            name: set(found) for name, found in keys.items()
        }


def test_what_cannot_be_read_is_not_replaced(ws):
    for act in (
        lambda: ws.store("D3", "alien", 1),
        lambda: ws.rename("D3", "rates", "alien", overwrite=True),
        lambda: ws.merge_from(other(), overwrite=True),
    ):
        with pytest.raises(KeyError, match="there is an item that cannot be read"):
            act()
    assert ("D3", "alien") in ws.unreadable


def other():
    found = AnalysisWorkspace()
    found.store("D3", "alien", 1)
    return found


@pytest.mark.filterwarnings("ignore:.*reference.*are null now:persist.errors.PersistWarning")
@pytest.mark.parametrize("item", UNREADABLE)
def test_it_is_removed_by_its_name(ws, path, item):
    ws.delete(*item)
    assert item not in ws.unreadable
    ws.save(path)
    if isinstance(ws, LazyAnalysisWorkspace):
        ws.close()
    with pytest.warns(PersistWarning, match=r"7 item\(s\)"):
        found = AnalysisWorkspace.load(path, errors="skip")
    assert set(found.unreadable) == set(UNREADABLE) - {item}


def test_a_package_cannot_keep_it(ws, tmp_path):
    with pytest.raises(ValueError, match=r"8 item\(s\) cannot be read, and only HDF5 keeps them"):
        ws.save(tmp_path / "package", format="package")
    assert not (tmp_path / "package").exists()


def test_a_listing_of_a_former_release_does_not_hide_it(path):
    """Former releases listed what they could read, and took the rest for nothing."""
    with OPENERS["in place"](path) as ws:
        ws.store("D0", "x", 1)
        index = ws.describe()
    from persist.workspace.pair import seal_listing, write_listing

    with h5py.File(f"{path}.h5", "r+") as file:
        write_listing(file, index, {})
    seal_listing(f"{path}.h5")
    with pytest.raises(ValueError, match=r"Unknown __type__|is where an item should be"):
        LazyAnalysisWorkspace.load(path)


def test_an_attribute_of_the_user_alone_is_kept_by_all(tmp_path):
    sample(AnalysisWorkspace("saved")).save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        file.attrs["lab"] = "lab3"
    AnalysisWorkspace.load(tmp_path / "ws").save(tmp_path / "ws")
    with LazyAnalysisWorkspace.load(tmp_path / "ws") as ws:
        ws.save(tmp_path / "ws")
    with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
        ws.compact()
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert file.attrs["lab"] == "lab3"


def test_what_hdf5_cannot_copy_stops_the_save(path, tmp_path, monkeypatch):
    ws = load(LazyAnalysisWorkspace, path)
    before = (tmp_path / "ws.h5").read_bytes()

    def refuse(*_):
        raise RuntimeError("damaged")

    monkeypatch.setattr("persist.workspace.foreign.h5py.h5o.copy", refuse)
    ws.delete("D3")
    ws.delete("D0")
    with pytest.raises(DamagedError, match="cannot copy 'alien' of /D3"):
        ws.save(path)
    assert (tmp_path / "ws.h5").read_bytes() == before
    ws.close()


def test_a_merge_replaces_an_item_whose_name_other_software_does_not_spell(tmp_path):
    path = tmp_path / "ws.h5"
    saved = AnalysisWorkspace()
    saved.store("D0", "dose", 1.0)
    saved.save(path)
    with h5py.File(path, "r+") as file:
        file.move("D0/dose", "D0/50%")
    other = AnalysisWorkspace()
    other.store("D0", "50%", 2.0)
    with LazyAnalysisWorkspace.open(path) as ws:
        assert ws.list_keys("D0") == ["50%"]
        ws.merge_from(other, overwrite=True)
    with h5py.File(path) as file:
        assert len(file["D0"]) == 1
    assert AnalysisWorkspace.load(path).get("D0", "50%") == 2.0


@pytest.mark.parametrize("how", ["load", "open"])
def test_references_between_items_lead_to_their_copies(tmp_path, how):
    path = tmp_path / "ws.h5"
    saved = AnalysisWorkspace()
    for namespace in ("D0", "D1"):
        saved.store(namespace, "rates", numpy.arange(5.0))
    saved.save(path)
    with h5py.File(path, "r+") as file:
        later = file["D1/rates/data"]
        file["D0/rates"].attrs["baseline"] = later.ref
        file["D0/rates/data"].attrs["part"] = later.regionref[1:3]
    if how == "open":
        with LazyAnalysisWorkspace.open(path) as ws:
            ws.compact()
    else:
        ws = LazyAnalysisWorkspace.load(path)
        path = tmp_path / "copy.h5"
        ws.save(path)
        ws.close()
    with h5py.File(path) as file:
        later = file["D1/rates/data"]
        assert file[file["D0/rates"].attrs["baseline"]] == later
        assert later[file["D0/rates/data"].attrs["part"]].tolist() == [1, 2]


RECORD = numpy.dtype([("to", h5py.ref_dtype), ("number", "i4")])


def linked(path):
    """Save a workspace; references of other software lead from and to items, and what is none."""
    saved = AnalysisWorkspace("saved")
    for namespace in ("D0", "D1"):
        saved.store(namespace, "rates", numpy.arange(5.0))
        saved.store(namespace, "dict", {"a": numpy.arange(3), "b": 1})
    saved.save(path)
    with h5py.File(path, "r+") as file:
        file["a/x"] = file["z/x"] = file["D0/alien/x"] = numpy.arange(4)
        file["D0/rates"].attrs["baseline"] = file["D1/rates/data"].ref
        file["D0/rates/data"].attrs["part"] = file["D1/rates/data"].regionref[1:3]
        file["D0/dict/a"].attrs["alien"] = file["D0/alien/x"].ref
        file["D1/rates/back"] = numpy.array([file["D0/rates"].ref], h5py.ref_dtype)
        targets = [file["z/x"], file["D1/rates/data"], file["D1"], file]
        file["D0/alien/all"] = numpy.array([each.ref for each in targets], h5py.ref_dtype)
        file["a"].attrs["later"] = file["z/x"].ref
        file["a/part"] = numpy.array([file["D1/rates/data"].regionref[2:]], h5py.regionref_dtype)
        file["a/record"] = numpy.array([(file["D1/dict/a/data"].ref, 5)], RECORD)
        file.attrs["root"] = file["D1/dict"].ref


def targets(path):
    """Return what the references in a file lead to, by where they are."""
    found = {}
    with h5py.File(path, "r") as file:

        def target(value):
            if isinstance(value, h5py.RegionReference):
                return (file[value].name, file[value][value].tolist()) if value else None
            if isinstance(value, h5py.Reference):
                return file[value].name if value else None
            return [target(each) for each in (value if value.ndim else value.item())]

        def look(name, obj):
            for key, value in obj.attrs.items():
                if isinstance(value, h5py.Reference):
                    found[f"{name}@{key}"] = target(value)
            if isinstance(obj, h5py.Dataset) and h5py.check_ref_dtype(obj.dtype) is not None:
                found[name] = target(obj[...])
            elif isinstance(obj, h5py.Dataset) and obj.dtype.names:
                found[name] = target(obj["to"])

        look("", file)
        file.visititems(look)
    return found


LINKED = {
    "@root": "/D1/dict",
    "D0/rates@baseline": "/D1/rates/data",
    "D0/rates/data@part": ("/D1/rates/data", [1.0, 2.0]),
    "D0/dict/a@alien": "/D0/alien/x",
    "D0/alien/all": ["/z/x", "/D1/rates/data", "/D1", "/"],
    "D1/rates/back": ["/D0/rates"],
    "a@later": "/z/x",
    "a/part": [("/D1/rates/data", [2.0, 3.0, 4.0])],
    "a/record": ["/D1/dict/a/data"],
}


def same(ws):
    return ws


def pickled(ws):
    return pickle.loads(pickle.dumps(ws))


def compacted(ws):
    ws.compact()
    return ws


@pytest.mark.filterwarnings("ignore:.*cannot be read:persist.errors.PersistWarning")
@pytest.mark.parametrize("through", [same, copy.deepcopy, pickled, compacted])
@pytest.mark.parametrize("how", ["memory", "load", "open"])
def test_references_of_other_software_lead_to_the_copies(tmp_path, how, through):
    path = tmp_path / "ws.h5"
    linked(path)
    assert targets(path) == LINKED
    cls = AnalysisWorkspace if how == "memory" else LazyAnalysisWorkspace
    ws = (cls.open if how == "open" else cls.load)(path, errors="skip")
    other = through(ws)
    other.save(tmp_path / "copy.h5")
    for each in (ws, other) if how != "memory" else ():
        each.close()
    assert targets(tmp_path / "copy.h5") == LINKED
    assert targets(path) == LINKED


def merged_into(how, path):
    """Return an empty workspace that is kept in memory, in a temporary file, or in its own."""
    if how == "open":
        return LazyAnalysisWorkspace.open(path)
    if how == "load":
        AnalysisWorkspace().save(path)
        return LazyAnalysisWorkspace.load(path)
    return AnalysisWorkspace() if how == "memory" else LazyAnalysisWorkspace()


@pytest.mark.filterwarnings("ignore:.*cannot be read:persist.errors.PersistWarning")
@pytest.mark.parametrize("into", ["memory", "temporary", "load", "open"])
@pytest.mark.parametrize("how", ["memory", "load"])
def test_a_merge_keeps_references_and_names_those_that_lose_what_they_led_to(tmp_path, how, into):
    linked(tmp_path / "ws.h5")
    cls = AnalysisWorkspace if how == "memory" else LazyAnalysisWorkspace
    other = cls.load(tmp_path / "ws.h5", errors="skip")
    other.rename("D1", "dict", "renamed")
    path = tmp_path / "merged.h5"
    ws = merged_into(into, path)
    ws.store("D1", "rates", "mine")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ws.merge_from(other, on_conflict=lambda *_: "theirs")
        ws.save(path)
    (text,) = {str(each.message) for each in caught}
    assert "1 reference(s)" in text
    assert "/D0/dict/a -> alien -> /D0/alien/x" in text
    for each in (ws, other):
        getattr(each, "close", each.compact)()
    theirs = {"D0/rates@baseline": "/D1/theirs/data", "D0/dict/a@alien": None}
    theirs["D0/rates/data@part"] = ("/D1/theirs/data", [1.0, 2.0])
    assert targets(path) == {**theirs, "D1/theirs/back": ["/D0/rates"]}


@pytest.mark.filterwarnings("ignore:.*cannot be read:persist.errors.PersistWarning")
@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
def test_references_follow_an_item_that_is_renamed_and_are_null_when_it_is_deleted(tmp_path, cls):
    path = tmp_path / "ws.h5"
    linked(path)
    ws = cls.load(path, errors="skip")
    ws.rename("D1", "rates", "R")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ws.save(tmp_path / "renamed.h5")
    found = targets(tmp_path / "renamed.h5")
    assert found["a/part"] == [("/D1/R/data", [2.0, 3.0, 4.0])]
    assert found["D0/rates@baseline"] == "/D1/R/data"
    assert found["D1/R/back"] == ["/D0/rates"]
    ws.delete("D1", "R")
    with pytest.warns(PersistWarning, match="4 reference.*/D0/rates -> baseline -> /D1/"):
        ws.save(tmp_path / "deleted.h5")
    getattr(ws, "close", ws.compact)()
    found = targets(tmp_path / "deleted.h5")
    assert found["a/part"] == [None]
    assert found["D0/rates@baseline"] is None
    assert found["D0/alien/all"] == ["/z/x", None, "/D1", "/"]


@pytest.mark.filterwarnings("ignore:.*cannot be read:persist.errors.PersistWarning")
@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
def test_a_reference_to_elements_of_an_array_of_another_shape_is_not_kept(tmp_path, cls):
    linked(tmp_path / "ws.h5")
    ws = cls.load(tmp_path / "ws.h5", errors="skip")
    ws.store("D1", "rates", numpy.arange(2.0))
    with pytest.warns(PersistWarning, match="/a/part -> /D1/rates/data"):
        ws.save(tmp_path / "copy.h5")
    getattr(ws, "close", ws.compact)()
    assert targets(tmp_path / "copy.h5")["a/part"] == [None]


@pytest.mark.filterwarnings("ignore:.*cannot be read:persist.errors.PersistWarning")
def test_references_to_an_item_that_is_replaced_or_removed_in_place_lead_to_no_other(tmp_path):
    """HDF5 would write the next item where that was."""
    path = tmp_path / "ws.h5"
    linked(path)
    with LazyAnalysisWorkspace.open(path, errors="skip") as ws:
        ws.store("D1", "rates", numpy.arange(5.0) + 1)
        with pytest.warns(PersistWarning, match="root -> /D1/dict"):
            ws.delete("D1", "dict")
        with pytest.warns(PersistWarning, match="z/x"):
            ws.delete("z", "x")
        for number in range(20):
            ws.store("D2", f"new{number}", {"a": numpy.arange(3), "b": number})
    found = targets(path)
    assert found["@root"] is found["a@later"] is None
    assert found["a/record"] == [None]
    assert found["D0/alien/all"] == [None, "/D1/rates/data", "/D1", "/"]
    assert found["D0/rates/data@part"] == ("/D1/rates/data", [2.0, 3.0])
