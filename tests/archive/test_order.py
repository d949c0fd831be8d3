"""Cycles, and what must wait for them."""

from __future__ import annotations

import builtins
import pickle
import sys
from collections import Counter
from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore
from persist.errors import CycleError
from tests.classes import ByState, Plain
from tests.same import assert_same

both_formats = pytest.mark.parametrize("scoped", [False, True])


def back(scoped: bool = False, **items: Any) -> dict[str, Any]:
    archive = Archive(scoped=scoped)
    archive.insert(**items)
    return restore(str(archive))


def list_in_tuple() -> Any:
    found: list[Any] = []
    found.append((found, 1))
    return found


def tuple_around_list() -> Any:
    inner: list[Any] = []
    found = (inner, 1)
    inner.append(found)
    return found


def set_of_objects() -> Any:
    member = ByState("key")
    found = {member, 1}
    member.link = found
    return found


def member_of_set() -> Any:
    member = ByState("key")
    member.link = {member, 1}
    return member


def key_of_dict() -> Any:
    member = ByState("key")
    member.link = {"first": 1, member: 2, "last": 3}
    return member


def member_of_frozen_set() -> Any:
    member = ByState("key")
    member.link = frozenset([member])
    return member


def frozen_set_of_member() -> Any:
    return member_of_frozen_set().link


def parents_and_children() -> Any:
    parent, child = Plain(), Plain()
    parent.children, child.parent = [child], parent
    return [child, parent]


CYCLES = [
    list_in_tuple,
    tuple_around_list,
    set_of_objects,
    member_of_set,
    key_of_dict,
    member_of_frozen_set,
    frozen_set_of_member,
    parents_and_children,
]


@both_formats
@pytest.mark.parametrize("build", CYCLES)
def test_cycles_come_back(build: Any, scoped: bool) -> None:
    graph = build()
    assert_same(back(scoped, x=graph)["x"], graph)


def test_a_hashed_member_is_found_in_the_set_that_it_closes() -> None:
    found = back(x=member_of_set())["x"]
    assert found in found.link


class OnlyByConstructor:
    """Takes all that it refers to, itself too, when it is made."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def get_persistent_rep(self, env: Any = None) -> Any:
        return "Only(part=part)", {"part": self.part}, [(__name__, "OnlyByConstructor", "Only")]


def test_a_cycle_of_constructors_is_refused() -> None:
    one = OnlyByConstructor(None)
    one.part = OnlyByConstructor(one)
    archive = Archive()
    archive.insert(x=one)
    with pytest.raises(CycleError, match=r"^Archive contains cyclic dependencies\.") as caught:
        str(archive)
    assert caught.value.path == "x.part"
    assert "Cannot store x.part: the call that makes it needs" in str(caught.value)
    assert "give one of their classes a __reduce__()" in str(caught.value)


@both_formats
def test_a_cycle_through_what_a_constructor_copies_is_refused(scoped: bool) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [None, 1], "b": [2, 3]}, dtype=object)
    frame.iat[0, 0] = frame
    assert pickle.loads(pickle.dumps(frame)).iat[1, 1] == 3
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray([1.0], dims="x", attrs={"unit": "m"})
    array.attrs["itself"] = array
    for obj in (frame, array):
        archive = Archive(scoped=scoped)
        archive.insert(x=obj)
        with pytest.raises(CycleError):
            str(archive)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no exception groups")
@both_formats
def test_an_exception_group_that_holds_itself_is_refused(scoped: bool) -> None:
    members: list[Any] = [ValueError(1)]
    group = builtins.ExceptionGroup("several", members)
    members.append(group)
    archive = Archive(scoped=scoped)
    archive.insert(x=group)
    with pytest.raises(CycleError):
        str(archive)


@both_formats
def test_what_is_in_a_frame_may_lead_back_to_it(scoped: bool) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [None, 1], "b": [2, 3]}, dtype=object)
    frame.iat[0, 0] = [frame]
    found = back(scoped, x=frame)["x"]
    assert found.iat[0, 0][0] is found
    assert found.iat[1, 1] == 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no exception groups")
@both_formats
def test_what_is_in_an_exception_group_may_lead_back_to_it(scoped: bool) -> None:
    parts: list[Any] = []
    error = ValueError(parts)
    inner = builtins.ExceptionGroup("inner", [error])
    group = builtins.ExceptionGroup("outer", [KeyError(1), inner])
    parts.append(group)
    error.group = group
    found = back(scoped, x=group)["x"]
    (error,) = found.exceptions[1].exceptions
    assert error.group is found
    assert error.args[0][0] is found


@both_formats
def test_a_cycle_of_constructors_closes_through_a_list(scoped: bool) -> None:
    one = OnlyByConstructor([])
    one.part.append(one)
    found = back(scoped, x=one)["x"]
    assert found.part[0] is found


class Copies:
    """Keeps a copy of what it is made of, and is reduced to another copy."""

    def __init__(self, parts: Any) -> None:
        self.parts = list(parts)

    def __reduce__(self) -> Any:
        return Copies, (list(self.parts),)


class Tallies(Counter[Any]):
    """Is reduced to a dict that is made for it, as its base is."""


@both_formats
def test_a_cycle_closes_where_no_call_copies_what_comes_late(scoped: bool) -> None:
    tallies: Any = Tallies()
    links = [tallies]
    tallies["last"] = reversed(links)
    copies = Copies([])
    copies.parts.append(reversed([copies]))
    found = back(scoped, tallies=tallies, copies=copies)
    assert next(found["tallies"]["last"]) is found["tallies"]
    (backwards,) = found["copies"].parts
    assert next(backwards) is found["copies"]


@both_formats
def test_a_cycle_through_a_copy_that_is_made_for_a_call_is_refused(scoped: bool) -> None:
    copies = Copies([])
    copies.parts.append((copies,))
    with pytest.raises(RecursionError):
        pickle.dumps(copies)
    archive = Archive(scoped=scoped)
    archive.insert(x=copies)
    with pytest.raises(CycleError):
        str(archive)


class Child:
    """Takes its state whole, and notes what its parent has when it does."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "seen"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seen = sorted(vars(state["parent"]))
        self.__dict__.update(state)


