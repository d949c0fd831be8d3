"""The number of calls that writing takes, as what is written grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from persist.archive import Archive
from persist.archive.bindings import Bindings
from tests.calls import counted_calls


class Wrapped:
    """Takes what it holds when it is made."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __reduce__(self) -> Any:
        return Wrapped, (self.part,)


class Stateful:
    """Has a state that is handed to a method."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


class Name(str):
    """The name of an argument."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, str(other))

    def __hash__(self) -> int:
        return str.__hash__(self)


class Wide:
    """Has many arguments in its expression, each inside of brackets."""

    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    def get_persistent_rep(self, env: Any = None) -> Any:
        rep = ",\n".join(f"{name}=[{name}]" for name in self.parts)
        args = {Name(name): part for name, part in self.parts.items()}
        return f"Wide(\n{rep})", args, [(__name__, "Wide", "Wide")]


def objects_with_state(count: int) -> Any:
    found: list[Any] = []
    for _ in range(count):
        found.append(Stateful())
        found[-1].link = found
    return found


def arguments_in_lists(count: int) -> Any:
    found: list[Any] = []
    found += [Wrapped([found]) for _ in range(count)]
    return found


def lists_in_an_argument(count: int) -> Any:
    outermost: list[Any] = []
    owner, level = Wrapped(outermost), outermost
    for _ in range(count):
        level += [[], owner]
        level = level[0]
    return owner


def wide_expression(count: int) -> Any:
    return Wide(**{f"a{i}": [i] for i in range(count)})


def calls(build: Callable[[int], Any], count: int, scoped: bool) -> int:
    """Return how many functions are called, in Python and in C, to write what `build` returns."""
    archive = Archive(scoped=scoped)
    archive.insert(x=build(count))
    with counted_calls("call", "c_call") as found:
        str(archive)
    return found.total()


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize(
    "build", [objects_with_state, arguments_in_lists, lists_in_an_argument, wide_expression]
)
def test_calls_grow_with_what_is_written(build: Callable[[int], Any], scoped: bool) -> None:
    calls(build, 1, scoped)  # what is imported or remembered
    assert calls(build, 400, scoped) < 2.5 * calls(build, 200, scoped)


def test_names_are_numbered_from_the_last_that_was_taken() -> None:
    bindings = Bindings({"a", "a_2"}, scoped=False, prefix="_g")
    assert [bindings.take("a") for _ in range(3)] == ["a_1", "a_3", "a_4"]
    assert [bindings.take("_g1") for _ in range(2)] == ["_g1_1", "_g1_2"]


class Asked(set[str]):
    """A set that counts how often it is asked for a member."""

    times = 0

    def __contains__(self, name: object) -> bool:
        self.times += 1
        return super().__contains__(name)


def test_many_like_names_are_each_tried_once() -> None:
    taken = Asked()
    bindings = Bindings(taken, scoped=False, prefix="_g")
    assert len({bindings.take("Same") for _ in range(500)}) == 500
    assert taken.times < 1500
