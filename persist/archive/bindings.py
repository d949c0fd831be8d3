"""The names under which generated source uses what it imports and defines, in both formats."""

from __future__ import annotations

import re
from itertools import starmap

from persist.archive.reduction import Expression, Import
from persist.archive.template import parse_template

__all__ = ["Bindings", "function_source"]

Imports = tuple[tuple[str, "str | None", str], ...]

# Used through the module, as everyone writes it.
_BY_MODULE = frozenset(["numpy"])


class Bindings:
    """The imports of generated source, under private names that do not clash.

    Parameters
    ----------
    taken : set of str
        The names that are in use; those given out are added.
    scoped : bool
        Import inside functions, each of which is replaced by what it returns.
    prefix : str
        The beginning of the names of temporary objects, followed by a number.

    Attributes
    ----------
    bound : dict of (module, name) to str
        The names of the imports, in the order of first use.
    held : dict of (rep, names, imports) to str
        The names of the functions that hold an expression of `get_persistent_rep` verbatim, in the
        order of first use.
    """

    def __init__(self, taken: set[str], scoped: bool, prefix: str) -> None:
        self._taken = taken
        self._prefix = prefix
        self._is_temporary = re.compile(re.escape(prefix) + "[0-9]+").fullmatch
        self._temporaries = 0
        self._next: dict[str, int] = {}
        self.scoped = scoped
        self.bound: dict[tuple[str, str], str] = {}
        self.held: dict[tuple[str, tuple[str, ...], Imports], str] = {}

    def reference(self, found: Import) -> str:
        """Return the expression for an imported object."""
        module, name = found.module, found.name
        if module == "builtins" and name not in self._taken and "." not in name:
            return name
        if module in _BY_MODULE and name:
            return self._bind(module, "") + "." + name
        first, dot, rest = name.partition(".")
        return self._bind(module, first) + dot + rest

    def number(self, name: str) -> str:
        """Return the name of a float that has no literal: inf or nan."""
        return self._bind("math", name, name)

    def take(self, name: str) -> str:
        """Take `name`, or it with the first number that makes it free."""
        number = self._next.get(name, 0)
        free = f"{name}_{number}" if number else name
        while free in self._taken or self._is_temporary(free):
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        self._next[name] = number + 1
        return free

    def temporary(self) -> str:
        """Return the name of the next temporary object."""
        self._temporaries += 1
        name = f"{self._prefix}{self._temporaries}"
        return name if name not in self._taken else self.take(name)

    def imports(self) -> list[str]:
        """Return the statements that import, or functions of them with their calls."""
        if not self.scoped:
            return list(starmap(_import_statement, self.bound.items()))
        texts = []
        for (module, name), bound in self.bound.items():
            used = name or module.rpartition(".")[2]
            texts.append(
                f"def {bound}():\n"
                f"    {_import_statement((module, name), used)}\n"
                f"    return {used}\n"
                f"{bound} = {bound}()\n"
            )
        return texts

    def function(self, reduced: Expression) -> str:
        """Return the name of the function that holds the expression of an object."""
        key = (reduced.rep, reduced.names, reduced.imports)
        if key not in self.held:
            call = parse_template(reduced.rep).call
            self.held[key] = self.take("_" + (call[0] if call else "build").lstrip("_"))
        return self.held[key]

    def _bind(self, module: str, name: str, wanted: str = "") -> str:
        key = (module, name)
        if key not in self.bound:
            last = (name or module).rpartition(".")[2]
            if not wanted or wanted in self._taken:
                wanted = "_" + last.lstrip("_")
            self.bound[key] = self.take(wanted)
        return self.bound[key]


def _import_statement(found: tuple[str, str | None], bound: str) -> str:
    module, name = found
    if not name:
        return f"import {module}" if module == bound else f"import {module} as {bound}"
    return f"from {module} import {name}" + ("" if name == bound else f" as {bound}")


def function_source(name: str, key: tuple[str, tuple[str, ...], Imports]) -> str:
    """Return the definition of a function that holds an expression verbatim."""
    rep, parameters, imports = key
    lines = [f"    {_import_statement((module, n), bound)}\n" for module, n, bound in imports]
    rep = rep.strip()
    body = f"({rep})" if "\n" in rep else rep
    return f"def {name}({', '.join(parameters)}):\n{''.join(lines)}    return {body}\n"
