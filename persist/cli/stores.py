"""Stores of runs on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persist.cli.errors import CommandError
from persist.cli.output import print_listing, print_table, print_text
from persist.display import cell
from persist.exchange.kinds import DATABASE, Kind, kind_of
from persist.urls import is_url

if TYPE_CHECKING:
    from persist.tracking import RunResult, WorkspaceStore

__all__ = ["describe_result", "open_store", "print_rows", "result_document"]

_BEST = ("model_name", "val_score", "val_std", "metric", "dataset_name", "chain_id")


def open_store(folder: str) -> WorkspaceStore:
    """Open an existing store, in a folder or of a URL."""
    from persist.tracking import WorkspaceStore

    if not is_url(folder) and kind_of(folder) is not Kind.STORE:
        raise CommandError(
            f"cannot open {folder}: it has no {DATABASE}; name the folder with --workspace"
        )
    return WorkspaceStore(folder, engine="arrow")


def print_rows(columns: tuple[str, ...], table: Any, as_json: bool) -> None:
    """Print some columns of a table, or all of it as JSON."""
    rows = table.to_pylist()
    cells = [tuple(cell(row.get(name)) for name in columns) for row in rows]
    print_listing(as_json, {"rows": rows}, columns, cells, "nothing")


def describe_result(result: RunResult) -> None:
    """Print the best pipelines of a run, and those that failed."""
    document = result_document(result)
    print_text(f"run {document['run_id']}")
    print_table(_BEST, [tuple(cell(row[name]) for name in _BEST) for row in document["best"]])
    for row in document["failed"]:
        print_text(f"{row['name']} failed: {row['error']}")


def result_document(result: RunResult) -> dict[str, Any]:
    """Return what `describe_result` prints, for JSON."""
    pipelines: Any = result.store.list_pipelines(result.run_id, engine="arrow")
    return {
        "run_id": result.run_id,
        "best": [{name: row[name] for name in _BEST} for row in result.top(5)],
        "failed": [
            {"name": row["name"], "error": row["error"]}
            for row in reversed(pipelines.to_pylist())
            if row["status"] == "failed"
        ],
    }
