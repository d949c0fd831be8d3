import h5py
import numpy
import pytest

from persist.archive.arrays import STORES, write_new
from persist.cli.sources.hdf5 import Hdf5Source


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        yield file


def load(file, *names):
    file.flush()
    return list(map(Hdf5Source(file.filename).load, names))


def names(file):
    file.flush()
    return {listed.name: listed.refusal for listed in Hdf5Source(file.filename).names()}


def test_datasets_are_named_by_their_paths(file):
    file["b/c/d"] = 1
    file["a"] = 2
    file.create_group("empty")
    assert names(file) == {"a": "", "b/c/d": ""}
    one, two = load(file, "b/c/d", "a")
    assert (one.value, two.value) == (1, 2)


@pytest.mark.parametrize("filters", [{}, {"chunks": True}, {"compression": "gzip"}])
@pytest.mark.parametrize("dtype", ["f8", ">i2", "?", "c8", "i4,f8", "V3", "u1"])
def test_arrays_keep_their_type(file, dtype, filters):
    array = numpy.zeros((2, 3), dtype)
    file.create_dataset("x", data=array, **filters)
    (loaded,) = load(file, "x")
    assert type(loaded.value) is numpy.ndarray
    assert (loaded.value.dtype, loaded.value.shape) == (array.dtype, array.shape)
    numpy.testing.assert_array_equal(loaded.value, array)


@pytest.mark.parametrize("value", [3, 2.5, True, 1 + 2j, "text", ""])
def test_scalars_are_plain(file, value):
    file["x"] = value
    (loaded,) = load(file, "x")
    assert type(loaded.value) is type(value)
    assert loaded.value == value


def test_a_single_record_keeps_its_fields(file):
    file["x"] = numpy.array((1, 2.5), [("n", "i4"), ("v", "f8")])
    (loaded,) = load(file, "x")
    assert (loaded.value.shape, loaded.value["v"][()]) == ((), 2.5)


@pytest.mark.parametrize("length", [None, 8])
def test_strings_become_text(file, length):
    strings = h5py.string_dtype("utf-8", length)
    file.create_dataset("x", data=numpy.array([["ä".encode(), b"bcd"]], strings))
    (loaded,) = load(file, "x")
    assert loaded.value.dtype == "U3"
    assert loaded.value.tolist() == [["ä", "bcd"]]


def test_no_strings_become_no_text(file):
    file.create_dataset("x", (0, 2), h5py.string_dtype())
    (loaded,) = load(file, "x")
    assert (loaded.value.shape, loaded.value.dtype.kind) == ((0, 2), "U")


def test_strings_of_another_encoding_are_an_error(file):
    file["x"] = numpy.array([b"\xe4"])
    with pytest.raises(ValueError, match="decode"):
        load(file, "x")


def test_enums_come_as_numbers(file):
    file.create_dataset("x", data=[1, 0], dtype=h5py.enum_dtype({"off": 0, "on": 1}, "u1"))
    (loaded,) = load(file, "x")
    assert loaded.value.tolist() == [1, 0]


def test_a_dataset_without_elements_is_none(file):
    file["x"] = h5py.Empty("f8")
    (loaded,) = load(file, "x")
    assert loaded.value is None


def test_attributes_are_plain(file):
    file["x"] = [1, 2]
    file["y"] = 3
    given = {
        "unit": "mV",
        "raw": b"abc",
        "gain": numpy.float32(0.5),
        "on": numpy.bool_(True),
        "shape": [1, 2],
        "names": ["a", "ä"],
        "record": numpy.array((1, 2.5), "i4,f8"),
        "nothing": h5py.Empty("f8"),
        "leads": file["y"].ref,
    }
    for name, value in given.items():
        file["x"].attrs[name] = value
    (loaded,) = load(file, "x")
    assert loaded.attributes == {
        "unit": "mV",
        "raw": "abc",
        "gain": 0.5,
        "on": True,
        "shape": [1, 2],
        "names": ["a", "ä"],
        "record": (1, 2.5),
        "nothing": None,
        "leads": "/y",
    }
    assert {type(loaded.attributes[name]) for name in ("gain", "on")} == {float, bool}
    assert type(loaded.attributes["shape"][0]) is int


def test_bytes_that_are_no_text_stay_bytes(file):
    file["x"] = 1
    file["x"].attrs["raw"] = numpy.bytes_(b"\xe4")
    (loaded,) = load(file, "x")
    assert loaded.attributes == {"raw": b"\xe4"}


def test_an_attribute_of_a_strange_type_is_named(file):
    file["x"] = 1
    kind, space = h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(file["x"].id, b"flags", kind, space)
    with pytest.raises(ValueError, match="attribute 'flags' cannot be read"):
        load(file, "x")


