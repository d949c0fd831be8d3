"""The whole text of an archive, in the flat or the scoped format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from persist.archive.flat import FlatWriter
from persist.archive.graph import Graph
from persist.archive.scoped import ScopedWriter
from persist.archive.source import Statements, removal
from persist.archive.writer import External

__all__ = ["Source", "SourceOptions", "archive_text"]


@dataclass(frozen=True)
class SourceOptions:
    """How the source of an archive is written.

    Parameters
    ----------
    scoped : bool
        The format: expressions in functions, or flat.
    external : callable
        Takes an array, returns what the source has for it if it is kept elsewhere, else None.
    envs : mapping of str to mapping
        What is handed to `get_persistent_rep`, by name of the inserted object.
    prefix : str
        The beginning of the names of temporary objects.
    data_name : str
        The variable of the external arrays.
    closing : str
        What is deleted in the end if it is there.
    """

    scoped: bool
    external: External
    envs: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = "_g"
    data_name: str = "_arrays"
    closing: str = "__builtins__, _arrays"


class Source:
    """The parts of the source of an archive.

    Parameters
    ----------
    roots : iterable of (name, object)
        What to define.
    options : SourceOptions
        How.
    """

    def __init__(self, roots: Iterable[tuple[str, Any]], options: SourceOptions) -> None:
        graph = Graph(roots, options.envs)
        kind = ScopedWriter if options.scoped else FlatWriter
        taken = {name for name, _ in graph.roots} | {"__builtins__", options.data_name}
        self.bindings = kind.bindings_class(taken)
        writer = kind(graph, self.bindings, options.external)
        statements = Statements(graph, writer, options.prefix)
        self.body = list(statements.body())
        functions = [*writer.functions.source(), *statements.helper()]
        self._before = _spaced(self.bindings.source(), functions)
        made = [*statements.helper_names(), *writer.functions.names, *statements.temporaries]
        self._after = [
            *removal(self.bindings.names),
            *removal(made),
            f"try: del {options.closing}",
            "except NameError: pass\n",
        ]

    def text(self) -> str:
        """Return the whole source."""
        return "\n".join([*self._before, *self.body, *self._after])


def _spaced(imports: list[str], functions: list[str]) -> list[str]:
    """Return imports and functions, with a blank line before the first function."""
    follows = imports and functions and not imports[-1].endswith("\n")
    return [*imports, *([""] if follows else []), *functions]


def archive_text(roots: Iterable[tuple[str, Any]], options: SourceOptions) -> str:
    """Return the source that defines `roots`."""
    return Source(roots, options).text()
