"""Build an object again from its reduction, without any source: what the writers' text does."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy

from persist.archive.reduce import reduce
from persist.archive.reduction import (
    NO_STATE,
    Attribute,
    Data,
    Expression,
    Import,
    Reduced,
    Reduction,
)

_ATOMS = (int, float, complex, str, bytes, bool, type(None))
_REDUCED = (Attribute, Data, Expression, Import, Reduction)


class Rebuild:
    """One walk over a graph: each object is reduced once, and is one object again.

    Parameters
    ----------
    absorb : bool
        Give fills to the constructor where the reduction allows it, as the writers do off cycles.
    """

    def __init__(self, absorb: bool = True) -> None:
        self.absorb = absorb
        self.imports: set[Import] = set()
        self.functions: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._alive: list[Any] = []

    def __call__(self, obj: Any) -> Any:
        """Return the object that is built from what `obj` reduces to."""
        if type(obj) in _ATOMS:
            return obj
        if id(obj) in self._memo:
            return self._memo[id(obj)]
        self._alive.append(obj)
        if type(obj) in (list, dict):
            return self._fill_builtin(obj)
        if type(obj) in (tuple, frozenset):
            return self._keep(obj, type(obj)(map(self, obj)))
        reduced = obj if isinstance(obj, _REDUCED) else reduce(obj)
        return self._build(obj, reduced)

    def _keep(self, obj: Any, built: Any) -> Any:
        self._memo[id(obj)] = built
        return built

    def _fill_builtin(self, obj: Any) -> Any:
        built = self._keep(obj, type(obj)())
        if isinstance(obj, list):
            built.extend(map(self, obj))
        else:
            built.update((self(key), self(value)) for key, value in obj.items())
        return built

    def _build(self, obj: Any, reduced: Reduced) -> Any:
        match reduced:
            case Import():
                return self._keep(obj, self._import(reduced))
            case Attribute(owner, name):
                return self._keep(obj, getattr(self(owner), name))
            case Data(array):
                assert type(array) is numpy.ndarray
                assert not array.dtype.hasobject
                return self._keep(obj, array.copy(order="K"))
            case Expression(rep, imports=imports):
                assert not imports
                args = {name: self(value) for name, value in reduced.args.items()}
                return self._keep(obj, eval(rep, args))
            case Reduction():
                return self._call(obj, reduced)

    def _import(self, found: Import) -> Any:
        self.imports.add(found)
        result: Any = importlib.import_module(found.module)
        for part in filter(None, found.name.split(".")):
            result = getattr(result, part)
        return result

    def _call(self, obj: Any, reduction: Reduction) -> Any:
        function = self(reduction.function)
        args = [self(arg) for arg in reduction.args]
        kwargs = {name: self(value) for name, value in reduction.kwargs.items()}
        absorbed = reduction.absorbed() if self.absorb and not reduction.new else ""
        late = bool(reduction.attributes) and reduction.absorbed() == "attributes"
        if reduction.new or (late and not absorbed):
            # A constructor that wants its attributes now cannot be called before they exist.
            args, function = [function, *args], function.__new__
        if absorbed == "attributes":
            kwargs |= {k: self(v) for k, v in (reduction.attributes or {}).items()}
        elif absorbed and (values := list(getattr(reduction, absorbed))):
            args.append([self(value) for value in values])
        built = self._keep(obj, function(*args, **kwargs))
        self._fill(built, replace(reduction, **{absorbed: None} if absorbed else {}))
        return built

    def _fill(self, built: Any, reduction: Reduction) -> None:
        for item in reduction.items or ():
            built.append(self(item))
        for key, value in reduction.pairs or ():
            built[self(key)] = self(value)
        for member in reduction.members or ():
            built.add(self(member))
        if reduction.attributes:
            built.__dict__.update({k: self(v) for k, v in reduction.attributes.items()})
        for name, value in (reduction.slots or {}).items():
            setattr(built, name, self(value))
        if reduction.state is not NO_STATE:
            if reduction.setter is None:
                built.__setstate__(self(reduction.state))
            else:
                self(reduction.setter)(built, self(reduction.state))


def private_imports(imports: set[Import]) -> list[Import]:
    """Return the imports that pass through a private name."""
    return sorted(
        (found for found in imports if re.search(r"(^|\.)_", f"{found.module}.{found.name}")),
        key=str,
    )


def rebuild(obj: Any, absorb: bool = True) -> Any:
    """Return the object built again, and check that only public names were imported."""
    walk = Rebuild(absorb)
    built = walk(obj)
    assert not private_imports(walk.imports)
    return built


def rebuilds(obj: Any) -> Iterator[Any]:
    """Yield `obj` built again with its fills given to constructors, then with fills afterwards."""
    for absorb in (True, False):
        built = rebuild(obj, absorb)
        assert type(built) is type(obj)
        yield built


def source(obj: Any) -> str:
    """Return one line that shows what `obj` reduces to, for tests and people to judge."""
    return _show(obj)


def _show(value: Any) -> str:
    if type(value) in (list, tuple):
        inner = ", ".join(map(_show, value))
        return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
    if type(value) is dict:
        return "{" + ", ".join(f"{_show(k)}: {_show(v)}" for k, v in value.items()) + "}"
    if type(value) in (*_ATOMS, frozenset):
        return repr(value)
    match value if isinstance(value, _REDUCED) else reduce(value):
        case Import(module, name):
            return name if module == "builtins" else f"{module}.{name}".rstrip(".")
        case Attribute(owner, name):
            return f"{_show(owner)}.{name}"
        case Data(array):
            return f"Data({array.tolist()!r}, {array.dtype.str})"
        case Expression(rep):
            return rep
        case Reduction() as reduction:
            return _show_call(reduction)


def _show_call(reduction: Reduction) -> str:
    args = [_show(arg) for arg in reduction.args]
    args += [f"{name}={_show(value)}" for name, value in reduction.kwargs.items()]
    absorbed = reduction.absorbed() if not reduction.new else ()
    fills = []
    for name in ("items", "pairs", "members"):
        if (fill := getattr(reduction, name)) is not None:
            shown = _show(list(fill))
            args += [shown] if name in absorbed and list(fill) else []
            fills += [] if name in absorbed else [f"{name}({shown})"]
    if reduction.attributes is not None:
        shown = [f"{name}={_show(value)}" for name, value in reduction.attributes.items()]
        args += shown if "attributes" in absorbed else []
        fills += [] if "attributes" in absorbed else [f"dict({', '.join(shown)})"]
    fills += [f"{k}={_show(v)}" for k, v in (reduction.slots or {}).items()]
    if reduction.state is not NO_STATE:
        setter = "__setstate__" if reduction.setter is None else _show(reduction.setter)
        fills.append(f"{setter}({_show(reduction.state)})")
    new = "new " if reduction.new else ""
    call = f"{new}{_show(reduction.function)}({', '.join(args)})"
    return "; ".join([call, *fills])
