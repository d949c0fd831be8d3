"""What source must be, to run on every Python from 3.6 on."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator

OLDEST = (3, 6)
MAX_BRACKETS = 60
MAX_ARGUMENTS = 255
MAX_DIGITS = 4300
FUTURES = {
    "absolute_import",
    "division",
    "generator_stop",
    "generators",
    "nested_scopes",
    "print_function",
    "unicode_literals",
    "with_statement",
}
# By name, since the Python that runs this may not know all of them.
NEWER_NODES = {
    "Interpolation": "template strings are new in Python 3.14",
    "JoinedStr": "f-strings read differently from version to version",
    "Match": "match statements are new in Python 3.10",
    "NamedExpr": "assignment expressions are new in Python 3.8",
    "TemplateStr": "template strings are new in Python 3.14",
    "TryStar": "except* is new in Python 3.11",
    "TypeAlias": "type statements are new in Python 3.12",
}


def check_grammar(source: str) -> None:
    """Raise AssertionError unless Python 3.6 and every later one accept `source`."""
    source.encode("utf-8")
    problems = [*_token_problems(source), *_syntax_problems(source)]
    assert not problems, "\n".join(problems) + "\n" + source[:2000]


def _syntax_problems(source: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(source, "<source>", "exec", dont_inherit=True)
            tree = ast.parse(source, feature_version=OLDEST)
    except (SyntaxError, SyntaxWarning, DeprecationWarning, ValueError, MemoryError) as error:
        yield f"does not parse: {error}"
    else:
        for node in ast.walk(tree):
            for problem in _node_problems(node):
                yield f"line {getattr(node, 'lineno', '?')}: {problem}"


def _token_problems(source: str) -> Iterator[str]:
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                if depth > MAX_BRACKETS:
                    yield f"line {token.start[0]}: brackets nest more than {MAX_BRACKETS} deep"
                    return
            elif token.type == tokenize.NUMBER and _digits(token.string) > MAX_DIGITS:
                yield f"line {token.start[0]}: a number of more than {MAX_DIGITS} digits"
    except (tokenize.TokenError, SyntaxError) as error:
        yield f"does not tokenize: {error}"


def _digits(number: str) -> int:
    return len(number.replace("_", "")) if number[0] != "0" else 0


def _node_problems(node: ast.AST) -> Iterator[str]:
    if problem := NEWER_NODES.get(type(node).__name__):
        yield problem
    if isinstance(node, ast.Call) and len(node.args) + len(node.keywords) > MAX_ARGUMENTS:
        yield f"more than {MAX_ARGUMENTS} arguments, new in Python 3.7"
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        yield from (f"no such future: {a.name}" for a in node.names if a.name not in FUTURES)
    if isinstance(node, ast.arguments):
        yield from _parameter_problems(node)
    if getattr(node, "type_params", None):
        yield "type parameters are new in Python 3.12"
    if not all(map(_is_plain_decorator, getattr(node, "decorator_list", ()))):
        yield "decorators of any form are new in Python 3.9"
    if isinstance(node, ast.Subscript) and _has_star(node.slice):
        yield "a starred expression in an index is new in Python 3.11"
    if isinstance(node, (ast.With, ast.AsyncWith)) and _opens_with_bracket(node):
        yield "brackets around the items of a with statement are new in Python 3.9"
    if _has_bare_tuple(node):
        yield "a tuple without brackets here is new in Python 3.8 or later"


def _parameter_problems(node: ast.arguments) -> Iterator[str]:
    if node.posonlyargs:
        yield "positional-only parameters are new in Python 3.8"
    if len(node.args) + len(node.kwonlyargs) > MAX_ARGUMENTS:
        yield f"more than {MAX_ARGUMENTS} parameters, new in Python 3.7"


def _is_plain_decorator(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _has_star(node: ast.AST) -> bool:
    return isinstance(node, ast.Tuple) and any(isinstance(e, ast.Starred) for e in node.elts)


def _opens_with_bracket(node: ast.With | ast.AsyncWith) -> bool:
    # Not every parser refuses these for an old version: that of Python 3.13 does not.
    keyword = "with " if isinstance(node, ast.With) else "async with "
    return node.items[0].context_expr.col_offset > node.col_offset + len(keyword)


def _has_bare_tuple(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.value, ast.Tuple) and _is_bare(node.value)
    if isinstance(node, (ast.Return, ast.Yield)):
        found: ast.AST | None = node.value
    else:
        found = node.iter if isinstance(node, (ast.For, ast.AsyncFor)) else None
    return isinstance(found, ast.Tuple) and _has_star(found) and _is_bare(found)


def _is_bare(node: ast.Tuple) -> bool:
    first = node.elts[0] if node.elts else None
    return first is not None and (first.lineno, first.col_offset) == (node.lineno, node.col_offset)
