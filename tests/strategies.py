"""Object graphs for hypothesis, with sharing and cycles.

A graph is built by construction from one string of bytes, each of which decides one thing: what the
next node is, which nodes it holds. Hypothesis thus draws one value an example, which is fast, and
shrinks it to zeros, which stand for the simplest choices.

The nodes made first can be parts of those made later. Cycles are closed at the end, by wires from
nodes that can be filled after they are built, so that a cycle can always be restored.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import operator
import pathlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy
from hypothesis import strategies as st

from tests.classes import (
    ByState,
    Celsius,
    Colour,
    FailedTrial,
    FrozenPoint,
    Grid,
    Hybrid,
    Interval,
    Ledger,
    Lenient,
    Measurement,
    NamedDict,
    NamedList,
    NamedSet,
    NamedStr,
    NamedTuple_,
    Outer,
    Permission,
    Persistent,
    Plain,
    Point,
    Quantity,
    Sample,
    Slotted,
    SlottedPoint,
    Stated,
    Version,
)

__all__ = ["ATOMS", "atoms", "cyclic_graphs", "graphs"]

_PARTS = (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan)

_NUMBERS = (
    *(0, 1, -1, True, False, 255, -(2**31), 2**63, -(2**64), 10**400, -(10**4301) + 7),
    *_PARTS,
    *(0.1, 1e-5, 1e16, 1e22, 5e-324, 1.7976931348623157e308, 2.0**53, 0.1 + 0.2, -1e-320),
    *(complex(real, imag) for real in _PARTS for imag in _PARTS),
)

_TEXTS = (
    *(
        "",
        "a",
        "text",
        " ",
        "\0",
        "a\0b\01",
        "\n",
        "\r\n",
        "\t",
        "\x7f",
        "\x1b[0m",
        "\\",
        "\\n",
        "\\N{X}",
    ),
    *("'", '"', "'\"", "'''", '"""', "'''\"\"\"", "{}", "{x}", "%s", "#", "\\'", "x" * 150),
    *(
        "é",
        "e\u0301",
        "ﬁ",
        "\u017f",
        "µ",
        "日本語",
        "\U0001d518",
        "\u202e",
        "\u2028",
        "\x85",
        "\ufeff",
        "\U0010ffff",
    ),
    *("\ud800", "a\udcffb", "\ud83d\ude00", "\udc00\ud800"),
    *(
        "class",
        "None",
        "print",
        "_g1",
        "_numpy",
        "__builtins__",
        "__name__",
        "nan",
        "x y",
        "x.y",
        "self",
    ),
)

_BYTES = (b"", b"a", b"\0\xff", b"'\"\\\n", bytes(range(256)), "é".encode())

_NAMED = (
    *(None, Ellipsis, NotImplemented, int, type(None), type, Plain, Outer.Inner, OrderedDict),
    *(
        len,
        operator.add,
        math.sin,
        Outer.Inner.twice,
        numpy.sin,
        numpy.ndarray,
        numpy.float64,
    ),
    *(Colour.RED, Colour.MIXED, Permission.READ, Permission.READ | Permission.EXECUTE),
)

ATOMS: tuple[Any, ...] = (*_NUMBERS, *_TEXTS, *_BYTES, *_NAMED, math)
"""Values that have no parts, the nasty ones among them, and last a module."""

_NAMES = ("a", "b", "x", "self", "class", "_private", "é", "two words", "function")

_DTYPES = (
    *("f8", "i8", "u1", "?", ">f4", ">i2", "f2", "c8", ">c16", "g", "G", "S3", "U2", ">U2", "V3"),
    *("M8[ns]", ">M8[D]", "m8[s]", "u8", [("a", "i1"), ("b", ">f8", (2,))], "i1"),
    numpy.dtype([("a", "i1"), ("b", [("c", "f8"), ("d", "S2")])], align=True),
)

_SHAPES = ((3,), (0,), (), (2, 3), (1,), (0, 2), (2, 1, 2), (25,))

