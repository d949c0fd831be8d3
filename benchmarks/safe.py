"""Archives interpreted, beside the same archives executed.

Times are in multiples of compiling the whole source and executing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.archive import dump
from benchmarks.compare import compare, rounds
from benchmarks.samples import numbers, readings, records
from benchmarks.table import Row
from persist import load as interpret
from persist import untrusted_names

__all__ = ["GROUPS"]

# Three times of exec is the price of safety.
TARGET = (3.0, 2.0)
SAMPLES: dict[str, Callable[[int], Any]] = {
    "records": records,
    "numbers": numbers,
    "custom": readings,
}


def execute(source: str) -> dict[str, Any]:
    """Return what source defines, compiled whole."""
    env: dict[str, Any] = {}
    exec(compile(source, "<archive>", "exec", dont_inherit=True), env)
    return env


def load_rows(quick: bool) -> Iterator[Row]:
    """Compare the times of interpreting and of executing."""
    size = 10_000 if quick else 100_000
    for kind, build in SAMPLES.items():
        source = dump(build(size), scoped=False)
        contenders = {
            "interpreted": partial(interpret, source, trusted=untrusted_names(source)),
            "exec": partial(execute, source),
        }
        yield from compare(f"load, {kind}, {size:.0e}", contenders, "exec", TARGET, rounds(quick))


GROUPS = {"load": load_rows}
