"""Names of the older interface: an object, or a graph, as expressions with names in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from persist.archive.reduce import reduce
from persist.archive.reduction import Attribute, Data, Expression, Import, Reduction
from persist.archive.text import Source, SourceOptions
from persist.errors import UnsupportedObjectError

__all__ = ["flat_definitions", "get_imports", "persistent_rep", "repr_"]

Imports = list[tuple[str, "str | None", str]]
Rep = tuple[str, dict[str, Any], Imports]

_ASSIGNMENT = re.compile(r"(\w+) = (.*)", re.DOTALL)
_IMPORT = re.compile(r"(?:from (?P<module>\S+) )?import (?P<name>\S+)(?: as (?P<bound>\S+))?\Z")


def get_imports(obj: Any, env: Mapping[str, Any] | None = None) -> Imports:
    """Return ``[(module, classname, classname)]`` for the class of an object, or for a class."""
    cls = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", None) or cls.__module__
    return [(module, cls.__name__, cls.__name__)]


def repr_(obj: Any, robust: bool = True) -> str:
    """Return one line that shows how `obj` is built: each argument as its own `repr`.

    Parameters
    ----------
    obj : object
        Has a method `get_persistent_rep`.
    robust : bool, optional
        Accepted, and changes nothing.
    """
    from persist.archive.template import parse_template

    rep, args, _ = obj.get_persistent_rep()
    template = parse_template(rep)
    text = template.pieces[0]
    for name, piece in zip(template.names, template.pieces[1:], strict=True):
        text += (repr(args[name]) if name in args else name) + piece
    return text


def persistent_rep(obj: Any, env: Mapping[str, Any] | None = None) -> Rep:
    """Return an expression for one object, what its names stand for, and its imports."""
    cls = type(obj)
    if cls in (list, tuple, dict):
        return _container_rep(obj)
    if cls in (int, float, complex, str, bytes, bool, type(None)):
        return repr(obj), {}, _float_imports(obj)
    return _reduced_rep(obj, reduce(obj, env))


def _float_imports(obj: Any) -> Imports:
    text = repr(obj)
    return [("math", name, name) for name in ("inf", "nan") if name in text and type(obj) is float]


def _container_rep(obj: Any) -> Rep:
    items = [*obj.items()] if type(obj) is dict else obj
    names = [f"_l_{i}" for i in range(len(items))]
    listed = ", ".join(names)
    rep = {list: f"[{listed}]", tuple: f"({listed}{', ' if len(names) == 1 else ''})"}
    imports: Imports = [("builtins", "dict", "dict")] if type(obj) is dict else []
    text = rep.get(type(obj), f"dict([{listed}])")
    return text, dict(zip(names, items, strict=True)), imports


def _reduced_rep(obj: Any, reduced: Any) -> Rep:
    if isinstance(reduced, Expression):
        return reduced.rep, reduced.args, list(reduced.imports)
    if isinstance(reduced, Import):
        first, _, _ = reduced.name.partition(".")
        name = first or reduced.module.rpartition(".")[2]
        return reduced.name or name, {}, [(reduced.module, first or None, name)]
    if isinstance(reduced, Attribute):
        return f"_instance.{reduced.name}", {"_instance": reduced.owner}, []
    if isinstance(reduced, Data) or (isinstance(reduced, Reduction) and reduced.unabsorbed()):
        raise UnsupportedObjectError(
            f"an object of class {type(obj).__qualname__} takes more than one expression to build: "
            "insert it into an archive"
        )
    return _call_rep(reduced)


def _call_rep(found: Reduction) -> Rep:
    args: dict[str, Any] = {"_function": found.function}
    parts = ["_function"] if found.new else []
    for i, arg in enumerate([*found.args, *_absorbed(found)]):
        args[f"_l_{i}"] = arg
        parts.append(f"_l_{i}")
    keywords = {**found.kwargs, **(found.attributes or {})}
    for name, value in keywords.items():
        args[f"_k_{name}"] = value
        parts.append(f"{name}=_k_{name}")
    return f"_function{'.__new__' if found.new else ''}({', '.join(parts)})", args, []


def _absorbed(found: Reduction) -> list[Any]:
    return [list(getattr(found, f)) for f in found.absorbed() if f != "attributes"]


def flat_definitions(
    roots: Iterable[tuple[str, Any]], options: SourceOptions
) -> tuple[Imports, list[tuple[str, str]]]:
    """Return the imports and the (name, expression) pairs of the flat source."""
    source = Source(roots, options)
    imports: Imports = []
    for statement in source.bindings.source():
        match = _IMPORT.match(statement)
        assert match is not None, statement
        module, name = match["module"], match["name"]
        imports.append((module or name, name if module else None, match["bound"] or name))
    definitions = [_definition(statement) for statement in source.body]
    return imports, definitions


def _definition(statement: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(statement)
    return (match[1], match[2]) if match else ("", statement)
