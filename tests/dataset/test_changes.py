from __future__ import annotations

import copy
import datetime
import decimal
import functools
import math
import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persist.archive import Archive, registry, restore
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.dataset.changes import Change, changes
from tests.classes import (
    ByState,
    Celsius,
    Colour,
    FrozenPoint,
    Hybrid,
    Interval,
    Ledger,
    Measurement,
    NamedDict,
    NamedList,
    NamedSet,
    NamedStr,
    Outer,
    Permission,
    Persistent,
    Plain,
    Point,
    Slotted,
    SlottedPoint,
    Stated,
)
from tests.effort import DEPTH, IS_SHORT
from tests.strategies import ATOMS, cyclic_graphs, graphs

NAN = float("nan")

many = settings(
    max_examples=100 if IS_SHORT else 300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)


def lines(old: Any, new: Any, **options: Any) -> list[str]:
    """Return the changes as text."""
    return [str(change) for change in changes(old, new, **options)]


def restored(graph: Any) -> Any:
    """Return the graph as it comes back from an archive."""
    archive = Archive()
    archive.insert(x=graph)
    return restore(str(archive))["x"]


def test_a_change_reads_as_path_and_both_sides() -> None:
    change = Change("x.b[3]", "1", "2")
    assert str(change) == "x.b[3]: 1 -> 2"
    assert change == Change("x.b[3]", "1", "2")
    with pytest.raises(AttributeError):
        change.path = "y"  # type: ignore[misc]


def test_paths_begin_with_the_name() -> None:
    assert lines([1], [2], name="rates") == ["rates[0]: 1 -> 2"]


@pytest.mark.parametrize("most", [0, 1, 5])
def test_the_search_ends_after_the_most_changes(most: int) -> None:
    assert len(changes([], list(range(10**6)), most=most)) == most
    assert len(changes(set(), set(range(1000)), most=most)) == most
    assert len(changes({}, dict.fromkeys(range(1000)), most=most)) == most


@pytest.mark.parametrize("option", ["rtol", "atol"])
@pytest.mark.parametrize("value", [-1, -1e-300, NAN, -math.inf, numpy.nan])
def test_tolerances_that_are_none_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option}=.*: it must be a number, 0 or greater"):
        changes(1, 1, **{option: value})


def test_a_negative_number_of_changes_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot look for -1 changes: most must be 0 or greater"):
        changes(1, 1, most=-1)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (1, 2, "1 -> 2"),
        (1, 1.0, "1 -> 1.0"),
        (1, True, "1 -> True"),
        (0.0, -0.0, "0.0 -> -0.0"),
        (0j, complex(0, -0.0), "0j -> -0j"),
        (None, False, "None -> False"),
        ("a", b"a", "'a' -> b'a'"),
        ("a\n", "a", r"'a\n' -> 'a'"),
        ([], (), "[] -> ()"),
        ({}, set(), "{} -> set()"),
        (set(), frozenset(), "set() -> frozenset()"),
        (numpy.float64(1), 1.0, "numpy.float64(1.0) -> 1.0"),
        (numpy.float64(1), numpy.float32(1), "numpy.float64(1.0) -> numpy.float32(1.0)"),
        (numpy.bool_(True), True, "numpy.bool(True) -> True"),
        (numpy.int8(1), numpy.int8(2), "numpy.int8(1) -> numpy.int8(2)"),
        (numpy.str_("a"), numpy.str_("bc"), "numpy.str_('a') -> numpy.str_('bc')"),
        (numpy.void(b"a"), numpy.void(b"b"), r"numpy.void(b'a') -> numpy.void(b'b')"),
        (numpy.dtype("f8"), numpy.dtype(">f8"), "float64 -> >f8"),
        (numpy.dtype("q"), numpy.dtype("l"), "int64 'q' -> int64 'l'"),
        (numpy.dtype("f8"), numpy.dtype("i8"), "float64 -> int64"),
        (len, abs, "len -> abs"),
        (int, float, "int -> float"),
        (math, types, "math -> types"),
        (Colour.RED, Colour.GREEN, "tests.classes.Colour.RED -> tests.classes.Colour.GREEN"),
        (Celsius(1), 1, "tests.classes.Celsius -> 1"),
        ([1], NamedList([1]), "[1] -> tests.classes.NamedList"),
        (Point(1), SlottedPoint(1, 0), "tests.classes.Point -> tests.classes.SlottedPoint"),
        (decimal.Decimal(1), decimal.Decimal("1.0"), "Decimal('1') -> Decimal('1.0')"),
        (numpy.zeros((3, 4)), None, "float64 (3, 4) -> None"),
        (10**4000, 0, f"{hex(10**4000)[:28]}...{hex(10**4000)[-29:]} -> 0"),
    ],
)
def test_values_differ_by_type_and_value(old: Any, new: Any, line: str) -> None:
    if line.startswith("numpy.bool(") and numpy.__version__ < "2":
        line = line.replace("bool", "bool_", 1)
    assert lines(old, new) == [f"x: {line}"]
    assert len(changes(new, old)) == 1