class Node:
    """Takes its state whole, and notes the names in it."""

    def __init__(self, **links: Any) -> None:
        self.__dict__.update(links)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "seen"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seen = sorted((key, type(value)) for key, value in state.items())
        self.__dict__.update(state)


class Viewer:
    """Looks at its subject when it is made."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self.seen = sorted(vars(subject))

    def __reduce__(self) -> Any:
        return Viewer, (self.subject,)


class Tally(list[Any]):
    """A list that counts its items when it takes its state."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.count = len(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Tally, (), {"unit": self.unit}, iter(self)


class Handed:
    """Hands its state to a method of its own, which pickle saves after the object."""

    def adopt(self, obj: Any, state: dict[str, Any]) -> None:
        obj.__dict__.update(state)

    def __reduce__(self) -> Any:
        return Handed, (), dict(vars(self)), None, None, self.adopt_of

    @property
    def adopt_of(self) -> Any:
        return _adopt


def _adopt(obj: Any, state: dict[str, Any]) -> None:
    obj.seen = sorted(state)
    obj.__dict__.update(state)


def family() -> Any:
    parent = Plain(age=40)
    parent.child = Child(parent)
    return parent


def family_from_the_child() -> Any:
    return family().child


def doubly_linked() -> Any:
    first = last = Node(back=None)
    for _ in range(5):
        last.next = Node(back=last)
        last = last.next
    return first


def tree() -> Any:
    root = Node(parent=None, children=[])
    for _ in range(3):
        child = Node(parent=root, children=[])
        child.children.append(Node(parent=child, children=[]))
        root.children.append(child)
    return root


def viewed_before_it_is_reached() -> Any:
    parent = Plain()
    child = Child(parent)
    parent.viewer, parent.child = Viewer(child), child
    return parent


def viewed_through_a_list() -> Any:
    parent = Plain()
    child = Plain(parent=parent, siblings=[])
    parent.children, parent.viewers = [child], [[Viewer(child)]]
    child.siblings.append(Child(parent))
    return parent


def state_below_a_dict() -> Any:
    links: dict[str, Any] = {}
    links["node"] = Node(links=links)
    return links


