"""The order in which the members of sets are written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from persist.archive import Archive, restore
from persist.archive.members import in_stable_order
from persist.archive.reduce import reduce
from tests.classes import ByState, Colour, NamedFrozenSet, Plain


def unranked(member: Any) -> float:
    return math.inf


def ring(count: int) -> list[ByState]:
    """Return members that all refer to the set of all of them."""
    members = [ByState(f"key {number}") for number in range(count)]
    together = set(members)
    for member in members:
        member.link = together
    return members


@pytest.mark.parametrize("count", [2, 30, 1000])
def test_the_order_is_that_of_content_not_of_what_is_found_first(count: int) -> None:
    members = ring(count)
    assert in_stable_order(members, reduce, unranked) == in_stable_order(
        members[::-1], reduce, unranked
    )


def test_members_that_refer_to_all_are_told_apart_without_going_through_all() -> None:
    reduced = []

    def counted(obj: Any) -> Any:
        reduced.append(obj)
        return reduce(obj)

    in_stable_order(ring(1000), counted, unranked)
    assert len(reduced) < 10_000


def test_members_that_others_refer_to_are_not_searched_for_a_difference() -> None:
    # Each refers to the next two, so all look alike.
    nodes = [Plain() for _ in range(500)]
    for number, node in enumerate(nodes):
        node.next = [nodes[number - 499], nodes[number - 498]]
    reduced = []

    def counted(obj: Any) -> Any:
        reduced.append(obj)
        return reduce(obj)

    assert in_stable_order({*nodes[7:10]}, counted, nodes.index) == nodes[7:10]
    assert len(reduced) <= 3 * 32


def test_members_of_equal_content_are_ordered_by_rank() -> None:
    one, other = ByState([]), ByState([])
    ranks = {id(one): 2.0, id(other): 1.0}
    found = in_stable_order([one, other], reduce, lambda member: ranks[id(member)])
    assert found[0] is other


def test_members_that_differ_far_inside_are_told_apart() -> None:
    one, other = ((*[[0] for _ in range(100)], [last]) for last in (1, 2))
    assert in_stable_order([other, one], reduce, unranked) == [one, other]


@pytest.mark.parametrize("members", [list(Colour), [{}.get, [].append, [].pop, [].sort]])
def test_members_that_are_attributes_of_one_object_are_ordered_by_name(members: list[Any]) -> None:
    found = in_stable_order(members, reduce, unranked)
    assert in_stable_order(members[::-1], reduce, unranked) == found


@pytest.mark.parametrize("scoped", [False, True])
def test_sets_within_each_other_may_lead_back_to_the_outermost(scoped):
    inner = NamedFrozenSet()
    outer = NamedFrozenSet([0, NamedFrozenSet([inner, 1])])
    inner.whole = outer
    archive = Archive(scoped=scoped)
    archive.insert(x=outer)
    found = restore(str(archive))["x"]
    (middle,) = found - {0}
    (innermost,) = middle - {1}
    assert innermost.whole is found


def test_numbers_that_are_none_are_ordered_by_their_bits() -> None:
    nan = float("nan")
    members = [nan, -nan, complex(nan, 1.0), complex(-nan, 1.0), complex(1.0, -nan)]
    found = in_stable_order(members, reduce, unranked)
    assert list(map(id, found)) == list(map(id, in_stable_order(members[::-1], reduce, unranked)))
