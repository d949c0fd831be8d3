from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from persist.dataset.changes import changes

NAN = float("nan")


def lines(old: Any, new: Any, **options: Any) -> list[str]:
    """Return the changes as text."""
    return [str(change) for change in changes(old, new, **options)]


def test_subclasses_of_arrays_show_their_elements() -> None:
    old = numpy.ma.masked_array([1, 2, 3], [0, 0, 1])
    new = numpy.ma.masked_array([1, 5, 3], [0, 0, 0])
    assert [change.path for change in changes(old, new)] == ["x[1]", "x", "x.mask[2]", "x.mask"]
    records = numpy.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])
    other = records.copy()
    other.b[0] = 3.5
    assert lines(records, other)[0] == "x['b'][0]: 2.5 -> 3.5"


def test_arrays_list_the_first_elements_and_count_the_others() -> None:
    old = numpy.arange(12.0).reshape(3, 4)
    new = old.copy()
    new[1, 2:] += 0.5
    new[2] -= 2
    assert lines(old, new) == [
        "x[1, 2]: 6.0 -> 6.5",
        "x[1, 3]: 7.0 -> 7.5",
        "x[2, 0]: 8.0 -> 6.0",
        "x: float64 (3, 4) -> 6 of 12 elements differ, by at most 2.0",
    ]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(300, 700), (2, 200_000), (200_000, 2), (60, 70, 50)])
def test_elements_are_found_in_any_piece(shape: tuple[int, ...], order: Any) -> None:
    old = numpy.zeros(shape, order=order)
    new = old.copy(order="K")
    wanted = {tuple(size * part // 4 for size in shape) for part in (1, 2, 3)}
    for index in wanted:
        new[index] = 1
    paths = [change.path for change in changes(old, new)[:-1]]
    found = {tuple(map(int, path[2:-1].split(", "))) for path in paths}
    assert found == wanted
    assert changes(old, new)[-1].new.startswith(f"3 of {old.size} elements differ")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (numpy.zeros(3), numpy.zeros(3, "f4"), "x.dtype: float64 -> float32"),
        (numpy.zeros(3), numpy.zeros(3, ">f8"), "x.dtype: float64 -> >f8"),
        (numpy.zeros((2, 3)), numpy.zeros((3, 2)), "x.shape: (2, 3) -> (3, 2)"),
        (numpy.zeros((2, 3)), numpy.zeros((2, 3), order="F"), "x.flags: C order -> F order"),
    ],
)
def test_arrays_differ_in_layout(old: Any, new: Any, line: str) -> None:
    assert lines(old, new) == [line]
    assert len(changes(new, old)) == 1


def test_arrays_differ_in_metadata_of_their_dtype() -> None:
    noted = numpy.dtype("f8", metadata={"unit": "mV"})
    (change,) = changes(numpy.zeros(2), numpy.zeros(2, noted))
    assert change.path == "x.dtype"
    assert change.old != change.new


def test_arrays_differ_in_being_writable() -> None:
    locked = numpy.zeros(3)
    locked.flags.writeable = False
    assert lines(locked, numpy.zeros(3)) == ["x.flags.writeable: False -> True"]


def test_views_without_an_order_are_compared_by_their_elements() -> None:
    base = numpy.arange(24.0).reshape(4, 6)
    assert changes(base[::2, ::3], base[::2, ::3].copy()) == ()
    assert changes(base[::-1], base[::-1].copy()) == ()
    assert changes(base[::2, ::3], base[1::2, ::3].copy()) != ()


@pytest.mark.parametrize(
    ("old", "new", "most"),
    [
        (numpy.array([-128], "i1"), numpy.array([127], "i1"), "255"),
        (numpy.array([0], "u8"), numpy.array([2**64 - 1], "u8"), str(2**64 - 1)),
        (numpy.array([-(2**63)]), numpy.array([2**63 - 1]), str(2**64 - 1)),
        (numpy.array([3 + 4j]), numpy.array([0j]), "5.0"),
        (numpy.array([1.0, math.inf]), numpy.array([2.0, -math.inf]), "inf"),
        (numpy.array([1.0, NAN]), numpy.array([2.0, 5.0]), "1.0"),
        (numpy.array([1.5], ">f4"), numpy.array([1.0], ">f4"), "0.5"),
    ],
)
def test_the_largest_difference_is_told(old: Any, new: Any, most: str) -> None:
    assert changes(old, new)[-1].new.endswith(f"differ, by at most {most}")
    assert changes(new, old)[-1].new.endswith(f"differ, by at most {most}")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (["a", "b"], ["a", "c"], "x[1]: 'b' -> 'c'"),
        ([b"a", b"b"], [b"a", b"c"], "x[1]: b'b' -> b'c'"),
        ([True, False], [True, True], "x[1]: False -> True"),
        (numpy.array([b"ab"], "V2"), numpy.array([b"ac"], "V2"), "x[0]: b'ab' -> b'ac'"),
        (
            numpy.array(["2020", "NaT"], "M8[D]"),
            numpy.array(["2021", "NaT"], ">M8[D]").astype("M8[D]"),
            "x[0]: 2020-01-01 -> 2021-01-01",
        ),
        (numpy.array(1.5), numpy.array(2.5), "x[()]: 1.5 -> 2.5"),
    ],
)
def test_elements_of_any_kind_are_compared(old: Any, new: Any, line: str) -> None:
    found = lines(numpy.array(old), numpy.array(new))
    assert found[0] == line
    assert "1 of" in found[1]
    assert len(found) == 2


