"""Whether two object graphs are the same: types, values, order and what is shared.

The graphs are walked side by side, without recursion. Objects are paired: an object met twice on
one side must be met twice on the other, as the same pair. Atoms (numbers, text, classes, members of
enumerations and tuples of these) are compared by value alone, since compilers merge constants.

Members of sets have no order. Those that cannot be told apart by what is near them are paired by
trial, and a trial that fails is taken back.
"""

from __future__ import annotations

import copyreg
import enum
import re
import struct
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy

__all__ = ["assert_same"]

_TRIALS = 10_000
_BY_IDENTITY = (
    type,
    enum.Enum,
    types.FunctionType,
    types.ModuleType,
    numpy.ufunc,
    type(None),
    type(Ellipsis),
    type(NotImplemented),
)

# What is known of exact types; builtin functions must be asked one by one.
_SCALARS = dict.fromkeys((int, float, complex, str, bytes, bool, re.Pattern), True)

Path = tuple["Path", str] | None
Step = tuple[str, Any, Any]


class _Difference(Exception):
    """The two sides differ here."""


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
    walk = _Walk()
    try:
        walk.compare(found, wanted)
        _check_memory(walk.arrays)
    except _Difference as difference:
        raise AssertionError(str(difference)) from None


class _Walk:
    """The pairs so far, the work to do, and how to take back what a trial did."""

    def __init__(self) -> None:
        self.partners: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.numbers: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.arrays: list[tuple[numpy.ndarray, numpy.ndarray, Path]] = []
        self.sets: list[tuple[list[Any], list[Any], Path]] = []
        self.work: list[tuple[Any, Any, Path]] = []
        self._trail: list[tuple[Any, Any]] = []
        self._alive: list[Any] = []
        self._atomic: dict[int, bool] = {}
        self._tuples: set[tuple[int, int]] = set()
        self._trials: list[Any] = []
        self._tried = 0

    def compare(self, found: Any, wanted: Any) -> None:
        """Walk both graphs from their roots."""
        self.work.append((found, wanted, None))
        while True:
            try:
                while self.work:
                    self._visit(*self.work.pop())
                if not self.sets:
                    return
                self._pair_members()
            except _Difference:
                if not self._next_trial():
                    raise

    # A temporary that dies would give its id to another object.
    def keep(self, *objects: Any) -> None:
        """Keep `objects` alive until the end."""
        self._alive.extend(objects)

    def _visit(self, found: Any, wanted: Any, path: Path) -> None:
        _check(path, "type", type(found), type(wanted))
        if self.is_atom(found) and self.is_atom(wanted):
            self._visit_atom(found, wanted, path)
        elif self._is_new(found, wanted, path):
            steps, members = _compare_node(found, wanted, path, self)
            if members is not None:
                self.sets.append((*members, path))
            self._push(steps, path)

    def _visit_atom(self, found: Any, wanted: Any, path: Path) -> None:
        if found is wanted:
            return
        if type(found) is not tuple:
            _check(path, "value", *_values(found, wanted))
        elif (id(found), id(wanted)) not in self._tuples:
            self._tuples.add((id(found), id(wanted)))
            self.keep(found, wanted)
            self._push(_in_order(found, wanted, path), path)

    def _push(self, steps: Iterable[Step], path: Path) -> None:
        work = [(found, wanted, (path, label)) for label, found, wanted in steps]
        self.work.extend(reversed(work))

    def _is_new(self, found: Any, wanted: Any, path: Path) -> bool:
        """Pair two objects, or check that they are a pair."""
        forth, back = self.partners
        if id(found) in forth or id(wanted) in back:
            if forth.get(id(found)) is not wanted:
                which = "found" if id(found) in forth else "wanted"
                raise _Difference(f"{_format(path)}: only the object {which} here is met elsewhere")
            return False
        forth[id(found)], back[id(wanted)] = wanted, found
        ours, theirs = self.numbers
        ours[id(found)] = theirs[id(wanted)] = len(self._trail)
        self._trail.append((found, wanted))
        return True

    def is_atom(self, obj: Any) -> bool:
        """Tell whether `obj` is compared by value alone."""
        return self._is_atomic_tuple(obj) if type(obj) is tuple else _is_scalar(obj)

    def _is_atomic_tuple(self, obj: tuple[Any, ...]) -> bool:
        atomic, stack = self._atomic, [obj]
        while stack:
            last = stack[-1]
            if id(last) not in atomic:
                inner = [m for m in last if type(m) is tuple and id(m) not in atomic]
                if inner and all(type(m) is tuple or _is_scalar(m) for m in last):
                    stack.extend(inner)
                    continue
                atomic[id(last)] = all(
                    atomic.get(id(m), False) if type(m) is tuple else _is_scalar(m) for m in last
                )
                self.keep(last)
            stack.pop()
        return atomic[id(obj)]

    def _pair_members(self) -> None:
        """Pair the members of one set: first those that have only one possible partner."""
        for index, (found, wanted, path) in enumerate(self.sets):
            groups = _group(found, wanted, path, self)
            certain = [key for key, (ours, _) in groups.items() if len(ours) == 1]
            if certain or not groups:
                del self.sets[index]
                pairs = [(groups[key][0][0], groups[key][1][0]) for key in certain]
                self._take(pairs, found, wanted, path)
                return
        self._try_pairs(0)

    def _take(self, pairs: Any, found: list[Any], wanted: list[Any], path: Path) -> None:
        gone = {id(member) for pair in pairs for member in pair}
        left = [m for m in found if id(m) not in gone], [m for m in wanted if id(m) not in gone]
        if left[0]:
            self.sets.append((*left, path))
        for ours, theirs in pairs:
            self.work.append((ours, theirs, (path, "{member}")))

    def _try_pairs(self, index: int) -> None:
        found, wanted, path = self.sets[index]
        groups = _group(found, wanted, path, self)
        ours, theirs = min(groups.values(), key=lambda group: len(group[0]))
        state = (len(self._trail), len(self.arrays), list(self.sets))
        self._trials.append((state, index, ours[0], iter(theirs)))
        self._next_trial()

    def _next_trial(self) -> bool:
        """Take back the last trial, and begin the next. Tell whether there is one."""
        while self._trials:
            state, index, ours, candidates = self._trials[-1]
            for theirs in candidates:
                self._tried += 1
                if self._tried > _TRIALS:
                    raise RuntimeError(f"gave up pairing members of sets after {_TRIALS} trials")
                self._take_back(*state)
                found, wanted, path = self.sets.pop(index)
                self._take([(ours, theirs)], found, wanted, path)
                return True
            self._trials.pop()
        return False

    def _take_back(self, pairs: int, arrays: int, sets: list[Any]) -> None:
        for found, wanted in self._trail[pairs:]:
            for side, obj in enumerate((found, wanted)):
                del self.partners[side][id(obj)], self.numbers[side][id(obj)]
        self._alive.extend(self._trail[pairs:])
        del self._trail[pairs:], self.arrays[arrays:]
        self.sets = list(sets)
        self.work.clear()
        self._tuples.clear()