def test_scales_of_dimensions_are_attributes(file):
    file["x"] = [1, 2]
    file["time"] = [0.0, 0.5]
    file["time"].make_scale("t")
    file["x"].dims[0].attach_scale(file["time"])
    x, time = load(file, "x", "time")
    assert x.attributes == {"DIMENSION_LIST": [["/time"]]}
    assert time.attributes["REFERENCE_LIST"] == [("/x", 0)]


def test_references_and_sequences_are_refused_by_name(file):
    file["a"] = 1
    file["ref"] = file["a"].ref
    file.create_dataset("ragged", (2,), h5py.vlen_dtype("i4"))
    file.create_dataset("record", (2,), [("n", "i4"), ("s", h5py.string_dtype())])
    found = names(file)
    assert found.pop("a") == ""
    assert {name: refusal.split()[2] for name, refusal in found.items()} == {
        "ref": "references",
        "ragged": "sequences",
        "record": "records",
    }


def test_types_that_numpy_lacks_are_refused_by_name(file):
    kind, space = h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,))
    h5py.h5d.create(file.id, b"flags", kind, space)
    assert names(file)["flags"].startswith("numpy has no such type")


def test_a_dataset_of_several_names_comes_once(file):
    file["a"] = 1
    file["b"] = file["a"]
    file["c"] = h5py.SoftLink("/a")
    file["d"] = h5py.SoftLink("/nowhere")
    assert names(file) == {"a": ""}


def test_groups_may_hold_each_other(file):
    file["a/x"] = 1
    file["a/b"] = file["a"]
    file["a/root"] = file["/"]
    assert list(names(file)) == ["a/x"]


def test_what_leads_to_another_file_is_refused(file):
    file["far"] = h5py.ExternalLink("/somewhere/other.h5", "/x")
    assert names(file) == {"far": "it leads to other.h5: pack that file"}


def test_names_of_an_enumeration_are_attributes(file):
    states = {"REST": 0, "MOVE": 1}
    file.create_dataset("x", data=[0, 1, 0], dtype=h5py.enum_dtype(states, "i1"))
    (loaded,) = load(file, "x")
    assert (loaded.value.dtype, loaded.value.tolist()) == ("i1", [0, 1, 0])
    assert loaded.attributes == {"enum": states}


def test_arrays_that_persist_stored_come_as_they_were(tmp_path):
    arrays = {
        "order": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        "time": numpy.array("2026-11-25", "M8[D]"),
        "text": numpy.array(["a", "bc"]),
    }
    path = write_new(STORES["hdf5"], str(tmp_path), "x", arrays)
    found = list(map(Hdf5Source(path).load, arrays))
    for loaded, array in zip(found, arrays.values(), strict=True):
        assert (loaded.value.dtype, loaded.value.strides) == (array.dtype, array.strides)
        numpy.testing.assert_array_equal(loaded.value, array)
        assert not loaded.attributes


@pytest.mark.parametrize("text", ["<f8", "float64", "'no type'"])
def test_attributes_of_the_same_names_may_be_of_others(file, text):
    file["x"] = [1, 2]
    file["x"].attrs.update({"numpy_dtype": text, "memory_order": "F"})
    (loaded,) = load(file, "x")
    assert loaded.value.tolist() == [1, 2]
    assert loaded.attributes == {"numpy_dtype": text, "memory_order": "F"}


def test_a_file_that_is_no_hdf5_is_an_error(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no hdf5")
    with pytest.raises(OSError, match="signature"):
        Hdf5Source(str(tmp_path / "x.h5")).names()


def test_attributes_of_groups_and_of_the_file_are_dicts(file):
    file["D0/signal"] = numpy.arange(3.0)
    file["D0"].attrs["rate"] = 250
    file["D0"].attrs["channels"] = ["a", "b"]
    file.attrs["subject"] = "s07"
    listed = {found.name: found.key for found in Hdf5Source(file.filename).names()}
    assert listed == {
        "//attributes": "attributes",
        "D0//attributes": "D0/attributes",
        "D0/signal": "",
    }
    of_file, of_group, _ = load(file, *listed)
    assert of_file.value == {"subject": "s07"}
    assert of_group.value == {"rate": 250, "channels": ["a", "b"]}


def test_an_attribute_of_the_file_that_cannot_be_read_is_named(file):
    file.attrs["fine"] = 1
    space, kind = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.UNIX_D64LE
    h5py.h5a.create(file.id, b"odd", kind, space)
    with pytest.raises(ValueError, match="attribute 'odd'"):
        load(file, "//attributes")


def test_a_thousand_groups_inside_each_other_are_walked(file):
    group = file
    for _ in range(1200):
        group = group.create_group("g")
    group["x"] = 1
    assert len(names(file)) == 1
