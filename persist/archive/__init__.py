"""Object graphs as Python source, and back.

Names of the older interface, which nothing new needs, load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from persist.archive.archive import Archive
from persist.archive.arrays import ArrayManager, get_data_format, get_ext, load_arrays
from persist.archive.load import restore
from persist.archive.reduce import reduce
from persist.archive.registry import registry
from persist.errors import ArchiveError, CycleError, DuplicateError
from persist.files import backup
from persist.names import unique_list

if TYPE_CHECKING:
    from persist.compat.archive import get_imports, repr_
    from persist.compat.graph import UniqueNames
    from persist.dataset import DataSet

__all__ = [
    "Archive",
    "ArchiveError",
    "ArrayManager",
    "CycleError",
    "DataSet",
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

# Names of older releases, by the module that has them.
_OLDER = {
    **{
        f"get_persistent_rep_{kind}": "persist.compat.expressions"
        for kind in [
            "args",
            "repr",
            "pickle",
            "type",
            "float",
            "obj",
            "method",
            "classmethod",
            "list",
            "tuple",
            "dict",
        ]
    },
    **dict.fromkeys(
        [
            "AST",
            "ReplacementError",
            "_EXTS",
            "_replace_rep",
            "_replace_rep_robust",
            "get_imports",
            "get_module",
            "get_toplevel_imports",
            "is_simple",
            "repr_",
        ],
        "persist.compat.archive",
    ),
    **dict.fromkeys(["Graph", "Node", "UniqueNames", "_Graph"], "persist.compat.graph"),
}


def __getattr__(name: str) -> Any:
    if name == "DataSet":
        from persist.dataset import DataSet

        return DataSet
    if name not in _OLDER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_OLDER[name]), name)
    return value
