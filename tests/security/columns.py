"""A class of columns that pandas takes from another library."""

from __future__ import annotations

from typing import Any

import numpy
import pandas

__all__ = ["Column", "Table"]


class Column(pandas.arrays.NumpyExtensionArray):
    """A column of numbers, with attributes."""

    def __init__(self, numbers: Any) -> None:
        super().__init__(numpy.array(numbers))


class Table(pandas.DataFrame):
    """A frame whose constructor takes something else."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.attrs["unit"] = unit
