"""How long it takes to import persist, beside numpy, each time in a new process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import medians
from benchmarks.table import Row

__all__ = ["GROUPS"]

TARGET = 1.1


def run(source: str) -> None:
    """Run source in a new process."""
    subprocess.run([sys.executable, "-c", source], cwd=Path(__file__).parents[1], check=True)


def import_rows(quick: bool) -> Iterator[Row]:
    """Yield the times of imports in multiples of that of numpy; Python's own start is in both."""
    names = ("numpy", "persist", "persist.workspace")
    contenders = {name: partial(run, f"import {name}") for name in names}
    times = medians(contenders, 5 if quick else 31)
    for name, target in (("persist", TARGET), ("persist.workspace", None)):
        note = f"{times[name]:.3f} s; numpy {times['numpy']:.3f} s"
        yield Row(f"import {name} vs import numpy", times[name] / times["numpy"], target, note=note)


GROUPS = {"import": import_rows}
