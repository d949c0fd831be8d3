"""What two objects must have in common to be a pair, where no order tells which ones are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy

from persist.archive.array_source import without_padding
from persist.archive.literals import ATOMS
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.dataset.comparison.descriptions import is_shown
from persist.dataset.comparison.identity import SCALARS, has_identity
from persist.dataset.comparison.reductions import REDUCED, Reductions, named_parts

__all__ = ["Signature", "Signatures"]

_MOST_DIGESTED = 1 << 16  # bytes
_FEW = 8
_DEPTH = 3

_Level = tuple[Any, Iterable[Any]]


class Signature(NamedTuple):
    """What was found below an object.

    Parameters
    ----------
    tokens : tuple
        Equal for objects that may be a pair.
    numbers : tuple of complex
        The floats, where these are left out of the tokens.
    touched : list of int
        The objects that were looked at, by `id`: those that have an identity and no partner yet.
    whole : bool
        Nothing is below that was not looked at.
    """

    tokens: tuple[Any, ...]
    numbers: tuple[complex, ...]
    touched: list[int]
    whole: bool


class Signatures:
    """Makes the signatures of the objects of one graph.

    Objects are numbered as they are met, so that what is shared below an object counts.

    Parameters
    ----------
    reductions : Reductions
        What objects reduce to.
    known : mapping of int to int
        The numbers of the pairs that objects belong to, by `id`.
    sets : mapping of int to list of int
        The numbers of the sets that objects are in, by `id`.
    without_floats : bool
        Take all floats for equal.
    """

    def __init__(
        self,
        reductions: Reductions,
        known: Mapping[int, int],
        sets: Mapping[int, list[int]],
        *,
        without_floats: bool = False,
    ) -> None:
        self._reductions = reductions
        self._known = known
        self._sets = sets
        self._without_floats = without_floats
        self._numbers: list[complex] = []
        self._touched: list[int] = []
        self._whole = True

    def of(self, obj: Any, limit: int) -> Signature:
        """Return the signature of an object, for which at most `limit` objects are looked at."""
        self._numbers, self._touched, self._whole = [], [], True
        tokens = self._tokens(obj, limit, _DEPTH)
        return Signature(tokens, tuple(self._numbers), self._touched, self._whole)

    def _tokens(self, obj: Any, limit: int, depth: int) -> tuple[Any, ...]:
        tokens: list[Any] = []
        met: dict[int, int] = {}
        stack = [obj]
        while stack and len(tokens) < limit:
            item = stack.pop()
            if type(item) in ATOMS:
                tokens.append(self._atom(item))
            elif (number := self._known.get(id(item))) is not None:
                tokens.append(("pair", number))
            elif (number := met.get(id(item))) is not None:
                tokens.append(("again", number))
            else:
                met[id(item)] = len(met)
                if has_identity(item):
                    self._touched.append(id(item))
                token, parts = self._level(item, depth)
                tokens.append((token, *self._sets.get(id(item), ())))
                # One more than are looked at, to tell that these were not all.
                stack.extend(reversed(list(islice(parts, limit + 1))))
        self._whole = self._whole and not stack
        return tuple(tokens)

    def _atom(self, atom: Any) -> Any:
        cls = type(atom)
        if cls not in (float, complex):
            return cls, atom
        if self._without_floats:
            self._numbers.append(atom)
            return cls
        # By its text, in which the zeros of both signs differ and all NaN are one.
        return cls, repr(atom)

    def _level(self, obj: Any, depth: int) -> _Level:
        """Return what is known of an object without its parts, and these."""
        cls = type(obj)
        if cls in (list, tuple):
            return (cls, len(obj)), obj
        if cls is dict:
            return (cls, len(obj)), chain.from_iterable(obj.items())
        if cls in (numpy.ndarray, numpy.memmap):
            return self._array(obj)
        if cls in SCALARS and not issubclass(cls, str | bytes):
            return self._array(numpy.asarray(obj))
        if is_shown(obj):
            return (cls, repr(obj)), ()
        if isinstance(obj, numpy.dtype):
            return str(obj), ()
        token, parts = self._reduced(self._reductions.of(obj), depth)
        # What reduces to nothing is equal to itself only.
        return (None if cls in REDUCED else cls, token or id(obj)), parts

    def _array(self, array: Any) -> _Level:
        token = (str(array.dtype), array.shape)
        if array.dtype.hasobject and array.dtype.names is None:
            return token, array.flat
        is_plain = array.nbytes <= _MOST_DIGESTED and not array.dtype.hasobject
        # Floats are not looked at: NaN has many forms, and a tolerance may forgive.
        if not is_plain or array.dtype.kind in "fc" or array.dtype.names is not None:
            return (*token, self._few_floats(array)), ()
        return (*token, hashlib.sha256(without_padding(array).tobytes()).digest()), ()

    def _few_floats(self, array: Any) -> Any:
        if array.dtype.kind not in "fc" or array.dtype.itemsize > 16:
            return None
        few = [complex(number) for number in array.flat[:_FEW]]
        return tuple(map(self._atom, few))

    def _reduced(self, reduced: Any, depth: int) -> _Level:
        if type(reduced) is Import:
            return (reduced.module, reduced.name), ()
        if type(reduced) is Attribute:
            return reduced.name, [reduced.owner]
        if type(reduced) is Data:
            return self._array(reduced.array)
        if type(reduced) is Expression:
            return reduced.rep, reduced.values
        return self._reduction(reduced, depth) if type(reduced) is Reduction else (None, ())

    def _reduction(self, reduction: Reduction, depth: int) -> _Level:
        named = sorted(named_parts(reduction).items(), key=lambda item: item[0])
        items, pairs = list(reduction.items or ()), list(reduction.pairs or ())
        members = list(reduction.members or ())
        token = (*(label for label, _ in named), len(items), len(pairs), len(members))
        parts = [reduction.function, *(part for _, part in named), *items]
        return (token, self._members(members, depth)), chain(parts, chain.from_iterable(pairs))

    def _members(self, members: list[Any], depth: int) -> Any:
        """Return what members have in common in any order, without looking far."""
        if depth == 0 or len(members) > _FEW:
            self._whole = self._whole and not members
            return None
        tokens = (self._tokens(member, _FEW, depth - 1) for member in members)
        return tuple(sorted(map(hash, tokens)))
