"""How objects of well-known types reduce: one file a library.

A library has a rule only where the pickle protocol would give source that is unreadable, or that
another version of the library could not run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any

from persist.archive.protocol import reduce_with_state
from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import rule

__all__ = ["call_of", "load", "made_by", "state_rule"]

_MODULES = (
    "builtins",
    "classes",
    "standard",
    "numpy_types",
    "scipy",
    "pandas",
    "xarray",
    "arrow",
    "geometry",
    "units",
    "structures",
    "torch",
)


def load() -> None:
    """Register the rules of every module."""
    for name in _MODULES:
        importlib.import_module(f"{__name__}.{name}")


def call_of(library: str, name: str, /, *args: Any, **kwargs: Any) -> Reduction:
    """Return a call of what a library offers as `name`, without keywords that are None."""
    given = {key: value for key, value in kwargs.items() if value is not None}
    return Reduction(_path(f"{library}.{name}"), args, given)


@lru_cache(maxsize=1024)
def _path(dotted: str) -> Import:
    module, _, name = dotted.rpartition(".")
    return Import(module, name)


def made_by(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a function of a library makes, or None if it does not take such arguments.

    For rules that have another way to write the object. A rule that has none leaves the error to
    `reduce`, which then falls back to the protocol of pickle.
    """
    try:
        return function(*args, **kwargs)
    except Exception:  # polars and shapely have errors that are only that
        return None


def state_rule(*owners: str, subclasses: bool = False) -> Callable[[Any], Any]:
    """Reduce objects as pickle does, with a changed dict for their attributes, or their state.

    The decorated function takes the object and that dict, and returns the other.
    """

    def register(change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Any:
        @rule(*owners, subclasses=subclasses)
        @wraps(change)
        def reduce_changed(obj: Any) -> Reduced:
            return reduce_with_state(obj, partial(change, obj))

        return change

    return register
