"""Stores of runs on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError
from persist.cli.output import is_json, print_listing, print_result, print_table, print_text
from persist.display import cell
from persist.exchange.kinds import DATABASE, Kind, kind_of, store_folder, why_refused
from persist.urls import is_url

if TYPE_CHECKING:
    from persist.tracking import RunResult, WorkspaceStore

__all__ = ["check_new_store", "open_store", "print_rows", "print_run"]

_BEST = ("model_name", "val_score", "val_std", "metric", "dataset_name", "chain_id")


def open_store(folder: str) -> WorkspaceStore:
    """Open an existing store, in a folder or of a URL."""
    from persist.tracking import WorkspaceStore

    folder = store_folder(folder)
    if not is_url(folder) and kind_of(folder) is not Kind.STORE:
        raise CommandError(
            f"cannot open {folder}: it has no {DATABASE}; name the folder with --workspace"
        )
    return WorkspaceStore(folder, engine="arrow")


def check_new_store(path: str, verb: str) -> None:
    """Refuse to make a store, or to add to one, where something else is."""
    if is_url(path) or not os.path.lexists(path):
        return
    kind = kind_of(path)
    if not os.path.isdir(path) or kind not in (Kind.STORE, None):
        reason = "it is a file" if os.path.isfile(path) else why_refused(path)
        # Other reasons already say what to do.
        advice = "" if "; " in reason else "; name the folder of a run store"
        raise CommandError(f"cannot {verb} {path}: {reason}{advice}")


def print_rows(columns: tuple[str, ...], table: Any) -> None:
    """Print some columns of a table, or all of it as JSON."""
    rows = table.to_pylist()
    cells = [tuple(cell(row.get(name)) for name in columns) for row in rows]
    print_listing({"rows": rows}, columns, cells, "nothing")


def print_run(
    result: RunResult,
    more: Mapping[str, Any] | None = None,
    done: str = "",
    text: str = "",
) -> None:
    """Print the best pipelines of a run and those that failed, then as `print_result` does."""
    pipelines: Any = result.store.list_pipelines(result.run_id, engine="arrow")
    best = [{name: row[name] for name in _BEST} for row in result.top(5)]
    failed = [
        {"name": row["name"], "error": row["error"]}
        for row in reversed(pipelines.to_pylist())
        if row["status"] == "failed"
    ]
    if not is_json():
        print_text(f"run {result.run_id}")
        print_table(_BEST, [tuple(map(cell, row.values())) for row in best])
        for row in failed:
            print_text(f"{row['name']} failed: {row['error']}")
    print_result(
        {"run_id": result.run_id, "best": best, "failed": failed, **(more or {})}, done, text
    )
