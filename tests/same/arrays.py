"""Arrays: elements, layout and the memory they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from tests.same.atoms import dtype_facts
from tests.same.difference import Difference, Path, Step, check, format_path
from tests.same.reduced import Keeper, compare_reduced, in_order


class ArrayKeeper(Keeper):
    """What also remembers arrays, to compare in the end how they share memory."""

    arrays: list[tuple[numpy.ndarray, numpy.ndarray, Path]]


def compare_arrays(found: Any, wanted: Any, path: Path, walk: ArrayKeeper) -> Iterator[Step]:
    ours, theirs = found.view(numpy.ndarray), wanted.view(numpy.ndarray)
    walk.keep(ours, theirs)
    for what, fact in _ARRAY_FACTS.items():
        check(path, what, fact(ours), fact(theirs))
    if (order := _order(theirs)) is not None:
        check(path, "order", _order(ours), order)
    yield from _compare_elements(ours, theirs, path)
    walk.arrays.append((ours, theirs, path))
    if type(found) is not numpy.ndarray:
        yield from compare_reduced(found, wanted, path, walk)


def compare_scalars(found: Any, wanted: Any, path: Path) -> Iterator[Step]:
    check(path, "dtype", dtype_facts(found.dtype), dtype_facts(wanted.dtype))
    yield from _compare_elements(numpy.asarray(found), numpy.asarray(wanted), path)


def _order(array: numpy.ndarray) -> str | None:
    """Return the order of memory; a lone view that has none may come back in any order."""
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else None


_ARRAY_FACTS = {
    "shape": lambda array: array.shape,
    "dtype": lambda array: dtype_facts(array.dtype),
    "writeable": lambda array: array.flags.writeable,
}


def _compare_elements(found: Any, wanted: Any, path: Path, name: str = "") -> Iterator[Step]:
    """Compare the bytes of arrays, field by field since there may be gaps; yield their objects."""
    dtype = wanted.dtype
    if dtype.names:
        for field in dtype.names:
            yield from _compare_elements(found[field], wanted[field], path, f"{name}[{field!r}]")
    elif dtype.hasobject:
        label = name.replace("{", "{{").replace("}", "}}") + ".flat[{}]"
        yield from in_order(found.ravel().tolist(), wanted.ravel().tolist(), path, label)
    elif found.tobytes() != wanted.tobytes():
        _check_bytes(found, wanted, (path, name))


def _check_bytes(found: numpy.ndarray, wanted: numpy.ndarray, path: Path) -> None:
    differ = numpy.flatnonzero(_raw(found) != _raw(wanted))
    if differ.size:
        element = differ[0] * wanted.size // _raw(wanted).size
        at = tuple(int(index) for index in numpy.unravel_index(element, wanted.shape))
        message = f"element {found[at]!r}, wanted {wanted[at]!r}"
        where = format_path((path, str(list(at))))
        raise Difference(f"{where}: {message}, compared by their bytes")


def _raw(array: numpy.ndarray) -> numpy.ndarray:
    """Return the bytes that count: the x87 format leaves six of sixteen bytes undefined."""
    raw = numpy.frombuffer(array.tobytes(), numpy.uint8)
    is_long = array.dtype.type in (numpy.longdouble, numpy.clongdouble)
    if not is_long or numpy.finfo(numpy.longdouble).nmant != 63:
        return raw
    kept = slice(-10, None) if array.dtype.str[0] == ">" else slice(0, 10)
    return raw.reshape(-1, numpy.dtype(numpy.longdouble).itemsize)[:, kept].ravel()


def check_memory(arrays: list[tuple[numpy.ndarray, numpy.ndarray, Path]]) -> None:
    """Check that arrays share memory as they did, at the same distance."""
    near = _overlapping([ours for ours, _, _ in arrays])
    near |= _overlapping([theirs for _, theirs, _ in arrays])
    for first, second in sorted(near):
        (our_first, their_first, path), (our_second, their_second, other) = (
            arrays[first],
            arrays[second],
        )
        found, wanted = _shares(our_first, our_second), _shares(their_first, their_second)
        check(path, f"memory shared with {format_path(other)}:", found, wanted)
        if wanted:
            distance = _address(their_second) - _address(their_first)
            check(path, "offset", _address(our_second) - _address(our_first), distance)
            check(path, "strides", our_first.strides, their_first.strides)
            check(other, "strides", our_second.strides, their_second.strides)


def _overlapping(arrays: list[numpy.ndarray]) -> set[tuple[int, int]]:
    bounds = [_bounds(array) for array in arrays]
    order = sorted((i for i, array in enumerate(arrays) if array.size), key=bounds.__getitem__)
    found, open_ = set(), []
    for index in order:
        open_ = [other for other in open_ if bounds[other][1] > bounds[index][0]]
        found.update((min(index, other), max(index, other)) for other in open_)
        open_.append(index)
    return found


def _bounds(array: numpy.ndarray) -> tuple[int, int]:
    low = high = _address(array)
    for size, stride in zip(array.shape, array.strides, strict=True):
        step = (size - 1) * stride
        low, high = low + min(step, 0), high + max(step, 0)
    return low, high + array.itemsize


def _shares(first: numpy.ndarray, second: numpy.ndarray) -> bool:
    try:
        return bool(numpy.shares_memory(first, second, max_work=100_000))
    except numpy.exceptions.TooHardError:
        return True


def _address(array: numpy.ndarray) -> int:
    return int(array.__array_interface__["data"][0])
