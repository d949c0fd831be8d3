"""How much of a large data set fits into one page."""

from __future__ import annotations

__all__ = ["Budget"]

_CHARACTERS = 9_000_000
_PICTURES = 1000


class Budget:
    """Counts pictures and characters, and what is omitted once the budget is spent.

    Attributes
    ----------
    omitted : int
        The number of pictures and sources that were left out.
    """

    def __init__(self) -> None:
        self._characters, self._pictures = _CHARACTERS, _PICTURES
        self.omitted = 0

    @property
    def left(self) -> bool:
        """Whether there is room for more."""
        return self._characters > 0

    def picture(self) -> bool:
        """Take one picture; return False if there were enough."""
        self._pictures -= 1
        is_possible = self._pictures >= 0 and self.left
        self.omitted += not is_possible
        return is_possible

    def spend(self, text: str) -> str:
        """Return the text if it fits, otherwise nothing."""
        if len(text) > self._characters:
            self._characters = 0
            self.omitted += 1
            return ""
        self._characters -= len(text)
        return text
