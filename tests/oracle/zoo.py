"""Objects that the drawn classes are unlike: of the standard library, and of odd classes."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import operator
import pathlib
import random
import re
import string
import sys
import threading
import types
import typing
import uuid
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["ZOO"]

T = typing.TypeVar("T")
Meters = typing.NewType("Meters", int)


class Flags(enum.Flag):
    A = 1
    B = 2
    C = 4


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Text(str, enum.Enum):
    WITH_BLANK = "x y"


class Planet(enum.Enum):
    EARTH = (1, 2)

    def __init__(self, mass: int, radius: int) -> None:
        self.mass = mass


class Reducing(enum.Enum):
    A = 1

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (Reducing, "A")


class Named(collections.namedtuple("Named", ["a", "b"])):
    """A named tuple with a ``__dict__``."""


class Doubled(collections.namedtuple("Doubled", ["a", "b"])):
    """A named tuple whose ``__new__`` takes one argument."""

    def __new__(cls, both: Any) -> Doubled:
        return super().__new__(cls, both, both)

    def __getnewargs__(self) -> tuple[Any]:
        return (self.a,)


class Partial(functools.partial):  # type: ignore[type-arg]
    pass


class SlottedPartial(functools.partial):  # type: ignore[type-arg]
    __slots__ = ("z",)


class Requiring(collections.Counter):  # type: ignore[type-arg]
    """A counter whose constructor needs an argument."""

    def __init__(self, required: Any, *args: Any) -> None:
        super().__init__(*args)
        self.required = required

    def __reduce__(self) -> Any:
        return type(self), (self.required, dict(self))


class Lists(collections.defaultdict):  # type: ignore[type-arg]
    def __init__(self, *args: Any) -> None:
        super().__init__(list, *args)

    def __reduce__(self) -> Any:
        return Lists, (), None, None, iter(self.items())


class Three(collections.deque):  # type: ignore[type-arg]
    def __init__(self, items: Any = (), maxlen: int = 3) -> None:
        super().__init__(items, maxlen)


class Tagged(datetime.datetime):
    tag: Any

    def __new__(cls, *args: Any, tag: Any = None, **kwargs: Any) -> Tagged:
        self = super().__new__(cls, *args, **kwargs)
        self.tag = tag
        return self


class Coded(Exception):
    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> Any:
        return functools.partial(Coded, code=self.code), self.args


class Worded(Exception):
    """An exception that makes its message from its argument."""

    def __init__(self, word: str = "none") -> None:
        super().__init__("message: " + word)
        self.word = word


class Keyed(Exception):
    def __new__(cls, *args: Any, **kwargs: Any) -> Keyed:
        self = super().__new__(cls, *args)
        self.kwargs = kwargs
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: Any = None


@dataclasses.dataclass
class Partly:
    a: Any
    b: dataclasses.InitVar[Any] = 3
    c: list[Any] = dataclasses.field(default_factory=list, init=False)


@dataclasses.dataclass
class Raised:
    a: int

    def __getstate__(self) -> Any:
        return {"a": self.a + 1}


@dataclasses.dataclass
class Logged:
    a: int

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self.__dict__.setdefault("log", []).append(name)


class Doubling:
    """A descriptor that keeps twice what it is given."""

    def __set__(self, obj: Any, value: Any) -> None:
        obj.__dict__["x"] = value * 2

    def __get__(self, obj: Any, cls: Any = None) -> Any:
        return self if obj is None else obj.__dict__["x"]


class Described:
    x = Doubling()


class Generic(typing.Generic[T]):
    pass


class Outer:
    class Inner:
        def method(self) -> int:
            return 1

        @classmethod
        def of_class(cls) -> int:
            return 2


class Base:
    __slots__ = ("__b", "a")


class Mangled(Base):
    __slots__ = ("__b", "c")


class Computed:
    @property
    def p(self) -> str:
        return "computed"

    @functools.cached_property
    def cached(self) -> list[int]:
        return [1]


def made(obj: Any, **attributes: Any) -> Any:
    """Return an object with attributes, which its class does not hear of."""
    obj.__dict__.update(attributes)
    return obj


def with_slots(obj: Any, **slots: Any) -> Any:
    for name, value in slots.items():
        setattr(obj, name, value)
    return obj


def with_note() -> Exception:
    error = ValueError("a")
    if sys.version_info >= (3, 11):
        error.add_note("a note")
    error.__cause__ = KeyError()
    return made(error, x=1)  # type: ignore[no-any-return]


_BASES: list[tuple[Any, ...]] = [
    *((list, [1, 2]), (tuple, [1, 2]), (dict, {1: 2}), (set, [1]), (frozenset, [1])),
    *((str, "ab"), (bytes, b"ab"), (int, 5), (float, 5.5), (complex, 1j), (bytearray, b"ab")),
    *((collections.deque, [1, 2]), (collections.OrderedDict, {1: 2}), (collections.Counter, "aab")),
    *((collections.defaultdict, list, {1: 2}), (collections.UserDict, {1: 2})),
    *((collections.UserList, [1]), (collections.ChainMap, {1: 2}), (collections.UserString, "ab")),
    *((datetime.datetime, 2020, 1, 1), (datetime.date, 2020, 1, 1), (datetime.time, 1)),
    *((datetime.timedelta, 1), (decimal.Decimal, "1.5"), (fractions.Fraction, 1, 3)),
    *((uuid.UUID, "12345678123456781234567812345678"), (types.SimpleNamespace,)),
    *((Exception, "a"), (OSError, 2, "m"), (functools.partial, print, 1), (random.Random, 5)),
    *((Named, 1, 2), (Frozen, 1, 2), (Partly, 1), (string.Template, "$a"), (io.BytesIO, b"abc")),
]


def _raise(*_: Any) -> Any:
    raise AssertionError("objects were compared")


_ODD: dict[str, dict[str, Any]] = {
    "Empty": {"__len__": lambda self: 0},
    "False": {"__bool__": lambda self: False},
    "Strange": {"__eq__": _raise, "__hash__": lambda self: 5},
}


def _odd(kind: str, base: Any, *args: Any) -> Callable[[], Any]:
    """Return what makes an object of a subclass that says something odd of itself."""
    name = f"{kind}{base.__name__}"
    methods = {**_ODD[kind], "__module__": __name__, "__qualname__": name}
    cls = globals()[name] = types.new_class(name, (base,), exec_body=lambda ns: ns.update(methods))

    def make() -> Any:
        obj = cls(*args)
        if hasattr(obj, "__dict__") and base is not Frozen:
            obj.__dict__["attribute"] = [1]
        return obj

    return make


ZOO: dict[str, Callable[[], Any]] = {
    "flags": lambda: [Flags.A | Flags.C, Flags(0), Bits(9), Bits(-1), ~Bits.A],
    "members": lambda: [Text.WITH_BLANK, Planet.EARTH, Reducing.A],
    "named tuples": lambda: [made(Named(1, [2]), z=3), Doubled([1])],
    "partial": lambda: [functools.partial(print, 1, sep=""), made(functools.partial(print), z=1)],
    "partial subclass": lambda: made(Partial(print, 2), q=[1]),
    "partial with slots": lambda: with_slots(SlottedPartial(print, 2), z=1),
    "counter": lambda: Requiring([1], "aab"),
    "lists": lambda: Lists({1: [2]}),
    "deque": lambda: Three([1, 2]),
    "tagged time": lambda: Tagged(2020, 1, 1, tag="t"),
    "exceptions": lambda: [Coded("x", code=5), Keyed(1, x=2), with_note(), SystemExit(3)],
    "message": lambda: Worded("x"),
    "os error": lambda: OSError(2, "m", "f", None, "g"),
    "decode error": lambda: UnicodeDecodeError("ascii", b"x", 0, 1, "r"),
    "import error": lambda: ImportError("m", name="n", path="p"),
    "syntax error": lambda: SyntaxError("m", ("f", 1, 2, "t", 1, 3)),
    "frozen": lambda: Frozen(1, [2]),
    "partly": lambda: Partly(1),
    "raised": lambda: Raised(1),
    "logged": lambda: Logged(1),
    "described": lambda: made(Described(), x=4),
    "generic": lambda: [Generic[int](), Generic[int], T, Meters, list[int], int | None],
    "forms": lambda: [typing.Annotated[int, "x"], Callable[[int], str], typing.Literal[1, "a"]],
    "methods": lambda: [Outer.Inner().method, Outer.Inner.of_class, Outer.Inner.method],
    "operators": lambda: [
        *(operator.itemgetter(1, 2), operator.attrgetter("a.b")),
        operator.methodcaller("f", 1, x=2),
    ],
    "slots": lambda: with_slots(Mangled(), a=1, _Base__b=2, _Mangled__b=3, c=4),
    "computed": lambda: made(Computed(), p=5, cached=[1]),
    "iterators": lambda: [iter([1, 2]), iter(range(3)), iter((1,)), iter({1: 2})],
    "pattern": lambda: re.compile("a", re.IGNORECASE),
    "array": lambda: array.array("d", [1, 2]),
    "buffers": lambda: [io.BytesIO(b"abc"), io.StringIO("abc")],
    "path": lambda: pathlib.PurePosixPath("a/b"),
    "singletons": lambda: [..., NotImplemented, type(None), type(NotImplemented)],
    # These cannot be pickled, nor some of them stored.
    "view": lambda: {1: 2}.keys(),
    "memory": lambda: memoryview(b"a"),
    "lock": threading.Lock,
    "weak reference": lambda: weakref.ref(Outer),
    "weak dict": weakref.WeakValueDictionary,
    "property": lambda: property(len),
    "static method": lambda: staticmethod(len),
    "cell": lambda: (lambda x: lambda: x)(1).__closure__[0],  # type: ignore[index]
    "code": lambda: made.__code__,
    "thread": threading.Thread,
    "super": lambda: super(Computed, Computed()),
    **{
        f"{kind.lower()} {base.__name__}": _odd(kind, base, *args)
        for kind in _ODD
        for base, *args in _BASES
    },
}
"""What makes each object, by name."""
