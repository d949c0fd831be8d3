"""The import path of a function, class or module, checked to lead back to the same object."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from persist.archive.reduction import Import
from persist.errors import PortabilityWarning, UnsupportedObjectError
from persist.names import is_identifier

__all__ = ["find_import", "module_import"]

# C modules whose public face has another name; most are the public name after an underscore.
_PUBLIC_MODULES = {
    "_collections_abc": "collections.abc",
    # Before 1.8, the classes of its compiled losses did not say where they are.
    "_loss": "sklearn._loss._loss",
    "_frozen_importlib": "importlib.machinery",
    "_frozen_importlib_external": "importlib.machinery",
    "_sitebuiltins": "builtins",
    "_thread": "threading",
    "nt": "os",
    "posix": "os",
}

# Libraries whose names are to be taken from their top, and not from where they are defined.
_TOP_FIRST = frozenset(
    {
        "lmfit",
        "networkx",
        "pandas",
        "pint",
        "polars",
        "pyarrow",
        "shapely",
        "sympy",
        "uncertainties",
        "xarray",
    }
)

# Before numpy 2 these are attributes that cannot be imported as modules.
_NUMPY_SPACES = frozenset({"char", "emath", "rec"})

# Where an object that does not name its module can be found: these do not depend on what is
# loaded. The last three are private, and hold what is public nowhere. numpy 1.26 has the path of
# numpy 2 too.
_HOMES = (
    "builtins",
    "typing",
    "numpy",
    "numpy.strings",
    "scipy.special",
    "erfa.ufunc",
    "shapely.lib",
    "numpy.linalg._umath_linalg",
    "scipy.special._ufuncs",
    "numpy._core._multiarray_umath",
)

# Public packages that offer what their modules, or a private one, define.
_OFFERED = {
    "scipy.stats._qmc": "scipy.stats.qmc",
    "torch._C._nn": "torch.nn.functional",
    "torch.nn.modules": "torch.nn",
    "torch.optim": "torch.optim",
}

# A process that multiprocessing has spawned calls the script by the second name.
_SCRIPT = ("__main__", "__mp_main__")

# What numpy calls numpy.bool today was the bool of Python before 1.24.
_NUMPY_NAMES = {"bool": "bool_", "float128": "longdouble", "complex256": "clongdouble"}


def find_import(obj: Any, name: str | None = None) -> Import:
    """Return the path by which `obj` is imported.

    The path comes from the object itself. A path through a private module is replaced by that of
    the nearest public package which holds the same object, as numpy's and scikit-learn's private
    modules move between versions. Which modules happen to be loaded makes no difference.

    Parameters
    ----------
    obj : object
        A function or a class, or an object that reduces to its own name.
    name : str, optional
        The dotted path within its module, where the object itself has no name.

    Raises
    ------
    UnsupportedObjectError
        If no path leads to the object: a lambda, a local class, something that was rebound.
    """
    name = name or getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
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
    module = getattr(obj, "__module__", None)
    found = _public_path(obj, module, name) if isinstance(module, str) else _at_home(obj, name)
    if found.module in _SCRIPT:
        warnings.warn(
            f"{name} is defined in __main__: the archive can be read only where that script "
            "defines it. Move it to a module that can be imported.",
            PortabilityWarning,
            stacklevel=2,
        )
        return Import("__main__", found.name)
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
    for package in (module, module.rpartition(".")[0]):
        if package in _OFFERED:
            yield Import(_OFFERED[package], name)
    if name.startswith("_") and "." in name:
        # A function of a private class that is offered as one of the module: torch.relu.
        yield Import(module, name.rpartition(".")[2])
    if module not in _SCRIPT:
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
    except Exception:  # A module may raise anything when it is imported.
        return None
    return found


def _at_home(obj: Any, name: str) -> Import:
    """Return the path of an object that does not name its module: a ufunc of scipy is one."""
    loaded = [home for home in _HOMES if home.partition(".")[0] in sys.modules]
    for home in loaded:
        if _resolve(home, name) is obj:
            return Import(home, name)
    # A ufunc may be offered by another name than its own: psi of scipy is digamma.
    for home in loaded:
        names = vars(sys.modules[home]) if home in sys.modules else {}
        found = min((key for key, value in names.items() if value is obj), default=None)
        if found is not None:
            return Import(home, found)
    raise UnsupportedObjectError(
        f"{_describe(obj)} does not say which module it is from: store the name by which you "
        "import it, or what it computes"
    )


def _describe(obj: Any) -> str:
    kind = "class" if isinstance(obj, type) else type(obj).__name__
    # The repr of an object may be long, or fail.
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    return f"the {kind} {name!r}" if isinstance(name, str) else f"an object of class {kind}"