@pytest.mark.parametrize("atom", [*ATOMS[:-1], NAN, -NAN, complex(NAN, 1)], ids=lambda _: "")
def test_values_are_the_same_as_themselves(atom: Any) -> None:
    assert changes(atom, atom, rtol=0) == ()
    assert changes(copy.deepcopy([atom]), [atom]) == ()


def test_distinct_values_differ_both_ways() -> None:
    for i, old in enumerate(ATOMS):
        for j, new in enumerate(ATOMS):
            differs = bool(changes(old, new))
            assert differs == bool(changes(new, old))
            if type(old) is not type(new):
                assert differs
            elif type(old) in (int, str, bytes):
                assert differs == (old != new), (i, j)


def test_texts_are_short_and_on_one_line() -> None:
    huge = "x\n" * 10**6
    objects = [huge, huge.encode(), [huge] * 1000, {huge: huge}, 10**10000, set(range(1000))]
    objects += [type("long" * 100, (), {}), [[[[[1]]]]] * 20, numpy.zeros(3, [(huge, "i1")])]
    for obj in objects:
        for change in changes(obj, None):
            assert len(change.old) <= 60
            assert change.old.isprintable()


def test_a_list_in_itself_is_described() -> None:
    graph: list[Any] = []
    graph.append(graph)
    assert lines(graph, None) == ["x: [[[[...]]]] -> None"]


@pytest.mark.parametrize(
    ("old", "new", "options", "same"),
    [
        (0.1 + 0.2, 0.3, {}, False),
        (0.1 + 0.2, 0.3, {"atol": 1e-15}, True),
        (0.1 + 0.2, 0.3, {"rtol": 1e-15}, True),
        (1.0, 1.5, {"atol": 0.5}, True),
        (1.0, 1.5, {"rtol": 0.4}, True),
        (1.5, 1.0, {"rtol": 0.4}, False),  # The tolerance is relative to the new one.
        (0.0, -0.0, {}, False),
        (0.0, -0.0, {"rtol": 1e-300}, True),
        (0.0, -0.0, {"atol": 1e-300}, True),
        (NAN, -NAN, {}, True),
        (NAN, 1.0, {"atol": math.inf}, False),
        (math.inf, math.inf, {"atol": 1}, True),
        (1.0, math.inf, {"rtol": 1}, False),
        (math.inf, -math.inf, {"rtol": 10}, False),
        (1e308, -1e308, {"atol": 1}, False),
        (1 + 1e-17j, 1 + 0j, {"rtol": 1e-9}, True),  # By the modulus.
        (1 + 1j, 1 + 2j, {"atol": 1}, True),
        (1 + 1j, 2 + 2j, {"atol": 1}, False),
        (complex(NAN, 1), complex(NAN, 1), {}, True),
        (complex(NAN, 1), complex(NAN, 2), {"atol": 5}, False),
        (complex(0, 0.0), complex(0, -0.0), {}, False),
        (complex(0, 0.0), complex(0, -0.0), {"atol": 1}, True),
        (complex(1e308, 1e308), 0j, {"rtol": 1}, False),
        (complex(1, math.inf), complex(1, math.inf), {"rtol": 1}, True),
    ],
)
def test_floats_are_the_same_within_the_tolerance_wherever_they_stand(
    old: complex, new: complex, options: dict[str, float], same: bool
) -> None:
    scalar = numpy.complex128 if isinstance(old, complex) else numpy.float64
    fields = [("a", [("b", scalar)], (2,))]
    longer = numpy.clongdouble if isinstance(old, complex) else numpy.longdouble
    wraps: list[Callable[[Any], Any]] = [
        lambda number: number,
        lambda number: [number],
        lambda number: (number, 1),
        lambda number: {"a": number},
        lambda number: Plain(a=number),
        scalar,
        lambda number: numpy.array([1, number, 2], scalar),
        lambda number: numpy.array([number], scalar).astype(numpy.dtype(scalar).newbyteorder()),
        lambda number: numpy.array([number, 1], longer),
        lambda number: numpy.array([([(number,), (1,)],)], fields),
        lambda number: numpy.array([number, "a"], object),
    ]
    for wrap in wraps:
        assert (changes(wrap(old), wrap(new), **options) == ()) == same


