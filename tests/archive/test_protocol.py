"""What pickle brings back, an archive brings back the same."""

from __future__ import annotations

import copyreg
import dataclasses
import pickle
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from persist.archive import reduce
from persist.archive.reduction import Import
from persist.errors import UnsupportedObjectError
from tests.archive.test_roundtrip import both_formats, dump, execute
from tests.same import assert_same


class Scaled(float):
    """A float with attributes whose ``__new__`` takes a keyword."""

    def __new__(cls, value: float, *, scale: int = 1) -> Scaled:
        self = float.__new__(cls, value * scale)
        self.value = value
        self.scale = scale
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[float], dict[str, int]]:
        return (self.value,), {"scale": self.scale}


class Unit:
    """An object whose ``__new__`` needs a keyword, and whose ``__init__`` must not run."""

    def __new__(cls, *, name: str) -> Unit:
        self = super().__new__(cls)
        self.name = name
        return self

    def __init__(self, *, name: str) -> None:
        assert not hasattr(self, "notes")
        self.notes: Any = None

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, str]]:
        return (), {"name": self.name}


def with_notes(unit: Unit, notes: Any) -> Unit:
    unit.notes = notes
    return unit


@both_formats
@pytest.mark.parametrize(
    "obj",
    [
        Scaled(2.0, scale=1000),
        Scaled(2.0),
        with_notes(Unit(name="m"), ["long"]),
        # A keyword that __new__ takes, and an attribute of that name which is another object.
        with_notes(Unit(name="s"), {"name": 1}),
    ],
    ids=["float", "default", "object", "notes"],
)
def test_keywords_of_new_stay_with_new(obj: Any, scoped: bool) -> None:
    assert_same(execute(dump({"x": obj}, scoped=scoped))["x"], pickle.loads(pickle.dumps(obj, 4)))


class Inner:
    """An object that is asked for the methods of its own."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Delegating:
    """Asks what it holds for what it lacks."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Guarded(Delegating):
    """Knows that it may be empty."""

    def __getattr__(self, name: str) -> Any:
        if "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)


