"""SQL that is the same in all databases of a store, and the few words in which they differ."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Dialect", "Statement", "Transactional"]


class Statement(NamedTuple):
    """SQL, and the values of its question marks."""

    text: str
    values: Sequence[Any] = ()


class Dialect(Protocol):
    """The words in which databases differ.

    Attributes
    ----------
    like : str
        The test that text matches a pattern, the next question mark, in which a backslash is
        itself.
    dataset_names : str
        A query for the names in the column ``datasets`` of a row of runs: dicts with names, or
        names.
    checksum : str
        One value for all columns of all rows of a table ``t``.
    """

    like: str
    dataset_names: str
    checksum: str

    def columns(self, table: str, changed: Mapping[str, str], hidden: Sequence[str] = ()) -> str:
        """Return SQL for all columns of a table, with others in the place of some.

        Parameters
        ----------
        table : str
            The table.
        changed : mapping of str to str
            SQL, by the names of the columns.
        hidden : sequence of str, optional
            Columns that a query has added, and that are left out.
        """
        ...

    def insertion_order(self, table: str) -> str:
        """Return SQL by which rows of the same time are in the order in which they came."""
        ...

    def any_value(self, expression: str, where: str = "") -> str:
        """Return SQL for one of the values of a group that is not null."""
        ...


class Transactional(abc.ABC):
    """A connection whose changes take place together."""

    @abc.abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Commit the transaction."""

    @abc.abstractmethod
    def rollback(self) -> None:
        """Undo the transaction."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Context manager that commits what its block does, or nothing of it."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()