def _format(path: Path) -> str:
    labels = []
    while path is not None:
        path, label = path
        labels.append(label)
    if len(labels) > 40:
        labels[20:-20] = [" … "]
    return "".join(reversed(labels)) or "the root"


def _show(value: Any) -> str:
    try:
        text = value.__qualname__ if isinstance(value, type) else ascii(value)
    except Exception:
        text = f"an object of {type(value).__qualname__}"
    return text if len(text) < 200 else f"{text[:200]}…"


def _check(path: Path, what: str, found: Any, wanted: Any) -> None:
    if found is not wanted and not found == wanted:
        raise _Difference(f"{_format(path)}: {what} {_show(found)}, wanted {_show(wanted)}")


def _is_scalar(obj: Any) -> bool:
    cls = type(obj)
    if cls is types.BuiltinFunctionType:
        return _is_function(obj)
    if cls not in _SCALARS:
        _SCALARS[cls] = issubclass(cls, (*_BY_IDENTITY, numpy.dtype))
    return _SCALARS[cls]


def _is_function(obj: Any) -> bool:
    """Tell whether `obj` is a function, as opposed to a method of an object that is stored."""
    return isinstance(obj.__self__, (types.ModuleType, type(None)))


def _values(found: Any, wanted: Any) -> tuple[Any, Any]:
    """Return what must be equal of two atoms of one type."""
    cls = type(found)
    if cls in (float, complex):
        return _bits(found), _bits(wanted)
    if cls is re.Pattern:
        return (found.pattern, found.flags), (wanted.pattern, wanted.flags)
    if isinstance(found, numpy.dtype):
        return _dtype_facts(found), _dtype_facts(wanted)
    if isinstance(found, (*_BY_IDENTITY, types.BuiltinFunctionType)):
        return _Identity(found), _Identity(wanted)
    return found, wanted


