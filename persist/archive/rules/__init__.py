"""How objects of well-known types reduce: one file a library.

A library has a rule only where the pickle protocol would give source that is unreadable, or that
another version of the library could not run.
"""

from __future__ import annotations

import importlib

__all__ = ["load"]

_MODULES = (
    "builtins",
    "containers",
    "enums",
    "records",
    "times",
    "literals",
    "exceptions",
    "functional",
    "annotations",
    "standard",
    "numpy_types",
    "numpy_scalars",
    "numpy_arrays",
    "numpy_random",
    "numpy_polynomials",
    "scipy_sparse",
    "scipy_stats",
    "zones",
    "pandas_scalars",
    "pandas_dtypes",
    "pandas_arrays",
    "pandas_indexes",
    "pandas_frames",
    "xarray",
    "sympy",
    "networkx",
)


def load() -> None:
    """Register the rules of every module."""
    for name in _MODULES:
        importlib.import_module(f"{__name__}.{name}")
