"""Source as syntax trees, one small piece after another.

The tree of a source takes some hundred times its memory, so it is never there as a whole. Source is
parted between statements; of a long statement, the items of its long brackets are parted too, and
parsed when their turn comes. What a line means to this module decides only where pieces end: each
piece is parsed by the parser of Python, and source that this module parts wrongly is parsed whole.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from persist.archive.load import PIECE, statement_pieces
from persist.archive.safe.budget import MAX_DEPTH
from persist.errors import UntrustedError

__all__ = ["Parser", "PartedError", "parse"]

_Found = TypeVar("_Found")
_MAX_WHOLE = 1 << 22
_INDENT = 4
_OPENING = {"[": "[{}]", "{": "{{{}}}", "(": "f({})"}


class PartedError(Exception):
    """Source was parted where it does not part: it has to be parsed whole."""


@dataclass(frozen=True)
class Unit:
    """Text to be parsed at once, with the number of each of its lines in the source."""

    text: str
    numbers: Sequence[int]


@dataclass
class _Bracket:
    """A bracket that was opened at the end of a line, and the lines in it so far."""

    indent: int
    opening: str
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    # Where in `lines` an item begins: at these lines the content can be parted.
    starts: list[int] = field(default_factory=list)


def parse(source: str, read: Callable[[Parser], _Found]) -> _Found:
    """Return what a function reads from a source, parted if it parts well and else whole."""
    try:
        return read(Parser(source))
    except PartedError:
        return read(Parser(source, whole=True))


class Parser:
    """Parses a source unit by unit, or `whole`.

    Attributes
    ----------
    numbers : sequence of int
        The number in the source of each line of the unit that is being read.
    """

    def __init__(self, source: str, whole: bool = False) -> None:
        self._source = source
        self._whole = whole
        self._parts: dict[str, list[Unit]] = {}
        self.numbers: Sequence[int] = ()

    def statements(self) -> Iterator[ast.stmt]:
        """Yield the statements.

        Raises UntrustedError if the source is not Python, or too long to be parsed at once where it
        has to be; PartedError if it is to be parsed whole.
        """
        if self._whole and len(self._source) > _MAX_WHOLE:
            raise UntrustedError(
                f"the source has {len(self._source)} characters and does not break lines as "
                "persist does; more than 4 million of that kind are not read"
            )
        whole = Unit(self._source, range(1, self._source.count("\n") + 2))
        for unit in [whole] if self._whole else self._units():
            self.numbers = unit.numbers
            # The last unit may be long and is not needed again.
            yield from self._parse(unit.text).body

    def line(self, node: ast.AST) -> int:
        """Return the line of a node of the unit that is being read; 0 if it has none."""
        line = getattr(node, "lineno", 0)
        return self.numbers[line - 1] if 0 < line <= len(self.numbers) else 0

    def parts(self, nodes: Sequence[ast.AST], opening: str) -> Iterator[ast.expr] | None:
        """Return the expressions that one node stands for; None if `nodes` are what they are.

        Each is some of the items in brackets, of the kind of `opening`: a call for round ones.
        """
        if len(nodes) != 1 or type(nodes[0]) is not ast.Name or not self._parts:
            return None
        units = self._parts.pop(nodes[0].id, None)
        return None if units is None else self._parse_units(units, opening)

    def _parse_units(self, units: list[Unit], opening: str) -> Iterator[ast.expr]:
        numbers = self.numbers
        for unit in units:
            self.numbers = unit.numbers
            tree = self._parse(_OPENING[opening].format(unit.text))
            statement = tree.body[0] if len(tree.body) == 1 else None
            if not isinstance(statement, ast.Expr):
                raise PartedError
            yield statement.value
        self.numbers = numbers

    def _parse(self, text: str) -> ast.Module:
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if not self._whole:
                raise PartedError from error
            line = getattr(error, "lineno", None) or 0
            raise UntrustedError(
                f"the source cannot be parsed: {str(error) or type(error).__name__}", line=line
            ) from error

    def _units(self) -> Iterator[Unit]:
        line = 1
        for text in statement_pieces(self._source):
            count = text.count("\n")
            numbers = range(line, line + count + 1)
            yield self._fold(text, numbers) if len(text) > 2 * PIECE else Unit(text, numbers)
            line += count

    def _fold(self, text: str, numbers: Sequence[int]) -> Unit:
        """Put a name in the place of the items of each long bracket."""
        brackets = [_Bracket(-1, "")]
        quoted = False
        for number, line in zip(numbers, text.split("\n"), strict=True):
            current = brackets[-1]
            if quoted and "'''" not in line:  # of many numbers as words
                current.lines.append(line)
                current.numbers.append(number)
                continue
            blanks = len(line) - len(line.lstrip(" "))
            if not quoted:
                if line[blanks : blanks + 1] in (")", "]", "}") and blanks == current.indent:
                    brackets.pop()
                    self._close(current, brackets[-1])
                    current = brackets[-1]
                elif blanks == current.indent + _INDENT and (
                    not current.lines or current.lines[-1][-1:] == ","
                ):
                    current.starts.append(len(current.lines))
            current.lines.append(line)
            current.numbers.append(number)
            quoted ^= line.count("'''") % 2 == 1
            if not quoted and line[-1:] in _OPENING:
                if len(brackets) > MAX_DEPTH:
                    raise PartedError
                brackets.append(_Bracket(blanks, line[-1]))
        while len(brackets) > 1:
            _merge(brackets.pop(), brackets[-1])
        return Unit("\n".join(brackets[0].lines), brackets[0].numbers)

    def _close(self, bracket: _Bracket, outer: _Bracket) -> None:
        """Add the content of a bracket to the one around it, under a name if it is long."""
        units = list(_units_of(bracket)) if bracket.starts else []
        if len(units) < 2:
            _merge(bracket, outer)
            return
        name = f"_part_{len(self._parts)}_{id(self)}"
        self._parts[name] = units
        outer.lines.append(f"{' ' * (bracket.indent + _INDENT)}{name},")
        outer.numbers.append(bracket.numbers[0])


def _merge(bracket: _Bracket, outer: _Bracket) -> None:
    outer.lines += bracket.lines
    outer.numbers += bracket.numbers


def _units_of(bracket: _Bracket) -> Iterator[Unit]:
    """Yield the items of a bracket in units of some length."""
    start = size = 0
    position = 0
    for begin in [*bracket.starts[1:], len(bracket.lines)]:
        size += sum(len(line) + 1 for line in bracket.lines[position:begin])
        position = begin
        if size > PIECE or begin == len(bracket.lines):
            yield Unit("\n".join(bracket.lines[start:begin]), bracket.numbers[start:begin])
            start, size = begin, 0
