"""The libraries of the extra ``tracking``, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from persist.errors import MissingExtraError

__all__ = [
    "import_duckdb",
    "import_joblib",
    "import_optional",
    "import_pandas",
    "import_polars",
    "import_pyarrow",
    "import_yaml",
]


def import_optional(module: str, package: str, extra: str = "tracking") -> Any:
    """Import a module.

    Parameters
    ----------
    module : str
        Its name.
    package : str
        What installs it.
    extra : str, optional
        The extra of persist that it belongs to.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(package, extra) from error


def import_duckdb() -> Any:
    """Import duckdb."""
    return import_optional("duckdb", "duckdb")


def import_joblib() -> Any:
    """Import joblib."""
    return import_optional("joblib", "joblib")


def import_pandas() -> Any:
    """Import pandas."""
    return import_optional("pandas", "pandas", "experiment")


def import_polars() -> Any:
    """Import polars."""
    return import_optional("polars", "polars")


def import_pyarrow() -> Any:
    """Import pyarrow."""
    return import_optional("pyarrow", "pyarrow")


def import_yaml() -> Any:
    """Import PyYAML."""
    return import_optional("yaml", "PyYAML")
