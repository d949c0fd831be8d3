"""The libraries of the extras ``tracking`` and ``cloud``, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from persist.errors import MissingExtraError

__all__ = ["import_optional"]

# What installs a module, where its name does not say so.
_PACKAGES = {"sklearn": "scikit-learn", "yaml": "PyYAML", "threadpoolctl": "scikit-learn"}
# What another extra than that of run tracking installs.
_EXTRAS = {"pandas": "experiment", "fsspec": "cloud", "psycopg": "cloud", "sqlalchemy": "cloud"}


def import_optional(module: str) -> Any:
    """Import a module.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    root = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != root:
            raise
        extra = _EXTRAS.get(root, "tracking")
        raise MissingExtraError(_PACKAGES.get(root, root), extra) from error
