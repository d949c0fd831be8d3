"""What the benchmarks store."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy

__all__ = ["SAMPLES", "Reading", "numbers", "readings", "records"]

_SHARED = 10


class Reading:
    """An object that says in its own words how it is built."""

    def __init__(self, subject: str, trial: int, latency: float, valid: bool) -> None:
        self.subject = subject
        self.trial = trial
        self.latency = latency
        self.valid = valid

    def get_persistent_rep(
        self, env: Any = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str, str]]]:
        """Return a call with all attributes."""
        rep = "Reading(subject=subject, trial=trial, latency=latency, valid=valid)"
        return rep, dict(vars(self)), [(__name__, "Reading", "Reading")]


class Plain:
    """An object with three attributes and nothing else."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.label = f"label {index % 100}"
        self.weight = index / 7


class Linked:
    """An object that refers to another."""

    def __init__(self, index: int, other: Any = None) -> None:
        self.index = index
        self.other = other


@dataclass
class Trial:
    """A dataclass."""

    index: int
    label: str
    latency: float


@dataclass(slots=True)
class SlottedTrial:
    """A dataclass with slots."""

    index: int
    label: str
    latency: float


@dataclass(frozen=True)
class FrozenTrial:
    """A dataclass that can be the member of a set."""

    index: int
    label: str
    latency: float


def records(count: int) -> list[dict[str, Any]]:
    """Return ``count // 2`` dicts with a list of three each, a tenth of the lists shared."""
    draw = random.Random(count)
    found: list[dict[str, Any]] = []
    for index in range(count // 2):
        if index and index % _SHARED == 0:
            values = found[draw.randrange(index)]["values"]
        else:
            values = [draw.randrange(1000), draw.random(), f"label {draw.randrange(100)}"]
        found.append({"id": index, "name": f"record {index}", "values": values})
    return found


def readings(count: int) -> list[Reading]:
    """Return `count` objects with four attributes."""
    draw = random.Random(count)
    return [
        Reading(f"subject {index % 40}", index, round(draw.gauss(0.4, 0.1), 6), index % 7 > 0)
        for index in range(count)
    ]


def numbers(count: int) -> dict[str, list[Any]]:
    """Return lists of `count` integers, decimals of few digits, and floats of all digits."""
    draw = random.Random(count)
    return {
        "ints": [draw.randrange(100_000) for _ in range(count)],
        "short floats": [round(draw.gauss(0, 10), 3) for _ in range(count)],
        "floats": [math.sin(index) for index in range(count)],
    }


def _families(count: int) -> list[Linked]:
    """Return parents with one child each, which refers to its parent."""
    parents = [Linked(index) for index in range(count // 2)]
    for parent in parents:
        parent.other = Linked(parent.index, parent)
    return parents


def _chain(count: int) -> Linked:
    node = Linked(0)
    for index in range(1, count):
        node = Linked(index, node)
    return node


def _ring(count: int) -> Linked:
    last = first = Linked(0)
    for index in range(1, count):
        last = Linked(index, last)
    first.other = last
    return first


def _views(count: int) -> list[Any]:
    base = numpy.arange(count + 2.0)
    return [base[index : index + 3] for index in range(count)]


def _trials(kind: Callable[[int, str, float], Any], count: int) -> list[Any]:
    return [kind(index, f"label {index % 100}", index / 7) for index in range(count)]


def _timestamps(count: int) -> list[Any]:
    import pandas

    return list(pandas.date_range("2024-01-01", periods=count, freq="37s"))


def _frame(count: int) -> Any:
    import pandas

    return pandas.DataFrame({f"c{index}": [index / 3, 0.5, 2.0] for index in range(count)})


def _nested(count: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(count - 1):
        nested = [nested]
    return nested


def _outermost(count: int) -> list[Any]:
    """Return nested lists of which each holds the outermost."""
    outermost: list[Any] = []
    nested = outermost
    for _ in range(count - 1):
        nested += [[], outermost]
        nested = nested[0]
    return outermost


def _network(count: int, kind: Callable[[list[Any]], Any]) -> list[Any]:
    """Return objects that look alike, each of which refers to three others."""
    draw = random.Random(count)
    nodes = [Linked(0) for _ in range(count)]
    for node in nodes:
        node.other = kind(draw.sample(nodes, 3))
    return nodes


def _weighted(nodes: list[Any]) -> list[tuple[Any, int]]:
    return [(node, weight) for weight, node in enumerate(nodes)]


SAMPLES: dict[str, Callable[[int], Any]] = {
    "records": records,
    "custom": readings,
    "ints": lambda count: numbers(count)["ints"],
    "short floats": lambda count: numbers(count)["short floats"],
    "floats": lambda count: numbers(count)["floats"],
    "plain objects": lambda count: [Plain(index) for index in range(count)],
    "dataclasses": lambda count: _trials(Trial, count),
    "dataclasses with slots": lambda count: _trials(SlottedTrial, count),
    "set of frozen dataclasses": lambda count: set(_trials(FrozenTrial, count)),
    "parents and children": _families,
    "linked list": _chain,
    "ring": _ring,
    "views of one array": _views,
    "small sets": lambda count: [{index, index + 1, index + 2} for index in range(count)],
    "paths": lambda count: [PurePosixPath(f"data/run {index}.csv") for index in range(count)],
    "timestamps": _timestamps,
    "columns of a frame": _frame,
    "nested lists": _nested,
    "nested lists with the outermost": _outermost,
    "network of weighted edges": partial(_network, kind=_weighted),
    "network of sets": partial(_network, kind=set),
}
"""What the benchmarks of the archive store, by name: functions of the number of objects."""