class Mapped(Delegating):
    """Reads attributes from its ``__dict__``, which is empty at first."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)


class Defaulted(Delegating):
    """Asks an object of its class as long as it holds none."""

    class _Default:
        def __setstate__(self, state: Any) -> None:
            self.taken = state

    inner: Any = _Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def make_empty(cls: Any) -> Any:
    return cls.__new__(cls)


class MadeEmpty(Guarded):
    """Is made by a function that is given its class, and then filled."""

    def __reduce__(self) -> Any:
        return make_empty, (type(self),), self.__dict__


class Refusing(Inner):
    """Takes back the method of its base."""

    __setstate__ = None  # type: ignore[assignment]


class Setting(type):
    """A metaclass with a method that objects of its classes do not have."""

    def __setstate__(cls, state: Any) -> None:
        raise AssertionError("this is not a method of the object")


class Set(metaclass=Setting):
    def __init__(self, size: int) -> None:
        self.size = size


@both_formats
@pytest.mark.parametrize("cls", [Delegating, Guarded, Mapped, MadeEmpty])
def test_a_wrapper_is_not_asked_for_a_method_of_what_it_wraps(cls: Any, scoped: bool) -> None:
    found = execute(dump({"x": cls(Inner(5))}, scoped=scoped))["x"]
    assert type(found) is cls
    assert type(found.__dict__["inner"]) is Inner
    assert found.size == 5


@both_formats
@pytest.mark.parametrize("obj", [Refusing(5), Set(5)], ids=["refused", "metaclass"])
def test_a_method_that_pickle_does_not_find_is_not_called(obj: Any, scoped: bool) -> None:
    found = execute(dump({"x": obj}, scoped=scoped))["x"]
    assert type(found) is type(obj)
    assert vars(found) == {"size": 5}


@both_formats
def test_a_method_that_the_empty_object_answers_with_is_called(scoped: bool) -> None:
    source = dump({"x": Defaulted(7)}, scoped=scoped)
    loaders: list[Callable[[], Any]] = [
        lambda: pickle.loads(pickle.dumps(Defaulted(7), 4)),
        lambda: execute(source)["x"],
    ]
    for load in loaders:
        found = load()
        assert type(found) is Defaulted
        assert vars(found) == {}
        assert Defaulted.inner.taken == {"inner": 7}
        del Defaulted.inner.taken


def test_an_attribute_of_the_object_is_not_its_method() -> None:
    obj = Set(1)
    obj.__dict__["__setstate__"] = print
    assert execute(dump({"x": obj}, scoped=False))["x"].__dict__ == vars(obj)


class Registered(type):
    """A metaclass whose classes say to pickle how they are found."""


CLASSES = {name: Registered(name, (), {"__module__": "nowhere"}) for name in ("Left", "Right")}


def find_class(name: str) -> Any:
    return CLASSES[name]


copyreg.pickle(Registered, lambda cls: (find_class, (cls.__name__,)))  # type: ignore[arg-type]


@both_formats
def test_a_class_is_found_as_its_metaclass_says(scoped: bool) -> None:
    obj = CLASSES["Left"]()
    obj.friend = CLASSES["Right"]
    found = execute(dump({"x": [obj, CLASSES["Left"]]}, scoped=scoped))["x"]
    assert type(found[0]) is found[1] is CLASSES["Left"]
    assert found[0].friend is CLASSES["Right"]


@dataclasses.dataclass
class Marked:
    """An object of a kind that has a rule, which pickle reduces by a function."""

    name: str


def test_copyreg_goes_before_a_rule_for_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reduce(Marked("a")).attributes == {"name": "a"}
    monkeypatch.setitem(copyreg.dispatch_table, Marked, lambda _: (Marked, ("b",)))
    assert reduce(Marked("a")).args == ("b",)


class Hollow(set[Any]):
    """A set that says it is empty."""

    def __len__(self) -> int:
        return 0


class Never(frozenset[Any]):
    """A set that says it is false."""

    def __bool__(self) -> bool:
        return False


class Sieve(set[Any]):
    """A set that shows some of its members only, as pickle sees it."""

    def __iter__(self) -> Iterator[Any]:
        return (member for member in super().__iter__() if member > 1)


class Demanding(frozenset[Any]):
    """A set that must be given its members, and asks what it holds for what it lacks."""

    def __new__(cls, members: Any) -> Demanding:
        return super().__new__(cls, members)

    def __getattr__(self, name: str) -> Any:
        if "first" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.first, name)


def demanding(members: Any) -> Demanding:
    obj = Demanding(members)
    obj.first = Taking(1)
    return obj


@both_formats
@pytest.mark.parametrize("members", ["", "ab"])
def test_a_set_is_given_its_members_even_if_there_are_none(members: str, scoped: bool) -> None:
    found = execute(dump({"x": demanding(members)}, scoped=scoped))["x"]
    assert found == set(members)
    assert type(found.first) is Taking


class HollowList(list[Any]):
    def __len__(self) -> int:
        return 0


class HollowDict(dict[Any, Any]):
    def __bool__(self) -> bool:
        return False


def raw_members(obj: Any) -> Any:
    base = next(base for base in (set, frozenset, list, dict) if isinstance(obj, base))
    return base(base.__iter__(obj)) if base is not dict else dict(dict.items(obj))


@both_formats
@pytest.mark.parametrize(
    "obj",
    [Hollow("ab"), Never("ab"), Sieve({1, 2}), HollowList("ab"), HollowDict(a=1)],
    ids=lambda obj: type(obj).__name__,
)
def test_contents_are_kept_whatever_an_object_says_of_itself(obj: Any, scoped: bool) -> None:
    wanted = pickle.loads(pickle.dumps(obj, 4))
    found = execute(dump({"x": [obj, Hollow()]}, scoped=scoped))["x"][0]
    assert type(found) is type(obj)
    assert raw_members(found) == raw_members(wanted) != type(raw_members(obj))()


class Numbered(list[Any]):
    """A list whose own ``append`` puts something else in, which pickle does not ask."""

    def append(self, item: Any) -> None:
        super().append((len(self), item))


@both_formats
@pytest.mark.parametrize("count", [1, 2])
def test_items_are_put_in_as_pickle_does(count: int, scoped: bool) -> None:
    items = Numbered([[i] for i in range(count)])
    found = execute(dump({"x": items}, scoped=scoped))["x"]
    assert_same(found, pickle.loads(pickle.dumps(items)))
    assert list(found) == [[i] for i in range(count)]


class Given:
    """An object with a state that is handed in."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return self.state


