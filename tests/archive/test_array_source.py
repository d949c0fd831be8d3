"""Arrays keep their dtype whole: metadata, byte order, alignment and record class."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore

METADATA = {"unit": "m", "gains": [1, 2.5]}
INNER = numpy.dtype("f8", metadata={"unit": "s"})
SPECS: list[Any] = [
    *("f8", "f4", "f2", "?", "c16", "c8", "g", "G", "i8", "u1", ">f8", ">i4", "S3", "U3", "V5"),
    *("M8[s]", "m8[s]", "m8", "O"),
    [("a", "f8"), ("b", "U2")],
    [("a", "f8"), ("b", "O")],
    numpy.dtype((numpy.record, [("a", "f8")])),
    numpy.dtype([("a", "i1"), ("b", "f8")], align=True),
    {"names": ["a"], "formats": ["f4"], "offsets": [4], "itemsize": 12},
    [("a", INNER)],
    [("a", INNER, (2,))],
]
SHAPES = [(), (0,), (2,), (2, 3), (2000,)]


def extras(dtype: numpy.dtype[Any]) -> Any:
    """Return what no comparison of dtypes looks at, of a dtype and of all that is in it."""
    base = extras(dtype.base) if dtype.subdtype else None
    fields = {name: extras(field[0]) for name, field in (dtype.fields or {}).items()}
    return dict(dtype.metadata or {}), dtype.isalignedstruct, dtype.type, base, fields


def assert_same_dtype(found: numpy.dtype[Any], wanted: numpy.dtype[Any]) -> None:
    assert found == wanted
    assert extras(found) == extras(wanted)


def back(obj: Any, scoped: bool) -> Any:
    archive = Archive(scoped=scoped)
    archive.insert(x=obj)
    return restore(str(archive))["x"]


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_metadata_of_an_array_is_kept(spec: Any, shape: tuple[int, ...], scoped: bool) -> None:
    dtype = numpy.dtype(spec, metadata=METADATA)
    for order in "CF":
        array = numpy.zeros(shape, dtype, order=order)
        locked = array.copy()
        locked.flags.writeable = False
        for obj in (array, locked):
            found = back(obj, scoped)
            # numpy itself drops that of times without a unit.
            assert_same_dtype(found.dtype, array.dtype)
            assert numpy.array_equal(found, obj)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_metadata_of_a_view_and_of_a_subclass_is_kept(spec: Any) -> None:
    dtype = numpy.dtype(spec, metadata=METADATA)
    array = numpy.zeros(4, dtype)
    whole, part = back([array, array[::2]], scoped=True)
    assert_same_dtype(whole.dtype, array.dtype)
    assert_same_dtype(part.dtype, array.dtype)
    assert numpy.shares_memory(whole, part)
    masked = numpy.ma.masked_array(array, [True, False, True, False])
    assert_same_dtype(back(masked, scoped=True).dtype, masked.dtype)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_metadata_of_a_dtype_and_of_a_void_is_kept(spec: Any) -> None:
    dtype = numpy.dtype(spec, metadata=METADATA)
    assert_same_dtype(back(dtype, scoped=True), dtype)
    if dtype.type in (numpy.void, numpy.record):
        item = numpy.zeros((), dtype)[()]
        found = back(item, scoped=True)
        assert type(found) is type(item)
        assert_same_dtype(found.dtype, item.dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(2, 1, 2), (3, 2), (4,)])
def test_bytes_between_fields_are_not_in_the_text(order: Any, shape: tuple[int, ...]) -> None:
    inner = numpy.dtype([("c", "<f8"), ("d", "S2")], align=True)
    dtype = numpy.dtype([("a", "i1"), ("b", inner)], align=True)
    texts = set()
    for junk in range(4):
        size = int(numpy.prod(shape)) * dtype.itemsize
        array = numpy.frombuffer(bytes([junk]) * size, dtype).reshape(shape).copy(order)
        array["a"], array["b"]["c"], array["b"]["d"] = 1, 2.5, b"x"
        archive = Archive(scoped=False)
        archive.insert(x=[array, {Holder(array), Holder(None)}])
        texts.add(str(archive))
    assert len(texts) == 1


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held