def items_before_the_state() -> Any:
    tally = Tally()
    tally.unit = "m"
    tally += [tally, [tally], 3]
    return tally


def handed_to_a_setter() -> Any:
    handed = Handed()
    handed.me, handed.all = handed, [handed]
    return handed


@both_formats
@pytest.mark.parametrize(
    "build",
    [
        family_from_the_child,
        doubly_linked,
        tree,
        state_below_a_dict,
        items_before_the_state,
        handed_to_a_setter,
    ],
)
def test_what_is_handed_over_in_a_cycle_is_what_pickle_hands_over(build: Any, scoped: bool) -> None:
    graph = build()
    assert_same(back(scoped, x=graph)["x"], pickle.loads(pickle.dumps(graph)))


@both_formats
def test_a_state_is_handed_over_when_its_parts_are_complete(scoped: bool) -> None:
    parent = back(scoped, x=family())["x"]
    assert parent.child.parent is parent
    # pickle's order would show an empty parent.
    assert parent.child.seen == ["age", "child"]


@both_formats
def test_an_argument_is_complete_though_its_state_had_to_wait(scoped: bool) -> None:
    parent = back(scoped, x=viewed_before_it_is_reached())["x"]
    assert parent.viewer.subject is parent.child
    assert parent.viewer.seen == ["parent", "seen"]


@both_formats
def test_an_argument_in_a_list_is_complete_though_its_state_had_to_wait(scoped: bool) -> None:
    parent = back(scoped, x=viewed_through_a_list())["x"]
    viewer = parent.viewers[0][0]
    assert viewer.seen == ["parent", "siblings"]
    assert viewer.subject is parent.children[0]
    assert viewer.subject.siblings[0].seen == ["children", "viewers"]


def test_many_children_share_their_parent() -> None:
    parent = Plain()
    parent.children = [Child(parent) for _ in range(300)]
    found = back(x=parent)["x"]
    assert all(child.parent is found for child in found.children)


class Keyed:
    """Hashed by a key that its state brings."""

    def __new__(cls, *made: Any) -> Any:
        found = object.__new__(cls)
        found.made = made
        return found

    def __getnewargs__(self) -> Any:
        return self.made

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: Any) -> bool:
        return bool(self.key == other.key)


@both_formats
def test_a_state_that_the_hash_needs_comes_before_what_it_refers_to_is_complete(
    scoped: bool,
) -> None:
    argument = Plain()
    member = Keyed(argument)
    member.key = 1
    argument.whole = frozenset([member])
    found = back(scoped, x=argument.whole)["x"]
    (member,) = found
    assert member.made[0].whole is found
    assert member in found


@both_formats
def test_a_field_of_structures_that_hold_their_array_is_set_when_it_is_complete(
    scoped: bool,
) -> None:
    array = numpy.zeros(2, [("number", "i2"), ("inner", [("pair", object, (2,))])])
    array[1]["inner"]["pair"][0] = array
    found = back(scoped, x=array)["x"]
    assert found["inner"]["pair"][1, 0] is found


@both_formats
def test_a_state_that_a_hash_needs_comes_before_sets_of_others_are_complete(scoped: bool) -> None:
    inner: set[Any] = set()
    outer: set[Any] = set()
    first, second = Keyed(outer), Keyed(inner)
    first.key, second.key = 1, 2
    inner.add(first)
    outer.update([first, second])
    for found in (pickle.loads(pickle.dumps(first)), back(scoped, x=first)["x"]):
        (members,) = found.made
        (other,) = members - {found}
        assert (found.key, other.key, len(members)) == (1, 2, 2)
        assert other.made == ({found},)


class Tracked(dict[Any, Any]):
    """Notes that it was changed since it was saved."""

    is_changed = False

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.is_changed = True


class TrackedList(list[Any]):
    """Counts what is appended, in a slot."""

    __slots__ = ("count",)

    def append(self, item: Any) -> None:
        super().append(item)
        self.count = getattr(self, "count", 0) + 1


