"""Objects of the standard library reduce to the calls that a person would write."""

from __future__ import annotations

import array
import builtins
import collections
import copyreg
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import io
import ipaddress
import itertools
import operator
import os
import pathlib
import pickle
import re
import signal
import ssl
import struct
import sys
import threading
import time
import types
import typing
import uuid
import weakref
import zoneinfo
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from persist.archive import Archive, restore
from persist.archive.reduce import reduce
from persist.archive.reduction import Reduction
from persist.errors import UnsupportedObjectError
from tests.archive.rules.rebuild import rebuild, rebuilds, source
from tests.same import assert_same


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1
    BLUE = "b"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Level(enum.IntEnum):
    LOW = 1


Odd = enum.Enum("Odd", ["a b", "class"])


class Ordered(collections.OrderedDict):
    pass


class Guarded(collections.OrderedDict):
    def __init__(self, limit: int = 0) -> None:
        super().__init__()
        self.limit = limit


class Factory(collections.defaultdict):
    pass


class Ring(collections.deque):
    pass


class Pair(NamedTuple):
    x: int
    y: Any = None


class Named(collections.namedtuple("Named", "a b")):
    pass


class Checked(collections.namedtuple("Checked", "a b")):
    def __new__(cls, a: int) -> Checked:
        return super().__new__(cls, a, -a)

    def __getnewargs__(self) -> tuple[int]:
        return (self.a,)


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: Any
    y: Any = None


@dataclasses.dataclass
class Derived:
    x: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.double = 2 * self.x


@dataclasses.dataclass
class Given:
    x: int
    seed: dataclasses.InitVar[int] = 0


@dataclasses.dataclass
class ByHand:
    x: int

    def __init__(self) -> None:
        self.x = 1


class MissingError(LookupError):
    def __init__(self, path: str) -> None:
        super().__init__(f"missing {path}")
        self.path = path


class PlainError(ValueError):
    pass


class Day(datetime.date):
    pass


class Clock(datetime.datetime):
    pass


class Address(uuid.UUID):
    pass


class Record(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))


def with_attributes(obj: Any, **attributes: Any) -> Any:
    vars(obj).update(attributes)
    return obj


ZONE = zoneinfo.ZoneInfo("Europe/Paris")
UTC = datetime.timezone.utc
NAN = struct.unpack("d", struct.pack("Q", 0x7FF8_0000_0000_0123))[0]

TEXT = "w" if sys.version_info >= (3, 13) else "u"

