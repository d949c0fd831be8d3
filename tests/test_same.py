"""What `assert_same` must tell apart, and what it must not."""

from __future__ import annotations

import copy
import math
import pickle
import struct
from collections import OrderedDict, defaultdict, deque
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy
import pytest
from hypothesis import given, settings

from tests.classes import (
    ByState,
    Celsius,
    Colour,
    FailedTrial,
    FrozenPoint,
    Interval,
    Ledger,
    NamedDict,
    NamedList,
    NamedSet,
    Outer,
    Plain,
    Point,
    Quantity,
    Slotted,
    Stated,
    Version,
)
from tests.effort import DEPTH
from tests.same import assert_same
from tests.strategies import cyclic_graphs, graphs

NAN_WITH_PAYLOAD = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_1234))[0]


def ring(*lengths: int) -> set[Plain]:
    """Return a set of objects that form rings of these lengths."""
    rings = [[Plain() for _ in range(length)] for length in lengths]
    for members in rings:
        for index, member in enumerate(members):
            member.next = members[index - 1]
    return {member for members in rings for member in members}


def member_with_link(link: Any) -> set[ByState]:
    return {ByState("key", link)}


def shared(count: int, item: Any) -> list[Any]:
    return [item] * count


def distinct(count: int, item: Any) -> list[Any]:
    return [copy.copy(item) for _ in range(count)]


def plain(**attributes: Any) -> Plain:
    return Plain(**attributes)


def with_attribute(obj: Any, value: Any) -> Any:
    obj.note = value
    return obj


def read_only(array: numpy.ndarray) -> numpy.ndarray:
    array.flags.writeable = False
    return array


def views(offset: int, step: int = 1) -> list[numpy.ndarray]:
    base = numpy.zeros(12)
    return [base[:6], base[offset : offset + 4 : step]]


