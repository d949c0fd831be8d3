"""Stores of runs on the command line."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from persist.cli.bounded import summary
from persist.cli.documents import print_document
from persist.cli.errors import CommandError
from persist.cli.tables import print_table, print_text

if TYPE_CHECKING:
    import argparse

    from persist.tracking import WorkspaceStore

__all__ = ["add_workspace", "open_store", "print_rows"]

_DATABASE = "store.duckdb"


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Let a command take the folder of a store."""
    parser.add_argument(
        "--workspace",
        metavar="FOLDER",
        default="workspace",
        help="the folder of the store (default: workspace)",
    )


def open_store(folder: str) -> WorkspaceStore:
    """Open a store that exists.

    Raises
    ------
    CommandError
        If there is none.
    """
    from persist.tracking import WorkspaceStore

    if not os.path.isfile(os.path.join(folder, _DATABASE)):
        raise CommandError(f"there is no {_DATABASE} in {folder}: name the folder with --workspace")
    return WorkspaceStore(folder, engine="arrow")


def print_rows(columns: tuple[str, ...], table: Any, as_json: bool) -> None:
    """Print some columns of a table, or all of it as JSON."""
    rows = table.to_pylist()
    if as_json:
        print_document({"rows": rows})
    elif rows:
        print_table(columns, [tuple(_cell(row.get(name)) for name in columns) for row in rows])
    else:
        print_text("nothing")


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return f"{value:.6g}" if isinstance(value, float) else summary(value)