_SCALARS = (
    *(
        numpy.float64(0.1),
        numpy.float32(0.1),
        numpy.float64("nan"),
        numpy.int8(-3),
        numpy.bool_(True),
    ),
    *(
        # By their bits, since numpy 2.5 warns when it makes a time without a unit.
        numpy.int64(-(2**63)).view("M8"),
        numpy.int64(3).view("m8"),
        numpy.datetime64("2020-01-01"),
        numpy.str_("é"),
        numpy.bytes_(b"\0a"),
    ),
    *(numpy.complex64(-0.0), numpy.longdouble(1) / 3, numpy.dtype(">i4")),
)

_STANDARD: tuple[Callable[[], Any], ...] = (
    lambda: decimal.Decimal("-0.10"),
    lambda: fractions.Fraction(1, 3),
    lambda: datetime.datetime(2020, 2, 29, 1, 2, 3, 4, datetime.timezone.utc),
    lambda: datetime.timedelta(days=-1, microseconds=1),
    lambda: pathlib.PurePosixPath("/a/b c"),
    lambda: Counter("abca"),
)


def atoms() -> st.SearchStrategy[Any]:
    """Draw a value that has no parts: a nasty one, or any number or text."""
    return (
        st.sampled_from(ATOMS)
        | st.integers()
        | st.floats(allow_nan=False)
        | st.complex_numbers(allow_nan=False)
        | st.text(st.characters(), max_size=12)
        | st.binary(max_size=12)
    )


def graphs(*, copyable: bool = False, size: int = 96) -> st.SearchStrategy[Any]:
    """Draw a graph with sharing and without cycles.

    Parameters
    ----------
    copyable : bool
        Leave out what pickle and `copy.deepcopy` lose: memory that arrays share, byte order,
        read-only arrays, modules, methods of builtin objects.
    size : int
        How many bytes decide, about: a fifth as many nodes are made.
    """
    return _bytes(size).map(lambda choices: _Builder(choices, copyable=copyable).build())


def cyclic_graphs(*, size: int = 96) -> st.SearchStrategy[Any]:
    """Draw a graph with sharing and with cycles, each of which can be restored."""
    return _bytes(size).map(lambda choices: _Builder(choices).build_cyclic())


def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size // 4, max_size=size + size // 2)


