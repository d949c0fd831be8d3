"""Objects as expressions: the fold of a graph that both formats of source share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from math import isfinite
from typing import Any

import numpy

from persist.archive import layout
from persist.archive.array_source import array_reduction
from persist.archive.bindings import Bindings
from persist.archive.graph import Graph, Variable
from persist.archive.layout import CONTAINERS, INDENT, MAX_ITEMS_A_LINE, WIDTH, PlainTexts
from persist.archive.literals import ATOMS, are_words, literal, numbers_kind, split_text
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.archive.template import MAX_ARGUMENTS, parse_template
from persist.names import is_identifier

__all__ = [
    "NOTHING",
    "ExpressionWriter",
    "External",
    "Parts",
    "Verbatim",
    "Waiting",
]

External = Callable[["numpy.ndarray[Any, Any]"], Any]

Waiting = frozenset[tuple[str, Any]]
"""The parts of an object that are filled in later, as (field, index)."""

NOTHING: Waiting = frozenset()
_BATCH = 256
_MAX_HUGGED = 60
_CLOSED = re.compile(r"[\w.]+|[\[({'\"].*|[\w.]+\(.*", re.DOTALL)
# Atoms that need no second look.
_SHORT = 24
_SMALL = 10**15
_QUICK_ATOMS = frozenset([int, str, float, bool, type(None)])
_LITERALS = ATOMS | {Variable}


@dataclass(slots=True, eq=False)
class Parts:
    """A list or dict that the writer has put together of objects of the graph."""

    parts: Any


@dataclass(slots=True, eq=False)
class Verbatim:
    """An expression that is written as it is."""

    text: str


class ExpressionWriter:
    """Writes objects as expressions.

    Parameters
    ----------
    graph : Graph
        What the objects reduce to.
    bindings : Bindings
        The names of what is imported.
    external : callable
        Takes an array, returns what the source has for it if it is kept elsewhere, else None.

    Attributes
    ----------
    makes_objects : str
        The name of the function that makes an object of a class and attributes, once it is used.
    calls : dict
        The function and keywords of each expression that is a call of objects alone.
    """

    def __init__(self, graph: Graph, bindings: Bindings, external: External | None) -> None:
        self.graph = graph
        self.bindings = bindings
        self.makes_objects = ""
        self._external = external
        self._plain = PlainTexts(graph.atoms)
        self._openings: dict[tuple[Any, bool, bool], tuple[str, str]] = {}
        self._templates: dict[tuple[Any, ...], str] = {}
        self._arrays = 0
        self.calls: dict[tuple[Any, ...], KeywordCall | None] = {}

    def write(self, obj: Any, indent: int, column: int) -> str:
        """Return the expression for `obj`.

        Parameters
        ----------
        obj : object
            An object of the graph, a value, or a reduction.
        indent : int
            Blanks at the start of the line.
        column : int
            The column where the expression begins.
        """
        cls = type(obj)
        if cls in ATOMS:
            if (
                (cls is int and -_SMALL < obj < _SMALL)
                or (cls is str and len(obj) < _SHORT and obj.isascii())
                or (cls is float and isfinite(obj))
            ):
                return repr(obj)
            return self._atom(obj, indent, column)
        if (mark := self.graph.state.get(id(obj))) is not None:
            if type(mark) is Variable:
                return mark
            return self.build(obj, indent, column, NOTHING)
        if cls in CONTAINERS:
            return self._plain.one(obj, column) or self._container(obj, indent, column, NOTHING)
        if cls is Parts:
            return self._container(obj.parts, indent, column, NOTHING)
        if cls is Verbatim:
            return str(obj.text)
        return self.reduced(self.graph.reduced(obj), indent, column, NOTHING)

    def build(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression that builds `obj`, without the parts that are filled in later."""
        if type(obj) in CONTAINERS:
            if not waiting and (text := self._quick_container(obj, column)):
                return text
            return self._container(obj, indent, column, waiting)
        return self.reduced(self.graph.reduced(obj), indent, column, waiting)

    def _quick_container(self, obj: Any, column: int) -> str:
        """Return numbers, text and variables in brackets, or nothing if that is not exact."""
        is_dict = type(obj) is dict
        if len(obj) > MAX_ITEMS_A_LINE or (is_dict and not ATOMS.issuperset(map(type, obj))):
            return ""
        values = obj.values() if is_dict else obj
        if not ATOMS.issuperset(map(type, values)):
            state = self.graph.state
            values = [v if type(v) in ATOMS else state.get(id(v), Verbatim) for v in values]
            if not _LITERALS.issuperset(map(type, values)):
                return ""
            obj = dict(zip(obj, values, strict=True)) if is_dict else type(obj)(values)
        return self._plain.text(obj, column)

    def reduced(self, reduced: Any, indent: int, column: int, waiting: Waiting) -> str:
        """Return the expression for what an object reduces to."""
        kind = type(reduced)
        if kind is Reduction:
            return self._reduction(reduced, indent, column, waiting)
        if kind is Import:
            return self.bindings.reference(reduced)
        if kind is Attribute:
            owner = self.write(reduced.owner, indent, column)
            if not re.fullmatch(r"[\w.]+|.*[\])}'\"]", owner, re.DOTALL) or owner[0].isdigit():
                owner = f"({owner})"
            return f"{owner}.{reduced.name}"
        if kind is Expression:
            return self.expression(reduced, indent, column)
        assert kind is Data, kind
        external = self._external(reduced.array) if self._external else None
        if external is not None:
            return self.write(external, indent, column)
        self._arrays += 1
        text = self._reduction(array_reduction(reduced.array), indent, column, NOTHING)
        self._arrays -= 1
        return text

    def expression(self, reduced: Expression, indent: int, column: int) -> str:
        """Return the expression of an object that says itself how it is built."""
        key = (reduced.rep, reduced.names, reduced.imports)
        if key in self.calls:
            call = self.calls[key]
        else:
            call = self.calls[key] = self._keyword_call(reduced)
        if call is not None:
            return self._write_keywords(call, reduced.values, indent, column)
        template = parse_template(reduced.rep)
        named = _named(template.names, reduced)
        if template.call is not None:
            function, arguments = template.call
            args = [named[name] for key, name in arguments if key is None]
            kwargs = {key: named[name] for key, name in arguments if key is not None}
            opening = self._piece(named[function], indent) + "("
            return self.call(opening, args, kwargs, indent, column)
        text = template.pieces[0]
        for name, piece in zip(template.names, template.pieces[1:], strict=True):
            text += self._piece(named[name], indent) + piece
        return f"({text})" if "\n" in text else text

    def _keyword_call(self, reduced: Expression) -> KeywordCall | None:
        """Return what is called for an expression, if that takes objects alone.

        The scoped format writes each distinct expression verbatim into a function of what its names
        stand for; the flat format puts these in their place.
        """
        template = parse_template(reduced.rep)
        if template.is_opaque or (self.bindings.scoped and len(reduced.names) <= MAX_ARGUMENTS):
            keywords = [(name, i) for i, name in enumerate(reduced.names)]
            return KeywordCall(self.bindings.function(reduced), keywords)
        function, arguments = template.call or ("", ())
        positions = {name: i for i, name in enumerate(reduced.names)}
        is_name = function and function not in positions and len(arguments) <= MAX_ARGUMENTS
        if not is_name or not all(key and name in positions for key, name in arguments):
            return None
        keywords = [(str(key), positions[name]) for key, name in arguments]
        return KeywordCall(self._piece(_named([function], reduced)[function], 0), keywords)

    def _piece(self, obj: Any, indent: int) -> str:
        text = self.write(obj, indent, 0)
        return text if _CLOSED.fullmatch(text) else f"({text})"

    def _atom(self, obj: Any, indent: int, column: int) -> str:
        text = literal(obj)
        if not isinstance(text, str):
            return self.write(text, indent, column)
        if type(obj) is float:
            if text == "nan" and not self._arrays and self.graph.has_nans_of_their_own():
                # Equal names are one object, and one NaN equals itself as a key.
                return f"{self.bindings.reference(Import('builtins', 'float'))}('nan')"
            sign = "-" if text[0] == "-" else ""
            return sign + self.bindings.number(text.lstrip("-"))
        if type(obj) in (str, bytes) and not layout.fits(text, column):
            parts = split_text(obj, WIDTH - indent - INDENT)
            if len(parts) > 1:
                blanks = "\n" + " " * (indent + INDENT)
                return f"({blanks}{blanks.join(parts)}\n{' ' * indent})"
        return text

    def _container(self, obj: Any, indent: int, column: int, waiting: Waiting) -> str:
        cls = type(obj)
        if cls is dict:
            return self._dict(obj, indent, column, waiting)
        opening, closing = ("[", "]") if cls is list else ("(", ")")
        kind = None if waiting or len(obj) < 2 else numbers_kind(obj)
        if kind and are_words(obj, kind):
            outer, mapped, function = (
                self.bindings.reference(Import("builtins", name))
                for name in (cls.__name__, "map", kind.__name__)
            )
            opening, closing = f"{outer}({mapped}({function}, '''", "'''.split()))"
            return layout.rows(opening, map(repr, obj), closing, indent, " ")
        if kind:
            return self._numbers(opening, obj, closing, indent, column)
        inner = indent + INDENT
        if waiting:
            items = [
                "None" if ("item", i) in waiting else self.write(item, inner, inner)
                for i, item in enumerate(obj)
            ]
        elif len(obj) >= WIDTH:
            # Joined a batch at a time, since each text alone takes half as much again.
            separator = layout.separator(inner)
            batches = map(separator.join, self._batches(obj, inner))
            return layout.lines(opening, batches, closing, indent)
        else:
            items = [text for batch in self._batches(obj, inner) for text in batch]
        if cls is tuple and len(items) == 1 and layout.fits(items[0], column + 2):
            return f"({items[0]},)"
        return layout.bracket(opening, items, closing, indent, column)

    def _numbers(
        self, opening: str, numbers: Sequence[Any], closing: str, indent: int, column: int
    ) -> str:
        inner = indent + INDENT
        texts: Iterable[str] = (self.write(number, inner, inner) for number in numbers)
        if len(numbers) < WIDTH:
            items = texts = list(texts)
            if layout.fits(", ".join(items), column + 2):
                return layout.bracket(opening, items, closing, indent, column)
        return layout.rows(opening, texts, closing, indent)

    def _batches(self, items: Sequence[Any], indent: int) -> Iterator[list[str]]:
        """Yield the expressions of items, from C where they are small and nothing is shared."""
        marked = self.graph.state
        for start in range(0, len(items), _BATCH):
            part = items[start : start + _BATCH]
            plain = [type(item) in CONTAINERS and id(item) not in marked for item in part]
            short = self._plain.many(list(compress(part, plain)), WIDTH - indent)
            if short:
                found = iter(short)
                yield [
                    (is_plain and next(found)) or self.write(item, indent, indent)
                    for item, is_plain in zip(part, plain, strict=True)
                ]
            else:
                yield [self.write(item, indent, indent) for item in part]

    def _dict(self, obj: dict[Any, Any], indent: int, column: int, waiting: Waiting) -> str:
        inner = indent + INDENT
        items: list[str] = []
        batches: list[str] = []
        rest = -1
        if waiting:
            rest = min((index for field, index in waiting if field == "pairs"), default=-1)
        for index, (key, value) in enumerate(obj.items()):
            if index == rest:
                break
            if waiting and ("value", (index, key)) in waiting:
                value = None
            if type(key) is str and len(key) < _SHORT and key.isascii():
                text = repr(key)
                start = inner + len(text) + 2
            else:
                text = self.write(key, inner, inner)
                start = len(text) - text.rfind("\n") + 1 + (0 if "\n" in text else inner)
            items.append(f"{text}: {self.write(value, inner, start)}")
            if len(items) == _BATCH:
                batches.append(layout.separator(inner).join(items))
                items.clear()
        if batches:
            return layout.lines("{", [*batches, *items], "}", indent)
        return layout.bracket("{", items, "}", indent, column)

    def _reduction(self, found: Reduction, indent: int, column: int, waiting: Waiting) -> str:
        args, kwargs, aside = found.args, found.kwargs, False
        if found.absorb:
            absorbed = found.absorbed()
            if absorbed == "members":
                return self._members(found, indent, column, waiting)
            if absorbed == "attributes":
                attributes = found.attributes or {}
                late = waiting and {index for field, index in waiting if field == "attributes"}
                # No constructor gets a None that stands for a part which waits.
                aside = bool(attributes) and (found.new or bool(late))
                if late:
                    attributes = with_placeholders(attributes, late)
                kwargs = {**kwargs, **attributes} if kwargs else attributes
            elif absorbed:
                taken = before_waiting(found, absorbed, waiting)
                args = [*args, _listed(absorbed, taken)] if taken else args
        opening, first = self._opening(found, aside, indent, column)
        if line := self._quick_call(opening, first, args, kwargs, column):
            return line
        return self.call(
            opening, [found.function, *args] if first else args, kwargs, indent, column
        )

    def _opening(self, found: Reduction, aside: bool, indent: int, column: int) -> tuple[str, str]:
        """Return a call up to its bracket, and the class if that is the first argument."""
        function: Any = found.function
        if type(function) is not Import:
            function = id(function)
        key = (function, found.new, aside)
        opening = self._openings.get(key)
        if opening is None:
            is_path = type(found.function) is Import or self.graph.is_reference(found.function)
            function = self.write(found.function, indent, column)
            if aside and not self.makes_objects:
                self.makes_objects = self.bindings.take("_object")
            if aside:
                opening = f"{self.makes_objects}(", function
            else:
                opening = (f"{function}.__new__(", function) if found.new else (f"{function}(", "")
            # Other functions may be temporary, or break at another column.
            if is_path:
                self._openings[key] = opening
        return opening

    def _quick_call(
        self,
        opening: str,
        first: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        column: int,
    ) -> str:
        """Return a call with numbers, text and variables in one line, or nothing if not exact."""
        values: Any = (*args, *kwargs.values())
        if not _QUICK_ATOMS.issuperset(map(type, values)):
            state = self.graph.state
            values = [v if type(v) in _QUICK_ATOMS else state.get(id(v), Verbatim) for v in values]
            if not _LITERALS.issuperset(map(type, values)):
                return ""
            values = tuple(values)
        key = (opening, first, len(args), *kwargs)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = _call_template(opening, first, len(args), kwargs)
        return self._filled(template, values, column)

    def _filled(self, template: str, values: Any, column: int) -> str:
        """Return a call of numbers and text in one line, or nothing if that is not exact."""
        try:
            line = template and template % values
        except ValueError:  # more digits than CPython prints
            return ""
        return line if column + len(line) < WIDTH and self._plain.is_exact(line) else ""

    def _members(self, found: Reduction, indent: int, column: int, waiting: Waiting) -> str:
        """Return a set: as a literal if it has members and is exactly a set."""
        members: Sequence[Any] = members_of(found)
        if waiting:
            late = {index for field, index in waiting if field == "members"}
            members = [member for i, member in enumerate(members) if i not in late]
        if members and found.function is set:
            if _QUICK_ATOMS.issuperset(map(type, members)) and (
                text := self._plain.one(members, column)
            ):
                return "{" + text[1:-1] + "}"
            inner = indent + INDENT
            if numbers_kind(members):
                return self._numbers("{", members, "}", indent, column)
            items = [self.write(member, inner, inner) for member in members]
            return layout.bracket("{", items, "}", indent, column)
        function = self.write(found.function, indent, column)
        args = [*found.args, Parts(members)] if members else []
        return self.call(f"{function}(", args, found.kwargs, indent, column)

    def call(
        self,
        opening: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        indent: int,
        column: int,
    ) -> str:
        """Return the call of a function, which shares its brackets with a long first argument."""
        inner = indent + INDENT
        if len(args) > MAX_ARGUMENTS:
            return f"{opening}*{self.write(Parts(args), indent, column + len(opening) + 1)})"
        if not args:
            return layout.bracket(opening, self._keywords(kwargs, inner), ")", indent, column)
        rest = [self.write(arg, inner, inner) for arg in args[1:]] if len(args) > 1 else []
        rest += self._keywords(kwargs, inner) if kwargs else ()
        joined = ", ".join(rest)
        if len(joined) < _MAX_HUGGED and "\n" not in joined:
            first = self.write(args[0], indent, column + len(opening))
            if "\n" in first:
                return opening + ", ".join([first, *rest]) + ")"
        else:
            first = self.write(args[0], inner, inner)
        return layout.bracket(opening, [first, *rest], ")", indent, column)

    def _write_keywords(
        self, call: KeywordCall, objects: tuple[Any, ...], indent: int, column: int
    ) -> str:
        """Return the call of a function with each keyword for the object at its position."""
        if call.positions is not None:
            objects = tuple(map(objects.__getitem__, call.positions))
        if _QUICK_ATOMS.issuperset(map(type, objects)) and (
            line := self._filled(call.template, objects, column)
        ):
            return line
        inner, write = indent + INDENT, self.write
        parts = [
            f"{keyword}={write(value, inner, inner + len(keyword) + 1)}"
            for keyword, value in zip(call.keywords, objects, strict=True)
        ]
        return layout.bracket(call.opening, parts, ")", indent, column)

    def _keywords(self, kwargs: Mapping[str, Any], indent: int) -> list[str]:
        if len(kwargs) > MAX_ARGUMENTS or not all(map(is_identifier, kwargs)):
            return [f"**{self._dict(dict(kwargs), indent, indent + 2, NOTHING)}"]
        texts = []
        for name, value in kwargs.items():
            texts.append(f"{name}={self.write(value, indent, indent + len(name) + 1)}")
        return texts


