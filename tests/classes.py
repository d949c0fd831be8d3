"""Classes of every kind that pickle handles, for the graphs that the tests draw."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "ByState",
    "Celsius",
    "Colour",
    "FailedTrial",
    "FrozenPoint",
    "Grid",
    "Hybrid",
    "Interval",
    "Ledger",
    "Lenient",
    "Measurement",
    "NamedDict",
    "NamedList",
    "NamedSet",
    "NamedStr",
    "NamedTuple_",
    "Outer",
    "Permission",
    "Persistent",
    "Plain",
    "Point",
    "Quantity",
    "Sample",
    "Slotted",
    "SlottedPoint",
    "Stated",
    "Version",
]


class Plain:
    """An object with a ``__dict__``, equal only to itself."""

    def __init__(self, /, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    @classmethod
    def create(cls) -> Plain:
        """Return an object without attributes."""
        return cls()

    def describe(self) -> str:
        """Return the names of the attributes."""
        return ", ".join(self.__dict__)


class Slotted:
    """An object with slots only; a slot may be empty."""

    __slots__ = ("left", "right")

    def __init__(self, *values: Any) -> None:
        for name, value in zip(self.__slots__, values, strict=False):
            setattr(self, name, value)


class Hybrid(Slotted):
    """An object with slots of its base and a ``__dict__``."""


class NamedList(list[Any]):
    """A list with attributes."""


class NamedDict(dict[Any, Any]):
    """A dict with attributes."""


class NamedSet(set[Any]):
    """A set with attributes."""


class NamedFrozenSet(frozenset[Any]):
    """A frozen set with attributes."""


class NamedTuple_(tuple[Any, ...]):
    """A tuple with attributes."""


class Celsius(int):
    """An int with attributes."""


class NamedStr(str):
    """A str with attributes."""


@dataclass
class Point:
    """A plain data class, with a default."""

    x: Any = 0
    y: Any = 0


@dataclass(frozen=True)
class FrozenPoint:
    """A frozen data class: hashed by its fields."""

    x: Any
    y: Any = None


@dataclass(slots=True)
class SlottedPoint:
    """A data class with slots."""

    x: Any
    y: Any


@dataclass
class Sample:
    """A data class with a field that ``__init__`` does not take, and one that it alone takes."""

    values: Any
    total: Any = field(init=False)
    note: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.total = "not computed"


class Interval(NamedTuple):
    """A named tuple."""

    start: Any
    stop: Any = None


class Colour(enum.Enum):
    """An enumeration with an alias and an unhashable value."""

    RED = 1
    GREEN = "green"
    MIXED = [1, 2]
    CRIMSON = 1


class Permission(enum.Flag):
    """Flags, that combine."""

    READ = 1
    WRITE = 2
    EXECUTE = 4


class Stated:
    """An object whose state is not its ``__dict__``: it leaves out what it can compute again."""

    def __init__(self, content: Any = None) -> None:
        self.content = content
        self.cache = object()

    def __getstate__(self) -> tuple[str, Any]:
        return "content", self.content

    def __setstate__(self, state: tuple[str, Any]) -> None:
        name, self.content = state
        assert name == "content"
        self.cache = object()


class Ledger:
    """An object that reduces to a call, a state, list items and dict items."""

    def __init__(self, title: Any) -> None:
        self.title = title
        self.entries: list[Any] = []
        self.totals: dict[Any, Any] = {}

    def append(self, entry: Any) -> None:
        """Add an entry: pickle calls this for each list item."""
        self.entries.append(entry)

    def extend(self, entries: Any) -> None:
        """Add entries."""
        self.entries.extend(entries)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.totals[key] = value

    def __reduce__(self) -> tuple[Any, ...]:
        extra = {k: v for k, v in vars(self).items() if k not in ("title", "entries", "totals")}
        return Ledger, (self.title,), extra or None, iter(self.entries), iter(self.totals.items())


class Version:
    """An object built by ``__new__`` with positional arguments; ``__init__`` would spoil it."""

    def __new__(cls, *numbers: Any) -> Version:
        self = super().__new__(cls)
        self.numbers = numbers
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.numbers

    def __getstate__(self) -> dict[str, Any] | None:
        return {k: v for k, v in vars(self).items() if k != "numbers"} or None


class Quantity:
    """An object built by ``__new__`` with keyword arguments."""

    def __new__(cls, value: Any, *, unit: Any) -> Quantity:
        self = super().__new__(cls)
        self.value, self.unit = value, unit
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.value,), {"unit": self.unit}

    def __getstate__(self) -> None:
        return None


class Outer:
    """A class that holds a class."""

    class Inner:
        """A nested class."""

        def __init__(self, value: Any = None) -> None:
            self.value = value

        @staticmethod
        def twice(number: int) -> int:
            """Return twice the number."""
            return 2 * number

        @classmethod
        def make(cls, value: Any) -> Outer.Inner:
            """Return an object with this value."""
            return cls(value)


class Persistent:
    """An object that says in its own words how it is built."""

    def __init__(self, a: Any, b: Any = None) -> None:
        self.a = a
        self.b = b

    def get_persistent_rep(
        self, env: Any = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str, str]]]:
        """Return the expression, its arguments and its imports."""
        imports = [(__name__, "Persistent", "Persistent")]
        return "Persistent(a=a, b=b)", {"a": self.a, "b": self.b}, imports


class ByState:
    """An object that is hashed and compared by its key, which it has only when it is filled."""

    def __init__(self, key: Any, link: Any = None) -> None:
        self.key = key
        self.link = link

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByState) and self.key == other.key


class FailedTrial(Exception):
    """An exception with an attribute and a message made from its arguments."""

    def __init__(self, subject: Any, trial: Any) -> None:
        super().__init__(subject, trial)
        self.trial = trial


class Lenient(dict[Any, Any]):
    """A dict that answers for keys that it lacks, and whose keys read as attributes."""

    def __missing__(self, key: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]


class Measurement:
    """An object stored by the seed's older protocol of items: ``items`` are what it is made of."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield names and values."""
        yield from self._values.items()

    def get_persistent_rep(
        self, env: Any = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str, str]]]:
        """Return a constructor call with keywords."""
        args = dict(self.items())
        call = ", ".join(f"{name}={name}" for name in args)
        return f"Measurement({call})", args, [(__name__, "Measurement", "Measurement")]


class Grid(OrderedDict[Any, Any]):
    """An ordered dict with attributes."""
