"""What a group holds comes back the same, whatever it was."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import h5py
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.arrays.cases import CASES
from tests.effort import IS_SHORT
from tests.hdf5.files import check_round_trip, memory_file, write_item
from tests.strategies import ATOMS, atoms, cyclic_graphs, graphs

draws = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=40 if IS_SHORT else 100,
)


def as_dict(graph: Any) -> dict[str, Any]:
    """Return the parts of a graph as members of dicts, one of which is met twice."""
    parts = graph if type(graph) is list else [graph]
    inner = {f"part{i}": part for i, part in enumerate(parts)}
    return {"z": inner, "a": inner, "last": parts[-1] if parts else None}


@given(graphs())
@draws
def test_a_graph_is_restored_with_its_sharing(graph: Any) -> None:
    check_round_trip(graph)


@given(graphs(size=64) | cyclic_graphs(size=64))
@draws
def test_parts_of_a_graph_are_restored_from_members_of_dicts(graph: Any) -> None:
    check_round_trip(as_dict(graph))


@given(st.dictionaries(st.text(max_size=4), atoms(), max_size=6))
@draws
def test_a_dict_of_values_is_restored_in_order(mapping: dict[str, Any]) -> None:
    check_round_trip(mapping)


@given(st.lists(atoms(), max_size=6))
@draws
def test_containers_of_values_are_restored(items: list[Any]) -> None:
    check_round_trip({"list": items, "tuple": tuple(items), "set": set(items)})
    check_round_trip(frozenset(items))


_buffer = numpy.arange(48.0)
_items: tuple[Callable[[], Any], ...] = (
    *(lambda: [1, 2], lambda: ["a", "é"], lambda: [True], lambda: [0.5], list, tuple, set),
    *(lambda: numpy.arange(3), lambda: numpy.array(["a", "b"]), lambda: numpy.float32(0.1)),
    *(lambda: (1, 2.5), lambda: {1, 2}, lambda: [[1, 2], [3, 4]], lambda: numpy.str_("é")),
    *(lambda: numpy.asfortranarray(numpy.ones((2, 3), ">i2")), lambda: object(), lambda: None),
)
_views = st.builds(
    lambda start, step, kind: (_buffer, _buffer.reshape(6, 8).T, _buffer.view("i4"))[kind][
        start::step
    ],
    st.integers(0, 4),
    st.integers(1, 3),
    st.integers(0, 2),
)
_shared = st.sampled_from([[1, 2], numpy.arange(4), numpy.int8(3), {"a": 1}, (0.5, float("nan"))])
_leaves = st.sampled_from(_items).map(lambda make: make()) | _views | _shared


@given(
    st.recursive(_leaves, lambda inner: st.dictionaries(st.sampled_from("zyxab"), inner)),
)
@draws
def test_native_members_are_restored_with_sharing_and_memory(obj: Any) -> None:
    check_round_trip(obj)


@pytest.mark.parametrize("case", CASES)
def test_an_array_is_restored(case: str) -> None:
    check_round_trip(CASES[case])
    check_round_trip({"a": CASES[case], "again": CASES[case]})


def test_nasty_values_are_restored_one_by_one() -> None:
    check_round_trip({f"x{i}": atom for i, atom in enumerate(ATOMS)})
    for atom in ATOMS:
        check_round_trip(atom)


@pytest.mark.parametrize("bits", [0x7FF8000000000001, 0xFFF8000000000000, 0x7FF00000DEADBEEF])
def test_the_bits_of_a_nan_are_kept(bits: int) -> None:
    number = struct.unpack("<d", struct.pack("<Q", bits))[0]
    array = numpy.array([bits], "<u8").view("<f8")
    half = numpy.array([bits >> 32], "<u4").view("<f4")[0]
    check_round_trip({"float": number, "list": [number], "scalar": array[0], "half": half})


@pytest.mark.parametrize(
    "name", ["int8", "uint64", "float16", "float32", "float64", "longdouble", "bool", "longlong"]
)
def test_a_scalar_of_numpy_is_restored(name: str) -> None:
    scalar = numpy.dtype(name).type(1)
    check_round_trip(scalar)
    check_round_trip({"a": scalar, "b": scalar, "c": numpy.dtype(name).type(0)})
    check_round_trip({"large": numpy.ones(30, name), "swapped": numpy.ones(2, name).byteswap()})
    check_round_trip(numpy.ones(30, numpy.dtype(name).newbyteorder()))


def test_numbers_beyond_64_bits_are_restored() -> None:
    check_round_trip({"int": 2**63, "scalar": numpy.uint64(2**64 - 1), "list": [2**63, -1]})


def test_nested_dicts_have_no_limit_of_depth() -> None:
    graph: dict[str, Any] = {}
    for _ in range(2000):
        graph = {"inner": graph}
    check_round_trip(graph)


def test_keys_that_cannot_name_a_group_are_kept() -> None:
    keys = ["", ".", "..", "a/b", "a\0b", "\ud800", "k" * 70_000, 1, None, ("a", 1)]
    for key in keys:
        check_round_trip({"mapping": {key: 1, "other": numpy.arange(3)}, "beside": [1]})


def test_odd_keys_that_can_name_a_group_are_kept() -> None:
    check_round_trip(dict.fromkeys([" ", "...", "__type__", "é", "x.y", "\n", "k" * 1000], 1))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("size", [3, 30])
def test_the_order_of_a_dict_is_kept_in_every_version_of_the_format(libver: str, size: int) -> None:
    mapping = {f"k{(i * 7) % size}": i for i in range(size)}
    with h5py.File("x.h5", "w", driver="core", backing_store=False, libver=libver) as file:
        write_item(file, "item", mapping, created_at=0)
        assert list(file["item"]) == list(mapping)
        file.copy("item", "copy")
        assert list(file["copy"]) == list(mapping)


def test_the_same_object_gives_the_same_bytes() -> None:
    buffer = numpy.arange(40.0)
    images = set()
    for _ in range(3):
        padded = numpy.empty(3, numpy.dtype("i1,f8", align=False))
        padded["f0"], padded["f1"] = 1, 2
        obj = {"z": buffer, "a": buffer[::2], "o": [object()], "s": {"x", "y", "z"}, "p": padded}
        with memory_file() as file:
            write_item(file, "item", obj, created_at=1.0)
            file.flush()
            images.add(file.id.get_file_image())
    assert len(images) == 1