class Taking(Given):
    def __setstate__(self, state: Any) -> None:
        self.state = state


class TwoParts(NamedTuple):
    attributes: Any
    slots: Any


class Quiet(dict[Any, Any]):
    """A dict that shows nothing."""

    def __bool__(self) -> bool:
        return False

    def items(self) -> Any:
        return ()

    __iter__ = None  # type: ignore[assignment]


@both_formats
@pytest.mark.parametrize("state", [0, "", False, [], {}, (), 0.0, b"", (None, None), [[]]])
def test_a_falsy_state_is_handed_over(state: Any, scoped: bool) -> None:
    found = execute(dump({"x": Taking(state)}, scoped=scoped))["x"]
    assert type(found.state) is type(state)
    assert found.state == state


STATES: list[Any] = [
    {"a": 1},
    {"class": 1, "a b": 2, 3: 4},
    ({"a": 1}, {"b": 2}),
    (None, {"b": 2}),
    ({}, {"b": 2}),
    TwoParts({"a": 1}, {"b": 2}),
    Quiet(a=1),
    (Quiet(a=1), Quiet(b=1)),
]


@both_formats
@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_a_state_becomes_attributes_as_pickle_sets_them(state: Any, scoped: bool) -> None:
    obj = Given(state)
    found = execute(dump({"x": obj}, scoped=scoped))["x"]
    assert list(vars(found).items()) == list(vars(pickle.loads(pickle.dumps(obj, 4))).items())


@pytest.mark.parametrize("state", [0, "", [], (), False, [1], "a", (1, {}), ({}, 1), ("a", 5)])
def test_a_state_that_pickle_cannot_set_is_refused(state: Any) -> None:
    data = pickle.dumps(Given(state), 4)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    message = r"^Cannot store x\[0\]: the state of an object of class Given is not a dict but"
    with pytest.raises(UnsupportedObjectError, match=message):
        dump({"x": [Given(state)]}, scoped=False)


class Shaped(type):
    """A metaclass whose classes reduce to a call with attributes, which no class takes."""


copyreg.pickle(Shaped, lambda cls: (find_class, ("Left",), {"a": 1}))  # type: ignore[arg-type]


def test_attributes_of_a_class_are_refused() -> None:
    with pytest.raises(UnsupportedObjectError, match="has no __dict__ to put it into"):
        reduce(Shaped("Shape", (), {}))


class NoDict:
    __slots__ = ("a",)

    def __getstate__(self) -> Any:
        return {"a": 1}


def test_attributes_without_a_dict_to_hold_them_are_refused() -> None:
    with pytest.raises(AttributeError):
        pickle.loads(pickle.dumps(NoDict(), 4))
    with pytest.raises(UnsupportedObjectError, match="has no __dict__ to put it into"):
        dump({"x": NoDict()}, scoped=False)


