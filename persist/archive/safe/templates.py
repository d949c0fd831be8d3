"""The functions and blocks that archives have, recognised as what persist writes."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy

from persist.archive.arrays import STORES, loader_source
from persist.archive.module import closing_source
from persist.archive.safe.table import Token, imported

__all__ = [
    "ArraysTemplate",
    "Helper",
    "arrays_template",
    "find_helper",
    "is_closing",
    "older_arrays_template",
]

_CLOSING = re.compile(r"try:\n    del (\w+(?:, \w+)*)\nexcept NameError:\n    pass")

# Makes an object of a class without calling its __init__.
_OBJECT = """
def _object(*args, **attributes):
    obj = args[0].__new__(*args)
    obj.__dict__.update(attributes)
    return obj
"""

# The functions that release 3.2.1 wrote, and more texts than there are in one beside names.
_MOST_STRINGS = 5
_OLDER_FORGET = """
def forget():
    '''Find and remove all replaced single_item_mode modules
    from sys.modules and the module dictionary.
    '''
    import sys, types
    if not __name__ in sys.modules:
        return
    this_module = sys.modules[__name__]
    for key in list(this_module.__dict__):
        sub_module = __name__ + '.' + key
        if (sub_module in sys.modules
                and not isinstance(sys.modules[sub_module], types.ModuleType)):
            del this_module.__dict__[key]
            del sys.modules[sub_module]
"""
_OLDER_LOADER = """
def {{name}}():
    import {modules}
    try: dir = os.path.dirname(__file__)
    except NameError: dir = {{fallback!r}}
    res = {{{{}}}}
    {body}
    return res