DIFFERENT = {
    "negative zero": (0.0, -0.0),
    "int and float": (1, 1.0),
    "bool and int": (True, 1),
    "neighbouring floats": (1.0, math.nextafter(1.0, 2.0)),
    "payload of nan": (math.nan, NAN_WITH_PAYLOAD),
    "sign of nan": (math.nan, -math.nan),
    "imaginary negative zero": (complex(1, 0.0), complex(1, -0.0)),
    "ints": (10**5000, 10**5000 + 1),
    "surrogates": ("\ud800", "\ud801"),
    "composed and decomposed text": ("\u00e9", "e\u0301"),
    "text and bytes": ("a", b"a"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "bytearrays": (bytearray(b"a"), bytearray(b"b")),
    "singletons": (Ellipsis, NotImplemented),
    "classes": (int, float),
    "functions": (len, abs),
    "methods": (plain().describe, plain(a=1).describe),
    "enumerations": (Colour.RED, Colour.GREEN),
    "ranges that are equal": (range(0), range(0, 0, 2)),
    "slices": (slice(1), slice(2)),
    "list and tuple": ([], ()),
    "lengths": ([1], [1, 2]),
    "elements": ([1, 2], [1, 3]),
    "order of elements": ([1, 2], [2, 1]),
    "atoms in nested tuples": (((1, (2,)),), ((1, (3,)),)),
    "zeros in nested tuples": (((0.0, (2,)),), ((-0.0, (2,)),)),
    "tuple of atoms and of a list": ((1,), ([1],)),
    "values in a dict": ({"a": 1}, {"a": 2}),
    "keys of a dict": ({"a": 1}, {"b": 1}),
    "types of keys": ({1: 1}, {True: 1}),
    "order of a dict": ({"a": 1, "b": 1}, {"b": 1, "a": 1}),
    "factories": (defaultdict(list), defaultdict(set)),
    "bounds of deques": (deque([1], 3), deque([1])),
    "ordered and plain dicts": (OrderedDict(a=1), {"a": 1}),
    "list and its subclass": ([1], NamedList([1])),
    "attributes of a list": (with_attribute(NamedList(), 1), with_attribute(NamedList(), 2)),
    "items of a list with attributes": (NamedList([1]), NamedList([2])),
    "items of a dict with attributes": (NamedDict(a=1), NamedDict(a=2)),
    "attributes of a set": (with_attribute(NamedSet(), 1), NamedSet()),
    "attributes of an int": (with_attribute(Celsius(1), 1), with_attribute(Celsius(1), 2)),
    "values of an int with attributes": (Celsius(1), Celsius(2)),
    "named tuple and tuple": (Interval(1, 2), (1, 2)),
    "named tuples": (Interval(1, 2), Interval(1, 3)),
    "attributes": (plain(a=1), plain(a=2)),
    "names of attributes": (plain(a=1), plain(b=1)),
    "an attribute more": (plain(a=1, b=None), plain(a=1)),
    "classes of objects": (plain(a=1), Outer.Inner(1)),
    "slots": (Slotted(1), Slotted(2)),
    "empty slots": (Slotted(1), Slotted(1, None)),
    "data classes": (Point(1), Point(2)),
    "frozen data classes": (FrozenPoint(1), FrozenPoint(1.0)),
    "states": (Stated(1), Stated(2)),
    "new arguments": (Version(1, 2), Version(1, 3)),
    "new keyword arguments": (Quantity(1, unit="s"), Quantity(1, unit="m")),
    "exceptions": (FailedTrial(1, 2), FailedTrial(1, 3)),
    "attributes of exceptions": (with_attribute(FailedTrial(1, 2), 1), FailedTrial(1, 2)),
    "lengths of sets": ({1}, {1, 2}),
    "paths": (PurePosixPath("a/b"), PurePosixPath("a/c")),
    "cases of a path": (PureWindowsPath("a"), PureWindowsPath("A")),
    "members": ({1}, {2}),
    "paths as members": ({PurePosixPath("a")}, {PurePosixPath("b")}),
    "types of members": ({1}, {True}),
    "set and frozenset": ({1}, frozenset([1])),
    "members of nested sets": ({frozenset([1])}, {frozenset([2])}),
    "attributes of a member": ({plain(a=1), plain(a=2)}, {plain(a=1), plain(a=1)}),
    "far attributes of a member": ({plain(a=[[[[[1]]]]])}, {plain(a=[[[[[2]]]]])}),
    "states of hashed members": (member_with_link(1), member_with_link(2)),
    "rings of members": (ring(3, 3), ring(6)),
    "rings of members, mixed": (ring(3, 3, 6), ring(3, 9)),
}

SHARING = {
    "lists": (shared(2, []), distinct(2, [])),
    "dicts": (shared(2, {}), distinct(2, {})),
    "objects": (shared(2, plain()), distinct(2, plain())),
    "one of three": (lambda a, b: ([a, a, b], [a, b, b]))([], []),
    "tuples of lists": (lambda a, b: ([(a,), (a,)], [b, b]))([], ([],)),
    "objects under two names": (lambda a: ({"x": a, "y": a}, {"x": a, "y": [1]}))([1]),
    "dict value and attribute": (lambda a: ([a, plain(b=a)], [a, plain(b={})]))({}),
    "member and attribute": (lambda a: ([{a}, a], [{a}, plain()]))(plain()),
    "attributes of members": (lambda a, b: ({plain(c=a), plain(c=a)}, {plain(c=a), plain(c=b)}))(
        [], []
    ),
    "bytearrays": (shared(2, bytearray(b"a")), distinct(2, bytearray(b"a"))),
    "arrays": (shared(2, numpy.zeros(2)), distinct(2, numpy.zeros(2))),
}


def looped(length: int) -> list[Any]:
    """Return a list that holds itself through `length` lists."""
    first: list[Any] = []
    last = first
    for _ in range(length - 1):
        last = [last]
    first.append(last)
    return first


CYCLES = {
    "length": (looped(1), looped(2)),
    "longer length": (looped(3), looped(2)),
    "unrolled": (looped(1), [looped(1)]),
}

FIELDS = [("a", "i1"), ("b", "f8")]
OBJECTS = [("a", "O"), ("b", "f8")]

ARRAYS = {
    "shape": (numpy.zeros((2, 3)), numpy.zeros((3, 2))),
    "no dimension": (numpy.array(1), numpy.array([1])),
    "dtype": (numpy.zeros(2, "f4"), numpy.zeros(2, "f8")),
    "byte order": (numpy.zeros(2, "<i4"), numpy.zeros(2, ">i4")),
    "unit": (numpy.zeros(2, "M8[s]"), numpy.zeros(2, "M8[D]")),
    "field names": (numpy.zeros(1, FIELDS), numpy.zeros(1, [("a", "i1"), ("c", "f8")])),
    "alignment": (numpy.zeros(1, FIELDS), numpy.zeros(1, numpy.dtype(FIELDS, align=True))),
    "order": (numpy.zeros((2, 3)), numpy.zeros((2, 3), order="F")),
    "writability": (read_only(numpy.zeros(2)), numpy.zeros(2)),
    "element": (numpy.array([[1, 2], [3, 4]]), numpy.array([[1, 2], [3, 5]])),
    "negative zero": (numpy.array([0.0]), numpy.array([-0.0])),
    "payload": (numpy.array([math.nan]), numpy.array([NAN_WITH_PAYLOAD])),
    "longdouble": (numpy.array([1], "g"), numpy.array([1], "g") + numpy.finfo("g").eps),
    "field": (numpy.array([(1, 2.0)], FIELDS), numpy.array([(1, 3.0)], FIELDS)),
    "object": (numpy.array([1, None]), numpy.array([1, "None"])),
    "object in a field": (numpy.array([(1, 2.0)], OBJECTS), numpy.array([(2, 2.0)], OBJECTS)),
    "mask": (numpy.ma.array([1, 2], mask=[0, 1]), numpy.ma.array([1, 2], mask=[0, 0])),
    "subclass": (numpy.zeros((1, 1)), numpy.rec.array([(1,)], [("a", "i1")])),
    "scalar": (numpy.float32(1), numpy.float64(1)),
    "scalar value": (numpy.float64(0.0), numpy.float64(-0.0)),
    "structured scalar": (
        numpy.array([(1, 2.0)], FIELDS)[0],
        numpy.array([(1, 3.0)], FIELDS)[0],
    ),
    "text scalar": (numpy.str_("a"), numpy.str_("b")),
    "longdouble scalar": (numpy.longdouble(1), numpy.nextafter(numpy.longdouble(1), 2)),
    "dtypes": (numpy.dtype("f4"), numpy.dtype(">f4")),
    "metadata aside, dtypes": (numpy.dtype(FIELDS), numpy.dtype(FIELDS, align=True)),
    "memory": (views(0), [view.copy() for view in views(0)]),
    "offset": (views(0), views(1)),
    "strides": (views(0, 2), [*views(0, 2)[:1], views(0, 2)[1]]),
}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(*pair, id=f"{kind}: {name}")
        for kind, pairs in {
            "value": DIFFERENT,
            "sharing": SHARING,
            "cycle": CYCLES,
            "array": ARRAYS,
        }.items()
        for name, pair in pairs.items()
    ],
)
def test_a_difference_is_found_from_either_side_and_at_any_depth(found: Any, wanted: Any) -> None:
    for wrap in (lambda obj: obj, lambda obj: [1, {"a": plain(b=obj)}], lambda obj: {plain(b=obj)}):
        with pytest.raises(AssertionError):
            assert_same(wrap(found), wrap(wanted))
        with pytest.raises(AssertionError):
            assert_same(wrap(wanted), wrap(found))


