"""Declaration of commands and their options, and the options that several commands share."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "FORM",
    "JOBS",
    "STATUSES",
    "STORE",
    "TRUST",
    "WORKSPACE",
    "Command",
    "argument",
    "command",
    "count",
    "form_of",
    "in_options",
    "number",
    "one_of",
    "trusted_of",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Argument: TypeAlias = "Callable[[argparse._ActionsContainer], object]"

STATUSES = {
    0: "success",
    2: "nothing was done: wrong usage, or an error",
    130: "interrupted with Ctrl-C",
    141: "nobody reads the output",
}
_CALL = re.compile(r"call persist\.load\(\.\.\., trusted=\['([^']*)'\]\)")


def argument(*names: str, **options: Any) -> Argument:
    """Return a function that adds an argument; see `argparse.ArgumentParser.add_argument`."""
    if "action" not in options and options.get("default") != "":
        # An empty path would be the present folder.
        options.setdefault("type", _given)
    return lambda parser: parser.add_argument(*names, **options)


def _given(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def one_of(*arguments: Argument) -> Argument:
    """Return a function that adds mutually exclusive options."""

    def declare(parser: argparse._ActionsContainer) -> None:
        group = parser.add_mutually_exclusive_group()
        for each in arguments:
            each(group)

    return declare


@dataclass(frozen=True)
class Command:
    """A function with the name, arguments and help of its command."""

    name: str
    run: Callable[[argparse.Namespace], int | None]
    example: str
    arguments: Sequence[Argument]
    statuses: Mapping[int, str]

    def add_parser(self, commands: Commands) -> None:
        """Add the parser of the command, with the options that every command has."""
        text = " ".join((self.run.__doc__ or self.name).split())
        first = text.partition(". ")[0].rstrip(".")
        meanings = sorted({**STATUSES, **self.statuses}.items())
        epilog = ["example:", *(f"  {line}" for line in self.example.splitlines()), ""]
        epilog += ["exit status:", *(f"  {status:<3}  {meaning}" for status, meaning in meanings)]
        parser = commands.add_parser(
            self.name,
            help=f"{first[0].lower()}{first[1:]}",
            description=text,
            epilog="\n".join(epilog),
            formatter_class=_Formatter,
        )
        shared = parser.add_argument_group("output")
        for each in _SHARED:
            each(shared)
        parser.set_defaults(run=self.run)
        for each in self.arguments:
            each(parser)


def command(
    name: str, example: str, *arguments: Argument, statuses: Mapping[int, str] | None = None
) -> Callable[[Callable[[argparse.Namespace], int | None]], Command]:
    """Decorate a function that takes the parsed arguments, and returns the exit status if not 0.

    Its docstring is the help, whose first sentence is shown in the list of commands. `example` has
    one command a line; `statuses` are those besides `STATUSES`.
    """
    return lambda run: Command(name, run, example, arguments, statuses or {})


class _Formatter(argparse.HelpFormatter):
    """Fills the description of a command, and leaves the lines of its example as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "\n".join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def separator(text: str) -> str:
    """Return the one character between cells, for argparse."""
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"must be one character, or tab, got {text}")
    return found


TRUST = (
    argument(
        "--trust",
        metavar="NAME",
        action="append",
        default=[],
        help="a class or function that may be used to read values, such as lab.Fit, or everything "
        "in a package: lab. (with the dot); can be repeated",
    ),
    argument(
        "--trust-all",
        action="store_true",
        help="execute the values as the Python programs they are",
    ),
)
"""Which classes and functions may be used to read values."""

WORKSPACE = argument(
    "--workspace",
    metavar="FOLDER",
    default="workspace",
    help="the folder of the run store, or the URL of its PostgreSQL database (default: workspace)",
)
"""The run store, for commands with other arguments."""

STORE = (
    WORKSPACE,
    argument(
        "workspace",
        metavar="FOLDER",
        nargs="?",
        default=argparse.SUPPRESS,
        help="the same as --workspace FOLDER",
    ),
)
"""The run store, where it is all that a command needs."""

JOBS = argument(
    "--jobs", metavar="N", type=int, help="number of processes that train; -1: one per core"
)

FORM = (
    one_of(
        argument(
            "--header",
            action="store_const",
            const=True,
            help="the first line has names (default: detected)",
        ),
        argument(
            "--no-header",
            action="store_const",
            const=False,
            dest="header",
            help="the first line is a sample",
        ),
    ),
    argument(
        "--separator",
        metavar="TEXT",
        type=separator,
        help="what separates cells (default: detected)",
    ),
    argument("--decimal", choices=[".", ","], help="decimal sign (default: detected)"),
)
"""How a file of samples is written."""

_SHARED = (
    argument(
        "--json",
        action="store_true",
        help="print one JSON document; numbers that are not finite are the strings NaN, Infinity "
        "and -Infinity",
    ),
    argument(
        "-q",
        "--quiet",
        action="store_true",
        help="print results and errors only: no progress, no confirmations, no warnings",
    ),
    argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="use colors (default: auto, on a terminal unless NO_COLOR is set)",
    ),
)


def trusted_of(args: argparse.Namespace) -> list[str] | bool:
    """Return the options `TRUST` in the form that `persist.load` takes."""
    return getattr(args, "trust_all", False) or list(getattr(args, "trust", ()))


def in_options(message: str) -> str:
    """Return a message with the options of the command line in place of arguments of calls.

    Examples
    --------
    >>> in_options("if you trust it, call persist.load(..., trusted=['lab.Fit'])")
    'if you trust it, give --trust lab.Fit'
    """
    message = _CALL.sub(r"give --trust \1", message)
    return message.replace("trusted=True", "--trust-all")


def form_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options `FORM`."""
    return {"header": args.header, "separator": args.separator, "decimal": args.decimal}


def count(text: str) -> int:
    """Return a number that is not negative, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {text}")
    return number


def number(text: str) -> float:
    """Return a finite number that is not negative, for argparse."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be finite and not negative, got {text}")
    return number
