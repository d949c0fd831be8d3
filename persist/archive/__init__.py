"""Object graphs as Python source, and back.

Names of the older interface, which nothing new needs, load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from persist.archive.archive import Archive
from persist.archive.arrays import ArrayManager, get_data_format, get_ext, load_arrays
from persist.archive.legacy import get_imports, repr_
from persist.archive.load import restore
from persist.archive.reduce import reduce
from persist.archive.registry import registry
from persist.errors import ArchiveError, CycleError, DuplicateError
from persist.files import backup
from persist.names import UniqueNames, unique_list

__all__ = [
    "Archive",
    "ArchiveError",
    "ArrayManager",
    "CycleError",
    "DuplicateError",
    "UniqueNames",
    "backup",
    "get_data_format",
    "get_ext",
    "get_imports",
    "load_arrays",
    "reduce",
    "registry",
    "repr_",
    "restore",
    "unique_list",
]

_KINDS = "args repr pickle type float obj method classmethod list tuple dict"
_OLDER = {
    **{
        f"get_persistent_rep_{kind}": ("expressions", f"get_persistent_rep_{kind}")
        for kind in _KINDS.split()
    },
    "AST": ("replacement", "AST"),
    "ReplacementError": ("replacement", "ReplacementError"),
    "_replace_rep": ("replacement", "replace_rep"),
    "_replace_rep_robust": ("replacement", "replace_rep"),
    "Node": ("legacy", "Node"),
    "get_module": ("legacy", "get_module"),
    "get_toplevel_imports": ("legacy", "get_toplevel_imports"),
    "is_simple": ("legacy", "is_simple"),
    # What older programs construct themselves is not known: this is the graph of our own.
    "Graph": ("graph", "Graph"),
    "_Graph": ("graph", "Graph"),
    "_EXTS": ("arrays", "EXTENSIONS"),
}


def __getattr__(name: str) -> Any:
    if name == "DataSet":
        from persist.dataset import DataSet

        return DataSet
    if name not in _OLDER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _OLDER[name]
    value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value