# Six of its sixteen bytes are what was in memory before.
LONG_THIRD = pickle.dumps(numpy.ones(3, "g") / 3)

EQUAL = {
    "floats": (math.nan, float("nan")),
    "equal constants": ([(1, "a"), (1, "a")], [(1, "a")] * 2),
    "nested constants": ([(1, (2.5, b""))] * 2, [(1, (2.5, b"")), (1, (2.5, b""))]),
    "order of attributes": (plain(a=1, b=2), plain(b=2, a=1)),
    "order of members": (set("abcdefgh"), set("hgfedcba")),
    "equal members that differ far away": (
        {plain(a=[[[[n]]]]) for n in range(6)},
        {plain(a=[[[[n]]]]) for n in reversed(range(6))},
    ),
    "members without features": ({plain() for _ in range(20)}, {plain() for _ in range(20)}),
    "rings of members": (ring(3, 3, 6), ring(6, 3, 3)),
    "rings of the same lengths": (ring(4, 2, 5), ring(5, 4, 2)),
    "cycles": (looped(3), looped(3)),
    "views": (views(1), views(1)),
    "memory that does not overlap": (
        (lambda base: [base[:3], base[3:]])(numpy.zeros(6)),
        [numpy.zeros(3), numpy.zeros(3)],
    ),
    "structured with gaps": (
        numpy.zeros(2, numpy.dtype(FIELDS, align=True)),
        numpy.zeros(2, numpy.dtype(FIELDS, align=True)),
    ),
    "longdouble scalars": (numpy.longdouble(1) / 3, pickle.loads(LONG_THIRD)[0]),
    "spellings of a path": (PureWindowsPath("a/b"), PureWindowsPath("a\\b")),
    "metadata": (numpy.dtype("f8", metadata={"a": 1}), numpy.dtype("f8")),
}


