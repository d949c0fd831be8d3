"""How commands declare their options: those of all commands, and those that several share."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = [
    "STATUSES",
    "Commands",
    "add_command",
    "add_form",
    "add_jobs",
    "add_trust",
    "add_workspace",
    "count",
    "form_of",
    "in_options",
    "tolerance",
    "trusted_of",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

STATUSES = {
    0: "success",
    2: "nothing was done: wrong usage, or an error",
    130: "interrupted with Ctrl-C",
    141: "nobody reads the output",
}
_CALL = re.compile(r"call persist\.load\(\.\.\., trusted=\['([^']*)'\]\)")


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    example: str = "",
    statuses: Mapping[int, str] | None = None,
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has, and return its parser.

    `run` takes the parsed arguments and returns the exit status: one of `STATUSES` or `statuses`.
    The first sentence of `text` is shown in the list of commands; `example` has one command a line.
    """
    first = text.partition(". ")[0].rstrip(".")
    meanings = sorted({**STATUSES, **(statuses or {})}.items())
    epilog = [
        *(["example:", *(f"  {line}" for line in example.splitlines()), ""] if example else []),
        "exit status:",
        *(f"  {status:<3}  {meaning}" for status, meaning in meanings),
    ]
    parser = commands.add_parser(
        name,
        help=f"{first[0].lower()}{first[1:]}",
        description=text,
        epilog="\n".join(epilog),
        formatter_class=_Formatter,
    )
    shared = parser.add_argument_group("output")
    shared.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document; numbers that are not finite are the strings NaN, Infinity "
        "and -Infinity",
    )
    shared.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="print results and errors only: no progress, no confirmations, no warnings",
    )
    shared.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="use colors (default: auto, on a terminal unless NO_COLOR is set)",
    )
    parser.set_defaults(run=run)
    return parser


class _Formatter(argparse.HelpFormatter):
    """Fills the description of a command, and leaves the lines of its example as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "\n".join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which classes and functions may be used to read values."""
    parser.add_argument(
        "--trust",
        metavar="NAME",
        action="append",
        default=[],
        help="a class or function that may be used to read values, such as lab.Fit, or everything "
        "in a package: lab. (with the dot); can be repeated",
    )
    parser.add_argument(
        "--trust-all",
        action="store_true",
        help="execute the values as the Python programs they are",
    )


def trusted_of(args: argparse.Namespace) -> list[str] | bool:
    """Return what the options of `add_trust` allow, as `persist.load` takes it."""
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


def add_workspace(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """Add the option that names a run store, and an argument that does where it is all there is."""
    parser.add_argument(
        "--workspace",
        metavar="FOLDER",
        default="workspace",
        help="the folder of the run store, or the URL of its PostgreSQL database "
        "(default: workspace)",
    )
    if positional:
        parser.add_argument(
            "workspace",
            metavar="FOLDER",
            nargs="?",
            default=argparse.SUPPRESS,
            help="the same as --workspace FOLDER",
        )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the number of processes that train."""
    parser.add_argument(
        "--jobs", metavar="N", type=int, help="number of processes that train; -1: one per core"
    )


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a file of samples."""
    header = parser.add_mutually_exclusive_group()
    header.add_argument(
        "--header",
        action="store_const",
        const=True,
        help="the first line has names (default: detected)",
    )
    header.add_argument(
        "--no-header",
        action="store_const",
        const=False,
        dest="header",
        help="the first line is a sample",
    )
    parser.add_argument("--separator", metavar="TEXT", help="between cells (default: detected)")
    parser.add_argument("--decimal", choices=[".", ","], help="decimal sign (default: detected)")


def form_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options of `add_form`."""
    separator = {"tab": "\t", "\\t": "\t"}.get(args.separator, args.separator)
    return {"header": args.header, "separator": separator, "decimal": args.decimal}


def count(text: str) -> int:
    """Return a number that is not negative, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {text}")
    return number


def tolerance(text: str) -> float:
    """Return a finite number that is not negative, for argparse."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be finite and not negative, got {text}")
    return number
