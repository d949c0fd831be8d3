"""Where two object graphs differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, starmap
from typing import Any

from persist.dataset.comparison.tolerance import Tolerance
from persist.dataset.comparison.walk import walk
from persist.errors import DataSetError

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A place at which two object graphs differ.

    Parameters
    ----------
    path : str
        The expression that leads to the place: ``x.b[3]``.
    old, new : str
        The values there, in a few words; ``(nothing)`` where only the other side has a part.

    Examples
    --------
    >>> print(Change("x.b[3]", "1", "2"))
    x.b[3]: 1 -> 2
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old} -> {self.new}"


def changes(
    old: Any,
    new: Any,
    name: str = "x",
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    most: int = 100,
) -> tuple[Change, ...]:
    """Return where two object graphs differ: in types, values, order and what is shared.

    Objects are compared by what they reduce to, so anything that can be stored can be compared; an
    object that cannot be stored is equal to itself only. Graphs may be deep and cyclic.

    Floats, in arrays too, are the same if identical, both NaN, or no further apart than
    ``atol + rtol * abs(new)``; complex numbers if both parts are, or their difference has such a
    modulus. The zeros of both signs differ only without a tolerance.

    Parameters
    ----------
    old, new : object
        Any two objects.
    name : str
        What the paths begin with.
    rtol, atol : float
        The relative and the absolute tolerance for floats and complex numbers.
    most : int
        How many changes to look for: the search ends there.

    Returns
    -------
    tuple of Change
        In the order of the old graph, members of sets last; empty if the graphs are the same.

    Raises
    ------
    ValueError
        If a tolerance is negative or NaN, or `most` is negative.

    Examples
    --------
    >>> for change in changes({"rate": 1, "on": [True]}, {"rate": 1.0, "on": [True, None]}):
    ...     print(change)
    x['rate']: 1 -> 1.0
    x['on'][1]: (nothing) -> None
    """
    if most < 0:
        raise DataSetError(f"cannot look for {most!r} changes: most must be 0 or greater")
    return tuple(starmap(Change, islice(walk(old, new, name, Tolerance(rtol, atol)), most)))