@pytest.mark.parametrize("dtype", ["M8[s]", ">m8[ns]", "f2", "g", "c8", "G"])
def test_missing_elements_are_the_same(dtype: str) -> None:
    missing = numpy.full(3, "nan" if numpy.dtype(dtype).kind not in "mM" else "NaT", dtype)
    assert changes(missing, missing.copy()) == ()
    assert changes(missing[0], missing.copy()[0]) == ()


def test_arrays_of_nothing_are_the_same() -> None:
    for dtype in ("f8", "S0", "V0", "O", [("a", "i1")], []):
        for shape in ((0,), (2, 0, 3), ()):
            assert changes(numpy.zeros(shape, dtype), numpy.zeros(shape, dtype)) == ()


def test_structured_arrays_differ_by_field() -> None:
    old = numpy.zeros(3, [("a", "i4"), ("b", [("c", "f8"), ("d", "f8", (2,))])])
    new = old.copy()
    new["a"][2] = 7
    new["b"]["d"][1, 1] = 0.5
    assert lines(old, new) == [
        "x['a'][2]: 0 -> 7",
        "x['a']: int32 (3,) -> 1 of 3 elements differ, by at most 7",
        "x['b']['d'][1, 1]: 0.0 -> 0.5",
        "x['b']['d']: float64 (3, 2) -> 1 of 6 elements differ, by at most 0.5",
    ]
    assert len(changes(old, new, atol=0.5)) == 2
    assert lines(old[2], new[2])[0] == "x['a'][()]: 0 -> 7"


def test_gaps_between_fields_mean_nothing() -> None:
    layout = {"names": ["a", "b"], "formats": ["i1", "i4"], "offsets": [0, 4], "itemsize": 12}
    old, new = numpy.zeros(2, layout), numpy.zeros(2, layout)
    new.view("u1")[1] = 255
    assert changes(old, new) == ()


def test_arrays_of_objects_are_compared_object_by_object() -> None:
    old, new = numpy.empty((2, 2), object), numpy.empty((2, 2), object)
    old[0, 1], new[0, 1] = [1], [2]
    new[1, 1] = "a"
    assert lines(old, new) == ["x[0, 1][0]: 1 -> 2", "x[1, 1]: None -> 'a'"]
    old[1, 0] = old[0, 1]
    new[1, 0] = [2]
    assert "x[1, 0]: shared with x[0, 1] -> its own" in lines(old, new)


def test_an_array_may_hold_itself() -> None:
    old, new = numpy.array([None]), numpy.array([None])
    old[0], new[0] = old, new
    assert changes(old, new) == ()


def test_arrays_of_text_without_a_width_are_compared() -> None:
    dtypes = pytest.importorskip("numpy.dtypes")
    if not hasattr(dtypes, "StringDType"):
        pytest.skip("this numpy has no such dtype")
    old, new = (numpy.array(["a", text], dtypes.StringDType()) for text in ("b", "c"))
    assert lines(old, new) == ["x[1]: 'b' -> 'c'"]
    assert len(changes(old, numpy.array(["a", "b"], dtypes.StringDType(coerce=False)))) == 1


def peak(call: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `call` returns, and how many bytes it took at most."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("options", [{}, {"atol": 1e-9}], ids=["exact", "tolerant"])
@pytest.mark.parametrize("dtype", ["f8", "i1", "c8", "f2", "U1", [("a", "f8"), ("b", "i8")]])
def test_large_arrays_are_compared_a_piece_at_a_time(dtype: Any, options: Any) -> None:
    size = (256 << 20) // numpy.dtype(dtype).itemsize // (1 if dtype == "f8" else 8)
    old, new = numpy.zeros(size, dtype), numpy.zeros(size, dtype)
    new[-1] = 1
    found, memory = peak(lambda: changes(old, new, **options))
    assert len(found) == (2 if isinstance(dtype, str) else 4)
    assert memory < 10 << 20


def test_memory_maps_are_arrays_and_are_not_loaded(tmp_path: Any) -> None:
    size = 1 << 22
    numpy.save(tmp_path / "a.npy", numpy.arange(size))
    mapped = numpy.load(tmp_path / "a.npy", mmap_mode="r")
    other = numpy.load(tmp_path / "a.npy", mmap_mode="r")
    found, memory = peak(lambda: changes([mapped], [other]))
    assert found == ()
    assert memory < 10 << 20
    assert changes(mapped, numpy.arange(size)) == ()
    assert len(changes(numpy.arange(size) + 1, mapped)) == 4


def test_scalars_of_one_class_may_have_two_dtypes() -> None:
    years, days = numpy.datetime64("2020", "Y"), numpy.datetime64("2020-01-01", "D")
    assert lines(years, days) == ["x.dtype: datetime64[Y] -> datetime64[D]"]


def test_metadata_that_hold_arrays_are_never_equal() -> None:
    one, other = (numpy.dtype("f8", metadata={"a": numpy.zeros(2)}) for _ in range(2))
    assert changes(numpy.zeros(2, one), numpy.zeros(2, one)) == ()
    assert len(changes(numpy.zeros(2, one), numpy.zeros(2, other))) == 1
