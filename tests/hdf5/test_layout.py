"""What other software finds: groups, attributes and datasets, as plain h5py reads them."""

from __future__ import annotations

from typing import Any

import h5py
import numpy
import pytest

from tests.classes import Plain
from tests.hdf5.files import CREATED_AT, kind, memory_file, plain, stored, write_item


def test_an_array_is_the_dataset_data() -> None:
    with stored(numpy.arange(6, dtype=">i2").reshape(2, 3)) as group:
        assert plain(group.attrs) == {"__type__": "ndarray"}
        assert list(group) == ["data"]
        assert group["data"].dtype == ">i2"
        assert group["data"][...].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert dict(group["data"].attrs) == {}
        assert group["data"].chunks is None


def test_an_array_in_fortran_order_has_its_own_axes() -> None:
    array = numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3))
    with stored(array) as group:
        assert group["data"][...].tolist() == array.tolist()
        assert dict(group["data"].attrs) == {"encoding-order": "F"}
        assert kind(group) == ("ndarray", "ndarray")
        assert group.attrs["encoding-version"] == "1.0"


@pytest.mark.parametrize("dtype", ["U5", "S5", ">U2"])
def test_texts_are_variable_utf8_with_their_width_beside(dtype: str) -> None:
    with stored(numpy.array([["a", "bc"]], dtype)) as group:
        data = group["data"]
        assert h5py.check_string_dtype(data.dtype) == ("utf-8", None)
        assert data.asstr()[...].tolist() == [["a", "bc"]]
        assert data.attrs["__string_array__"]
        assert data.attrs["encoding-dtype"] == repr(numpy.dtype(dtype).str)


def test_records_are_native() -> None:
    with stored(numpy.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])) as group:
        assert group["data"].dtype.names == ("a", "b")
        assert group["data"][0].tolist() == (1, 2.5)


def test_strings_are_variable_utf8() -> None:
    with stored({"text": "é", "list": [1]}) as group:
        for owner, name in ((group, "__type__"), (group["text"], "__scalar_value__")):
            cset = owner.attrs.get_id(name).get_type().get_cset()
            assert (cset, owner.attrs.get_id(name).get_type().is_variable_str()) == (1, True)


SCALARS: dict[str, tuple[Any, dict[str, Any]]] = {
    "int": (3, {"__type__": "scalar", "__scalar_value__": 3, "__scalar_kind__": "int"}),
    "float": (0.5, {"__type__": "scalar", "__scalar_value__": 0.5, "__scalar_kind__": "float"}),
    "bool": (True, {"__type__": "scalar", "__scalar_value__": True, "__scalar_kind__": "bool"}),
    "str": ("é", {"__type__": "scalar_str", "__scalar_value__": "é"}),
    "None": (None, {"__type__": "none"}),
}


@pytest.mark.parametrize("name", SCALARS)
def test_a_value_is_attributes_alone(name: str) -> None:
    obj, attributes = SCALARS[name]
    with stored({"x": obj}) as group:
        assert dict(group["x"].attrs) == attributes
        assert list(group["x"]) == []


def test_a_scalar_of_numpy_has_its_own_type_beside() -> None:
    with stored({"x": numpy.float32(0.1)}) as group:
        found = dict(group["x"].attrs)
    assert found.pop("encoding-value").dtype == "f4"
    assert found == {
        "__type__": "scalar",
        "__scalar_value__": float(numpy.float32(0.1)),
        "__scalar_kind__": "float32",
        "encoding-type": "numpy-scalar",
        "encoding-version": "1.0",
    }