class _Builder:
    """Nodes in the order of their making, and the choices that are left."""

    def __init__(self, choices: bytes, *, copyable: bool = False) -> None:
        self.choices = iter(choices)
        self.left = len(choices)
        self.nodes: list[Any] = []
        self.hashable: list[Any] = []
        self.copyable = copyable
        self.buffer = numpy.arange(24.0)

    def choose(self, count: int) -> int:
        """Return a number below `count`; zero when all is decided."""
        self.left -= 1
        return next(self.choices, 0) % count

    def build(self) -> Any:
        """Return a node that leads to most others."""
        while self.left > 4 and len(self.nodes) < 40:
            self._add(_KINDS[self.choose(len(_KINDS))](self))
        return self._root()

    def build_cyclic(self) -> Any:
        """Return a node of a graph whose later nodes are also parts of earlier ones."""
        wires = 1 + self.choose(6)
        while self.left > 4 * wires and len(self.nodes) < 40:
            self._add(_KINDS[self.choose(len(_KINDS))](self))
        for _ in range(wires):
            self._wire()
        return self._root()

    def _root(self) -> Any:
        return self.nodes[-1] if self.choose(2) and self.nodes else self.nodes[::-1]

    def _add(self, node: Any) -> None:
        self.nodes.append(node)
        try:
            hash(node)
        except (TypeError, ValueError):  # A time without a unit raises the latter.
            return
        self.hashable.append(node)

    def atom(self) -> Any:
        """Return a value that has no parts."""
        return ATOMS[self.choose(len(ATOMS) - self.copyable)]

    def part(self) -> Any:
        """Return a node made before, the latest ones rather; sometimes an atom."""
        choice = self.choose(8)
        if not self.nodes or choice == 1:
            return self.atom()
        reach = len(self.nodes) if choice == 2 else min(3, len(self.nodes))
        return self.nodes[-1 - self.choose(reach)]

    def key(self) -> Any:
        """Return something that can be hashed: an atom, or a node made before."""
        if self.hashable and self.choose(2):
            return self.hashable[-1 - self.choose(len(self.hashable))]
        return self.atom()

    def parts(self) -> list[Any]:
        """Return none to three nodes or atoms."""
        return [self.part() for _ in range(self.choose(4))]

    def keys(self) -> list[Any]:
        """Return none to three things that can be hashed."""
        return [self.key() for _ in range(self.choose(4))]

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return none to three pairs of a key and a part."""
        return [(key, self.part()) for key in self.keys()]

    def attributes(self) -> dict[str, Any]:
        """Return none to three attributes."""
        return {_NAMES[self.choose(len(_NAMES))]: part for part in self.parts()}

    def noted(self, obj: Any) -> Any:
        """Return `obj`, with attributes more often than not."""
        vars(obj).update(self.attributes())
        return obj

    def slotted(self, obj: Slotted) -> Slotted:
        """Return `obj` with some slots filled."""
        for name, part in zip(Slotted.__slots__, self.parts(), strict=False):
            setattr(obj, name, part)
        return obj

    def ledger(self) -> Ledger:
        """Return an object with list items, dict items and attributes."""
        ledger = self.noted(Ledger(self.part()))
        ledger.entries.extend(self.parts())
        ledger.totals.update(self.pairs())
        return ledger

    def array(self) -> numpy.ndarray:
        """Return a small array of any dtype, shape and order."""
        dtype = numpy.dtype(_DTYPES[self.choose(len(_DTYPES))])
        shape = _SHAPES[self.choose(len(_SHAPES))]
        pattern = bytes([self.choose(256), self.choose(256), 1, 0, 65])
        array = numpy.array(_decode(pattern, dtype, shape), order="F" if self.choose(2) else "C")
        if self.copyable:
            return array.astype(dtype.newbyteorder("="))
        if self.choose(8) == 7:
            array.flags.writeable = False
        return array

    def view(self) -> numpy.ndarray:
        """Return a view of the one buffer, if it may be one."""
        if self.copyable:
            return self.array()
        start, step = self.choose(6), 1 + self.choose(3)
        part = (self.buffer, self.buffer.reshape(4, 6).T, self.buffer.view("i4"))[self.choose(3)]
        return part[start::step] if self.choose(4) else part[::-1]

    def bound(self) -> Any:
        """Return a method of some object."""
        owner = self.noted(Plain())
        return owner.describe if self.copyable else (owner.describe, [owner].append)[self.choose(2)]

    def object_array(self) -> numpy.ndarray:
        """Return an array of parts."""
        parts = self.parts()
        array = numpy.empty(len(parts), object)
        for index, part in enumerate(parts):
            array[index] = part
        return array.reshape(-1, 1) if self.choose(2) else array

    def _wire(self) -> None:
        """Make some node a part of another, perhaps of one made before it."""
        takers = [node for node in self.nodes if type(node) in _WIRES]
        if not takers:
            takers = [[]]
            self._add(takers[0])
        taker = takers[self.choose(len(takers))]
        _WIRES[type(taker)](self, taker, self.nodes[self.choose(len(self.nodes))])


def _decode(pattern: bytes, dtype: numpy.dtype, shape: tuple[int, ...]) -> numpy.ndarray:
    """Return an array of the bytes of `pattern`, or of what they number where not all bytes do."""
    size = math.prod(shape)
    if dtype.kind in "bMmU":
        numbers = numpy.resize(numpy.frombuffer(pattern, "u1"), size).astype("i8").reshape(shape)
        return _NUMBERED[dtype.kind](numbers).astype(dtype)
    if dtype.kind == "V" or dtype.type in (numpy.longdouble, numpy.clongdouble):
        return numpy.full(shape, pattern[0], "u1").astype(dtype)
    raw = numpy.resize(numpy.frombuffer(pattern, "u1"), size * dtype.itemsize)
    return raw.view(dtype).reshape(shape)


_NUMBERED: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "b": lambda numbers: numbers % 2,
    "M": lambda numbers: numpy.where(numbers, numbers, numpy.iinfo("i8").min).view("M8[s]"),
    "m": lambda numbers: numpy.where(numbers, numbers, numpy.iinfo("i8").min).view("m8[s]"),
    "U": lambda numbers: numpy.vectorize(chr, otypes=["U1"])(numbers + 0x10000),
}

_KINDS: tuple[Callable[[_Builder], Any], ...] = (
    lambda b: b.parts(),
    lambda b: b.parts(),
    lambda b: b.parts(),
    lambda b: dict(b.pairs()),
    lambda b: dict(b.pairs()),
    lambda b: tuple(b.parts()),
    lambda b: tuple(b.parts()),
    lambda b: set(b.keys()),
    lambda b: frozenset(b.keys()),
    lambda b: b.noted(Plain()),
    lambda b: b.noted(Plain()),
    lambda b: b.slotted(Slotted()),
    lambda b: b.noted(b.slotted(Hybrid())),
    lambda b: b.noted(NamedList(b.parts())),
    lambda b: b.noted(NamedDict(b.pairs())),
    lambda b: b.noted(NamedSet(b.keys())),
    lambda b: b.noted(NamedTuple_(b.parts())),
    lambda b: b.noted(Celsius(b.choose(256))),
    lambda b: b.noted(NamedStr("text")),
    lambda b: Point(b.part(), b.part()),
    lambda b: FrozenPoint(b.part(), b.key()),
    lambda b: SlottedPoint(b.part(), b.part()),
    lambda b: Sample(b.part(), note=b.part()),
    lambda b: Interval(b.part()),
    lambda b: Stated(b.part()),
    lambda b: b.ledger(),
    lambda b: b.noted(Version(*b.parts())),
    lambda b: Quantity(b.part(), unit=b.part()),
    lambda b: b.noted(Outer.Inner(b.part())),
    lambda b: Persistent(b.part(), b.part()),
    lambda b: Measurement(subject=b.part(), values=b.part()),
    lambda b: ByState(b.key(), b.part()),
    lambda b: b.noted(FailedTrial(b.part(), b.part())),
    lambda b: Lenient(b.pairs()),
    lambda b: OrderedDict(b.pairs()),
    lambda b: b.noted(Grid(b.pairs())),
    lambda b: defaultdict((list, int, None, Plain)[b.choose(4)], b.pairs()),
    lambda b: deque(b.parts(), 5 if b.choose(2) else None),
    lambda b: bytearray(_BYTES[b.choose(len(_BYTES))]),
    lambda b: range(b.choose(5), b.choose(256), 1 + b.choose(3)),
    lambda b: slice(b.part(), b.part(), None),
    lambda b: b.array(),
    lambda b: b.view(),
    lambda b: b.view(),
    lambda b: b.object_array(),
    lambda b: _SCALARS[b.choose(len(_SCALARS))],
    lambda b: _STANDARD[b.choose(len(_STANDARD))](),
    lambda b: b.bound(),
    lambda b: Plain.create,
)


def _wire_attribute(builder: _Builder, taker: Any, node: Any) -> None:
    vars(taker)[_NAMES[builder.choose(3)]] = node


def _wire_item(builder: _Builder, taker: Any, node: Any) -> None:
    taker[builder.atom()] = node


def _wire_member(builder: _Builder, taker: Any, node: Any) -> None:
    try:
        taker.add(node)
    except (TypeError, ValueError):
        taker.add(ByState(builder.atom(), node))


def _wire_element(builder: _Builder, taker: Any, node: Any) -> None:
    if taker.dtype == object and taker.size and taker.flags.writeable:
        taker[(0,) * taker.ndim] = node


def _wire_link(builder: _Builder, taker: Any, node: Any) -> None:
    taker.link = node


_WIRES: dict[type, Callable[[_Builder, Any, Any], None]] = {
    list: lambda builder, taker, node: taker.append(node),
    dict: _wire_item,
    set: _wire_member,
    deque: lambda builder, taker, node: taker.append(node),
    numpy.ndarray: _wire_element,
    ByState: _wire_link,
    Slotted: lambda builder, taker, node: setattr(taker, "left", node),
    Ledger: lambda builder, taker, node: taker.append(node),
    Point: lambda builder, taker, node: setattr(taker, "y", node),
    SlottedPoint: lambda builder, taker, node: setattr(taker, "y", node),
    Stated: lambda builder, taker, node: setattr(taker, "content", node),
    NamedList: lambda builder, taker, node: taker.append(node),
    NamedSet: _wire_member,
    **dict.fromkeys((defaultdict, OrderedDict, NamedDict, Lenient), _wire_item),
    **dict.fromkeys(
        (Plain, Hybrid, NamedTuple_, Celsius, NamedStr, Version, FailedTrial, Sample, Grid),
        _wire_attribute,
    ),
}
