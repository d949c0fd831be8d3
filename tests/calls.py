"""How often functions are called."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def counted_calls(*events: str) -> Iterator[Counter[str]]:
    """Yield how often functions are called in the block, by their names.

    Of the `events` of `sys.setprofile`, ``call`` stands for functions of Python, which alone are
    counted by default, and ``c_call`` for those of C.
    """
    found: Counter[str] = Counter()

    def count(frame: Any, event: str, arg: Any) -> None:
        if event in (events or ("call",)):
            found[frame.f_code.co_name if event == "call" else arg.__name__] += 1

    before = sys.getprofile()
    gc.disable()  # finalizers of other tests' objects are no calls of the block
    sys.setprofile(count)
    try:
        yield found
    finally:
        sys.setprofile(before)
        gc.enable()
