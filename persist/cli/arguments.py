"""How the commands declare their arguments."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command", "add_json", "count", "tolerance"]


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command, and return the parser of its arguments."""
    parser = commands.add_parser(
        name, help=f"{text[0].lower()}{text[1:].rstrip('.')}", description=text
    )
    parser.set_defaults(run=run)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command print JSON."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document; numbers that are not finite are the strings NaN, Infinity "
        "and -Infinity",
    )


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
