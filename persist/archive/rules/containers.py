"""Containers of the standard library."""

from __future__ import annotations

import array
import collections
import gc
import types
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.plain import attributes_of, is_plain_subclass
from persist.names import is_identifier

__all__: list[str] = []


@rule(collections.OrderedDict, subclasses=True)
def reduce_ordered_dict(mapping: collections.OrderedDict[Any, Any]) -> Reduced:
    """Reduce an OrderedDict to its pairs."""
    cls = type(mapping)
    if not is_plain_subclass(cls, collections.OrderedDict, "__setitem__", "items", "update"):
        return reduce_by_protocol(mapping)
    pairs = list(mapping.items())
    return Reduction(cls, absorb=True, pairs=pairs, attributes=attributes_of(mapping))


@rule(collections.defaultdict, subclasses=True)
def reduce_defaultdict(mapping: collections.defaultdict[Any, Any]) -> Reduced:
    """Reduce a defaultdict to its factory and its pairs."""
    cls = type(mapping)
    if not is_plain_subclass(cls, collections.defaultdict, "__setitem__", "items"):
        return reduce_by_protocol(mapping)
    factory, pairs = mapping.default_factory, list(mapping.items())
    # A dict of pairs is no factory, so None cannot be left out where pairs follow.
    args = (factory,) if pairs or factory is not None else ()
    return Reduction(cls, args, absorb=True, pairs=pairs, attributes=attributes_of(mapping))


@rule(collections.deque, subclasses=True)
def reduce_deque(items: collections.deque[Any]) -> Reduced:
    """Reduce a deque to its items and its greatest length."""
    cls = type(items)
    if not is_plain_subclass(cls, collections.deque, "append", "extend", "__iter__"):
        return reduce_by_protocol(items)
    kwargs = {} if items.maxlen is None else {"maxlen": items.maxlen}
    return Reduction(
        cls, (), kwargs, absorb=True, items=list(items), attributes=attributes_of(items)
    )


@rule(types.SimpleNamespace, subclasses=True)
def reduce_namespace(space: types.SimpleNamespace) -> Reduced:
    """Reduce a SimpleNamespace to its attributes, as keywords."""
    cls = type(space)
    if not is_plain_subclass(cls, types.SimpleNamespace):
        return reduce_by_protocol(space)
    absorb = all(map(is_identifier, vars(space)))
    return Reduction(cls, absorb=absorb, attributes=dict(vars(space)))


@rule(types.MappingProxyType)
def reduce_mapping_proxy(proxy: types.MappingProxyType[Any, Any]) -> Reduced:
    """Reduce a read-only view of a mapping to the mapping, which may be shared."""
    mappings = gc.get_referents(proxy)
    mapping = mappings[0] if len(mappings) == 1 else dict(proxy)
    return Reduction(types.MappingProxyType, (mapping,))


@rule(array.array, subclasses=True)
def reduce_array(numbers: array.array[Any]) -> Reduced:
    """Reduce an array to its type code and its numbers, or to bytes where digits are not exact."""
    cls = type(numbers)
    if not is_plain_subclass(cls, array.array):
        return reduce_by_protocol(numbers)
    args: tuple[Any, ...] = (numbers.typecode,)
    if len(numbers):
        args += (_contents(numbers),)
    return Reduction(cls, args, attributes=attributes_of(numbers))


def _contents(numbers: array.array[Any]) -> Any:
    if numbers.typecode in "uw":
        return numbers.tounicode()
    digits = numbers.tolist()
    # The payload of a NaN is lost in digits.
    exact = numbers.typecode not in "fd" or all(number == number for number in digits)
    return digits if exact else numbers.tobytes()
