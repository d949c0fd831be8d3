"""What pytest collects, and how much of it a short run takes."""

from __future__ import annotations

import itertools
import os
import random
import sys

import pytest
from hypothesis import settings

from tests.effort import IS_SHORT

# Golden files are programs for the tests to read; objects of libraries that may be missing are
# imported by the test that skips them.
collect_ignore_glob = ["data/*", "libraries/objects/*"]

# Some environments, as those of containers often do, keep Python from writing what it compiles:
# each worker would rewrite all asserts, and each subprocess compile persist, once more.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says more of the machine than of the code.
settings.register_profile("persist", deadline=None)
settings.load_profile("persist")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that thins out the cases of a test."""
    config.addinivalue_line("markers", "cases(number): how many cases a short run takes of a test")


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are processors: many tests wait for a disk or a server."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return 1 + (len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out cases of tests that are marked so; ``PERSIST_EXAMPLES=ci`` runs them all.

    So does a command line that names a test.
    """
    if not IS_SHORT or any("::" in word for word in config.args):
        return
    kept = []
    for name, group in itertools.groupby(items, lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        mark = cases[0].get_closest_marker("cases")
        if mark is not None and mark.args[0] < len(cases):
            # The same in every process and run, and of each parameter more than one value.
            drawn = random.Random(name).sample(range(len(cases)), mark.args[0])
            cases = [cases[number] for number in sorted(drawn)]
        kept += cases
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept
