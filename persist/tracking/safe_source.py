"""Source of archives from others: read by the parser, and run only if it builds fitted objects.

What is allowed is what the archive of an estimator needs: literals, arrays and random states of
numpy, estimators and the objects inside them of scikit-learn, and setting their state.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from typing import Any

import numpy

from persist.archive import restore
from persist.tracking.errors import UntrustedError

__all__ = ["check_source", "restore_checked"]

_NUMPY = re.compile(
    r"numpy(?:\.(?:array|zeros|empty|ndarray|dtype|nan|inf|bool_?|str_|bytes_|datetime64"
    r"|timedelta64|u?int(?:8|16|32|64|p|c)|float(?:16|32|64)|complex(?:64|128)|longdouble"
    r"|random|random\.(?:RandomState|Generator|SeedSequence|PCG64|MT19937|Philox|SFC64)"
    r"|random\.rand(?:\.__self__)?))?"
)
_SKLEARN = re.compile(r"(?P<module>sklearn(?:\.[a-z_][a-z0-9_]*)*)\.(?P<name>_?[A-Z][A-Za-z0-9_]*)")
# Parts of scikit-learn that reach files, processes and the network.
_OUTSIDE = re.compile(
    r"sklearn(?:\.[a-z_]+)*\.(?:conftest|datasets|externals|tests|_testing|parallel)\b"
)
_SAFE = frozenset(
    {
        *("collections.OrderedDict", "collections.defaultdict", "collections.deque"),
        *("fractions.Fraction", "decimal.Decimal", "datetime.date", "datetime.datetime"),
        *("datetime.timedelta", "math.nan", "math.inf", "math", "collections", "datetime"),
        *("scipy.interpolate.BSpline", "scipy.sparse.csr_matrix", "scipy.sparse.csc_matrix"),
        *("scipy.sparse.csr_array", "scipy.sparse.csc_array"),
        # These make an object of a class, and nothing else.
        *("sklearn.metrics._dist_metrics.newObj", "sklearn.neighbors._kd_tree.newObj"),
        "sklearn.neighbors._ball_tree.newObj",
    }
)
_BUILTINS = frozenset(
    {
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("range", "set", "slice", "str", "tuple", "object"),
    }
)
_FORBIDDEN = frozenset(dir(builtins)) - _BUILTINS - {"None", "True", "False"}
_METHODS = frozenset(
    {
        *("__new__", "__setstate__", "append", "extend", "update", "add", "fromhex", "setflags"),
        *("reshape", "view", "transpose", "__dict__", "copy", "astype", "newbyteorder"),
    }
)
_STATEMENTS = (ast.Assign, ast.Delete, ast.Expr, ast.Import, ast.ImportFrom)
_EXPRESSIONS = (
    *(ast.Call, ast.Name, ast.Constant, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.Set),
    *(ast.UnaryOp, ast.USub, ast.UAdd, ast.Subscript, ast.Slice, ast.keyword, ast.Starred),
    *(ast.Load, ast.Store, ast.Del, ast.BinOp, ast.Add, ast.Sub, ast.Mult),
)
_CLOSING = ast.dump(
    ast.parse("try: del __builtins__, _arrays\nexcept NameError: pass").body[0],
    include_attributes=False,
)


def restore_checked(source: str) -> Any:
    """Return the object named ``item`` of an archive, whose source nobody vouches for.

    Raises
    ------
    UntrustedError
        If the source might do something else than to build fitted objects.
    """
    check_source(source)
    return restore(source)["item"]


def check_source(source: str) -> None:
    """Make sure that source builds fitted objects and does nothing else; see `restore_checked`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UntrustedError(f"The source of an archive cannot be parsed: {error}") from error
    modules: dict[str, str] = {}
    for statement in tree.body:
        if ast.dump(statement, include_attributes=False) == _CLOSING:
            continue
        if not isinstance(statement, _STATEMENTS):
            raise _refusal(statement, f"a {type(statement).__name__} statement")
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            _take_imports(statement, modules)
        else:
            for node in ast.iter_child_nodes(statement):
                _check(node, modules)


def _take_imports(statement: ast.Import | ast.ImportFrom, modules: dict[str, str]) -> None:
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            name = f"{statement.module}.{alias.name}"
            if statement.level or not _is_safe(name):
                raise _refusal(statement, f"the name {name}")
        else:
            name = alias.name
            if alias.asname is None and "." in name:
                raise _refusal(statement, f"the module {name}")
            if not (name in ("numpy", *_SAFE) or name.startswith("sklearn")):
                raise _refusal(statement, f"the module {name}")
        modules[alias.asname or alias.name] = name


def _is_safe(name: str) -> bool:
    if _NUMPY.fullmatch(name) or name in _SAFE:
        return True
    module, _, function = name.rpartition(".")
    if module == "numpy":
        return isinstance(getattr(numpy, function, None), numpy.ufunc)
    found = _SKLEARN.fullmatch(name)
    if found is None or _OUTSIDE.match(name):
        return False
    try:
        value = getattr(importlib.import_module(found["module"]), found["name"], None)
    except ImportError:
        return False
    # Not a function, nor a class that the module itself has imported from elsewhere.
    return isinstance(value, type) and bool(
        value.__module__.startswith("sklearn.") and not _OUTSIDE.match(f"{value.__module__}.")
    )


def _check(root: ast.AST, modules: dict[str, str]) -> None:
    todo = [root]
    while todo:
        node = todo.pop()
        if not isinstance(node, _EXPRESSIONS):
            raise _refusal(node, f"a {type(node).__name__}")
        dotted = _dotted(node, modules)
        if dotted is not None:
            # An import may be deleted, and takes no other meaning.
            if not _is_safe(dotted) or isinstance(getattr(node, "ctx", None), ast.Store):
                raise _refusal(node, f"the name {dotted}")
            continue
        if isinstance(node, ast.Attribute) and node.attr not in _METHODS:
            raise _refusal(node, f"the attribute {node.attr}")
        if isinstance(node, ast.Name) and (node.id in _FORBIDDEN or node.id.startswith("__")):
            raise _refusal(node, f"the name {node.id}")
        todo.extend(ast.iter_child_nodes(node))


def _dotted(node: ast.AST, modules: dict[str, str]) -> str | None:
    """Return what an import and attributes of it name; None if a node is something else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and node.attr not in _METHODS:
        names.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in modules:
        return ".".join([modules[node.id], *names])
    return None


def _refusal(node: ast.AST, what: str) -> UntrustedError:
    line = getattr(node, "lineno", "?")
    return UntrustedError(
        f"Line {line} of the source of an archive has {what}, which no fitted object needs: "
        "read it, and give trusted=True if you trust it"
    )
