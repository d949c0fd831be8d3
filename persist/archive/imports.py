"""The import path of a function, class or module, checked to lead back to the same object."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from persist.archive.reduction import Import
from persist.errors import PersistWarning, UnsupportedObjectError
from persist.names import is_identifier

__all__ = ["find_import", "module_import"]

# C modules whose public face has another name; most are the public name after an underscore.
_PUBLIC_MODULES = {
    "_collections_abc": "collections.abc",
    "_frozen_importlib": "importlib.machinery",
    "_frozen_importlib_external": "importlib.machinery",
    "_sitebuiltins": "builtins",
    "_thread": "threading",
    "nt": "os",
    "posix": "os",
}

# Libraries whose names are to be taken from their top, and not from where they are defined.
_TOP_FIRST = frozenset({"networkx", "pandas", "sympy", "xarray"})

# Before numpy 2 these are attributes that cannot be imported as modules.
_NUMPY_SPACES = frozenset({"char", "emath", "rec"})

# What numpy calls numpy.bool today was the bool of Python before 1.24.
_NUMPY_NAMES = {"bool": "bool_", "float128": "longdouble", "complex256": "clongdouble"}


def find_import(obj: Any) -> Import:
    """Return the path by which `obj` is imported.

    A path through a private module is replaced by that of the nearest public package which holds
    the same object, as numpy's and scikit-learn's private modules move between versions.

    Raises
    ------
    UnsupportedObjectError
        If no path leads to the object: a lambda, a local class, something that was rebound.
    """
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if not isinstance(name, str):
        raise UnsupportedObjectError(f"{_describe(obj)} has no name to import it by")
    if "<lambda>" in name:
        raise UnsupportedObjectError(
            f"{_describe(obj)} is a lambda, which has no name to import it by: "
            "define it with def at the top level of a module"
        )
    if "<locals>" in name:
        raise UnsupportedObjectError(
            f"{_describe(obj)} is defined inside a function, so it cannot be imported: "
            "move it to the top level of a module"
        )
    module = getattr(obj, "__module__", None) or _search_module(obj, name)
    found = _public_path(obj, module, name)
    if found.module == "__main__":
        warnings.warn(
            f"{name} is defined in __main__: the archive can be read only where that script "
            "defines it. Move it to a module that can be imported.",
            PersistWarning,
            stacklevel=2,
        )
    return found


def module_import(module: types.ModuleType) -> Import:
    """Return the import of a module.

    Raises
    ------
    UnsupportedObjectError
        If the name of the module does not lead to it.
    """
    name = module.__name__
    if sys.modules.get(name) is not module or not all(map(is_identifier, name.split("."))):
        raise UnsupportedObjectError(
            f"the module {name!r} is not the one that 'import {name}' gives: "
            "store what is in it instead"
        )
    return Import(name)


def _public_path(obj: Any, module: str, name: str) -> Import:
    for candidate in _candidates(module, name):
        if _resolve(candidate.module, candidate.name) is obj:
            return candidate
    raise UnsupportedObjectError(
        f"{_describe(obj)} is not what '{module}.{name}' refers to now: "
        "give it a name of its own in a module that can be imported"
    )


def _candidates(module: str, name: str) -> Iterator[Import]:
    if module.split(".")[0] == "numpy":
        yield from _numpy_candidates(module.split("."), _NUMPY_NAMES.get(name, name))
    if module in _PUBLIC_MODULES:
        yield Import(_PUBLIC_MODULES[module], name)
    if module != "__main__":
        yield from _public_candidates(module.split("."), name)
    yield Import(module, name)


def _numpy_candidates(parts: list[str], name: str) -> Iterator[Import]:
    # Asking numpy for a name that is on its way out warns, so only those in its dict are tried.
    if name.partition(".")[0] in vars(sys.modules["numpy"]):
        yield Import("numpy", name)
    if len(parts) == 2 and parts[1] in _NUMPY_SPACES:
        yield Import("numpy", f"{parts[1]}.{name}")
    for end in range(2, len(parts) + 1):
        if not any(part.startswith("_") for part in parts[:end]):
            yield Import(".".join(parts[:end]), name)


def _public_candidates(parts: list[str], name: str) -> Iterator[Import]:
    if parts[0].startswith("_"):
        parts = [parts[0].lstrip("_"), *parts[1:]]
        yield Import(".".join(parts), name)
    if parts[0] in _TOP_FIRST:
        yield Import(parts[0], name)
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), 0)
    for end in range(private, 0, -1):
        yield Import(".".join(parts[:end]), name)


def _resolve(module: str, name: str) -> Any:
    if not all(map(is_identifier, [*module.split("."), *name.split(".")])):
        return None
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found


def _search_module(obj: Any, name: str) -> str:
    # Some C functions, numpy's ufuncs among them, do not say where they are defined.
    for module in ("builtins", "numpy", "scipy.special"):
        if module in sys.modules and _resolve(module, name) is obj:
            return module
    for module, value in sorted(sys.modules.items()):
        if module != "__main__" and vars(value).get(name) is obj:
            return module
    raise UnsupportedObjectError(f"{_describe(obj)} is in no module that is loaded")


def _describe(obj: Any) -> str:
    kind = "class" if isinstance(obj, type) else type(obj).__name__
    return f"the {kind} {getattr(obj, '__qualname__', None) or getattr(obj, '__name__', obj)!r}"
