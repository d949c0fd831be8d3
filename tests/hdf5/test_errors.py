"""What cannot be stored is refused before anything is written; what is damaged is named."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from persist.errors import DamagedError, UnsupportedObjectError
from persist.hdf5 import prepare, read_item, read_summary
from tests.classes import Plain
from tests.hdf5.files import memory_file, stored, write_item


@pytest.fixture
def generator() -> Any:
    """Return an object that no archive can store."""
    return (i for i in range(3))


def test_an_object_that_cannot_be_stored_is_refused_before_writing(generator: Any) -> None:
    with memory_file() as file:
        with pytest.raises(TypeError, match="Cannot serialise object of type 'generator' to HDF5"):
            write_item(file, "item", generator, created_at=0)
        assert list(file) == []


@pytest.mark.parametrize("beside", [{}, {"beside": Plain()}])
def test_the_error_says_where_the_object_stands(generator: Any, beside: Any) -> None:
    with pytest.raises(UnsupportedObjectError, match=r"value\['a'\]\['b'\]\.x\[1\]: "):
        prepare({**beside, "a": {"b": Plain(x=[1, generator])}})


def test_nothing_is_left_behind_when_the_disk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("persist.archive.arrays.datasets.Encoded.write", fail)
    with memory_file() as file:
        with pytest.raises(OSError, match="disk full"):
            write_item(file, "item", {"a": 1, "b": numpy.arange(3)}, created_at=0)
        assert list(file) == []


def test_a_member_of_that_name_is_left_alone() -> None:
    with memory_file() as file:
        write_item(file, "item", 1, created_at=0)
        with pytest.raises(ValueError, match="name already exists"):
            write_item(file, "item", 2, created_at=0)
        assert read_item(file["item"]) == 1


@pytest.mark.parametrize("read", [read_item, read_summary])
def test_a_group_of_unknown_type_is_refused(read: Any) -> None:
    with memory_file() as file:
        group = file.create_group("a/b")
        with pytest.raises(ValueError, match=r"Unknown __type__ '' in HDF5 group '/a/b'\. Supp"):
            read(group)
        group.attrs["__type__"] = "Alien"
        with pytest.raises(ValueError, match=r"Unknown __type__ 'Alien' .* Supported: \['dict'"):
            read(group)


@pytest.mark.parametrize("read", [read_item, read_summary])
def test_an_encoding_of_a_later_version_is_refused(read: Any) -> None:
    with stored([1, 2]) as group:
        group.attrs["encoding-version"] = "1.9"
        read(group)
        group.attrs["encoding-version"] = "2.0"
        with pytest.raises(DamagedError, match=r"encoding-version '2\.0', and 1\.0 is known"):
            read(group)


MISSING: dict[str, tuple[Any, str]] = {
    "data of an array": (numpy.arange(3), "data"),
    "data of a list": ([1], "data"),
    "data of a set": ({1}, "data"),
    "source": (Plain(), "source"),
    "arrays": (Plain(x=numpy.arange(30)), "arrays"),
    "one of the arrays": (Plain(x=numpy.arange(30)), "arrays/array_0"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_dataset_is_named(name: str) -> None:
    obj, member = MISSING[name]
    with stored(obj) as group:
        del group[member]
        last = member.rpartition("/")[2]
        with pytest.raises(DamagedError, match=rf"/item.* is damaged: it holds no '{last}'"):
            read_item(group)


@pytest.mark.parametrize(
    ("obj", "attribute"),
    [(1, "__scalar_value__"), ("a", "__scalar_value__"), (numpy.int8(1), "encoding-value")],
)
def test_a_missing_attribute_is_named(obj: Any, attribute: str) -> None:
    with stored(obj) as group:
        del group.attrs[attribute]
        with pytest.raises(DamagedError, match=f"/item in .* has no attribute '{attribute}'"):
            read_item(group)


def test_a_dataset_in_place_of_a_group_is_named() -> None:
    with stored({"a": 1}) as group:
        group["b"] = 3
        with pytest.raises(DamagedError, match=r"/item/b in .* is a dataset"):
            read_item(group)


def test_a_summary_that_is_no_json_is_named() -> None:
    with stored(Plain()) as group:
        group.attrs["encoding-summary"] = "{"
        with pytest.raises(DamagedError, match="encoding-summary is not JSON"):
            read_summary(group)


def test_a_source_that_defines_nothing_is_named() -> None:
    with stored(Plain()) as group:
        del group["source"]
        group["source"] = "x = 1"
        with pytest.raises(DamagedError, match="its source defines no 'value'"):
            read_item(group)


@pytest.mark.parametrize("place", ["{", "[]", '{"buffer": 0, "size": 8, "offset": 9}'])
def test_memory_that_does_not_hold_the_array_is_named(place: str) -> None:
    base = numpy.arange(4.0)
    with stored({"a": base, "b": base[1:]}) as group:
        group["b/data"].attrs["encoding-memory"] = place
        with pytest.raises(DamagedError, match=r"/item/b/data in .* is damaged: encoding-memory"):
            read_item(group)


def test_memory_out_of_bounds_is_named() -> None:
    base = numpy.arange(4.0)
    with stored({"a": base, "b": base[1:]}) as group:
        place = '{"buffer": 0, "size": 32, "offset": 16, "strides": [8]}'
        group["b/data"].attrs["encoding-memory"] = place
        with pytest.raises(DamagedError, match="encoding-memory"):
            read_item(group)
