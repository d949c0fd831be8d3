"""What an archive of an object reaches: objects that have an identity, and arrays."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.graph import Graph

__all__ = ["Reach"]


class Reach(Graph):
    """A graph that remembers all that it met.

    Parameters
    ----------
    obj : object
        Where to begin.

    Attributes
    ----------
    met : dict of int to object
        The objects by `id`, without numbers, texts and tuples of such. The graph keeps alive the
        temporary ones among them.
    arrays : list of numpy.ndarray
        The arrays as they were met, before those that share memory are built upon one buffer.

    Examples
    --------
    >>> inner = [1]
    >>> id(inner) in Reach({"a": inner}).met
    True
    """

    def __init__(self, obj: Any) -> None:
        self.met: dict[int, Any] = {}
        self.arrays: list[numpy.ndarray[Any, Any]] = []
        super().__init__([("value", obj)])

    def _meet(self, owned: list[tuple[Any, Any]]) -> list[Any]:
        found = super()._meet(owned)
        self.met.update((id(obj), obj) for obj in found)
        return found

    def _share_buffers(self) -> None:
        self.arrays = list(self._arrays.values())
        super()._share_buffers()
