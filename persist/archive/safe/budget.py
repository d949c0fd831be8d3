"""What one load may take: steps, bytes in proportion to the file, and nesting."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy

from persist.errors import UntrustedError

__all__ = ["MAX_DEPTH", "Budget"]

MAX_DEPTH = 200
"""How deep expressions may be nested; the parser of Python takes 200 brackets."""

_FREE_STEPS = 2_000_000
_STEPS_PER_BYTE = 10
_LONG = 1 << 60
_FREE_BYTES = 128 << 20
_BYTES_PER_BYTE = 64

# The deallocators of these call each other, where those of lists and dicts defer what is deep: up
# to 50 times this many levels are freed in one another, which takes 1 MB of stack.
_FREED_IN_PLACE = (slice, collections.deque, collections.defaultdict)
_MAX_FREED_IN_PLACE = 16
_MAX_CYCLES = 50


class Budget:
    """Counts what a load takes, and ends it if `size` bytes of source cannot explain that."""

    def __init__(self, size: int) -> None:
        self._steps = _FREE_STEPS + _STEPS_PER_BYTE * size
        self._bytes = _FREE_BYTES + _BYTES_PER_BYTE * size
        self._files: set[tuple[int, int]] = set()
        self._hashes: dict[int, int] = {}
        # How many levels of such there are in each, and what each is in: by id, so all are kept.
        self._levels: dict[int, int] = {}
        self._holders: dict[int, list[Any]] = {}
        self._kept: list[Any] = []
        self._cycles = 0

    def allow_for(self, file: IO[bytes]) -> int:
        """Allow more for a file of arrays, once however often it is read; return its length."""
        status = os.fstat(file.fileno())
        if (status.st_dev, status.st_ino) not in self._files:
            self._files.add((status.st_dev, status.st_ino))
            self._steps += _STEPS_PER_BYTE * status.st_size
            self._bytes += _BYTES_PER_BYTE * status.st_size
        return status.st_size

    def step(self, count: int = 1) -> None:
        """Take `count` steps; UntrustedError if the length of the source cannot explain so many."""
        self._steps -= count
        if self._steps < 0:
            raise UntrustedError("the source takes more steps than its length can explain")

    def key(self, key: object) -> None:
        """Take the steps for a key that is added by a statement of its own.

        Keys may all have one hash, see `checks.check_hashes`: then each is compared with all.
        """
        if type(key) in (str, bytes) or (type(key) is int and -_LONG < key < _LONG):
            return
        try:
            found = hash(key)
        except Exception:  # of a trusted class, or for want of a hash
            return
        self._hashes[found] = count = self._hashes.get(found, 0) + 1
        self.step(count)

    def take(self, nbytes: int) -> None:
        """Take memory before it is allocated; UntrustedError if the source cannot explain it."""
        self._bytes -= nbytes
        if self._bytes < 0:
            raise UntrustedError(
                "the source takes more memory than its length can explain; "
                "if you trust whoever wrote it, load it with trusted=True"
            )

    def hold(self, holder: Any, parts: Iterable[Any]) -> None:
        """Note that one object holds others: it will be freed with them.

        UntrustedError if that would overflow the stack: many arrays, slices, deques or defaultdicts
        are directly within each other.
        """
        if not _is_freed_in_place(holder):
            return
        holder = _memory_of(holder)
        for part in map(_memory_of, parts):
            if not _is_freed_in_place(part) or part is holder:
                continue
            if self._is_within(holder, part):
                # No order of levels has room for a cycle.
                self._cycles += 1
                if self._cycles > _MAX_CYCLES:
                    raise UntrustedError(f"more than {_MAX_CYCLES} arrays or deques are in cycles")
                continue
            self._kept += (holder, part)
            self._holders.setdefault(id(part), []).append(holder)
            if id(part) not in self._levels:
                self._levels[id(part)] = self._levels_in(part)
            self._raise(holder, 1 + self._levels[id(part)])

    def _is_within(self, obj: Any, outer: Any) -> bool:
        if id(outer) not in self._levels:
            return False
        waiting, seen = [obj], set()
        while waiting:
            obj = waiting.pop()
            if obj is outer:
                return True
            if id(obj) not in seen:
                seen.add(id(obj))
                self.step()
                waiting += self._holders.get(id(obj), ())
        return False

    def _levels_in(self, array: Any) -> int:
        """Return the levels in an array whose items numpy may have copied from another."""
        items = _items(array) if isinstance(array, numpy.ndarray) else ()
        return max((1 + self._levels.get(id(_memory_of(item)), 0) for item in items), default=0)

    def _raise(self, obj: Any, levels: int) -> None:
        """Note how many levels are in an object, and so in all that hold it."""
        waiting = [(obj, levels)]
        while waiting:
            obj, levels = waiting.pop()
            if self._levels.get(id(obj), 0) >= levels:
                continue
            if levels > _MAX_FREED_IN_PLACE:
                raise UntrustedError(
                    f"arrays, slices or deques are directly within each other {levels} deep"
                )
            self.step()
            self._levels[id(obj)] = levels
            waiting += [(holder, levels + 1) for holder in self._holders.get(id(obj), ())]


def _is_freed_in_place(obj: Any) -> bool:
    if isinstance(obj, numpy.ndarray):
        return bool(obj.dtype.hasobject)
    return type(obj) in _FREED_IN_PLACE


def _memory_of(obj: Any) -> Any:
    """Return the array that owns the memory of a view; anything else itself."""
    while isinstance(obj, numpy.ndarray) and isinstance(obj.base, numpy.ndarray):
        obj = obj.base
    return obj


def _items(array: Any) -> Iterator[Any]:
    """Yield the objects in an array that are freed in place."""
    if array.dtype.names is None:
        yield from filter(_is_freed_in_place, array.ravel().tolist())
    for name in array.dtype.names or ():
        if array.dtype[name].hasobject:
            yield from _items(array[name])
