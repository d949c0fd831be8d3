"""What an archive restores is what was inserted, in both formats."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persist.archive import Archive, restore
from persist.errors import CycleError
from tests.classes import ByState, FrozenPoint, Ledger, Outer, Persistent, Plain, Slotted, Stated
from tests.effort import DEPTH, EXAMPLES
from tests.grammar import check_grammar
from tests.same import assert_same
from tests.strategies import ATOMS, atoms, cyclic_graphs, graphs

both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])


def part_of_examples(share: float) -> settings:
    """Return settings that draw this share of all examples."""
    return settings(
        max_examples=max(1, round(EXAMPLES * share)),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


def dump(items: dict[str, Any], *, scoped: bool) -> str:
    """Return the source of an archive of `items`."""
    archive = Archive(scoped=scoped)
    archive.insert(**items)
    return str(archive)


def execute(source: str) -> dict[str, Any]:
    """Return the names that executing `source` leaves."""
    env: dict[str, Any] = {}
    exec(compile(source, "<archive>", "exec", dont_inherit=True), env)
    return env


def in_order(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return `found` in the order of `wanted`: that of assignments is not part of a promise."""
    assert set(found) == set(wanted)
    return {name: found[name] for name in wanted}


def imported_modules(source: str) -> set[str]:
    """Return the top-level modules that a source imports from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


def check_round_trip(items: dict[str, Any], *, scoped: bool) -> str:
    """Check all that holds of any archive; return its source."""
    source = dump(items, scoped=scoped)
    check_grammar(source)
    assert not {"persist", "pickle"} & imported_modules(source)
    found = in_order(execute(source), items)
    assert_same(found, items)
    assert dump(found, scoped=scoped) == source
    assert_same(in_order(restore(source), items), items)
    return source


def named(graph: Any) -> dict[str, Any]:
    """Return the graph under two names, and a part of it under another."""
    if type(graph) is not list or not graph:
        return {"x": graph}
    return {"part": graph[-1], "x": graph, "again": graph}


@both_formats
@given(graph=graphs())
@part_of_examples(0.2)
def test_a_graph_is_restored_with_its_sharing(graph: Any, scoped: bool) -> None:
    check_round_trip({"x": graph}, scoped=scoped)


@both_formats
@given(graph=cyclic_graphs())
@part_of_examples(0.2)
def test_a_graph_is_restored_with_its_cycles(graph: Any, scoped: bool) -> None:
    check_round_trip({"x": graph}, scoped=scoped)


@both_formats
@given(graph=graphs(size=64) | cyclic_graphs(size=64))
@part_of_examples(0.05)
def test_parts_are_shared_across_names(graph: Any, scoped: bool) -> None:
    check_round_trip(named(graph), scoped=scoped)


@both_formats
@given(items=st.lists(atoms(), max_size=8))
@part_of_examples(0.05)
def test_values_without_parts_are_restored_exactly(items: list[Any], scoped: bool) -> None:
    check_round_trip({f"x{index}": item for index, item in enumerate(items)}, scoped=scoped)


@both_formats
def test_nasty_values_are_restored_as_elements_keys_and_attributes(scoped: bool) -> None:
    texts = [atom for atom in ATOMS if type(atom) is str]
    obj = Plain(**dict.fromkeys(filter(None, texts)))
    items = {"x": list(ATOMS), "y": dict.fromkeys(ATOMS, 0), "z": obj, "t": tuple(ATOMS)}
    check_round_trip(items, scoped=scoped)


DEEP: dict[str, Callable[[Any], Any]] = {
    "lists": lambda obj: [obj],
    "tuples": lambda obj: (obj,),
    "dicts": lambda obj: {"a": obj},
    "objects": lambda obj: Plain(a=obj),
    "tuples in lists": lambda obj: [(obj, 1)],
}


def nested(wrap: Callable[[Any], Any]) -> Any:
    """Return an empty list, wrapped many times."""
    graph: Any = []
    for _ in range(DEPTH):
        graph = wrap(graph)
    return graph


@both_formats
@pytest.mark.parametrize("wrap", DEEP.values(), ids=DEEP)
@pytest.mark.cases(4)
def test_depth_is_no_limit(wrap: Callable[[Any], Any], scoped: bool) -> None:
    graph = nested(wrap)
    assert_same(execute(dump({"x": graph}, scoped=scoped)), {"x": graph})


@both_formats
def test_depth_is_no_limit_to_our_own_loader(scoped: bool) -> None:
    graph = nested(lambda obj: [1, obj, []])
    assert_same(restore(dump({"x": graph}, scoped=scoped)), {"x": graph})


def ring(levels: int) -> list[Any]:
    """Return nested lists of which the innermost holds the outermost."""
    innermost: list[Any] = []
    graph = innermost
    for _ in range(levels):
        graph = [graph]
    innermost.append(graph)
    return graph


def closing_at_each_level(levels: int) -> Any:
    """Return nested lists that all hold the outermost."""
    outermost: list[Any] = []
    level = outermost
    for _ in range(levels):
        level += [[], outermost]
        level = level[0]
    return outermost


def handed_to_a_constructor(levels: int) -> Any:
    """Return an object made of nested lists that all hold it."""
    outermost: list[Any] = []
    owner, level = Persistent(outermost), outermost
    for _ in range(levels):
        level += [[], owner]
        level = level[0]
    return owner


@both_formats
@pytest.mark.parametrize("shape", [ring, closing_at_each_level, handed_to_a_constructor])
def test_a_cycle_may_be_deep(shape: Callable[[int], Any], scoped: bool) -> None:
    graph = shape(DEPTH)
    assert_same(execute(dump({"x": graph}, scoped=scoped)), {"x": graph})


@both_formats
def test_many_references_to_one_object_lead_to_one(scoped: bool) -> None:
    part: list[Any] = []
    items = {"x": [part] * 1000, "y": {"a": part, "b": (part,)}, "z": Plain(part=part)}
    check_round_trip(items, scoped=scoped)


@both_formats
def test_equal_objects_stay_apart(scoped: bool) -> None:
    items = {"x": [[] for _ in range(500)], "y": [(1, []), (1, [])], "z": [Plain(), Plain()]}
    check_round_trip(items, scoped=scoped)


def array_views() -> dict[str, Any]:
    base = numpy.arange(60.0)
    grid = base.reshape(6, 10)
    return {
        "base and part": [base, base[10:20]],
        "part before base": [base[10:20], base],
        "parts that overlap": [base[:10], base[5:15]],
        "the same part twice": [base[5:9], base[5:9]],
        "reversed": [base, base[::-1], base[40:10:-3]],
        "other shape and order": [base, grid, grid.T, grid[1:3, ::2]],
        "other dtype": [base, base.view("i4"), base.view("u1")[3:17]],
        "no elements": [base, base[:0]],
        "one element": [base, base[3:4].reshape(())],
        "repeated elements": [numpy.broadcast_to(base[:3], (4, 3)), base],
        "fields": (lambda table: [table, table["b"]])(numpy.zeros(3, [("a", "i1"), ("b", "f8")])),
        "in objects": [Plain(a=grid, b=base), {"c": grid[0]}],
        "objects": (lambda objects: [objects, objects[::2]])(numpy.array([[], None, 1], object)),
        "read-only part": (lambda part: [base, part])(read_only(base[2:])),
    }


def read_only(array: numpy.ndarray) -> numpy.ndarray:
    array.flags.writeable = False
    return array


@both_formats
@pytest.mark.parametrize("name", array_views())
def test_views_of_one_buffer_share_memory(name: str, scoped: bool) -> None:
    check_round_trip({"x": array_views()[name]}, scoped=scoped)
    check_round_trip({f"x{i}": part for i, part in enumerate(array_views()[name])}, scoped=scoped)


@both_formats
def test_restored_views_write_through(scoped: bool) -> None:
    base = numpy.zeros(6)
    items = {"rows": base.reshape(2, 3), "base": base}
    found = execute(dump(items, scoped=scoped))
    found["rows"][1, 0] = 7
    assert found["base"].tolist() == [0, 0, 0, 7, 0, 0]


def closed(build: Callable[[Any], Any], start: Any, close: Callable[[Any, Any], Any]) -> Any:
    """Return what `build` makes of `start`, after `close` has put it into `start`."""
    graph = build(start)
    close(start, graph)
    return graph


def link(start: Any, graph: Any) -> None:
    start.link = graph


CYCLES: dict[str, Callable[[], Any]] = {
    "a list in itself": lambda: closed(lambda a: a, [], list.append),
    "a dict in itself": lambda: closed(lambda a: a, {}, lambda a, g: a.update(a=g)),
    "an object in itself": lambda: closed(lambda a: a, Plain(), link),
    "a slot": lambda: closed(lambda a: [a], Slotted(), lambda a, g: setattr(a, "left", g)),
    "a tuple in its list": lambda: closed(lambda a: (a,), [], list.append),
    "tuples in tuples": lambda: closed(lambda a: ((1, (a,)),), [], list.append),
    "a default dict": lambda: closed(lambda a: [a], defaultdict(list), lambda a, g: a.update(a=g)),
    "a deque": lambda: closed(lambda a: [a], deque(maxlen=3), deque.append),
    "a member by identity": lambda: closed(lambda a: {a}, Plain(), link),
    "a member by its state": lambda: closed(lambda a: {a}, ByState("key"), link),
    "a member of a frozen set": lambda: closed(lambda a: frozenset([a]), ByState("key"), link),
    "a key by its state": lambda: closed(lambda a: {a: 1}, ByState("key"), link),
    "a key in a tuple": lambda: closed(lambda a: {(a, 1): a}, ByState((1, "key")), link),
    "members that know each other": lambda: closed(
        lambda a: {a, ByState("other", a)}, ByState("key"), link
    ),
    "a member in a frozen field": lambda: closed(
        lambda a: {FrozenPoint(1, a)}, ByState("key"), link
    ),
    "a state": lambda: closed(lambda a: [a], Stated(), lambda a, g: setattr(a, "content", g)),
    "an argument": lambda: closed(lambda a: Persistent(a), [], list.append),
    "an argument of a reduction": lambda: closed(lambda a: Ledger(a), [], list.append),
    "an item of a reduction": lambda: closed(lambda a: a, Ledger("a"), Ledger.append),
    "an element of an array": lambda: closed(
        lambda a: [a], numpy.array([None]), lambda a, g: a.__setitem__(0, g)
    ),
    "a method": lambda: closed(lambda a: [a.describe], Plain(), link),
    "a nested class": lambda: closed(lambda a: Outer.Inner(a), {}, lambda a, g: a.update(a=g)),
}


@both_formats
@pytest.mark.parametrize("build", CYCLES.values(), ids=CYCLES)
def test_a_cycle_that_can_be_built_is_built(build: Callable[[], Any], scoped: bool) -> None:
    check_round_trip({"x": build()}, scoped=scoped)
    check_round_trip({"x": [1, build()]}, scoped=scoped)


@both_formats
@pytest.mark.parametrize("wrap", [lambda obj: obj, lambda obj: (obj,)], ids=["object", "tuple"])
def test_a_cycle_that_no_constructor_can_close_is_refused(wrap: Any, scoped: bool) -> None:
    graph = Persistent(1)
    graph.a = wrap(graph)
    with pytest.raises(CycleError):
        dump({"x": [graph]}, scoped=scoped)


HASHED = """
from persist.archive import Archive
from tests.classes import ByState, Colour, NamedSet, Plain

