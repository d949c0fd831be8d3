"""How objects of well-known types reduce: one file a library.

A library has a rule only where the pickle protocol would give source that is unreadable, or that
another version of the library could not run.
"""

from __future__ import annotations

import importlib

__all__ = ["load"]

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