class Answering:
    """An object that reduces to what it is told."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __reduce__(self) -> Any:
        return ANSWERS[self.values[0]](self)


def set_mark(obj: Any, state: Any) -> None:
    obj.mark = state


def make(cls: Any, *values: Any) -> Any:
    return cls(*values)


class Adding(Answering):
    """Adds one by one, and has no ``extend``."""

    def append(self, item: Any) -> None:
        self.values = (*self.values, item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.values = (*self.values, key, value)


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "setter": lambda obj: (type(obj), obj.values, [1], None, None, set_mark),
    "setter without state": lambda obj: (type(obj), obj.values, None, None, None, set_mark),
    "items": lambda obj: (type(obj), obj.values[:1], None, iter("ab")),
    "pairs": lambda obj: (type(obj), obj.values[:1], None, None, iter([(1, 2), (1, 3)])),
    "all": lambda obj: (
        *(make, (type(obj), obj.values[0]), {"mark": 1}),
        *(iter([3]), iter([(1, 2)]), set_mark),
    ),
    "attribute": lambda _: (getattr, (Answering, "__name__"), None),
    "attribute with state": lambda obj: (getattr, (NAMES, "first"), {"mark": obj.values[1:]}),
    "item with state": lambda obj: (
        copyreg.__newobj__,  # type: ignore[attr-defined]
        (type(obj),),
        {"values": obj.values},
    ),
}


class Names:
    first = Set(1)


NAMES = Names


@both_formats
@pytest.mark.parametrize("name", ANSWERS)
def test_each_item_of_an_answer_is_used(name: str, scoped: bool) -> None:
    obj = Adding(name)
    wanted = pickle.loads(pickle.dumps([obj, 1], 4))[0]
    found = execute(dump({"x": [obj, 1]}, scoped=scoped))["x"][0]
    assert type(found) is type(wanted)
    if not isinstance(found, str):
        assert vars(found) == vars(wanted)
    else:
        assert found == wanted


class Counted:
    """An object whose ``__new__`` must not run when protocol 0 or 1 rebuilds it."""

    def __new__(cls, needed: Any) -> Counted:
        return super().__new__(cls)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return super().__reduce_ex__(1)


class CountedInt(int):
    def __new__(cls, value: int, needed: Any) -> CountedInt:
        return int.__new__(cls, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return super().__reduce_ex__(1)


@both_formats
@pytest.mark.parametrize("obj", [Counted(1), CountedInt(7, 1)], ids=["object", "int"])
def test_an_older_protocol_calls_new_of_the_base(obj: Any, scoped: bool) -> None:
    obj.a = [1]
    assert_same(execute(dump({"x": obj}, scoped=scoped))["x"], obj)


class Named:
    """An object that reduces to a name."""

    name = "Holder.only"

    def __reduce__(self) -> str:
        return self.name


class Holder:
    only = Named()


@both_formats
def test_an_object_may_reduce_to_a_dotted_name(scoped: bool) -> None:
    assert reduce(Holder.only) == Import(__name__, "Holder.only")
    assert execute(dump({"x": Holder.only}, scoped=scoped))["x"] is Holder.only


def test_a_name_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(UnsupportedObjectError, match=r"Holder\.only' refers to now"):
        reduce(Named())


def test_what_would_come_back_as_another_class_is_refused() -> None:
    obj = super(Guarded, Guarded(1))
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(obj, 4)
    message = "an object of class super would come back as one of class Guarded; store that object"
    with pytest.raises(UnsupportedObjectError, match=message):
        reduce(obj)


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x: Any) -> None:
        self.x = x


class Bare:
    __slots__ = ("x", "y")


@pytest.mark.parametrize("cls", [Point, Bare])
@pytest.mark.parametrize("slots", [{}, {"y": 1}, {"x": 1, "y": [2]}], ids=str)
def test_slots_that_are_set_are_all_that_is_stored(cls: Any, slots: dict[str, Any]) -> None:
    obj = cls.__new__(cls)
    for name, value in slots.items():
        setattr(obj, name, value)
    found = execute(dump({"x": obj}, scoped=False))["x"]
    assert type(found) is cls
    assert found.__reduce_ex__(4)[2] == obj.__reduce_ex__(4)[2]
