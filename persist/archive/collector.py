"""The garbage collector, paused while one call makes many objects that all stay.

Its passes over a graph that only grows find nothing, and they take a third of the time of a dump of
1e5 linked objects.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused_collector"]

_lock = threading.Lock()
# The threads of the calls that run. The collector is off while there are any.
_paused_by: list[int] = []
_was_enabled = False


@contextmanager
def paused_collector() -> Iterator[None]:
    """Context manager that turns the garbage collector off, and back on if it was on.

    Calls nest and run in threads: the first turns it off, and the last to end restores it.
    """
    global _was_enabled
    thread = threading.get_ident()
    with _lock:
        if not _paused_by:
            _was_enabled = gc.isenabled()
        _paused_by.append(thread)
    try:
        gc.disable()
        yield
    finally:
        with _lock:
            _paused_by.remove(thread)
            if _was_enabled and not _paused_by:
                gc.enable()


def _restore_in_child() -> None:
    """Forget the calls of threads that a fork has left behind in the parent."""
    global _lock
    _lock = threading.Lock()
    mine = [thread for thread in _paused_by if thread == threading.get_ident()]
    if _was_enabled and _paused_by and not mine:
        gc.enable()
    _paused_by[:] = mine


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restore_in_child)
