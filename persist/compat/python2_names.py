"""Names that Python 3 has elsewhere, and calls that take the bytes of a string of Python 2."""

from __future__ import annotations

import ast
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import ChainMap

from persist.compat.python2_grammar import Python2Error

__all__ = ["rename"]

# What pickle renames when it loads what Python 2 wrote, for the same reason.
_MODULES = {**IMPORT_MAPPING, "exceptions": "builtins"}
_NAMES = {**NAME_MAPPING, ("__builtin__", "basestring"): ("builtins", "str")}

_CALLS = "persist.compat.python2_calls"
_FROM_BYTES = {
    "numpy.fromstring": "array_of_bytes",
    "numpy.core.multiarray.fromstring": "array_of_bytes",
    "pickle.loads": "unpickle",
    "cPickle.loads": "unpickle",
}


def rename(tree: ast.Module, filename: str = "<archive>") -> ast.Module:
    """Change the tree that `parse_archive` gives into one that Python 3 can run.

    What has to be imported besides gets names with a blank, which no source has. Python2Error if
    characters stand where bytes belong.
    """
    renaming = _Renaming(filename)
    renaming.visit(tree)
    for alias, (module, name) in renaming.added.items():
        tree.body.insert(0, ast.ImportFrom(module, [ast.alias(name, alias)], 0))
    return ast.fix_missing_locations(tree)


class _Renaming(ast.NodeTransformer):
    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.added: dict[str, tuple[str, str]] = {}
        # The import path, in the names of Python 2, or nothing if it is no import.
        self.bound: ChainMap[str, str] = ChainMap()

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            first = alias.name.split(".")[0]
            self.bound[alias.asname or first] = alias.name if alias.asname else first
            if alias.name in _MODULES:
                alias.asname = alias.asname or alias.name
                alias.name = _MODULES[alias.name]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for alias in node.names:
            old = node.module or "", alias.name
            alias.asname = alias.asname or alias.name
            self.bound[alias.asname] = ".".join(old)
            module, alias.name = _NAMES.get(old, (_MODULES.get(old[0], old[0]), old[1]))
            found.append(ast.copy_location(ast.ImportFrom(module, [alias], 0), node))
        return found

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.visit(node.args)
        outer = self.bound
        self.bound = outer.new_child({arg.arg: "" for arg in node.args.args})
        body = ast.Module(node.body, [])
        self.generic_visit(body)
        node.body = body.body
        self.bound = outer
        self.bound[node.name] = ""
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        node.value = self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bound[target.id] = ""
        return node

    def visit_Delete(self, node: ast.Delete) -> ast.Delete:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bound.pop(target.id, None)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self.bound or ("__builtin__", node.id) not in _NAMES:
            return node
        return self._add(*_NAMES["__builtin__", node.id], node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        moved = _NAMES.get((self._path(node.value), node.attr))
        return self._add(*moved, node) if moved else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        is_array = self._is_reshaped_array(node)
        self._take_bytes(node)
        self.generic_visit(node)
        if not is_array:
            return node
        # What is reshaped is a view, and does not own its memory.
        copy = ast.Attribute(node, "copy", ast.Load())
        return ast.copy_location(ast.Call(copy, [ast.Constant("K")], []), node)

    def _is_reshaped_array(self, node: ast.Call) -> bool:
        function = node.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Call):
            return False
        maker = _FROM_BYTES.get(self._path(function.value.func))
        return function.attr == "reshape" and maker == "array_of_bytes"

    def _take_bytes(self, node: ast.Call) -> None:
        name = _FROM_BYTES.get(self._path(node.func))
        if name is None:
            return
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and first.kind and not str(first.value).isascii():
            found = f"found characters where {ast.unparse(node.func)} takes bytes"
            raise Python2Error(found, first.lineno, self.filename)
        node.func = self._add(_CALLS, name, node.func)

    def _path(self, node: ast.expr) -> str:
        """Return the import path of an expression, in the names of Python 2, if it has one."""
        if isinstance(node, ast.Name):
            return self.bound.get(node.id, "")
        owner = self._path(node.value) if isinstance(node, ast.Attribute) else ""
        return f"{owner}.{node.attr}" if owner and isinstance(node, ast.Attribute) else ""

    def _add(self, module: str, name: str, node: ast.expr) -> ast.Name:
        alias = f"python2 {module}.{name}"
        self.added[alias] = module, name
        return ast.copy_location(ast.Name(alias, ast.Load()), node)