class _Identity:
    """Equal only for the same object, and shown as that object."""

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.obj is other.obj

    def __hash__(self) -> int:
        return id(self.obj)

    def __repr__(self) -> str:
        return f"{self.obj!r}"


def _bits(number: complex) -> str:
    parts = [number.real, number.imag] if type(number) is complex else [number]
    return f"{number!r} with bits {' '.join(struct.pack('>d', part).hex() for part in parts)}"


def _dtype_facts(dtype: numpy.dtype) -> tuple[Any, ...]:
    """Return all of a dtype but its metadata."""
    facts: tuple[Any, ...] = (dtype.str, dtype.type, dtype.itemsize, dtype.isalignedstruct)
    if dtype.subdtype is not None:
        return (*facts, dtype.shape, _dtype_facts(dtype.base))
    for name in dtype.names or ():
        inner, *place = dtype.fields[name]
        facts += ((name, _dtype_facts(inner), *place),)
    return facts if dtype.names else (*facts, repr(dtype))


def _compare_node(
    found: Any, wanted: Any, path: Path, walk: _Walk
) -> tuple[list[Step], tuple[list[Any], list[Any]] | None]:
    """Compare two objects without what they hold; return this, and the members if they are sets."""
    if type(found) in (list, tuple):
        return list(_in_order(found, wanted, path)), None
    if type(found) is dict:
        return list(_pairs_in_order(found.items(), wanted.items(), path)), None
    if isinstance(found, (set, frozenset)):
        _check(path, "length", len(found), len(wanted))
        steps = _compare_states(_vars_of(found), _vars_of(wanted), path, walk)
        return list(steps), (list(found), list(wanted))
    if isinstance(found, numpy.ndarray):
        return list(_compare_arrays(found, wanted, path, walk)), None
    if isinstance(found, numpy.generic) and not isinstance(found, (str, bytes)):
        return list(_compare_scalars(found, wanted, path)), None
    return list(_compare_reduced(found, wanted, path, walk)), None


def _in_order(found: Any, wanted: Any, path: Path, label: str = "[{}]") -> Iterator[Step]:
    _check(path, "length", len(found), len(wanted))
    for index, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        yield label.format(index), ours, theirs


def _pairs_in_order(found: Any, wanted: Any, path: Path) -> Iterator[Step]:
    _check(path, "length", len(found), len(wanted))
    for (our_key, ours), (their_key, theirs) in zip(found, wanted, strict=True):
        name = _show(their_key) if _is_scalar(their_key) else type(their_key).__qualname__
        yield f".key({name})", our_key, their_key
        yield f"[{name}]", ours, theirs


def _vars_of(obj: Any) -> dict[str, Any]:
    """Return attributes and slots of `obj` by name; slots of two classes may have one name."""
    found = dict(getattr(obj, "__dict__", {}))
    for cls in type(obj).__mro__:
        for name, value in vars(cls).items():
            if isinstance(value, types.MemberDescriptorType):
                try:
                    found.setdefault(name, value.__get__(obj))
                except AttributeError:
                    continue
    return found