def test_small_floats_are_compared_in_double_precision() -> None:
    old, new = numpy.array([60000, 1], "f2"), numpy.array([-60000, 1], "f2")
    assert changes(old, new, atol=120000) == ()
    assert "by at most 120000.0" in lines(old, new, atol=119999)[-1]


def test_integers_have_no_tolerance() -> None:
    assert lines([1], [2], atol=5) == ["x[0]: 1 -> 2"]
    assert len(changes(numpy.array([1]), numpy.array([2]), rtol=5)) == 2


def test_lists_differ_by_index_and_length() -> None:
    assert lines([1, 2, 3], [1, 5]) == ["x[1]: 2 -> 5", "x[2]: 3 -> (nothing)"]
    assert lines((1, [2]), (1, [2, 3], None)) == [
        "x[1][1]: (nothing) -> 3",
        "x[2]: (nothing) -> None",
    ]


def test_dicts_differ_by_key() -> None:
    old, new = {"a": 1, 2: [1], "gone": 0}, {"a": 1, 2: [7], "added": 0}
    assert lines(old, new) == [
        "x[2][0]: 1 -> 7",
        "x['gone']: 0 -> (nothing)",
        "x['added']: (nothing) -> 0",
    ]


def test_the_order_of_keys_is_one_change() -> None:
    old = {"a": 1, "b": [2], "c": 3}
    assert lines({"x": old}, {"x": {"a": 1, "c": 3, "b": [2]}}) == [
        "x['x']: order of keys: 'b' is number 1 -> order of keys: 'c' is number 1"
    ]
    assert lines(OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)) == [
        "x: order of keys: 'a' is number 0 -> order of keys: 'b' is number 0"
    ]


def test_the_order_of_attributes_means_nothing() -> None:
    assert changes(Plain(a=1, b=2), Plain(b=2, a=1)) == ()


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), ("a", NamedStr("a")), (0.0, -0.0)])
def test_equal_keys_of_two_types_differ(old: Any, new: Any) -> None:
    (change,) = changes({"first": 0, old: [1]}, {"first": 0, new: [1]})
    assert change.path == "x.keys()[1]"


def test_keys_that_are_equal_only_to_themselves_are_matched_by_what_is_in_them() -> None:
    old = {Plain(a=1): 1, Plain(a=2): 2, NAN: 3}
    new = {Plain(a=1): 1, Plain(a=2): 5, float("nan"): 4}
    assert lines(old, new) == ["x[tests.classes.Plain]: 2 -> 5", "x[nan]: 3 -> 4"]


def test_keys_that_are_alike_are_matched_in_their_order() -> None:
    assert changes({Plain(): 1, Plain(): 2}, {Plain(): 1, Plain(): 2}) == ()
    assert len(changes({Plain(): 1, Plain(): 2}, {Plain(): 1})) == 1


def test_keys_are_matched_as_the_rest_of_the_graph_refers_to_them() -> None:
    first, second = Plain(), Plain()
    new = [{second: 2, first: 1}, first]
    old = copy.deepcopy([{first: 1, second: 2}, first])
    (change,) = changes(old, new)
    assert change.path == "x[0]"
    assert "order of keys" in change.old


def test_equal_keys_may_differ_in_what_is_in_them() -> None:
    assert lines({ByState("k", 1): 0}, {ByState("k", 2): 0}) == ["x.keys()[0].link: 1 -> 2"]


def test_keys_may_be_within_the_tolerance() -> None:
    old, new = {0.1 + 0.2: 1, "a": 2}, {0.3: 1, "a": 2}
    assert changes(old, new, atol=1e-9) == ()
    assert lines(old, new) == ["x[0.30000000000000004]: 1 -> (nothing)", "x[0.3]: (nothing) -> 1"]


