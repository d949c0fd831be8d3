"""The WHERE of a query, made of filters: names from the code, values beside."""

from __future__ import annotations

from typing import Any

__all__ = ["Conditions", "check_count"]


class Conditions:
    """Tests that a row must all pass.

    Examples
    --------
    >>> where = Conditions()
    >>> where.match("dataset_name", "wheat%")
    >>> where.match("fold_id", None)
    >>> where.match("branch_id", 2)
    >>> str(where), where.values
    (' WHERE "dataset_name" LIKE ? AND "branch_id" = ?', ['wheat%', 2])
    """

    def __init__(self) -> None:
        self._tests: list[str] = []
        self.values: list[Any] = []

    def add(self, test: str, *values: Any) -> None:
        """Add a test in SQL, with what its question marks stand for."""
        self._tests.append(test)
        self.values.extend(values)

    def match(self, column: str, value: Any) -> None:
        """Test a column for a value, or for a pattern if that is text with a ``%``.

        None is no test. The column is a name in the code of the caller.
        """
        if value is None:
            return
        is_pattern = isinstance(value, str) and "%" in value
        self.add(f'"{column}" LIKE ?' if is_pattern else f'"{column}" = ?', value)

    def equal(self, column: str, value: Any) -> None:
        """Test a column for a value; None is no test."""
        if value is not None:
            self.add(f'"{column}" = ?', value)

    def __str__(self) -> str:
        return f" WHERE {' AND '.join(self._tests)}" if self._tests else ""


def check_count(name: str, value: Any) -> int:
    """Return a number of rows, or raise ValueError if it is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise ValueError(f"{name} must be an integer of 0 or more, got {value!r}")
    return int(value.__index__())
