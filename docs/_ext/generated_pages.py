"""Pages that are written from the package itself: the API and the command line."""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows import Step, trace_all
from sphinx.application import Sphinx

# Packages whose public names are documented, with what their page is about.
PACKAGES = {
    "persist": "The names that most programs use.",
    "persist.archive": "Object graphs as source, and the registry of rules.",
    "persist.dataset": "Directories that are importable packages.",
    "persist.workspace": "Objects by namespace and key.",
    "persist.hdf5": "Objects as HDF5 groups, and the registry of encodings.",
    "persist.experiment": "Subjects, tasks and trials.",
    "persist.tracking": "Runs, pipelines, chains and predictions.",
    "persist.errors": "Every error that persist raises, and its warnings.",
    "persist.objects": "Base classes that write themselves as constructor calls.",
    "persist.interfaces": "The interface of classes with `get_persistent_rep`.",
}
OPTIONAL = {"persist.exchange": "Push, pull, reports and other ways to exchange results."}

SHARED = {"--json", "--quiet", "--color"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx, and autosummary, look for them."""
    app.connect("builder-inited", write_pages, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write all generated pages."""
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "api.rst", api_page(folder))
    write(folder / "command-line.rst", "\n".join(command_line_page()) + "\n")
    for name, steps in trace_all().items():
        write(folder / f"flow-{name}.txt", "\n".join(flow(steps)) + "\n")
    write(folder / "store-schema.txt", "\n".join(store_schema()) + "\n")


def write(path: Path, text: str) -> None:
    """Write a page if it changed, so that Sphinx reads it again only then."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def title(text: str, mark: str) -> list[str]:
    """Return a heading."""
    return [text, mark * len(text), ""]


def public_packages() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the name of each documented package, what it is about, and its public names."""
    for name, text in {**PACKAGES, **OPTIONAL}.items():
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            if name in OPTIONAL:
                continue
            raise
        names = [each for each in getattr(module, "__all__", ()) if not each.startswith("__")]
        yield name, text, sorted(names, key=str.lower)


def api_page(folder: Path) -> str:
    """Return the page that leads to the pages of packages, after writing those."""
    lines = [*title("API", "="), "Every public name, by the package that it is imported from.", ""]
    lines += [".. toctree::", "   :maxdepth: 1", ""]
    for package, text, names in public_packages():
        lines.append(f"   api-{package}")
        page = [*title(package, "="), text, "", f".. py:module:: {package}", ""]
        described = [name for name in names if is_documented(package, name)]
        if described:
            page += [".. autosummary::", ""]
            page += [f"   {name}" for name in described] + [""]
        for name in described:
            page += entry(package, name)
        write(folder / f"api-{package}.rst", "\n".join(page) + "\n")
    return "\n".join(lines) + "\n"


def is_documented(package: str, name: str) -> bool:
    """Return True if a name is documented on the page of its package.

    The page of persist itself lists everything; what a package imports from persist.errors is
    documented there alone.
    """
    value = getattr(importlib.import_module(package), name)
    if inspect.ismodule(value):
        return False
    home = getattr(value, "__module__", "") or ""
    top = getattr(importlib.import_module("persist"), "__all__", ())
    if package == "persist":
        return not home.startswith("persist.errors")
    return not (name in top and package != "persist.errors")


def entry(package: str, name: str) -> list[str]:
    """Return the directive that documents one name."""
    value = getattr(importlib.import_module(package), name)
    if inspect.isclass(value):
        options = ["   :members:"]
        if not issubclass(value, BaseException):
            options.append("   :inherited-members: object, dict, list, Protocol, Exception")
        return [f".. autoclass:: {package}.{name}", *options, ""]
    if callable(value):
        return [f".. autofunction:: {package}.{name}", ""]
    return [f".. autodata:: {package}.{name}", "   :no-value:", ""]


def command_line_page() -> Iterator[str]:
    """Yield the lines of the page about the command line."""
    from persist.cli import make_parser
    from persist.cli.options import STATUSES

    parser = make_parser()
    yield from title("Command line", "=")
    yield "This page is written from the parser of the program, as is ``persist COMMAND --help``."
    yield ""
    yield "Exit statuses that all commands have:"
    yield ""
    for status, meaning in STATUSES.items():
        yield f"``{status}``"
        yield f"    {meaning}"
    yield ""
    (commands,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    yield "Options that all commands have:"
    yield ""
    any_command = next(iter(commands.choices.values()))
    yield ".. program:: persist"
    yield ""
    for action in any_command._actions:
        if SHARED.intersection(action.option_strings):
            yield from option(action)
    for name, command in commands.choices.items():
        yield from title(f"persist {name}", "-")
        yield f".. program:: persist {name}"
        yield ""
        yield literal(command.description)
        yield ""
        yield ".. code-block:: text"
        yield ""
        command.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=88)
        yield from (f"   {line}" for line in command.format_usage().splitlines())
        yield ""
        for action in command._actions:
            if not SHARED.intersection(action.option_strings):
                yield from option(action)
        yield ".. code-block:: text"
        yield ""
        yield from (f"   {line}" for line in (command.epilog or "").splitlines())
        yield ""


def flow(steps: list[Step]) -> Iterator[str]:
    """Yield the functions of a flow, under the modules that they are in."""
    modules = {step.module for step in steps}
    yield f"{len(steps)} functions in {len(modules)} files, in the order of their first calls:"
    yield ""
    module = ""
    for step in steps:
        if step.module != module:
            module = step.module
            yield f"``{module}``"
        text = literal(step.text)
        yield f"    | ``{step.name.replace('.<locals>', '')}``{'  ' + text if text else ''}"
    yield ""


def store_schema() -> Iterator[str]:
    """Yield the statements that make the tables of a run store."""
    from persist.tracking import SCHEMA_DDL

    statements = SCHEMA_DDL if isinstance(SCHEMA_DDL, str) else "\n\n".join(SCHEMA_DDL)
    yield ".. code-block:: sql"
    yield ""
    yield from (f"   {line}" for line in statements.strip().splitlines())


def option(action: argparse.Action) -> Iterator[str]:
    """Yield the description of an argument."""
    if isinstance(action, argparse._HelpAction) or action.help == argparse.SUPPRESS:
        return
    value = action.metavar or ""
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    forms = list(action.option_strings)
    if action.nargs != 0:
        forms = [f"{form} {value}".strip() for form in forms]
    yield f".. option:: {', '.join(forms) if forms else action.metavar or action.dest}"
    yield ""
    yield f"   {literal((action.help or '').replace('%%', '%'))}"
    if action.choices and not action.option_strings:
        yield ""
        yield f"   One of {', '.join(map(str, action.choices))}."
    yield ""


def literal(text: str | None) -> str:
    """Return text in which nothing is markup."""
    return "".join(f"\\{one}" if one in "\\*`|_" else one for one in text or "")