@pytest.mark.parametrize(("found", "wanted"), EQUAL.values(), ids=EQUAL)
def test_what_is_the_same_passes_from_either_side(found: Any, wanted: Any) -> None:
    assert_same(found, wanted)
    assert_same(wanted, found)


def test_a_lone_view_in_no_order_may_come_back_in_any() -> None:
    view = numpy.arange(12.0)[::3]
    assert_same(view.copy(), view)
    with pytest.raises(AssertionError, match="order"):
        assert_same(view, view.copy())


def test_members_that_refer_to_their_set_are_paired() -> None:
    def build(*keys: str) -> set[ByState]:
        members: set[ByState] = set()
        members.update(ByState(key, members) for key in keys)
        return members

    assert_same(build("a", "b"), build("b", "a"))
    with pytest.raises(AssertionError):
        assert_same(build("a", "b"), build("a", "c"))


def test_list_and_dict_items_of_a_reduction_are_compared() -> None:
    def build(entry: int, total: int) -> Ledger:
        ledger = Ledger("title")
        ledger.append([entry])
        ledger["key"] = total
        return ledger

    assert_same(build(1, 2), build(1, 2))
    for other in (build(1, 3), build(2, 2)):
        with pytest.raises(AssertionError):
            assert_same(build(1, 2), other)


def test_the_first_difference_is_named_by_its_path() -> None:
    wanted = {"x": plain(b=[0, 1, 2, {"k": (1.5, [3])}])}
    found = copy.deepcopy(wanted)
    found["x"].b[3]["k"][1][0] = 4
    with pytest.raises(
        AssertionError, match=r"^\['x'\]\.b\[3\]\['k'\]\[1\]\[0\]: value 4, wanted 3$"
    ):
        assert_same(found, wanted)


def test_ints_that_python_refuses_to_print_can_differ() -> None:
    with pytest.raises(AssertionError, match=r"an object of int"):
        assert_same([10**5000], [1])


@pytest.mark.cases(4)
@pytest.mark.parametrize(
    "wrap",
    [lambda obj: [obj], lambda obj: (obj,), lambda obj: {"a": obj}, lambda obj: plain(a=obj)],
    ids=["list", "tuple", "dict", "object"],
)
@pytest.mark.parametrize("end", [[], 1], ids=["list", "atom"])
def test_depth_is_no_limit(wrap: Any, end: Any) -> None:
    def build(last: Any) -> Any:
        for _ in range(DEPTH):
            last = wrap(last)
        return last

    assert_same(build(copy.copy(end)), build(copy.copy(end)))
    with pytest.raises(AssertionError, match=r" … .*: "):
        assert_same(build(copy.copy(end)), build("another"))


def test_tuples_shared_a_thousand_times_over_take_no_time() -> None:
    def build() -> tuple[Any, ...]:
        pair: tuple[Any, ...] = (1,)
        for _ in range(200):
            pair = (pair, pair)
        return pair

    assert_same(build(), build())


@given(graphs(copyable=True))
@settings(deadline=None)
def test_pickle_gives_the_same(graph: Any) -> None:
    assert_same(pickle.loads(pickle.dumps(graph)), graph)


@given(graphs(copyable=True))
@settings(deadline=None)
def test_deep_copy_is_the_same(graph: Any) -> None:
    assert_same(copy.deepcopy(graph), graph)


@given(graphs() | cyclic_graphs())
@settings(deadline=None)
def test_a_graph_is_the_same_as_itself(graph: Any) -> None:
    assert_same(graph, graph)