WRITTEN = {
    "OrderedDict([('a', 1)])": collections.OrderedDict(a=1),
    "OrderedDict()": collections.OrderedDict(),
    "defaultdict(list, [('a', [1])])": collections.defaultdict(list, a=[1]),
    "defaultdict(list)": collections.defaultdict(list),
    "defaultdict()": collections.defaultdict(),
    "deque([1, 2])": collections.deque([1, 2]),
    "Counter({'a': 2})": collections.Counter("aa"),
    "SimpleNamespace(a=1)": types.SimpleNamespace(a=1),
    "MappingProxyType({'a': 1})": types.MappingProxyType({"a": 1}),
    "array('d', [0.5, inf])": array.array("d", [0.5, float("inf")]),
    f"array('{TEXT}', 'ab')": array.array(TEXT, "ab"),
    "array('i')": array.array("i"),
    "date(2020, 1, 2)": datetime.date(2020, 1, 2),
    "datetime(2020, 1, 2)": datetime.datetime(2020, 1, 2),
    "datetime(2020, 1, 2, 3, 0, 5)": datetime.datetime(2020, 1, 2, 3, 0, 5),
    "datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)": datetime.datetime(2020, 1, 2, tzinfo=UTC),
    "time(12)": datetime.time(12),
    "time(1, 30, fold=1)": datetime.time(1, 30, fold=1),
    "timedelta(days=1, microseconds=5)": datetime.timedelta(days=1, microseconds=5),
    "timedelta(0)": datetime.timedelta(0),
    "timezone.utc": UTC,
    "ZoneInfo('Europe/Paris')": ZONE,
    "Decimal('1.50')": decimal.Decimal("1.50"),
    "Fraction(1, 3)": fractions.Fraction(1, 3),
    "UUID('00000000-0000-0000-0000-000000000007')": uuid.UUID(int=7),
    "PurePosixPath('/a/b')": pathlib.PurePosixPath("/a/b"),
    "PureWindowsPath('c:\\\\a')": pathlib.PureWindowsPath("c:/a"),
    "IPv4Address('1.2.3.4')": ipaddress.ip_address("1.2.3.4"),
    "IPv4Network('1.2.3.0/24')": ipaddress.ip_network("1.2.3.0/24"),
    "compile('a+')": re.compile("a+"),
    "compile(b'a')": re.compile(b"a"),
    "BytesIO(b'abc')": io.BytesIO(b"abc"),
    "StringIO('abc')": io.StringIO("abc"),
    "RED": Colour.RED,
    "LOW": Level.LOW,
    "BOTH": Mode.BOTH,
    "partial(int, base=2)": functools.partial(int, base=2),
    "itemgetter(1, 2)": operator.itemgetter(1, 2),
    "methodcaller('split', 'a', maxsplit=1)": operator.methodcaller("split", "a", maxsplit=1),
    "c_int(3)": ctypes.c_int(3),
    "Element('a', {'b': '1'})": ElementTree.Element("a", {"b": "1"}),
    "struct_time((1, 2, 3, 4, 5, 6, 7, 8, 0))": time.struct_time((1, 2, 3, 4, 5, 6, 7, 8, 0)),
    "terminal_size((80, 25))": os.terminal_size((80, 25)),
    "Pair(x=1, y=[2])": Pair(1, [2]),
    "Point(x=1, y=[2])": Point(1, [2]),
    "Frozen(x=1)": Frozen(1),
    "Slotted(x=1, y=None)": Slotted(1),
    "ValueError('x', 1)": ValueError("x", 1),
    "FileNotFoundError(2, 'no', 'f')": FileNotFoundError(2, "no", "f"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_object_reads_as_a_person_would_write_it(written: str) -> None:
    assert source(WRITTEN[written]).endswith(written)


# Paths of Python 3.12 remember how they were spelled.
COMPARED_BY_VALUE = (io.IOBase, ElementTree.Element, pathlib.PureWindowsPath)

COMPARED = [
    *(obj for obj in WRITTEN.values() if not isinstance(obj, COMPARED_BY_VALUE)),
    with_attributes(Ordered(a=1), note="x"),
    with_attributes(Factory(list, a=[1]), note="x"),
    with_attributes(Ring([1, 2], maxlen=5), note="x"),
    collections.defaultdict(None, a=1),
    collections.deque(maxlen=0),
    with_attributes(Guarded(3), note="x"),
    types.SimpleNamespace(**{"not an identifier": 1}),
    with_attributes(Named(1, 2), note="x"),
    Checked(1),
    with_attributes(Point(1), extra=2),
    Slotted([1]),
    Derived(2),
    Given(1, 2),
    ByHand(),
    Odd["a b"],
    Odd["class"],
    Colour.CRIMSON,
    re.IGNORECASE | re.MULTILINE,
    Mode(0),
    signal.SIGINT,
    ssl.PROTOCOL_TLS,
    re.compile("a", re.IGNORECASE | re.MULTILINE),
    with_attributes(Day(2020, 1, 2), note="x"),
    with_attributes(Clock(2020, 1, 2, tzinfo=ZONE, fold=1), note="x"),
    datetime.timezone(datetime.timedelta(hours=1), "X"),
    datetime.timedelta(-1),
    Address(int=3),
    decimal.Context(prec=5, traps=[decimal.Inexact]),
    decimal.Decimal("-sNaN123"),
    PlainError("x"),
    with_attributes(PlainError("x"), __notes__=["see"]),
    MissingError("f"),
    ImportError("x", name="y", path="z"),
    UnicodeDecodeError("utf-8", b"a", 0, 1, "x"),
    functools.partial(functools.partial(int, base=2), "1"),
    list[int],
    types.GenericAlias(uuid.UUID, (int,)),
    types.GenericAlias(typing.Sized, (int,)),
    dict[str, list[int]],
    int | None,
    typing.List[int],  # noqa: UP006
    typing.Optional["Point"],
    typing.Callable[[int], str],
    typing.Literal["a", 1],
    inspect.Parameter.POSITIONAL_ONLY,
    dataclasses.MISSING,
    uuid.SafeUUID.safe,
]


@pytest.mark.parametrize("obj", COMPARED, ids=lambda obj: f"{type(obj).__name__}-{obj!s:.20}")
def test_object_comes_back_the_same(obj: Any) -> None:
    for built in rebuilds(obj):
        assert_same(built, obj)


@pytest.mark.parametrize("where", ["argument", "keyword"])
def test_a_partial_function_may_be_given_to_itself(where: str) -> None:
    function = functools.partial(dict, key=1)
    if where == "keyword":
        function.keywords["key"] = function
    else:
        function.__setstate__((dict, (function,), {}, None))  # type: ignore[attr-defined]
    for built in rebuilds(function):
        assert_same(built, pickle.loads(pickle.dumps(function)))
        given = built.keywords["key"] if where == "keyword" else built.args[0]
        assert given is built


def test_unnamed_flags_are_those_they_combine() -> None:
    assert reduce(re.IGNORECASE | re.MULTILINE).rep == "flag0 | flag1"
    assert reduce(Mode(0)).args == (0,)


def test_member_of_a_private_enumeration_has_its_public_name() -> None:
    assert source(ssl.PROTOCOL_TLS) == "ssl.PROTOCOL_TLS"
    assert source(inspect.Parameter.VAR_KEYWORD) == "inspect.Parameter.VAR_KEYWORD"


def test_payload_of_nan_in_an_array_is_kept() -> None:
    numbers = array.array("d", [1.0, NAN])
    assert rebuild(numbers).tobytes() == numbers.tobytes()


def test_element_of_xml_keeps_children_and_text() -> None:
    text = '<a b="1">t<c/>u<d>v</d></a>'
    assert ElementTree.tostring(rebuild(ElementTree.fromstring(text)), "unicode") == (
        '<a b="1">t<c />u<d>v</d></a>'
    )


def test_proxy_shows_the_mapping_that_is_stored_too() -> None:
    mapping = {"a": 1}
    built, proxy = rebuild([mapping, types.MappingProxyType(mapping)])
    built["b"] = 2
    assert proxy == {"a": 1, "b": 2}


def test_data_of_c_keep_their_bytes() -> None:
    for data in (Record(1, 0.1), (ctypes.c_int * 2)(1, 2), ((ctypes.c_int * 2) * 3)()):
        built = rebuild(data)
        assert (type(built), bytes(built)) == (type(data), bytes(data))


def test_pointer_of_c_is_refused() -> None:
    with pytest.raises(UnsupportedObjectError, match="pointers"):
        reduce(ctypes.c_void_p(5))


def test_signature_comes_back() -> None:
    signature = inspect.signature(re.sub)
    assert rebuild(signature) == signature


def test_memory_file_keeps_where_it_stands() -> None:
    file = io.StringIO("abc\n")
    file.read(1)
    assert rebuild(file).read() == "bc\n"


def test_iterator_goes_on_where_it_was() -> None:
    iterator = iter([1, 2, 3])
    next(iterator)
    assert list(rebuild(iterator)) == [2, 3]
    assert source(iter("ab")) == "iter('ab')"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="itertools can be pickled")
def test_itertool_is_refused_without_a_warning() -> None:
    with pytest.raises(UnsupportedObjectError, match="store a list"):
        reduce(itertools.chain([1], [2]))


def test_dataclass_in_a_cycle_is_built_without_its_constructor() -> None:
    point = Point(1)
    point.y = [point]
    built = rebuild(point, absorb=False)
    assert built.y[0] is built


def test_dataclass_with_slots_can_close_a_cycle() -> None:
    point = Slotted([])
    point.x.append(point)
    built = rebuild(point)
    assert built.x[0] is built


def test_dataclass_with_slots_is_a_call_where_its_values_cannot_lead_back() -> None:
    assert source(Slotted((1, [2]), {"a": Slotted({3})})).count("Slotted(") == 2
    nested: Any = None
    for _ in range(30):
        nested = Slotted([nested])
    assert source(nested).startswith("new ")  # more is not looked through
    assert_same(rebuild(nested), nested)


def test_exception_keeps_arguments_that_its_constructor_does_not_take() -> None:
    built = rebuild(MissingError("f"))
    assert (built.args, built.path) == (("missing f",), "f")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups before")
def test_exception_group_keeps_its_members() -> None:
    group = builtins.ExceptionGroup("several", [ValueError(1), MissingError("f")])
    assert source(group).startswith("ExceptionGroup('several', [ValueError(1)")
    assert rebuild(group).exceptions[1].path == "f"


@pytest.mark.parametrize(
    "obj",
    [
        threading.Lock(),
        weakref.ref(Colour),
        (x for x in ()),
        memoryview(b"a"),
        property(len),
        sys.float_info,
    ],
    ids=lambda obj: type(obj).__name__,
)
def test_object_that_cannot_be_stored_says_so(obj: Any) -> None:
    with pytest.raises(UnsupportedObjectError):
        rebuild(obj)


class GoneError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(2, "gone", path)


def test_exception_that_pickle_cannot_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # tblib, where something has loaded it, teaches pickle all exceptions that there are.
    monkeypatch.delitem(copyreg.dispatch_table, GoneError, raising=False)
    function, args, *_ = GoneError("f").__reduce__()
    with pytest.raises(TypeError):
        function(*args)
    with pytest.raises(UnsupportedObjectError, match="does not take the args"):
        rebuild(GoneError("f"))


PARAMETERS = typing.ParamSpec("PARAMETERS")


def test_arguments_of_a_parameter_specification_are_attributes_of_it() -> None:
    for obj in (PARAMETERS.args, PARAMETERS.kwargs):
        assert rebuild(obj) == obj
    assert source(PARAMETERS.args).endswith("PARAMETERS.args")


def test_module_of_c_is_imported_by_its_public_name() -> None:
    found = [source(obj) for obj in (functools.reduce, operator.or_, io.BytesIO, os.getcwd)]
    assert found == ["functools.reduce", "operator.or_", "io.BytesIO", "os.getcwd"]


def test_reduction_of_the_old_protocol_names_no_private_function() -> None:
    class_ = type("Old", (), {"__reduce__": object.__reduce__, "__module__": __name__})
    reduced = reduce(class_())
    assert isinstance(reduced, Reduction)
    assert (reduced.function, reduced.args) == (class_, ())


class EmptyLooking(array.array):
    def __len__(self):
        return 0


class OddPath(pathlib.PurePosixPath):
    def __eq__(self, other):
        raise RuntimeError

    __hash__ = pathlib.PurePosixPath.__hash__


class Doubled:
    def __get__(self, obj, owner=None):
        return self if obj is None else obj.__dict__["x"]

    def __set__(self, obj, value):
        obj.__dict__["x"] = 2 * value


@dataclasses.dataclass
class Described:
    x: int


Described.x = Doubled()


@pytest.mark.parametrize("scoped", [False, True])
def test_what_methods_of_the_user_say_changes_nothing(scoped):
    archive = Archive(scoped=scoped)
    archive.insert(a=EmptyLooking("i", [1, 2]), p=OddPath("/a/b"), d=Described(4))
    found = restore(str(archive))
    assert found["a"].tolist() == [1, 2]
    assert str(found["p"]) == "/a/b"
    assert found["d"].x == 8


class FirstYear(datetime.datetime):
    year = property(lambda self: 1)  # type: ignore[assignment]


class FirstMonth(datetime.date):
    month = property(lambda self: 1)  # type: ignore[assignment]


class Midnight(datetime.time):
    hour = property(lambda self: 0)  # type: ignore[assignment]


class Fortnight(datetime.timedelta):
    days = property(lambda self: 14)  # type: ignore[assignment]


class Nil(uuid.UUID):
    def __str__(self) -> str:
        return str(uuid.UUID(int=0))


class Counting(functools.partial):  # type: ignore[type-arg]
    func = property(lambda self: len)  # type: ignore[assignment]


class Unbounded(collections.deque):  # type: ignore[type-arg]
    maxlen = property(lambda self: None)  # type: ignore[assignment]


class Labelled(enum.Flag):
    A = 1
    B = 2
    value = property(lambda self: "one of many")  # type: ignore[assignment]


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize(
    "obj",
    [
        FirstYear(2020, 5, 6, 7),
        FirstMonth(2020, 5, 6),
        Midnight(7, 8),
        Fortnight(3, 4),
        Nil(int=99),
        # Before Python 3.11, enum itself asks for the value of a flag.
        *([Labelled.A | Labelled.B] if sys.version_info >= (3, 11) else []),
    ],
    ids=lambda obj: type(obj).__name__,
)
def test_attributes_that_a_subclass_gives_another_meaning_change_no_value(obj, scoped):
    archive = Archive(scoped=scoped)
    archive.insert(x=obj)
    found = restore(str(archive))["x"]
    assert type(found) is type(obj)
    assert found == obj == pickle.loads(pickle.dumps(obj))


def test_properties_of_a_subclass_do_not_stand_for_what_it_was_made_with():
    assert rebuild(Counting(int, "7"))() == 7
    assert collections.deque.maxlen.__get__(rebuild(Unbounded([1, 2], 2))) == 2


class Nowhere(datetime.tzinfo):
    """A time zone that is false, as any object with a length may be."""

    def utcoffset(self, moment: Any) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, moment: Any) -> None:
        return None

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("scoped", [False, True])
def test_a_time_zone_that_is_false_is_kept(scoped):
    zone = Nowhere()
    archive = Archive(scoped=scoped)
    archive.insert(x=[datetime.datetime(2020, 1, 1, tzinfo=zone), datetime.time(1, tzinfo=zone)])
    moment, clock = restore(str(archive))["x"]
    assert type(moment.tzinfo) is Nowhere
    assert clock.tzinfo is moment.tzinfo


@pytest.mark.skipif(sys.version_info < (3, 13), reason="typing has it since Python 3.13")
def test_a_singleton_of_typing_that_names_no_module_is_imported_from_there():
    assert rebuild(typing.NoDefault) is typing.NoDefault
