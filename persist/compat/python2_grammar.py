"""What an archive of Python 2 may hold: anything else is refused before any of it runs."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from persist.errors import ArchiveError

__all__ = ["KEYWORD_MARK", "Python2Error", "parse_archive", "syntax_refused"]

KEYWORD_MARK = "ø"
"""Stands before names that are keywords of Python 3 until they are parsed.

Names of Python 2 are ASCII, so that none has it.
"""

_EXPECTED = (
    "an archive of Python 2 holds imports, assignments to names, functions that import and "
    "return, and del"
)

# Without division, which gives something else for integers of Python 2.
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor),
)
_HANDLER = ["except", "NameError:", "pass"]
_IMPORTS = (ast.Import, ast.ImportFrom)
_STATEMENTS = (*_IMPORTS, ast.Assign, ast.Delete, ast.FunctionDef, ast.Try)
_EXPRESSIONS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Load),
    *(ast.Call, ast.Starred, ast.keyword, ast.Subscript, ast.Slice),
    *(ast.Tuple, ast.List, ast.Dict, ast.Set),
    *(ast.UnaryOp, ast.unaryop, ast.BinOp, *_OPERATORS),
    *(ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.IfExp),
)


class Python2Error(ArchiveError):
    """Text is not that of an archive of Python 2; line 0 is not known."""

    def __init__(self, found: str, line: int = 0, filename: str = "<archive>") -> None:
        super().__init__(found, line, filename)
        self.found = found
        self.line = line
        self.filename = filename

    def __str__(self) -> str:
        where = f"{self.filename}, line {self.line}" if self.line else self.filename
        return f"{where}: {self.found}; {_EXPECTED}"


@contextmanager
def syntax_refused(filename: str) -> Iterator[None]:
    """Raise what the compiler of Python raises as `Python2Error`."""
    try:
        yield
    except SyntaxError as error:
        raise Python2Error(f"found {error.msg}", error.lineno or 0, filename) from error
    except (RecursionError, MemoryError) as error:
        raise Python2Error("found an expression that is nested too deeply", 0, filename) from error
    except UnicodeEncodeError as error:
        line = error.object.count("\n", 0, error.start) + 1
        raise Python2Error("found half of a surrogate pair", line, filename) from error


def parse_archive(source: str, filename: str) -> ast.Module:
    """Return the tree of the source of an archive, in the spelling of Python 3.

    Python2Error if the source is not within the grammar of archives.
    """
    with syntax_refused(filename):
        tree = ast.parse(source, filename)
    for statement in tree.body:
        found = next(_refused(statement, _STATEMENTS), None)
        if found is not None:
            line = getattr(found, "lineno", 0)
            raise Python2Error(f"found {_excerpt(source, found)}", line, filename)
    if KEYWORD_MARK in source:
        _restore_keywords(tree)
    return tree


def _refused(statement: ast.stmt, kinds: tuple[type[ast.stmt], ...]) -> Iterator[ast.AST]:
    """Yield what an archive does not hold; of other kinds, that is the statement itself."""
    if not isinstance(statement, kinds):
        yield statement
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        is_odd = isinstance(statement, ast.ImportFrom) and (
            statement.level or statement.module == "__future__"
        )
        if is_odd or any(alias.name == "*" for alias in statement.names):
            yield statement
    elif isinstance(statement, (ast.Assign, ast.Delete)):
        yield from (target for target in statement.targets if not isinstance(target, ast.Name))
        if isinstance(statement, ast.Assign):
            yield from _refused_in_expression(statement.value)
    elif isinstance(statement, ast.Try):
        for inner in statement.body:
            yield from _refused(inner, (ast.Delete,))
        yield from (*statement.orelse, *statement.finalbody)
        handlers = statement.handlers
        if len(handlers) != 1 or ast.unparse(handlers[0]).split() != _HANDLER:
            yield statement
    elif isinstance(statement, ast.FunctionDef):
        yield from statement.decorator_list
        yield from _refused_in_parameters(statement)
        *imports, last = statement.body
        for inner in imports:
            yield from _refused(inner, _IMPORTS)
        if isinstance(last, ast.Return) and last.value is not None:
            yield from _refused_in_expression(last.value)
        else:
            yield last


def _refused_in_expression(expression: ast.expr) -> Iterator[ast.AST]:
    for node in ast.walk(expression):
        # Operators have no line, so that what they stand in is told.
        operator = node.op if isinstance(node, ast.BinOp) else node
        if not isinstance(node, _EXPRESSIONS) or not isinstance(operator, _EXPRESSIONS):
            yield node


def _refused_in_parameters(node: ast.FunctionDef) -> Iterator[ast.AST]:
    args = node.args
    yield from (found for found in (args.vararg, args.kwarg, node.returns) if found)
    yield from (*args.posonlyargs, *args.kwonlyargs, *getattr(node, "type_params", ()))
    yield from (arg for arg in args.args if arg.annotation)
    for default in args.defaults:
        yield from _refused_in_expression(default)


def _excerpt(source: str, node: ast.AST) -> str:
    segment = ast.get_source_segment(source, node) or type(node).__name__
    return textwrap.shorten(segment.replace(KEYWORD_MARK, ""), 60, placeholder=" …")


def _restore_keywords(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            continue
        for field, value in ast.iter_fields(node):
            if isinstance(value, str) and KEYWORD_MARK in value:
                setattr(node, field, value.replace(KEYWORD_MARK, ""))
