"""Whether two object graphs are the same: types, values, order and what is shared.

The graphs are walked side by side, without recursion. Objects are paired: an object met twice on
one side must be met twice on the other, as the same pair. Atoms (numbers, text, classes, members of
enumerations and tuples of these) are compared by value alone, since compilers merge constants.

Members of sets have no order. Those that cannot be told apart by what is near them are paired by
trial, and a trial that fails is taken back.
"""

from __future__ import annotations

from typing import Any

from tests.same.arrays import check_memory
from tests.same.difference import Difference
from tests.same.walk import Walk

__all__ = ["assert_same"]


def assert_same(found: Any, wanted: Any) -> None:
    """Fail unless `found` is the same graph as `wanted`.

    Parameters
    ----------
    found, wanted : object
        What came back, and what was stored.

    Raises
    ------
    AssertionError
        With the path of the first difference: ``x.b[3]``.
    """
    walk = Walk()
    try:
        walk.compare(found, wanted)
        check_memory(walk.arrays)
    except Difference as difference:
        raise AssertionError(str(difference)) from None