def _compare_states(found: Any, wanted: Any, path: Path, walk: _Walk) -> Iterator[Step]:
    """Compare attributes by name, in any order; other states are objects like any other."""
    walk.keep(found, wanted)
    if not (_is_attributes(found) and _is_attributes(wanted)):
        yield ".__getstate__()", found, wanted
        return
    _check(path, "attributes", sorted(found), sorted(wanted))
    for name in sorted(wanted):
        label = f".{name}" if name.isidentifier() else f".__dict__[{name!r}]"
        yield label, found[name], wanted[name]


def _is_attributes(state: Any) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def _compare_reduced(found: Any, wanted: Any, path: Path, walk: _Walk) -> Iterator[Step]:
    ours, theirs = _reduce(found), _reduce(wanted)
    walk.keep(ours, theirs)
    if isinstance(ours, str) or isinstance(theirs, str):
        _check(path, "value", _Identity(found), _Identity(wanted))
        return
    yield ".__class__()", ours[0], theirs[0]
    yield from _in_order(ours[1], theirs[1], path, ".args[{}]")
    yield from _compare_split_states(ours[2], theirs[2], path, walk)
    if ours[3] is not None or theirs[3] is not None:
        yield from _in_order(ours[3] or [], theirs[3] or [], path)
    if ours[4] is not None or theirs[4] is not None:
        yield from _pairs_in_order(ours[4] or [], theirs[4] or [], path)
    yield ".__setstate__", ours[5], theirs[5]


def _compare_split_states(found: Any, wanted: Any, path: Path, walk: _Walk) -> Iterator[Step]:
    """Compare states, each part of which may be a dict of attributes, or of slots."""
    if not (_is_split(found) and _is_split(wanted)):
        found, wanted = (found,), (wanted,)
    for ours, theirs in zip(found, wanted, strict=True):
        ours, theirs = ({} if part is None else part for part in (ours, theirs))
        yield from _compare_states(ours, theirs, path, walk)


def _is_split(state: Any) -> bool:
    return type(state) is tuple and len(state) == 2 and _is_attributes(state[1])


def _reduce(obj: Any) -> Any:
    """Return what pickle would ask for, with lists in place of iterators."""
    reducer = copyreg.dispatch_table.get(type(obj))
    try:
        answer = reducer(obj) if reducer else obj.__reduce_ex__(4)
    except TypeError:
        # Some classes refuse to be pickled but say in their own way how they are stored.
        answer = (type(obj), (), _vars_of(obj))
    if isinstance(answer, str):
        return answer
    function, args, state, items, pairs, setter = (*answer, *[None] * (6 - len(answer)))
    items, pairs = (None if part is None else list(part) for part in (items, pairs))
    return function, args, state, items, pairs, setter


def _compare_arrays(found: Any, wanted: Any, path: Path, walk: _Walk) -> Iterator[Step]:
    ours, theirs = found.view(numpy.ndarray), wanted.view(numpy.ndarray)
    walk.keep(ours, theirs)
    for what, fact in _ARRAY_FACTS.items():
        _check(path, what, fact(ours), fact(theirs))
    if (order := _order(theirs)) is not None:
        _check(path, "order", _order(ours), order)
    yield from _compare_elements(ours, theirs, path)
    walk.arrays.append((ours, theirs, path))
    if type(found) is not numpy.ndarray:
        yield from _compare_reduced(found, wanted, path, walk)


def _compare_scalars(found: Any, wanted: Any, path: Path) -> Iterator[Step]:
    _check(path, "dtype", _dtype_facts(found.dtype), _dtype_facts(wanted.dtype))
    yield from _compare_elements(numpy.asarray(found), numpy.asarray(wanted), path)


def _order(array: numpy.ndarray) -> str | None:
    """Return the order of memory; a lone view that has none may come back in any order."""
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else None


