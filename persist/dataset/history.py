"""Which line of a manifest follows which, and what two merged histories made of one key.

Where one history deletes a key that the other sets, the key stays: nothing that was stored is lost,
and what is in the folder decides, once somebody accepts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persist.dataset.manifest import Line, line_digest, read_lines

__all__ = ["History", "conflict_of", "settled", "settling"]

_DELETED = object()


def settled(lines: list[Line]) -> list[Line]:
    """Return lines of two histories, without deletions of keys that the other one has set."""
    history, found = History(lines), []
    for line in lines:
        if kept := history.kept(line):
            deleted = [key for key in line.content["delete"] if key not in kept]
            content = {**line.content, "delete": deleted}
            line = Line(line.number, line.start, line.end, content, line.text)
        found.append(line)
    return found


def settling(folder: str, key: str) -> str:
    """Return how a conflict is settled, in words."""
    return f"set or delete it, or accept what is in the folder: persist accept {folder} {key}"


def conflict_of(folder: str, key: str) -> str:
    """Return what two merged histories made of a key and what to do; empty without a conflict."""
    text = History(read_lines(folder).lines).conflicts().get(key)
    return f"two histories were merged ({text}); {settling(folder, key)}" if text else ""


class History:
    """Which sound line follows which, and which were written without knowledge of each other.

    `wrong` and `merges` tell in words what is wrong with the lines, and which were merged.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.wrong: list[str] = []
        self.merges: list[str] = []
        self._lines = lines
        self._parents: dict[int, list[int]] = {}
        self._fork = self._find_parents(lines)
        # Of each line behind the first fork, the lines there that it follows, as bits.
        self._before: dict[int, int] = {}
        self._setters: dict[str, list[int]] = {}
        for line in self._lines:
            mask = 0
            for parent in self._parents[line.number] if self._fork <= line.number else ():
                if parent >= self._fork:
                    mask |= self._before[parent] | 1 << (parent - self._fork)
            self._before[line.number] = mask
            if self._fork <= line.number:
                for key in _set_keys(line):
                    self._setters.setdefault(key, []).append(line.number)

    def _find_parents(self, lines: Sequence[Line]) -> int:
        """Note what each line follows; return the first line after which there are two histories.

        Without a fork, that is a line behind all.
        """
        positions = {line_digest(line.text): line.number for line in lines}
        followers: dict[int, int] = {}
        fork = max(positions.values(), default=0) + 1
        for line in lines:
            number = line.number
            after = line.content["after"]
            named = [after] if isinstance(after, str) else after
            parents = self._parents[number] = []
            if named == [""] and number > 1:
                self.wrong.append(f"line {number} follows none, and is not the first")
            for parent in filter(None, named):
                # Lines that are not looked at come before all others.
                position = positions.get(parent, 0)
                if position > number:
                    self.wrong.append(f"line {number} was moved: it follows line {position}")
                    continue
                if position:
                    parents.append(position)
                else:
                    self.wrong.append(f"a line before line {number} was removed or changed")
                other = followers.setdefault(position, number)
                if other != number:
                    fork = min(fork, other)
                    self.merges.append(
                        f"lines {other} and {number} both follow line {position}: two histories "
                        "were merged"
                    )
        return fork

    def kept(self, line: Line) -> set[str]:
        """Return the keys that a line deletes and a line of another history sets."""
        if line.number < self._fork:
            return set()
        return {
            key
            for key in line.content.get("delete", ())
            if any(self._are_apart(line.number, other) for other in self._setters.get(key, ()))
        }

    def conflicts(self) -> dict[str, str]:
        """Return the keys that two histories changed in different ways, and what each line did."""
        changed: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        for line in self._lines:
            number, content = line.number, line.content
            gone = dict.fromkeys(content.get("delete", ()), _DELETED)
            infos = {**gone, **content.get("info", {}), **content.get("source", {})}
            values = {**gone, **{k: v["files"] for k, v in content.get("values", {}).items()}}
            for kind, found in (("info", infos), ("value", values)):
                for key, what in found.items():
                    known = changed.setdefault((kind, key), [])
                    known[:] = [c for c in known if self._are_apart(c[0], number)]
                    known.append((number, what))
        texts = {}
        for (kind, key), changes in changed.items():
            if any(what != changes[0][1] for _, what in changes[1:]):
                texts[key] = ", ".join(
                    f"line {n} " + ("deletes it" if what is _DELETED else f"sets its {kind}")
                    for n, what in changes
                )
        return texts

    def _are_apart(self, one: int, other: int) -> bool:
        """Return True if neither of two lines follows the other."""
        first, last = sorted((one, other))
        return (
            first != last
            and first >= self._fork
            and not self._before[last] >> (first - self._fork) & 1
        )


def _set_keys(line: Line) -> set[str]:
    return {key for member in ("info", "source", "values") for key in line.content.get(member, ())}