class Quarrelsome:
    """An object whose comparison fails."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")


def test_keys_that_cannot_be_compared_are_matched_by_what_is_in_them() -> None:
    assert changes({Quarrelsome(1): [1]}, {Quarrelsome(1): [1]}) == ()
    assert len(changes({Quarrelsome(1)}, {Quarrelsome(2)})) == 2


def test_members_may_be_on_one_side_only() -> None:
    assert lines({1, 2, "a"}, {1, 3, "a"}) == [
        "x<member 0>: 2 -> (nothing)",
        "x<member 1>: (nothing) -> 3",
    ]
    assert lines({1}, {True}) == ["x<member 0>: 1 -> True"]


def test_members_that_are_objects_are_matched_by_what_is_in_them() -> None:
    old, new = {Plain(a=1), Plain(a=2)}, {Plain(a=2), Plain(a=3)}
    assert [(c.old, c.new) for c in changes(old, new)] == [
        ("tests.classes.Plain", "(nothing)"),
        ("(nothing)", "tests.classes.Plain"),
    ]


def test_members_may_be_within_the_tolerance() -> None:
    old = {0.1 + 0.2, 1.0, FrozenPoint("a", 2.5), FrozenPoint("a", 1.5)}
    new = {0.3, 1.0, FrozenPoint("a", 1.5001), FrozenPoint("a", 2.5001)}
    assert changes(old, new, atol=1e-3) == ()
    assert len(changes(old, new)) == 6
    assert lines({1.0, 2.0, 9.0}, {0.5, 1.0001, 2.0001}, atol=1e-3) == [
        "x<member 2>: 9.0 -> (nothing)",
        "x<member 3>: (nothing) -> 0.5",
    ]


def test_sets_within_members_are_compared_in_no_order() -> None:
    inner = frozenset([frozenset([frozenset([frozenset([Plain(a=1)])])]), frozenset(range(20))])
    graph = [{Plain(a=inner), Plain(a={2, 3})}]
    assert changes(graph, copy.deepcopy(graph)) == ()
    assert len(changes(graph, [{Plain(a=inner), Plain(a={2, 4})}])) == 2


def test_long_members_that_are_alike_at_first_are_matched() -> None:
    one, other = ((*range(5000), NAN, last) for last in "ab")
    assert changes({one, other}, {(*range(5000), float("nan"), last) for last in "ab"}) == ()


def test_members_that_refer_to_each_other_are_matched() -> None:
    members = [Plain() for _ in range(6)]
    for i, j in enumerate([1, 2, 0, 4, 5, 3]):
        members[i].next = members[j]
    assert changes([set(members)], copy.deepcopy([set(members)])) == ()
    other = copy.deepcopy([set(members)])
    members[5].next = members[5]
    assert changes([set(members)], other) != ()
    assert changes([set(members)], copy.deepcopy([set(members)])) == ()


PARTS: list[tuple[Any, Any]] = [
    (1, 2),
    ([1.5, [2]], [1.5, [3]]),
    ({"a": [1]}, {"a": [2]}),
    (frozenset([Plain(a=1)]), frozenset([Plain(a=2)])),
    (numpy.arange(3), numpy.arange(1, 4)),
    (numpy.zeros(3), numpy.ones(3)),
    (numpy.zeros(3), numpy.zeros(4)),
    (numpy.zeros(2, "g"), numpy.zeros(2, "f8")),
    (numpy.array([[1], 2], object), numpy.array([[1], 3], object)),
    (numpy.int64(1), numpy.int64(2)),
    (numpy.dtype("f8"), numpy.dtype("f4")),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)),
    (len, abs),
    (Plain(a=1).describe, Plain(a=2).describe),
    (Persistent(1, [2]), Persistent(1, [3])),
    (deque([1, 2]), deque([1, 3])),
    (defaultdict(int, a=1), defaultdict(int, a=2)),
    (Stated([1]), Stated([2])),
]


@pytest.mark.parametrize(("one", "other"), PARTS, ids=lambda _: "")
def test_members_are_matched_whatever_is_in_them(one: Any, other: Any) -> None:
    graph = [{Plain(a=one), Plain(a=other)}, {Plain(a=[one, one])}]
    assert changes(graph, copy.deepcopy(graph)) == ()
    found = changes([{Plain(a=one)}], [{Plain(a=other)}])
    assert [(change.old, change.new) for change in found] == [
        ("tests.classes.Plain", "(nothing)"),
        ("(nothing)", "tests.classes.Plain"),
    ]


def test_members_keep_their_sharing_with_what_is_elsewhere() -> None:
    part, other = [1], [1]
    assert changes([{Plain(a=part)}, part], [{Plain(a=other)}, other]) == ()
    (change,) = changes([{Plain(a=part)}, part], [{Plain(a=other)}, [1]])
    assert (change.old, change.new) == ("shared with x[1]", "its own")


def test_a_difference_in_sharing_is_one_change_at_the_second_place() -> None:
    part = [1, [2]]
    apart = [[1, [2]], [1, [2]]]
    assert lines([part, part], apart) == ["x[1]: shared with x[0] -> its own"]
    assert lines(apart, [part, part]) == ["x[1]: its own -> shared with x[0]"]


def test_what_is_shared_differently_is_compared_too() -> None:
    part = [1, [2]]
    assert lines([part, part], [[1, [2]], [5, [2]]]) == [
        "x[1]: shared with x[0] -> its own",
        "x[1][0]: 1 -> 5",
    ]


def test_sharing_with_another_object_is_a_change() -> None:
    one, other = [], []
    assert lines([one, other, one], [one, other, other]) == [
        "x[2]: shared with x[0] -> shared with x[1]"
    ]


@pytest.mark.parametrize(
    "build",
    [
        lambda: 10**30,
        lambda: "text" * 3,
        lambda: (1, (2.5, math.inf)),
        lambda: frozenset([1, "a"]),
        lambda: numpy.float64(1),
        lambda: datetime.date(2020, 1, 2),
        lambda: decimal.Decimal("1.5"),
        lambda: Plain.create,
    ],
)
def test_values_have_no_identity(build: Callable[[], Any]) -> None:
    value = build()
    assert changes([value, value], [build(), build()]) == ()


@pytest.mark.parametrize(
    "build",
    [list, dict, set, Plain, lambda: ([],), lambda: numpy.zeros(2), bytearray, lambda: Celsius(1)],
)
def test_objects_have_an_identity(build: Callable[[], Any]) -> None:
    obj = build()
    assert len(changes([obj, obj], [build(), build()])) == 1
    assert len(changes([build(), build()], [obj, obj])) == 1


def test_classes_and_functions_that_differ_are_not_called_shared() -> None:
    assert lines([int, len, Colour.RED, int, len], [str, abs, Colour.RED, int, len]) == [
        "x[0]: int -> str",
        "x[1]: len -> abs",
    ]


# Python 3.10 has no names for them together.
READ_AND_WRITE = "READ|WRITE" if sys.version_info >= (3, 11) else "3"


def ring(size: int) -> list[Any]:
    """Return one of `size` lists, each of which holds the next."""
    lists: list[list[Any]] = [[] for _ in range(size)]
    for i, item in enumerate(lists):
        item.append(lists[(i + 1) % size])
    return lists[0]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_cycles_are_the_same_as_their_copies(size: int) -> None:
    assert changes(ring(size), ring(size)) == ()


@pytest.mark.cases(1)
@pytest.mark.parametrize(("old", "new"), [(1, 2), (6, 4), (20_000, 19_999)])
def test_cycles_of_two_lengths_differ_once(old: int, new: int) -> None:
    (change,) = changes(ring(old), ring(new))
    assert {change.old, change.new} == {"shared with x", "its own"}


def test_shared_parts_are_compared_once() -> None:
    old, new = [1.0], [1.0]
    for _ in range(200):
        old, new = [old, old], [new, new]
    assert changes(old, new) == ()
    values, others = (1.0,), (2.0,)
    for _ in range(200):
        values, others = (values, values), (others, others)
    assert len(changes(values, others)) == 1


DEEP: dict[str, Callable[[Any], Any]] = {
    "lists": lambda obj: [obj],
    "tuples": lambda obj: (obj,),
    "dicts": lambda obj: {"a": obj},
    "objects": lambda obj: Plain(a=obj),
}


@pytest.mark.parametrize("wrap", DEEP.values(), ids=DEEP)
def test_depth_is_no_limit(wrap: Callable[[Any], Any]) -> None:
    old, new = [], [1]
    for _ in range(DEPTH):
        old, new = wrap(old), wrap(new)
    (change,) = changes(old, new)
    assert (change.old, change.new) == ("(nothing)", "1")
    assert " ... " in change.path
    assert len(change.path) < 1000


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Plain(a=1, b=[1]), Plain(a=2, c=3), ["x.a: 1 -> 2", "x.b: [1] -> (nothing)"]),
        (Plain(**{"two words": 1}), Plain(**{"two words": 2}), ["x.__dict__['two words']: 1 -> 2"]),
        (Slotted(1, [2]), Slotted(1, [3]), ["x.right[0]: 2 -> 3"]),
        (Slotted(1), Slotted(), ["x.left: 1 -> (nothing)"]),
        (Hybrid(1), Hybrid(2), ["x.left: 1 -> 2"]),
        (Point(1, 2), Point(1, 3), ["x.y: 2 -> 3"]),
        (SlottedPoint(1, []), SlottedPoint(1, 3), ["x.y: [] -> 3"]),
        (Interval(1, 2), Interval(1, 3), ["x.stop: 2 -> 3"]),
        (Stated(1), Stated(2), ["x.__getstate__()[1]: 1 -> 2"]),
        (Persistent(1, [2]), Persistent(1, [3]), ["x.b[0]: 2 -> 3"]),
        (Measurement(a=1), Measurement(a=1, b=2), ["x.b: (nothing) -> 2"]),
        (Ledger(1), Ledger(2), ["x<argument 0>: 1 -> 2"]),
        (NamedList([1]), NamedList([2]), ["x[0]: 1 -> 2"]),
        (NamedDict(a=1), NamedDict(a=2), ["x['a']: 1 -> 2"]),
        (NamedSet([1]), NamedSet(), ["x<member 0>: 1 -> (nothing)"]),
        (Celsius(1), Celsius(2), ["x<argument 0>: 1 -> 2"]),
        (deque([1], 3), deque([2], 4), ["x.maxlen: 3 -> 4", "x[0]: 1 -> 2"]),
        (defaultdict(int, a=1), defaultdict(int, a=2), ["x['a']: 1 -> 2"]),
        (defaultdict(int), defaultdict(list), ["x<argument 0>: int -> list"]),
        (range(3), range(4), ["x<argument 0>: 3 -> 4"]),
        (functools.partial(int, base=2), functools.partial(int, base=3), ["x.base: 2 -> 3"]),
        (Plain(a=1).describe, Plain(a=2).describe, ["x.__self__.a: 1 -> 2"]),
        ([].append, [].extend, ["x.__name__: append -> extend"]),
        (types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2}), ["x['a']: 1 -> 2"]),
        (
            Permission.READ,
            Permission.READ | Permission.WRITE,
            [f"x: tests.classes.Permission.READ -> tests.classes.Permission.{READ_AND_WRITE}"],
        ),
    ],
)
def test_objects_differ_where_their_parts_do(old: Any, new: Any, expected: list[str]) -> None:
    found = lines(old, new)
    assert found[: len(expected)] == expected
    assert len(found) == len(changes(new, old))
    assert changes(old, old) == ()


def test_a_state_of_attributes_reads_as_attributes() -> None:
    class_with_state = Remembering()
    class_with_state.rate = 1
    other = Remembering()
    other.rate = 2
    assert lines(class_with_state, other) == ["x.rate: 1 -> 2"]


class Remembering:
    """An object with a state that is a dict, which it takes itself."""

    rate: Any

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Ruled:
    """An object that reduces to what a function answers."""

    def __init__(self, reduced: Callable[[], Any]) -> None:
        self.reduced = reduced


registry.register(Ruled, lambda obj: obj.reduced(), replace=True)


def bag(items: list[Any], pairs: list[tuple[Any, Any]]) -> Ruled:
    """Return an object whose rule answers with iterators, which can be read only once."""
    return Ruled(lambda: Reduction(Ruled, items=iter(items), pairs=iter(pairs)))


def test_a_rule_may_answer_with_iterators() -> None:
    assert changes(bag([1], [("a", 1)]), bag([1], [("a", 1)])) == ()
    assert lines(bag([1], [("a", 1)]), bag([2], [("a", 3)])) == ["x[0]: 1 -> 2", "x['a']: 1 -> 3"]
    assert changes([{bag([[1], 2], [("a", {5})])}], [{bag([[1], 2], [("a", {5})])}]) == ()


def test_keys_that_cannot_be_hashed_are_matched_by_what_is_in_them() -> None:
    old, new = bag([], [([1], "a"), ([2], "b")]), bag([], [([2], "c"), ([1], "a")])
    assert [change.path for change in changes(old, new)] == ["x[[2]]", "x"]


def test_parts_may_stand_for_what_they_build() -> None:
    def nested(number: int) -> Ruled:
        array = numpy.full(2, number)
        inner = Reduction(Import("tests.classes", "Plain"), kwargs={"a": [number]})
        built = Reduction(Attribute(inner, "describe"), (Data(array),))
        return Ruled(lambda: Reduction(built, (Expression.of("a", {"a": number}),)))

    assert changes(nested(1), nested(1)) == ()
    assert changes({nested(1)}, {nested(1)}) == ()
    assert [change.path for change in changes(nested(1), nested(2))] == [
        "x.a[0]",
        "x<argument 0>[0]",
        "x<argument 0>[1]",
        "x<argument 0>",
        "x<argument 0>.a",
    ]


def test_objects_of_one_class_may_reduce_in_two_ways() -> None:
    ways = [
        Ruled(lambda: Reduction(Plain)),
        Ruled(lambda: Reduction(Attribute(Plain, "create"))),
        Ruled(lambda: Reduction(Reduction(Plain))),
        Ruled(lambda: Expression("Plain()", imports=(("tests.classes", "Plain", "Plain"),))),
        Ruled(lambda: Expression("Plain()", imports=(("tests.classes", "Point", "Plain"),))),
        Ruled(lambda: Import("tests.classes", "Plain")),
        Ruled(lambda: Import("tests.classes", "Point")),
    ]
    for old in ways:
        for new in ways:
            assert len(changes(old, new)) == (old is not new)


class Renamed:
    """An object that an expression of its own choice builds."""

    def __init__(self, rep: str, **parts: Any) -> None:
        self.rep = rep
        self.parts = parts

    def get_persistent_rep(self, env: Any = None) -> tuple[str, dict[str, Any], list[Any]]:
        """Return the expression, and the part that its name stands for."""
        return self.rep, self.parts, [("tests.classes", "Persistent", "Persistent")]


def test_expressions_differ_in_words_and_parts() -> None:
    old, new = Renamed("Persistent(a)", a=1), Renamed("Persistent(a, a)", a=2)
    assert lines(old, new) == ["x: Persistent(a) -> Persistent(a, a)", "x.a: 1 -> 2"]


class Wrong(Renamed):
    """An object whose expression uses a name that it does not explain."""


def test_what_says_wrongly_how_it_is_built_cannot_be_reduced() -> None:
    one, other = Wrong("Persistent(missing)"), Wrong("Persistent(missing)")
    assert changes(one, one) == ()
    assert len(changes(one, other)) == 1


class Chosen:
    """An object that is built by a function of its choice."""

    def __init__(self, reduced: tuple[Any, ...] | str) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...] | str:
        return self.reduced


def test_objects_differ_in_what_builds_them() -> None:
    by_class = Chosen((Plain, ()))
    assert lines(by_class, Chosen((Point, (1,)))) == [
        "x: tests.classes.Plain(...) -> tests.classes.Point(...)"
    ]
    owners = Outer.Inner(1), Outer.Inner(2)
    assert changes(Chosen((owners[0].make, (1,))), Chosen((Plain.create, ()))) != ()
    assert len(changes(by_class, Chosen((getattr, (Plain, "create"))))) == 1
    assert lines(Chosen((Plain, (), {"a": 1})), Chosen((Plain, (), {"a": 2}))) == ["x.a: 1 -> 2"]
    states = [Chosen((Plain, (), state, None, None, setattr)) for state in (1, 2)]
    assert lines(*states) == ["x.__getstate__(): 1 -> 2"]


def test_a_state_may_be_in_two_parts() -> None:
    states = [({"a": number}, {"b": number}) for number in (1, 2)]
    objects = [Chosen((Remembering, (), state, None, None, setattr)) for state in states]
    assert lines(*objects) == ["x.a: 1 -> 2", "x.b: 1 -> 2"]
    assert lines(objects[0], Chosen((Remembering, ()))) == [
        "x.a: 1 -> (nothing)",
        "x.b: 1 -> (nothing)",
        "x.__setstate__: setattr -> (nothing)",
    ]


def test_an_argument_and_an_attribute_may_have_one_name() -> None:
    old, new = (NamedDeque([], 3) for _ in range(2))
    vars(old)["maxlen"], vars(new)["maxlen"] = 1, 2
    assert lines(old, new) == ["x.maxlen': 1 -> 2"]


class NamedDeque(deque[Any]):
    """A deque with attributes."""


def test_what_cannot_be_reduced_is_the_same_as_itself_only() -> None:
    def empty() -> Iterator[None]:
        yield

    one, other = empty(), empty()
    assert changes([one, 1], [one, 1]) == ()
    assert lines([one], [other]) == ["x[0]: generator -> generator"]
    assert changes({one}, {one}) == ()
    assert len(changes({one}, {other})) == 2
    assert len(changes(lambda: 1, lambda: 1)) == 1


def test_tables_differ_by_column() -> None:
    pandas = pytest.importorskip("pandas")
    old = pandas.DataFrame({"rate": [1.0, 2.0], "n": [1, 2]}, index=["a", "b"])
    new = pandas.DataFrame({"rate": [1.0, 2.5], "n": [1, 2]}, index=["a", "b"])
    assert changes(old, old.copy()) == ()
    assert changes(old, new, atol=0.5) == ()
    assert lines(old, new)[0] == "x['rate'][1]: 2.0 -> 2.5"
    renamed = old.set_index(pandas.Index(["a", "c"]))
    assert all(change.path.startswith("x.index") for change in changes(old, renamed))
    assert len(changes(old, renamed)) > 0


@given(graph=graphs() | cyclic_graphs())
@many
def test_a_graph_is_the_same_as_its_restored_copy(graph: Any) -> None:
    copied = restored(graph)
    assert lines(graph, copied) == []
    assert lines(copied, graph, atol=1e-9) == []
    assert lines(graph, graph) == []


@given(old=graphs(size=40) | cyclic_graphs(size=40), new=graphs(size=40) | cyclic_graphs(size=40))
@many
def test_two_graphs_differ_both_ways_or_not_at_all(old: Any, new: Any) -> None:
    for options in ({}, {"atol": 0.5}):
        assert (changes(old, new, **options) == ()) == (changes(new, old, **options) == ())
    for change in changes(old, new):
        assert str(change).isprintable()
        assert max(len(change.old), len(change.new)) <= 80


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
# Longer ones are shortened in paths.
short = st.integers(-(10**9), 10**9) | st.text(max_size=4)
keys = short | st.booleans() | st.tuples(short, short)
trees = st.recursive(
    st.lists(leaves, min_size=1, max_size=4),
    lambda inner: (
        st.lists(inner | leaves, min_size=1, max_size=4)
        | st.dictionaries(keys, inner | leaves, min_size=1, max_size=4)
    ),
)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a tree that holds a leaf, with its index or key."""
    for key, part in tree.items() if type(tree) is dict else enumerate(tree):
        if type(part) in (list, dict):
            yield from places(part)
        else:
            yield tree, key


