"""What the commands that pull and push share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError
from persist.cli.options import argument
from persist.cli.output import shows_progress

if TYPE_CHECKING:
    import argparse

__all__ = ["TRANSFER", "transferred"]


TRANSFER = (
    argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an option for the place, such as endpoint_url=http://localhost:9000; values that are "
        "JSON are read as such; can be repeated. Keep passwords in the environment",
    ),
    argument("--dry-run", action="store_true", help="print what would be done, and do nothing"),
    argument("--force", action="store_true", help="discard changes that only the other side has"),
)
"""The options of a transfer."""


def transferred(move: Callable[..., Any], args: argparse.Namespace, *ends: str) -> Any:
    """Pull or push with the arguments of a command, and return the report."""
    return move(
        *ends,
        storage_options=_options_of(args) or None,
        dry_run=args.dry_run,
        force=args.force,
        progress=shows_progress(),
    )


def _options_of(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in args.option:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandError(f"cannot read --option {text.partition('=')[0]}: write NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