@both_formats
def test_attributes_are_set_after_the_items_of_a_class_that_sets_them_itself(scoped: bool) -> None:
    tracked = Tracked()
    tracked["parent"] = Plain(child=tracked)
    tracked["last"] = 1
    tracked.is_changed = False
    tracked.name = tracked
    counted = TrackedList()
    counted.append([counted])
    counted.count = 10
    by_pickle = pickle.loads(pickle.dumps([tracked, counted]))
    for found, items in (by_pickle, back(scoped, x=[tracked, counted])["x"]):
        assert found.is_changed is False
        assert list(found) == ["parent", "last"]
        assert found["parent"].child is found.name is found
        assert items[0][0] is items
        assert items.count == 10


class Records:
    """Keeps what is appended and what is set by key, and takes a state after that."""

    def __init__(self, *made: Any) -> None:
        self.made = made
        self.entries: list[Any] = []
        self.table: list[Any] = []

    def append(self, item: Any) -> None:
        self.entries = [*self.entries, item]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.table = [*self.table, (key, value)]

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)

    def __reduce__(self) -> Any:
        return Records, self.made, dict(vars(self)), iter(self.entries), iter(self.table)


class Group(frozenset[Any]):
    """A frozen set of a class."""


@both_formats
def test_a_state_comes_after_items_and_pairs_wherever_these_wait(scoped: bool) -> None:
    records = Records()
    group = Group([(records,)])
    whole = frozenset([group])
    records.entries = [whole, Records(group)]
    records.table = [(whole, whole), (records.entries[1], whole)]
    for (found,) in (pickle.loads(pickle.dumps([whole])), back(scoped, x=[whole])["x"]):
        ((member,),) = next(iter(found))
        assert [type(entry) for entry in member.entries] == [frozenset, Records]
        assert [key for key, _ in member.table] == member.entries
        assert member.entries[0] is found


def make(cls: Any) -> Any:
    """Return an object of a class that was not initialised."""
    return cls.__new__(cls)


class Entries:
    """Keeps what is appended and set by key, beside other attributes."""

    entries: Any
    table: Any

    def extend(self, items: Any) -> None:
        self.entries = [*getattr(self, "entries", []), *items]

    append = None

    def __setitem__(self, key: Any, value: Any) -> None:
        self.table = {**getattr(self, "table", {}), key: value}

    def __reduce__(self) -> Any:
        return make, (Entries,), dict(vars(self)), iter(self.entries), iter(self.table.items())


@both_formats
def test_attributes_come_after_items_that_an_argument_made_wait_again(scoped: bool) -> None:
    entries = Entries()
    keyed = Keyed(entries)
    keyed.key = 1
    entries.entries, entries.table, entries.name = [keyed], {"first": keyed}, "name"
    for found in (pickle.loads(pickle.dumps(keyed)), back(scoped, x=keyed)["x"]):
        (member,) = found.made
        assert list(vars(member)) == ["entries", "table", "name"]
        assert member.entries == [found]
        assert member.table == {"first": found}


@both_formats
def test_one_attribute_of_a_class_that_sets_items_itself_waits_longer_than_others(
    scoped: bool,
) -> None:
    tracked = Tracked()
    tracked[1] = tracked
    outer = Plain(first={"member": tracked})
    tracked.outer, tracked.is_changed = outer, False
    found = back(scoped, x=outer)["x"]
    member = found.first["member"]
    assert member.is_changed is False
    assert member.outer is found
    assert list(vars(member)) == ["is_changed", "outer"]
    assert member[1] is member


class KeyedDict(dict[Any, Any]):
    """A dict that is hashed by a key which its state brings."""

    def __getstate__(self) -> dict[str, Any]:
        return {"me": self, **vars(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.key)


@both_formats
def test_an_argument_lacks_keys_that_have_no_hash_before_the_call(scoped: bool) -> None:
    key, holder = KeyedDict(), KeyedDict()
    key.key, holder.key = 1, 2
    holder[key] = None
    made = Keyed(holder)
    made.key = 3
    key.made = made
    for found in (pickle.loads(pickle.dumps(made)), back(scoped, x=made)["x"]):
        (member,) = found.made
        (inner,) = member
        assert (found.key, member.key, inner.key) == (3, 2, 1)
        assert inner.made is found
        assert inner in member