"""
_OLDER_FILE = """with {opened} as f:
        for name in {{arrays!r}}:
            res[name] = numpy.asarray(f[name])"""
_OLDER_LOADERS = {
    "npy": _OLDER_LOADER.format(
        modules="os.path, numpy",
        body="""for name in {arrays!r}:
        filename = os.path.join(dir, {location!r}, name + ".npy")
        res[name] = numpy.asarray(numpy.load(filename))""",
    ),
    "npz": _OLDER_LOADER.format(
        modules="os.path, numpy",
        body=_OLDER_FILE.format(opened="numpy.load(os.path.join(dir, {location!r}))"),
    ),
    "hdf5": _OLDER_LOADER.format(
        modules="os.path, numpy, h5py",
        body=_OLDER_FILE.format(opened="h5py.File(os.path.join(dir, {location!r}), 'r')"),
    ),
}

# The loader of an HDF5 file decodes what the arrays in it need: byte order, dtypes that HDF5 lacks,
# Fortran order, both.
_EXAMPLES: list[Any] = [
    numpy.ones(1),
    numpy.ones(()),
    numpy.ones(1, "M8[s]"),
    numpy.ones((2, 2), order="F"),
    numpy.ones((2, 2), "M8[s]", order="F"),
]


@dataclass(frozen=True)
class Helper:
    """A function of the source: its parameters, what it imports, and what it returns.

    The `body` is None for the function that makes objects without calling ``__init__``. The
    `defaults` are first expressions, then what these give where the function is defined. `arrays`
    is what it loads, if it is a loader of arrays.
    """

    body: ast.expr | None
    parameters: tuple[str, ...] = ()
    imports: Mapping[str, Token] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    arrays: ArraysTemplate | None = None


@dataclass(frozen=True)
class ArraysTemplate:
    """What the loader of external arrays in a source says.

    Parameters
    ----------
    name : str
        The variable of the arrays.
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}
        The format.
    fallback : str
        The folder of the module, where the source does not stand in a file.
    location : str
        The file or folder of the arrays, relative to the folder of the module.
    names : tuple of str
        Of the arrays.
    """

    name: str
    data_format: str
    fallback: str
    location: str
    names: tuple[str, ...]


def is_closing(statement: ast.Try) -> list[str]:
    """Return the variables that ``try: del …, except NameError: pass`` deletes; none if it is not.

    They are those that exec adds, and the one of the arrays.
    """
    if not isinstance(statement.body[0], ast.Delete):
        return []
    found = _CLOSING.fullmatch(ast.unparse(statement))
    return found[1].split(", ") if found else []


def find_helper(function: ast.FunctionDef) -> Helper | None:
    """Return what a function is: imports and one expression, or one of the two that persist has."""
    if function.decorator_list or function.returns is not None:
        return None
    return _expression_helper(function) or _known_functions().get(_shown_unnamed(function))


@lru_cache(maxsize=1)
def _known_functions() -> dict[str, Helper]:
    nothing = Helper(ast.Constant(None))
    known = {_OBJECT: Helper(None), closing_source(None): nothing, _OLDER_FORGET: nothing}
    return {_shown_unnamed(_function(text)): helper for text, helper in known.items()}


def _shown_unnamed(function: ast.FunctionDef) -> str:
    return _shown(function).partition(",")[2]  # The name is the first field.


def _expression_helper(function: ast.FunctionDef) -> Helper | None:
    arguments = function.args
    others = (arguments.posonlyargs, arguments.kwonlyargs)
    if any(others) or arguments.vararg or arguments.kwarg:
        return None
    if any(arg.annotation is not None for arg in arguments.args):
        return None
    *head, last = function.body
    imports: dict[str, Token] = {}
    for statement in head:
        found = imported(statement)
        if found is None:
            return None
        imports.update(found)
    if not isinstance(last, ast.Return) or last.value is None:
        return None
    names = tuple(arg.arg for arg in arguments.args)
    # What release 3.2.1 wrote has all that a function needs in the defaults of its parameters.
    given = names[len(names) - len(arguments.defaults) :]
    defaults = dict(zip(given, arguments.defaults, strict=True))
    return Helper(last.value, names, imports, defaults)


def arrays_template(statement: ast.Try) -> ArraysTemplate | None:
    """Return what a loader of arrays says, if the statement is one that persist writes.

    The loader is written again with what was found in it, and has to be the same.
    """
    first = statement.body[0]
    holes = _holes(statement)
    if holes is None or not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Name)):
        return None
    name, (fallback, location, arrays) = first.value.id, holes
    wanted = _shown(statement)
    for data_format, store in STORES.items():
        for example in _EXAMPLES if data_format == "hdf5" else _EXAMPLES[:1]:
            try:
                made = loader_source(
                    store,
                    dict.fromkeys(arrays, example),
                    location=location,
                    arrays_name=name,
                    fallback=fallback,
                )
            except ValueError:  # a name that no array has
                return None
            if _shown(ast.parse(made).body[0]) == wanted:
                return ArraysTemplate(name, data_format, fallback, location, arrays)
    return None


def older_arrays_template(function: ast.FunctionDef) -> ArraysTemplate | None:
    """Return what a loader of arrays says, if it is one that release 3.2.1 wrote."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.List)]
    if len(names) != 1 or len(ast.dump(function)) > 10**7:
        return None
    listed = set(map(id, names[0].elts))
    strings = {
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in listed
    }
    if not 2 <= len(strings) <= _MOST_STRINGS:
        return None
    arrays = [getattr(item, "value", None) for item in names[0].elts]
    if not all(isinstance(name, str) for name in arrays):
        return None
    for data_format, text in _OLDER_LOADERS.items():
        for fallback, location in itertools.product(strings, strings):
            source = text.format(
                name=function.name, fallback=fallback, location=location, arrays=arrays
            )
            if _shown(_function(source)) == _shown(function):
                return ArraysTemplate(
                    function.name, data_format, fallback, location, tuple(map(str, arrays))
                )
    return None


def _holes(statement: ast.Try) -> tuple[str, str, tuple[str, ...]] | None:
    """Return the fallback folder, the location and the names of arrays in a loader."""
    found: dict[str, Any] = {"location": "."}
    for node in ast.walk(statement):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, value = node.targets[0].id, node.value
        if name == "folder" and isinstance(value, ast.Constant):
            found["fallback"] = value.value
        elif name == "path" and isinstance(value, ast.Call) and len(value.args) == 2:
            found["location"] = getattr(value.args[1], "value", None)
        elif name == "names" and isinstance(value, ast.List):
            found["names"] = [getattr(item, "value", None) for item in value.elts]
    texts = [found.get("fallback"), found.get("location"), *found.get("names", [None])]
    if not all(isinstance(text, str) for text in texts):
        return None
    return found["fallback"], found["location"], tuple(found["names"])


@lru_cache(maxsize=8)
def _function(source: str) -> Any:
    return next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))


def _shown(node: ast.AST) -> str:
    return ast.dump(node, include_attributes=False)
