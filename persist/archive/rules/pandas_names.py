"""Names of the classes of pandas: pandas 3 says that they are defined where one finds them."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.reduction import Import, Reduction

__all__ = ["call", "copied", "spellings"]


def spellings(module: str, *names: str, public: str = "pandas") -> list[str]:
    """Return the dotted names of classes in pandas 3, and in the `module` of pandas 2."""
    return [f"{prefix}.{name}" for name in names for prefix in (public, f"pandas.{module}")]


def call(name: str, /, *args: Any, **kwargs: Any) -> Reduction:
    """Return a call of what pandas offers as `name`, without keywords that are None."""
    module, _, attribute = f"pandas.{name}".rpartition(".")
    given = {key: value for key, value in kwargs.items() if value is not None}
    return Reduction(Import(module, attribute), args, given)


def copied(values: Any) -> numpy.ndarray[Any, Any]:
    """Return a plain array of its own: pandas hands out read-only views of blocks of columns."""
    return numpy.array(values, copy=True, order="C")
