"""The names under which generated source uses what it imports, in the two formats."""

from __future__ import annotations

from persist.archive.reduction import Import

__all__ = ["Bindings", "FlatBindings", "ScopedBindings"]

# Used through the module, as everyone writes it.
_BY_MODULE = frozenset(["numpy"])


class Bindings:
    """What generated source imports, under private names that do not clash.

    Parameters
    ----------
    taken : set of str
        The names that are in use; those given out are added.
    """

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._bound: dict[tuple[str, str], str] = {}

    @property
    def names(self) -> list[str]:
        """The names that are bound, in the order of first use."""
        return list(self._bound.values())

    def reference(self, found: Import) -> str:
        """Return the expression for an imported object."""
        if found.module == "builtins" and found.name not in self._taken and "." not in found.name:
            return found.name
        first, dot, rest = found.name.partition(".")
        if found.module in _BY_MODULE and found.name:
            return self._bind(found.module, "") + "." + found.name
        return self._bind(found.module, first) + dot + rest

    def number(self, name: str) -> str:
        """Return the name of a float that has no literal: inf or nan."""
        return self._bind("math", name, name)

    def take(self, name: str) -> str:
        """Take `name`, or it with the first number that makes it free."""
        free, number = name, 0
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free

    def _bind(self, module: str, name: str, wanted: str = "") -> str:
        key = (module, name)
        if key not in self._bound:
            last = (name or module).rpartition(".")[2]
            self._bound[key] = self.take(
                wanted if wanted and wanted not in self._taken else "_" + last.lstrip("_")
            )
        return self._bound[key]

    def source(self) -> list[str]:
        """Return the statements that import, in the order of first use."""
        return [self._statement(*key, bound) for key, bound in self._bound.items()]

    def _statement(self, module: str, name: str, bound: str) -> str:
        raise NotImplementedError


def import_statement(module: str, name: str | None, bound: str) -> str:
    """Return the statement that imports a module, or a name of it, as `bound`."""
    if not name:
        return f"import {module}" if module == bound else f"import {module} as {bound}"
    return f"from {module} import {name}" + ("" if name == bound else f" as {bound}")


class FlatBindings(Bindings):
    """Imports at the top of the source."""

    def _statement(self, module: str, name: str, bound: str) -> str:
        return import_statement(module, name, bound)


class ScopedBindings(Bindings):
    """Imports inside functions, each of which is replaced by what it returns."""

    def _statement(self, module: str, name: str, bound: str) -> str:
        used = name or module.rpartition(".")[2]
        return (
            f"def {bound}():\n"
            f"    {import_statement(module, name, used)}\n"
            f"    return {used}\n"
            f"{bound} = {bound}()\n"
        )
