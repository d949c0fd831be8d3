"""What a data set holds, as each of its readers sees it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy

import persist

__all__ = [
    "State",
    "bare_package",
    "is_same",
    "read_bare",
    "read_data_set",
    "read_object",
    "snapshot",
]


@dataclass(frozen=True)
class State:
    """The values and infos by key, and the data sets inside; a key with only an info is None."""

    values: dict[str, Any] = field(default_factory=dict)
    infos: dict[str, Any] = field(default_factory=dict)
    inner: dict[str, State] = field(default_factory=dict)

    def with_value(self, key: str, value: Any) -> State:
        """Return the state after a value was set."""
        infos = {**self.infos, key: self.infos.get(key)}
        return replace(self, values={**self.values, key: value}, infos=infos)

    def with_info(self, key: str, info: Any) -> State:
        """Return the state after an info was set."""
        values = {**self.values, key: self.values.get(key)}
        return replace(self, values=values, infos={**self.infos, key: info})

    def with_inner(self, name: str) -> State:
        """Return the state after a data set was made inside this one."""
        return replace(self, inner={**self.inner, name: State()})

    def without(self, key: str) -> State:
        """Return the state after a key was deleted."""
        values = {known: value for known, value in self.values.items() if known != key}
        infos = {known: info for known, info in self.infos.items() if known != key}
        return replace(self, values=values, infos=infos)

    def renamed(self, old: str, new: str) -> State:
        """Return the state after a key was given another name."""
        value, info = self.values[old], self.infos[old]
        return self.without(old).with_value(new, value).with_info(new, info)


def is_same(found: Any, wanted: Any) -> bool:
    """Tell whether two values, or two states, are equal and of the same types."""
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, numpy.ndarray):
        return found.dtype == wanted.dtype and numpy.array_equal(found, wanted)
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(is_same(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(is_same, found, wanted))
    if hasattr(wanted, "__dict__"):
        return is_same(vars(found), vars(wanted))
    return bool(found == wanted)


def read_object(ds: persist.DataSet) -> State:
    """Return what a `DataSet` object says."""
    infos = ds._info_dict
    assert list(ds) == list(infos)
    values = {key: ds._load(key) for key in infos}
    return State(
        values, infos, {name: read_object(ds._namespace(name)) for name in ds._namespaces()}
    )


def read_data_set(folder: str | os.PathLike[str]) -> State:
    """Return what `persist.DataSet` reads in a folder."""
    path, name = os.path.split(os.fspath(folder))
    return read_object(persist.DataSet(name, "r", path=path))


def read_bare(folder: str | os.PathLike[str]) -> State:
    """Return what Python reads when it imports a folder, and make sure that all ways agree."""
    with bare_package(folder) as package:
        return _read_package(package)


def _read_package(package: Any) -> State:
    infos = dict(getattr(package, "_info_dict", {}))
    values = {key: _imported(package, key) for key in infos}
    if hasattr(package, "_load"):
        _forget_below(package.__name__)
        assert is_same({key: package._load(key) for key in infos}, values)
        _check_gone(package)
    names = sorted(getattr(package, "_namespaces", {}))
    return State(values, infos, {name: _read_package(getattr(package, name)) for name in names})


@contextlib.contextmanager
def bare_package(folder: str | os.PathLike[str]) -> Iterator[Any]:
    """Import a folder whose name no other module has, as if there was no persist."""
    parent, name = os.path.split(os.fspath(folder))
    before = sys.dont_write_bytecode
    sys.path.insert(0, parent)
    sys.dont_write_bytecode = True
    hidden = sys.modules["persist"]
    sys.modules["persist"] = None  # type: ignore[assignment]
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(name)
    finally:
        sys.modules["persist"] = hidden
        sys.dont_write_bytecode = before
        sys.path.remove(parent)
        _forget_below(name)
        sys.modules.pop(name, None)


def _imported(package: Any, key: str) -> Any:
    try:
        return importlib.import_module(f"{package.__name__}.{key}")
    except ImportError:
        # The value is None, or there is only an info: both leave nothing to import.
        return None


def _check_gone(package: Any) -> None:
    """Make sure that no module is left of a key that is not listed."""
    for entry in os.listdir(os.path.dirname(package.__file__)):
        key, extension = os.path.splitext(entry)
        if extension != ".py" or key.startswith((".", "_")) or key in package._info_dict:
            continue
        try:
            found = package._load(key)
        except AttributeError:
            continue
        raise AssertionError(f"{key} is not listed, and loads as {found!r}")


def _forget_below(name: str) -> None:
    for module in [module for module in sys.modules if module.startswith(f"{name}.")]:
        del sys.modules[module]


def snapshot(folder: str | os.PathLike[str]) -> dict[str, tuple[Any, ...]]:
    """Return all that is in a folder: the content of each file, and when it was written."""
    found: dict[str, tuple[Any, ...]] = {}
    for place, folders, files in os.walk(folder):
        found.update({os.path.join(place, name): () for name in folders})
        for name in files:
            path = os.path.join(place, name)
            status = os.stat(path)
            with open(path, "rb") as file:
                found[path] = (status.st_ino, status.st_mtime_ns, file.read())
    return found