CONTAINERS: dict[str, tuple[Any, tuple[str, str | None], list[Any]]] = {
    "list": ([1, 2], ("ndarray", "list"), [1, 2]),
    "tuple": ((1.5, 2.0), ("tuple", None), [1.5, 2.0]),
    "set": ({3, 1, 2}, ("set", None), [1, 2, 3]),
    "frozenset": (frozenset("ba"), ("frozenset", None), [b"a", b"b"]),
    "no items": ([], ("ndarray", "list"), []),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_of_one_type_is_one_dataset(name: str) -> None:
    obj, wanted, items = CONTAINERS[name]
    with stored({"x": obj}) as group:
        assert kind(group["x"]) == wanted
        assert group["x/data"][...].tolist() == items
        assert ("__created_at__" in group["x"].attrs) is (wanted[0] == "ndarray")


PORTABLE: dict[str, tuple[Any, str, list[Any]]] = {
    "numbers of two types": ([1, 2.5], "ndarray", [1.0, 2.5]),
    "number and text": ((1, "a"), "tuple", [b"1", b"a"]),
    "a table": ([[1, 2], [3, 4]], "ndarray", [[1, 2], [3, 4]]),
    "pairs": ([(0.0, 1.0)], "ndarray", [[0.0, 1.0]]),
    "a mixed set": ({1, 2.5}, "set", [1.0, 2.5]),
}


@pytest.mark.parametrize("name", PORTABLE)
def test_other_software_reads_what_numpy_makes_of_a_mixed_container(name: str) -> None:
    obj, tag, items = PORTABLE[name]
    with stored({"x": obj}) as group:
        assert kind(group["x"]) == (tag, "archive")
        assert group["x/data"][...].tolist() == items
        assert "value = " in group["x/source"].asstr()[()]


@pytest.mark.parametrize(
    "obj", [[1, None], [[1], [1, 2]], [b"a"], {1, "a"}, [2**70], [["a\0b", 1]], [Plain()]]
)
def test_a_container_that_numpy_has_no_type_for_is_a_source_alone(obj: Any) -> None:
    with stored({"x": obj}) as group:
        assert kind(group["x"])[1] == "archive"
        assert "data" not in group["x"]


def test_a_dict_is_a_group_for_each_value_in_order() -> None:
    with stored({"z": 1, "a": {"b": numpy.arange(2)}}) as group:
        assert list(group) == ["z", "a"]
        assert plain(group.attrs) == {"__type__": "dict"}
        assert group["a"].attrs["__created_at__"] == CREATED_AT
        assert group["a/b"].attrs["__created_at__"] == CREATED_AT
        assert "__created_at__" not in group["z"].attrs


def test_an_object_met_twice_is_one_group_with_two_names() -> None:
    part = [1, 2]
    with stored({"a": part, "b": {"c": part}}) as group:
        assert group["a"] == group["b/c"]


def test_an_array_that_shares_memory_is_stored_in_full() -> None:
    base = numpy.arange(10.0)
    with stored({"base": base, "part": base[2::3]}) as group:
        assert group["part/data"][...].tolist() == [2, 5, 8]
        assert group["part/data"].attrs["encoding-memory"] == (
            '{"buffer": 0, "size": 80, "offset": 16, "strides": [24]}'
        )


def test_any_object_is_a_source_with_its_arrays_as_datasets() -> None:
    with stored(Plain(small=numpy.arange(3), large=numpy.arange(30.0))) as group:
        assert kind(group) == ("archive", "archive")
        source = group["source"].asstr()[()]
        assert "small=_numpy.array([0, 1, 2]" in source
        assert list(group["arrays"]) == ["array_0"]
        assert group["arrays/array_0"][...].tolist() == list(range(30))
        assert group.attrs["encoding-summary"] == '{"type": "Plain"}'


@pytest.mark.parametrize(
    "array",
    [
        numpy.array([None]),
        numpy.array(["2020"], "M8[D]"),
        numpy.ma.array([1], mask=[True]),
        numpy.zeros(2, numpy.dtype("i1,f8", align=True)),
        numpy.array(["a\0b"]),
        numpy.array([b"\xff"]),
    ],
)
def test_an_array_that_hdf5_has_no_type_for_is_a_source(array: Any) -> None:
    with stored(array) as group:
        assert kind(group) == ("archive", "archive")


def test_the_item_has_its_time() -> None:
    with memory_file() as file:
        write_item(file, "item", 1, created_at=3)
        assert file["item"].attrs["__created_at__"].dtype == "f8"


def test_a_large_array_is_written_in_pieces_in_any_layout() -> None:
    table = numpy.arange(400_000.0).reshape(400, 1000)
    arrays = {"view": table[::2, ::-1], "fortran": numpy.asfortranarray(table)}
    records = numpy.zeros(100_000, "i4,f8")
    records["f1"] = numpy.arange(100_000)
    for name, array in {**arrays, "records": records}.items():
        with stored(array) as group:
            assert numpy.array_equal(group["data"][...], array), name
