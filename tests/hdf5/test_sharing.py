"""What stands in an item twice, or shares memory, or leads back."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from persist.errors import PersistWarning
from persist.hdf5 import prepare, read_item
from tests.archive.test_roundtrip import CYCLES, array_views
from tests.classes import Plain
from tests.hdf5.files import check_round_trip, kind, memory_file, stored


def is_native(obj: dict[str, Any]) -> bool:
    """Store a dict, check that it comes back the same, tell whether it is a group of members."""
    check_round_trip(obj)
    with stored(obj) as group:
        return kind(group) == ("dict", None)


@pytest.mark.parametrize("part", [[1], {"a": 1}, numpy.arange(3), numpy.int8(1), {1}, Plain()])
def test_a_part_that_stands_in_two_places_is_one_object(part: Any) -> None:
    assert is_native({"a": part, "b": {"c": part}})


def test_equal_parts_stay_apart() -> None:
    assert is_native({"a": [1], "b": [1], "c": numpy.arange(2), "d": numpy.arange(2)})


@pytest.mark.parametrize("part", [[1], {"a": 1}, numpy.arange(3), Plain(), frozenset()])
def test_a_source_that_refers_to_another_member_makes_the_item_one_source(part: Any) -> None:
    assert not is_native({"a": part, "b": Plain(part=part)})
    assert not is_native({"a": Plain(part=part), "b": Plain(part=part)})


def test_sources_that_refer_to_the_same_class_or_value_stay_apart() -> None:
    assert is_native({"a": Plain(cls=int, text="x"), "b": Plain(cls=int, text="x"), "c": len})


def test_frames_of_one_dict_are_sources_of_their_own() -> None:
    pandas = pytest.importorskip("pandas")
    frames = {name: pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", name]}) for name in "xy"}
    with stored(frames) as group:
        assert kind(group) == ("dict", None)
        found = read_item(group)
    assert all(found[name].equals(frames[name]) for name in frames)


@pytest.mark.parametrize("name", array_views())
def test_arrays_of_one_buffer_share_memory(name: str) -> None:
    arrays = array_views()[name]
    check_round_trip({f"x{i}": array for i, array in enumerate(arrays)})
    check_round_trip({"x": arrays, "rest": {f"y{i}": a for i, a in enumerate(arrays)}})


def test_arrays_that_share_memory_are_native() -> None:
    base = numpy.arange(24.0)
    texts = numpy.array(["a", "bc", "d"])
    assert is_native({"z": base[3:9], "a": base[5:20].view("i4"), "t": base.reshape(4, 6).T})
    assert is_native({"all": texts, "part": texts[::2], "other": base, "more": base[:2]})


def test_restored_views_write_through() -> None:
    base = numpy.zeros(6)
    with stored({"rows": base.reshape(2, 3), "base": base}) as group:
        found = read_item(group)
    found["rows"][1, 0] = 7
    assert found["base"].tolist() == [0, 0, 0, 7, 0, 0]


def test_memory_shared_with_a_source_makes_the_item_one_source() -> None:
    base = numpy.arange(30.0)
    objects = numpy.array([1, None, "a"], object)
    assert not is_native({"a": base, "b": Plain(part=base[2:])})
    assert not is_native({"a": Plain(part=base[:9]), "b": Plain(part=base[2:])})
    assert not is_native({"a": Plain(part=objects[:2]), "b": Plain(part=objects[1:])})


def test_memory_shared_within_a_source_leaves_the_others_native() -> None:
    base = numpy.arange(30.0)
    assert is_native({"a": Plain(one=base, other=base[2:]), "b": numpy.arange(3)})


@pytest.mark.parametrize("name", CYCLES)
def test_a_cycle_is_one_source(name: str) -> None:
    check_round_trip({"cycle": CYCLES[name](), "beside": [1, 2]})


def test_a_dict_that_leads_back_to_itself_is_one_source() -> None:
    loop: dict[str, Any] = {"a": 1}
    loop["inner"] = {"loop": loop}
    assert not is_native(loop)
    assert not is_native({"owner": Plain(), "loop": loop})


def test_lists_that_double_at_each_level_are_stored() -> None:
    part: list[Any] = []
    for _ in range(40):
        part = [part, part]
    check_round_trip({"part": part})


def test_a_mapped_array_is_stored_as_an_array(tmp_path: Any) -> None:
    array = numpy.memmap(tmp_path / "x", "f8", "w+", shape=(3,))
    array[:] = 1, 2, 3
    with pytest.warns(PersistWarning, match="mapped from the file"):
        item = prepare({"x": array})
    with memory_file() as file:
        item.write_into(file, "item", created_at=0)
        assert kind(file["item/x"]) == ("ndarray", None)
        assert type(read_item(file["item"])["x"]) is numpy.ndarray


def test_a_mapped_array_of_dates_is_a_source(tmp_path: Any) -> None:
    array = numpy.memmap(tmp_path / "x", "M8[s]", "w+", shape=(3,))
    with pytest.warns(PersistWarning, match="mapped from the file"):
        item = prepare(array)
    with memory_file() as file:
        item.write_into(file, "item", created_at=0)
        assert kind(file["item"]) == ("archive", "archive")
        assert read_item(file["item"]).dtype == "M8[s]"


def test_an_array_and_a_map_of_it_share_memory(tmp_path: Any) -> None:
    array = numpy.memmap(tmp_path / "x", "f8", "w+", shape=(3,))
    with pytest.warns(PersistWarning, match="mapped from the file"):
        item = prepare({"x": array, "y": numpy.asarray(array)[1:]})
    with memory_file() as file:
        item.write_into(file, "item", created_at=0)
        found = read_item(file["item"])
    assert numpy.shares_memory(found["x"], found["y"])