_ARRAY_FACTS = {
    "shape": lambda array: array.shape,
    "dtype": lambda array: _dtype_facts(array.dtype),
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
        yield from _in_order(found.ravel().tolist(), wanted.ravel().tolist(), path, label)
    elif found.tobytes() != wanted.tobytes():
        _check_bytes(found, wanted, (path, name))


def _check_bytes(found: numpy.ndarray, wanted: numpy.ndarray, path: Path) -> None:
    differ = numpy.flatnonzero(_raw(found) != _raw(wanted))
    if differ.size:
        element = differ[0] * wanted.size // _raw(wanted).size
        at = tuple(int(index) for index in numpy.unravel_index(element, wanted.shape))
        message = f"element {found[at]!r}, wanted {wanted[at]!r}"
        raise _Difference(f"{_format((path, str(list(at))))}: {message}, compared by their bytes")


def _raw(array: numpy.ndarray) -> numpy.ndarray:
    """Return the bytes that count: the x87 format leaves six of sixteen bytes undefined."""
    raw = numpy.frombuffer(array.tobytes(), numpy.uint8)
    is_long = array.dtype.type in (numpy.longdouble, numpy.clongdouble)
    if not is_long or numpy.finfo(numpy.longdouble).nmant != 63:
        return raw
    kept = slice(-10, None) if array.dtype.str[0] == ">" else slice(0, 10)
    return raw.reshape(-1, numpy.dtype(numpy.longdouble).itemsize)[:, kept].ravel()


def _check_memory(arrays: list[tuple[numpy.ndarray, numpy.ndarray, Path]]) -> None:
    """Check that arrays share memory as they did, at the same distance."""
    near = _overlapping([ours for ours, _, _ in arrays])
    near |= _overlapping([theirs for _, theirs, _ in arrays])
    for first, second in sorted(near):
        (our_first, their_first, path), (our_second, their_second, other) = (
            arrays[first],
            arrays[second],
        )
        found, wanted = _shares(our_first, our_second), _shares(their_first, their_second)
        _check(path, f"memory shared with {_format(other)}:", found, wanted)
        if wanted:
            distance = _address(their_second) - _address(their_first)
            _check(path, "offset", _address(our_second) - _address(our_first), distance)
            _check(path, "strides", our_first.strides, their_first.strides)
            _check(other, "strides", our_second.strides, their_second.strides)


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


def _group(found: list[Any], wanted: list[Any], path: Path, walk: _Walk) -> dict[Any, Any]:
    """Group the members of two sets by what can be told of them without trial."""
    for depth in (0, 3):
        groups: dict[Any, tuple[list[Any], list[Any]]] = {}
        for side, members in enumerate((found, wanted)):
            for member in members:
                key = _signature(member, depth, walk.numbers[side])
                groups.setdefault(key, ([], []))[side].append(member)
        if all(len(ours) == 1 for ours, _ in groups.values()):
            break
    for key, (ours, theirs) in groups.items():
        if len(ours) != len(theirs):
            message = f"{len(ours)} members such as {_show(key)}, wanted {len(theirs)}"
            raise _Difference(f"{_format(path)}: {message}")
    return groups


def _signature(obj: Any, depth: int, numbers: dict[int, int]) -> Any:
    """Return what two objects must have in common to be a pair, `depth` steps around them."""
    if _is_scalar(obj):
        return type(obj).__qualname__, _values(obj, obj)[0]
    if id(obj) in numbers:
        return "pair", numbers[id(obj)]
    name = type(obj).__qualname__
    if depth == 0:
        return name
    steps, members = _compare_node(obj, obj, None, _Parts())
    near = tuple((label, _signature(part, depth - 1, numbers)) for label, part, _ in steps[:8])
    inner = sorted(repr(_signature(member, depth - 1, numbers)) for member in (members or [[]])[0])
    return name, len(steps), near, tuple(inner)


class _Parts:
    """What `_compare_node` needs of a walk, to list the parts of one object."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []

    def keep(self, *objects: Any) -> None:
        """Keep nothing: the parts are looked at and forgotten."""
