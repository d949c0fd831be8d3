"""Objects that are taken to be one for some purpose."""

from __future__ import annotations

__all__ = ["Classes"]


class Classes:
    """Classes of objects, by `id`, that are joined one by one.

    Objects that are compared can be taken to be equal, since it shows elsewhere if they are not;
    cycles of any two lengths are then soon compared.

    References
    ----------
    J. E. Hopcroft and R. M. Karp, A linear algorithm for testing equivalence of finite automata,
    Cornell University, 1971.
    """

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def join(self, one: int, other: int) -> bool:
        """Join the classes of two objects; tell whether they were two."""
        first, second = self.root(one), self.root(other)
        if first == second:
            return False
        self._parents[first] = second
        return True

    def root(self, key: int) -> int:
        """Return the object that stands for the class of another."""
        parents = self._parents
        while (parent := parents.get(key, key)) != key:
            parents[key] = parents.get(parent, parent)
            key = parent
        return key
