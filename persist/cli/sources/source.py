"""What a file to be packed offers, whatever its format."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Listed", "Loaded", "Source"]


@dataclass(frozen=True)
class Listed:
    """A name in a file.

    Parameters
    ----------
    name : str
        As the file has it.
    refusal : str
        Why what it names cannot be packed; empty if it can.
    """

    name: str
    refusal: str = ""


@dataclass(frozen=True)
class Loaded:
    """A value from a file, and what the file says about it."""

    value: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """A file of one format."""

    def names(self) -> list[Listed]:
        """Return what the file holds, in its order, without loading more than it takes to know.

        Raises
        ------
        ValueError
            If the file is not of the format.
        OSError
            If it cannot be read.
        """

    def load(self, names: Iterable[str]) -> Generator[Loaded, None, None]:
        """Yield what has these names, one at a time; the file is open until the end, or `close`.

        Raises
        ------
        ValueError
            If a value cannot be read as it is.
        OSError
            If the file cannot be read.
        """
