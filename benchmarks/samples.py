"""What the benchmarks store."""

from __future__ import annotations

import math
import random
from typing import Any

__all__ = ["Reading", "numbers", "readings", "records"]

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
