"""What persist writes runs on every Python from 3.6 on, and makes the same there.

Interpreters that are not on this machine are left out. The grammar is checked anyhow.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import ipaddress
import math
import operator
import pathlib
import random
import types
import uuid
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from persist.archive import Archive
from tests.describe import check_of, describe
from tests.grammar import check_grammar
from tests.interpreters import Interpreter, find_interpreters, has_numpy, run_sources
from tests.strategies import ATOMS, atoms, cyclic_graphs, graphs

interpreters = pytest.mark.parametrize("interpreter", find_interpreters(), ids=str)

# Their classes have attributes, and are the same in all these years.
WITH_ATTRIBUTES = (Namespace, types.SimpleNamespace, KeyError, collections.UserDict)


def builtin_values() -> dict[str, Any]:
    """Return each kind of atom, and containers of all of them."""
    plain = [atom for atom in ATOMS if type(atom).__module__ == "builtins" and is_everywhere(atom)]
    return {
        "atoms": plain,
        "keys": dict.fromkeys(plain, 0),
        "members": {frozenset("ab"), 1, "a", 2.5, (1, "b")},
        "ranges": [range(5), range(0, -10, -3), slice(1, None, 2), slice(None)],
        "buffers": [bytearray(b"\0\xff"), bytearray()],
        "empty": [[], (), {}, set(), frozenset(), "", b""],
    }


def is_everywhere(atom: Any) -> bool:
    """Tell whether an atom is a value, or the name of something that every Python has."""
    module = getattr(atom, "__module__", None)
    return not callable(atom) or module in ("builtins", "math", "_operator", "collections")


def standard_values() -> dict[str, Any]:
    """Return objects of the standard library."""
    utc = datetime.timezone.utc
    generator = random.Random(1)
    generator.gauss(0, 1)
    point = collections.OrderedDict(x=1, y=[2])
    error = ValueError("text", [1])
    error.trial = 3
    return {
        "numbers": [decimal.Decimal("-0.10"), decimal.Decimal("NaN"), fractions.Fraction(-1, 3)],
        "times": [
            datetime.datetime(2020, 2, 29, 1, 2, 3, 4, utc),
            datetime.date(1, 1, 1),
            datetime.time(23, 59, fold=1),
            datetime.timedelta(days=-1, microseconds=1),
            datetime.timezone(datetime.timedelta(hours=5, minutes=30), "IST"),
        ],
        "paths": [pathlib.PurePosixPath("/a/b c"), pathlib.PureWindowsPath("c:/a")],
        "identifiers": [uuid.UUID(int=5), ipaddress.ip_address("127.0.0.1")],
        "collections": [
            point,
            collections.defaultdict(list, a=[1]),
            collections.Counter("abca"),
            collections.deque([1, 2], 5),
            collections.ChainMap({"a": 1}, {}),
            collections.UserList([1]),
        ],
        "functions": [functools.partial(operator.add, 1), operator.itemgetter, [].append],
        "arrays": [array.array("d", [0.5, -0.0]), array.array("i")],
        "random": generator,
        "error": error,
        "namespace": Namespace(**{"class": 1, "two words": 2}),
    }


def sharing() -> dict[str, Any]:
    """Return parts that are met more than once, from several names."""
    part, inner = [1, 2], {"a": []}
    return {
        "part": part,
        "rows": [part, inner, (part, inner["a"])],
        "owner": Namespace(part=part, again=[inner] * 3),
        "equal": [[1, 2], [1, 2]],
    }


def cycles() -> dict[str, Any]:
    """Return graphs that lead back to themselves, each in another way."""
    loop: list[Any] = [1]
    loop.append((loop, {"loop": loop}))
    tree = Namespace(name="root", children=[])
    tree.children += [Namespace(name=name, parent=tree) for name in "ab"]
    table: Any = collections.defaultdict(list)
    table["self"].append(table)
    queue: collections.deque[Any] = collections.deque(maxlen=3)
    queue.append([queue])
    return {"loop": loop, "tree": tree, "table": table, "queue": queue}


def nested(depth: int = 1000) -> dict[str, Any]:
    """Return containers in containers, deeper than any parser follows."""
    wraps: dict[str, Callable[[Any], Any]] = {
        "lists": lambda obj: [obj],
        "tuples": lambda obj: (obj, 1),
        "dicts": lambda obj: {"a": obj},
        "objects": lambda obj: Namespace(a=obj),
    }
    items = {}
    for name, wrap in wraps.items():
        graph: Any = []
        for _ in range(depth):
            graph = wrap(graph)
        items[name] = graph
    return items


def many_attributes() -> dict[str, Any]:
    """Return objects with more attributes than a call had arguments before Python 3.7."""
    names = [f"a{number}" for number in range(300)]
    error = KeyError("key")
    vars(error).update(dict.fromkeys(names, 1))
    return {
        "namespace": types.SimpleNamespace(**dict.fromkeys(names, 0)),
        "other": Namespace(**{name: [name] for name in names}),
        "partial": functools.partial(dict, **dict.fromkeys(names, 2)),
        "error": error,
        "arguments": KeyError(*names),
    }


def long_lists() -> dict[str, Any]:
    """Return lists of numbers that take many lines."""
    return {
        "integers": list(range(-1000, 2000)),
        "floats": [number / 7 for number in range(1000)] + [math.inf, -math.inf, math.nan, -0.0],
        "mixed": [1, 2.5, True, None] * 100,
        "rows": [[number, number * 0.5] for number in range(200)],
        "texts": [f"text {number}" for number in range(200)],
        "digits": [10**5000, -(7**6000)],
    }


def numpy_values() -> dict[str, Any]:
    """Return arrays of many kinds, sharing memory too."""
    base = numpy.arange(60.0)
    table = numpy.array(
        [(1, 2.5, b"ab"), (2, numpy.nan, b"")], [("n", "<i4"), ("x", ">f8"), ("s", "S3")]
    )
    objects = numpy.array([None, [1], "text"], object)
    times = numpy.array(["2020-01-01", "NaT", "2021-01-01"], "M8[s]")
    waits = numpy.array([(1, 2), (3, 4), (5, 6)], [("begin", "m8[s]"), ("end", "m8[s]")])
    return {
        "base": base,
        "views": [base[10:20], base[::-1], base.reshape(6, 10).T, base.view("<i4")[3:5]],
        "floats": [numpy.array([0.1, numpy.nan, -0.0, numpy.inf], dtype) for dtype in ("f2", "f4")],
        "integers": [numpy.arange(3).astype(dtype) for dtype in ("i1", ">u2", "<i8", "?")],
        "complex": numpy.array([1 + 2j, -0.0j], "<c16"),
        "large": numpy.arange(3000) / 7,
        "shapes": [numpy.zeros((0, 2)), numpy.array(1.5), numpy.ones((2, 3), order="F")],
        "texts": numpy.array(["é", "two", ""]),
        "times": [times, times[1:], times[:1], waits, waits[::-1], waits[:2]],
        "table": table,
        "objects": objects,
        "scalars": [numpy.float64(0.1), numpy.int8(-3), numpy.bool_(True)],
    }


GRAPHS: dict[str, Callable[[], dict[str, Any]]] = {
    "builtin values": builtin_values,
    "standard values": standard_values,
    "sharing": sharing,
    "cycles": cycles,
    "nested": nested,
    "many attributes": many_attributes,
    "long lists": long_lists,
    "numpy values": numpy_values,
}


@functools.cache
def sources(name: str) -> tuple[str, str]:
    """Return the flat and the scoped source of a graph."""
    found = []
    for scoped in False, True:
        archive = Archive(scoped=scoped)
        archive.insert(**GRAPHS[name]())
        found.append(str(archive))
    return found[0], found[1]


@pytest.mark.cases(4)
@pytest.mark.parametrize("name", GRAPHS)
def test_source_keeps_to_what_every_python_accepts(name: str) -> None:
    for source in sources(name):
        check_grammar(source)


@pytest.mark.cases(12)
@interpreters
@pytest.mark.parametrize("name", GRAPHS)
def test_every_python_makes_the_same_of_source(name: str, interpreter: Interpreter) -> None:
    if "numpy" in name and not has_numpy(interpreter):
        pytest.skip("no numpy there")
    items = GRAPHS[name]()
    check = check_of(items)
    found = run_sources(interpreter, [(source, check) for source in sources(name)])
    wanted = describe(list(items.values()))
    assert found.splitlines() == 2 * wanted.splitlines()


def drawn_sources(count: int) -> list[str]:
    """Return the sources of graphs that hypothesis draws, the same ones each time."""
    found = []

    @given(graphs() | cyclic_graphs() | atoms(), st.booleans())
    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def draw(graph: Any, scoped: bool) -> None:
        archive = Archive(scoped=scoped)
        archive.insert(x=graph)
        found.append(str(archive))

    draw()
    return found


@pytest.fixture(scope="module")
def compiling() -> list[tuple[str, str]]:
    """Return pairs of no source and a check that compiles drawn source."""
    return [("", f"compile({source!r}, '<drawn>', 'exec')") for source in drawn_sources(500)]


@interpreters
def test_every_python_can_compile_drawn_graphs(
    compiling: list[tuple[str, str]], interpreter: Interpreter
) -> None:
    run_sources(interpreter, compiling)