def _named(names: Iterable[str], reduced: Expression) -> dict[str, Any]:
    """Return what each name in an expression stands for."""
    imports = {name: Import(module, n or "") for module, n, name in reversed(reduced.imports)}
    known = {**imports, **reduced.args}
    return {name: known[name] if name in known else Import("builtins", name) for name in names}


def _call_template(opening: str, first: str, count: int, names: Iterable[str]) -> str:
    """Return a call with ``%r`` for each argument, or nothing if it cannot be in one line."""
    keywords = list(names)
    if count + len(keywords) >= MAX_ARGUMENTS or not all(map(is_identifier, keywords)):
        return ""
    parts = [first] * bool(first) + ["%r"] * count + [f"{name}=%r" for name in keywords]
    return f"{opening.replace('%', '%%')}{', '.join(parts)})"


class KeywordCall:
    """A call of a function with keywords only, each with the position of its object."""

    __slots__ = ("keywords", "opening", "positions", "template")

    def __init__(self, function: str, keywords: Sequence[tuple[str, int]]) -> None:
        self.opening = f"{function}("
        self.keywords = [name for name, _ in keywords]
        self.template = _call_template(self.opening, "", 0, self.keywords)
        positions = [position for _, position in keywords]
        in_order = positions == list(range(len(positions)))
        self.positions = None if in_order else positions


def with_placeholders(attributes: Mapping[str, Any], late: Iterable[Any]) -> dict[str, Any]:
    """Return attributes with None for those that are set later, so that they keep their order."""
    return {name: None if name in late else value for name, value in attributes.items()}


def before_waiting(found: Reduction, field: str, waiting: Waiting) -> list[Any]:
    """Return the items or pairs of a reduction that come before the first that waits."""
    listed = list(getattr(found, field))
    return listed[: min((index for name, index in waiting if name == field), default=len(listed))]


def members_of(found: Reduction) -> list[Any]:
    """Return the members of a reduction, whatever a set of the user's own says of its truth."""
    return [] if found.members is None else list(found.members)


def _listed(field: str, parts: list[Any]) -> Parts:
    """Return what a constructor takes: a dict for pairs where that can be, else a list."""
    if field != "pairs":
        return Parts(parts)
    try:
        found = dict(parts)
    except TypeError:  # pairs of a class that takes keys which have no hash
        found = {}
    return Parts(found if len(found) == len(parts) else list(map(Parts, parts)))