def rebuilt(tree: Any) -> Any:
    """Return a copy in which nothing is shared."""
    if type(tree) is dict:
        return {key: rebuilt(part) for key, part in tree.items()}
    return [rebuilt(part) for part in tree] if type(tree) is list else tree


@given(tree=trees, data=st.data())
@many
def test_the_path_leads_to_the_leaf_that_was_changed(tree: Any, data: Any) -> None:
    old, new = rebuilt(tree), rebuilt(tree)
    assert changes(old, new) == ()
    places_of_leaves = list(places(new))
    holder, key = data.draw(st.sampled_from(places_of_leaves), label="place")
    leaf = data.draw(leaves | st.just([[]]) | st.just({"new": 1}), label="leaf")
    before, holder[key] = holder[key], leaf
    found = changes(old, new)
    if type(before) is type(leaf) and (before == leaf or before != before) and not found:
        return
    (change,) = found
    assert eval(change.path, {"x": new}) is leaf
    was = eval(change.path, {"x": old})
    assert was is before or was == before


class Rebuilding:
    def __init__(self, values: list[int]) -> None:
        self.values = values

    @classmethod
    def of(cls, values: list[int]) -> Rebuilding:
        return cls(values)

    def __reduce__(self) -> Any:
        return self.of, (self.values,)


def test_a_method_is_asked_for_anew_each_time() -> None:
    assert changes(Rebuilding([1]), Rebuilding([1])) == ()
    assert lines(Rebuilding([1]), Rebuilding([2])) == ["x<argument 0>[0]: 1 -> 2"]