members = [Plain(n=n) for n in range(20)]
graph = [
    set("abcdefghijklmnop"),
    {1, "1", 1.5, None, b"1", (1, "a"), Colour.RED, len, int, frozenset("xyz")},
    set(members),
    {ByState(name, members) for name in "pqrstuv"},
    {frozenset(pair) for pair in zip("abcdef", "ghijkl")},
    NamedSet("abcdef"),
    {Plain() for _ in range(9)},
]
for scoped in False, True:
    archive = Archive(scoped=scoped)
    archive.insert(x=graph)
    print(archive)
"""


def test_source_does_not_depend_on_hashes_and_addresses() -> None:
    root = Path(__file__).parents[2]
    sources = {
        subprocess.run(
            [sys.executable, "-c", HASHED],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(sources) == 1


def nan() -> float:
    """Return a NaN that is an object of its own."""
    return float("nan")


@both_formats
@pytest.mark.parametrize(
    "graph",
    [
        {nan(): 1, nan(): 2},
        {nan(), nan(), 1.0},
        frozenset([nan(), nan()]),
        Counter([nan(), nan(), 2.5]),
        OrderedDict([(nan(), [1]), (nan(), [2])]),
        dict(zip([(nan(), 1), (nan(), 1)], "ab", strict=True)),
        {FrozenPoint(nan()), FrozenPoint(nan())},
        {complex(0, math.nan), complex(0, math.nan)},
        {-nan(), -nan()},
        [{nan()}, {nan(): {nan(): 0}}],
    ],
    ids=lambda graph: type(graph).__name__,
)
def test_each_nan_that_is_hashed_stays_a_member_of_its_own(graph: Any, scoped: bool) -> None:
    found = execute(dump({"x": graph}, scoped=scoped))["x"]
    assert type(found) is type(graph)
    assert len(found) == len(graph)
    assert repr(sorted(map(repr, found))) == repr(sorted(map(repr, graph)))
    if isinstance(graph, dict):
        assert list(map(repr, found.values())) == list(map(repr, graph.values()))


def test_nan_among_other_numbers_is_written_as_people_write_it() -> None:
    source = dump({"x": [math.nan, {"gap": math.nan}], "y": {math.nan: 1}}, scoped=False)
    assert "x = [nan, {'gap': nan}]\ny = {nan: 1}\n" in source
