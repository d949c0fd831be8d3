"""Cycles, and what must wait for them."""

from __future__ import annotations

from typing import Any

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
    with pytest.raises(CycleError, match=r"^Archive contains cyclic dependencies\.$"):
        str(archive)


@both_formats
def test_a_cycle_of_constructors_closes_through_a_list(scoped: bool) -> None:
    one = OnlyByConstructor([])
    one.part.append(one)
    found = back(scoped, x=one)["x"]
    assert found.part[0] is found
