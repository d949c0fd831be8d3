"""How thoroughly the tests search.

The environment variable ``PERSIST_EXAMPLES`` sets it: ``dev`` (the default) draws 200 graphs and
shortens everything else that takes long, ``ci`` draws 10 000, and a number draws as many.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")

_PROFILES = {"ci": 10_000, "dev": 200}
_profile = os.environ.get("PERSIST_EXAMPLES", "dev")

EXAMPLES = _PROFILES[_profile] if _profile in _PROFILES else int(_profile)
IS_SHORT = _profile == "dev"
# How many objects are put into each other: above any recursion limit, also that of C since 3.12.
DEPTH = (10_001 if sys.version_info >= (3, 12) else 3000) if IS_SHORT else 30_000


def some_of(items: Sequence[_T], number: int) -> list[_T]:
    """Return at most `number` of `items` and the last; all of them in a long run."""
    step = max(1, -(-len(items) // number)) if IS_SHORT else 1
    return [*items[:-1:step], *items[-1:]]
