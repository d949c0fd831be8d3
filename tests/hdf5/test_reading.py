"""Files of other hands, handles in place of arrays, and summaries."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy
import pytest

from persist.hdf5 import read_item, read_summary, summarize
from tests.classes import Plain
from tests.hdf5.files import SAMPLE, memory_file, stored
from tests.same import assert_same

WANTED: dict[str, Any] = {
    "S": numpy.array(["ab", "c"]),
    "bool": numpy.array([True, False]),
    "c": numpy.array([1 + 2j]),
    "empty": numpy.zeros((0, 3)),
    "i": numpy.arange(6, dtype="i2").reshape(2, 3),
    "zd": numpy.array(3.5),
}


@pytest.fixture(scope="module")
def sample() -> Any:
    """Return the open workspace file that spikelab 0.1.2 wrote."""
    with h5py.File(SAMPLE) as file:
        yield file


@pytest.mark.parametrize("key", WANTED)
def test_an_array_of_the_sample_is_read(sample: Any, key: str) -> None:
    found = read_item(sample["b"][key])
    assert type(found) is numpy.ndarray
    assert (found.dtype, found.shape) == (WANTED[key].dtype, WANTED[key].shape)


def test_values_of_the_sample_are_read(sample: Any) -> None:
    names = set(sample["b/d"]) - {"sd"}
    found = {name: read_item(sample["b/d"][name]) for name in sorted(names)}
    arrays = {name: found.pop(name) for name in ("l", "ls", "nd")}
    assert all(type(array) is numpy.ndarray for array in arrays.values())
    assert arrays["ls"].dtype.kind == "U"
    wanted = json.loads(
        '{"b": true, "d": {"x": 1}, "ed": {}, "f": 1.5, "i": 1, "n": null, "nb": false, '
        '"nf": 2.5, "ni": 3, "s": "str"}'
    )
    containers = {name: found.pop(name) for name in ("et", "fs", "set", "t", "ts")}
    assert_same(found, wanted)
    assert {name: type(value).__name__ for name, value in containers.items()} == {
        "et": "tuple", "fs": "frozenset", "set": "set", "t": "tuple", "ts": "tuple",
    }  # fmt: skip


def test_summaries_of_the_sample_are_those_of_its_index(sample: Any) -> None:
    index = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))["index"]
    for namespace, items in index.items():
        for key, entry in items.items():
            wanted = {k: v for k, v in entry.items() if k not in ("created_at", "note")}
            if key == "S":
                wanted["dtype"] = "<U2"  # What it comes back as.
            assert read_summary(sample[namespace][key]) == wanted, (namespace, key)


def write_group(file: Any, tag: Any, **attributes: Any) -> Any:
    group = file.create_group(f"g{len(file)}")
    group.attrs["__type__"] = tag
    group.attrs.update(attributes)
    return group


def test_tags_may_be_bytes() -> None:
    with memory_file() as file:
        group = write_group(file, numpy.bytes_(b"scalar_str"))
        group.attrs["__scalar_value__"] = numpy.bytes_("é".encode())
        assert read_item(group) == "é"
        assert read_summary(group) == {"type": "str"}


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        *(("uint8", 3, 3), ("longlong", 3, 3.0), ("bool_", True, True), ("bool", False, False)),
        *(("float16", 1.5, 1.5), (None, 2, 2.0)),
    ],
)
def test_the_kind_of_a_scalar_tells_its_type(kind: Any, value: Any, wanted: Any) -> None:
    marks = {} if kind is None else {"__scalar_kind__": kind}
    with memory_file() as file:
        group = write_group(file, "scalar", __scalar_value__=value, **marks)
        assert_same(read_item(group), wanted)
        assert read_summary(group) == {"type": type(wanted).__name__}


@pytest.mark.parametrize("string", [None, "S4"])
def test_texts_of_either_kind_are_read(string: Any) -> None:
    with memory_file() as file:
        group = write_group(file, "ndarray")
        dtype = h5py.string_dtype() if string is None else string
        group.create_dataset("data", data=[b"ab", b"\xc3\xa9"], dtype=dtype)
        group["data"].attrs["__string_array__"] = True
        assert_same(read_item(group), numpy.array(["ab", "é"]))


def test_no_texts_are_an_array_of_text() -> None:
    with memory_file() as file:
        group = write_group(file, "ndarray")
        group.create_dataset("data", (0, 2), h5py.string_dtype())
        assert read_item(group).dtype.kind == "U"
        assert read_item(group).shape == (0, 2)


def test_the_width_of_many_texts_is_not_looked_for() -> None:
    with memory_file() as file:
        group = write_group(file, "ndarray")
        group.create_dataset("data", (2000,), h5py.string_dtype())
        assert read_summary(group) == {"type": "ndarray", "shape": [2000], "dtype": "<U0"}


def test_groups_nested_deeply_by_others_are_read() -> None:
    with memory_file() as file:
        group = top = write_group(file, "dict")
        for _ in range(1500):
            group = group.create_group("a")
            group.attrs["__type__"] = "dict"
        found = read_item(top)
    depth = 0
    while found:
        found, depth = found["a"], depth + 1
    assert depth == 1500


class Handle:
    """What stands for an array that is not read."""

    def __init__(self, path: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.facts = path, shape, dtype


def test_a_lazy_reader_gets_handles_of_arrays_of_numbers() -> None:
    array = numpy.asfortranarray(numpy.ones((2, 3), "i4,f8"))
    obj = {"a": array, "b": {"c": array}, "texts": numpy.array(["x"]), "list": [1], "x": Plain()}
    with stored(obj) as group:
        found = read_item(group, lazy=Handle)
        assert found["a"].facts == ("/item/a/data", (2, 3), array.dtype)
        assert found["a"] is found["b"]["c"]
        assert found["texts"].tolist() == ["x"]
        assert found["list"] == [1]
        assert type(found["x"]) is Plain


def test_a_lazy_reader_gets_a_handle_of_an_array_that_shares_memory() -> None:
    base = numpy.arange(10.0)
    with stored({"base": base, "part": base[::3]}) as group:
        handle = read_item(group, lazy=Handle)["part"]
        path, shape, dtype = handle.facts
        assert (shape, dtype) == ((4,), numpy.dtype("f8"))
        assert group.file[path][...].tolist() == [0, 3, 6, 9]


def test_a_part_of_an_item_can_be_read_alone() -> None:
    base = numpy.arange(10.0)
    with stored({"base": base, "part": base[::3]}) as group:
        assert_same(read_item(group["part"]), base[::3])


class Shaped:
    shape: Any = (2, 3)


class Raising:
    @property
    def shape(self) -> Any:
        raise RuntimeError("no shape")


@pytest.mark.parametrize(
    ("obj", "wanted"),
    [
        (numpy.zeros((2, 3), ">f4"), {"type": "ndarray", "shape": [2, 3], "dtype": ">f4"}),
        (numpy.array(["ab"]), {"type": "ndarray", "shape": [1], "dtype": "<U2"}),
        (numpy.float32(1), {"type": "float32"}),
        *((None, {"type": "NoneType"}), ({}, {"type": "dict"}), ([1], {"type": "list"})),
        *(([1, "a"], {"type": "list"}), ({1: 2}, {"type": "dict"}), (3, {"type": "int"})),
        *(("a", {"type": "str"}), (numpy.str_("a"), {"type": "str_"}), (set(), {"type": "set"})),
        *((2**70, {"type": "int"}), (Plain(), {"type": "Plain"})),
        (numpy.ma.zeros((2, 3)), {"type": "MaskedArray", "shape": [2, 3]}),
    ],
)
def test_a_summary_is_the_same_from_object_and_group(obj: Any, wanted: Any) -> None:
    assert summarize(obj) == wanted
    with stored(obj) as group:
        assert read_summary(group) == wanted


def test_a_summary_has_a_shape_only_if_it_is_one() -> None:
    odd = Shaped()
    assert summarize(odd) == {"type": "Shaped", "shape": [2, 3]}
    odd.shape = "round"
    assert summarize(odd) == summarize(odd) == {"type": "Shaped"}
    assert summarize(Raising()) == {"type": "Raising"}


def test_listing_runs_no_source() -> None:
    with stored(Plain()) as group:
        del group["source"]
        group["source"] = "raise RuntimeError"
        assert read_summary(group) == {"type": "Plain"}
