"""What other software has put into an item that can be read: kept by all that writes the item."""

import copy
import pickle
import warnings
from collections import Counter

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import PersistWarning

VALUES = {
    "array": numpy.arange(6.0),
    "texts": numpy.array(["a", "bc"]),
    "list": [1, 2, 3],
    "tuple": ("a", "b"),
    "mixed": [1, "a", None],
    "number": 2.5,
    "numpy number": numpy.float32(2.5),
    "text": "text",
    "none": None,
    "dict": {"inner": {"x": numpy.arange(3)}, "n": 1},
    "source": Counter(a=3),
    "source with arrays": {1: numpy.arange(100)},
}


def add_extras(file, key):
    """Put attributes, a dataset, a group and links into an item, and what it consists of."""
    group = file["D"][key]
    owners = []
    group.visititems(lambda _, owner: owners.append(owner))
    for owner in [group, *owners]:
        owner.attrs["unit"] = "mV"
        owner.attrs["counts"] = numpy.arange(3, dtype=">i2")
        owner.attrs["nothing"] = h5py.Empty("f4")
        owner.attrs.create(
            "ragged", [numpy.arange(2), numpy.arange(3)], dtype=h5py.vlen_dtype("i4")
        )
    if key != "dict":  # In a dict, a member of another kind is a value that cannot be read.
        group.create_dataset("quality", data=numpy.ones(50), chunks=(10,), compression="gzip")
        group["axis"] = numpy.arange(50.0)
        group["axis"].make_scale()
        group["quality"].dims[0].attach_scale(group["axis"])
        group.create_group("lab/deeper").attrs["by"] = "lab3"
        group["soft"] = h5py.SoftLink("/D")
        group["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    if "arrays" in group:
        group["arrays/extra"] = [1, 2]


def plain(value):
    return value.tolist() if isinstance(value, numpy.ndarray) else value


def tree(group):
    """Return all that is in a group, but for the time."""
    found = {}

    def add(name, owner):
        for attribute, value in owner.attrs.items():
            if attribute not in ("__created_at__", "__note__"):
                parts = value if attribute == "ragged" else plain(value)
                found[name, attribute] = str(parts)
        if isinstance(owner, h5py.Dataset):
            found[name] = (plain(owner[()]), owner.dtype, owner.chunks, owner.compression)

    add("", group)
    group.visititems(add)
    if "quality" in group:
        found["scales"] = [plain(scale[()]) for scale in group["quality"].dims[0].values()]
    for name in ("soft", "elsewhere"):
        if name in list(group):
            found[name] = group.get(name, getlink=True).path
    return found


def read_tree(path, key, namespace="D"):
    with h5py.File(f"{path}.h5", "r") as file:
        return tree(file[namespace][key])


def read_trees(path, namespace="D"):
    with h5py.File(f"{path}.h5", "r") as file:
        return {key: tree(group) for key, group in file[namespace].items()}


@pytest.fixture
def path(tmp_path):
    ws = AnalysisWorkspace("saved")
    for key, value in VALUES.items():
        ws.store("D", key, value, note="a note")
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        for key in VALUES:
            add_extras(file, key)
    return tmp_path / "ws"


def save_elsewhere(ws, path):
    ws.save(f"{path}2")
    return f"{path}2"


def copy_by(copied):
    def save_copy(ws, path):
        made = copied(ws)
        made.save(f"{path}2")
        if isinstance(made, LazyAnalysisWorkspace):
            made.close()
        return f"{path}2"

    return save_copy


def rename_all(ws, path):
    for key in VALUES:
        ws.rename("D", key, "other", overwrite=True)
        ws.add_note("D", "other", "another note")
        ws.rename("D", "other", key)
    ws.save(path)
    return path


def compact_it(ws, path):
    ws.compact()
    ws.save(path)
    return path


def merge_into(make):
    def merge(ws, path):
        target = make(f"{path}2")
        for key in VALUES:
            target.store("D", key, "replaced by the merge")
        target.merge_from(ws, overwrite=True)
        if getattr(target, "_h5_path", None) != f"{path}2.h5":
            target.save(f"{path}2")
        if isinstance(target, LazyAnalysisWorkspace):
            target.close()
        return f"{path}2"

    return merge


PATHS = {
    "saved elsewhere": save_elsewhere,
    "pickled": copy_by(lambda ws: pickle.loads(pickle.dumps(ws))),
    "copied": copy_by(copy.deepcopy),
    "renamed": rename_all,
    "compacted": compact_it,
    "merged into memory": merge_into(lambda path: AnalysisWorkspace()),
    "merged into a temporary file": merge_into(lambda path: LazyAnalysisWorkspace()),
    "merged in place": merge_into(LazyAnalysisWorkspace.open),
}
OPENERS = {
    "memory": AnalysisWorkspace.load,
    "lazy": LazyAnalysisWorkspace.load,
    "in place": LazyAnalysisWorkspace.open,
}


@pytest.mark.parametrize("through", PATHS)
@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.cases(4)
def test_extras_are_never_lost(path, made, opener, through):
    before = read_trees(path)
    ws = OPENERS[opener](path)
    made.append(ws)
    where = PATHS[through](ws, path)
    if isinstance(ws, LazyAnalysisWorkspace):
        ws.close()
    assert read_trees(where) == before
    again = AnalysisWorkspace.load(where)
    assert all(repr(again.get("D", key)) == repr(value) for key, value in VALUES.items())


def test_extras_stay_when_the_object_changes_in_memory(tmp_path):
    ws = AnalysisWorkspace()
    ws.store("D", "x", {"a": numpy.arange(3), "b": numpy.arange(4), "c": 1})
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        for name in ("a/data", "b/data", "b", "c"):
            file["D/x"][name].attrs["unit"] = "mV"
    ws = AnalysisWorkspace.load(tmp_path / "ws")
    obj = ws.get("D", "x")
    obj["a"][0], obj["b"] = 7, "text"
    del obj["c"]
    ws.save(tmp_path / "ws")
    assert AnalysisWorkspace.load(tmp_path / "ws").get("D", "x")["a"].tolist() == [7, 1, 2]
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert file["D/x/a/data"].attrs["unit"] == "mV"
        assert file["D/x/b"].attrs["unit"] == "mV"
        assert set(file["D/x"]) == {"a", "b"}


@pytest.mark.parametrize("opener", OPENERS)
def test_another_object_has_none_of_the_extras(path, made, opener):
    ws = OPENERS[opener](path)
    made.append(ws)
    for key, value in VALUES.items():
        ws.delete("D", key)
        ws.store("D", key, value)
    ws.save(path)
    if isinstance(ws, LazyAnalysisWorkspace):
        ws.close()
    names = [name for found in read_trees(path).values() for name in found]
    assert not [name for name in names if "unit" in name or "quality" in name]


@pytest.mark.parametrize("opener", ["memory", "lazy"])
def test_a_package_leaves_them_in_the_file(path, made, opener):
    ws = OPENERS[opener](path)
    made.append(ws)
    before = read_trees(path)
    with pytest.raises(
        ValueError, match=r"has put into \('D', 'array'\) has no place in a package"
    ):
        ws.save(path, format="package", replace=True)
    assert read_trees(path) == before
    with pytest.warns(PersistWarning, match="has no place in a package") as caught:
        ws.save(f"{path}2", format="package")
    assert len(caught) == len(VALUES)
    again = AnalysisWorkspace.load(f"{path}2")
    assert all(repr(again.get("D", key)) == repr(value) for key, value in VALUES.items())
    for key, value in VALUES.items():
        ws.store("D", key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ws.save(path, format="package", replace=True)


def test_a_package_leaves_an_attribute_of_the_file_in_it(tmp_path):
    AnalysisWorkspace().save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        file.attrs["lab"] = "lab3"
    ws = AnalysisWorkspace.load(tmp_path / "ws")
    with pytest.warns(PersistWarning, match="has put into the file has no place in a package"):
        ws.save(tmp_path / "other", format="package")
    with pytest.raises(ValueError, match="has put into the file has no place in a package"):
        ws.save(tmp_path / "ws", format="package", replace=True)


def test_a_reference_in_an_item_leads_to_the_copy_of_its_namespace(tmp_path):
    ws = AnalysisWorkspace()
    ws.store("D", "x", numpy.arange(3))
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        file["D/x"].attrs["of"] = file["D"].ref
    AnalysisWorkspace.load(tmp_path / "ws").save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert file[file["D/x"].attrs["of"]] == file["D"]


def test_what_is_put_into_a_file_that_was_loaded_before_is_kept(tmp_path):
    """A file says that it holds nothing of others, until somebody writes to it."""
    ws = AnalysisWorkspace()
    ws.store("D", "x", numpy.arange(3))
    ws.save(tmp_path / "ws")
    AnalysisWorkspace.load(tmp_path / "ws").save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r+") as file:
        file["D/x/data"].attrs["unit"] = "mV"
    for _ in range(3):
        AnalysisWorkspace.load(tmp_path / "ws").save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert file["D/x/data"].attrs["unit"] == "mV"
