"""Deaths and failures at each call that changes files: see `tests.dataset.crashes`."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from tests.dataset import crashes
from tests.dataset.crashes import KILLED, Kill
from tests.effort import IS_SHORT
from tests.folders import MEMORY

STEP = 9 if IS_SHORT else 1
"""Only every so many-th call is tried."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def calls_of(act, folder):
    """Return the calls of an act, and where to kill it."""
    calls, changed = crashes.record(act, str(folder))
    kills = [Kill(number, calls[number], False) for number in changed]
    kills += [Kill(n, name, True) for n, name in enumerate(calls) if name == "write"]
    kills.sort()
    return calls, sorted({*kills[::STEP], kills[-1]})


def run_killed(act, kill):
    """Do something in a child that is killed."""
    assert crashes.run_killed(act, kill) == KILLED, kill


def fail_at(number):
    """Let one call fail."""
    return crashes.fail_at(number)


@contextlib.contextmanager
def memory_folder():
    """Yield a folder in memory, where there is such a thing."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
