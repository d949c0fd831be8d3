"""``persist show``: print a key of a data set, an item of a workspace or a run of a store."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from persist.cli.datasets import Described, check_local, info_of, key_in, open_dataset
from persist.cli.errors import CommandError
from persist.cli.options import TRUST, WORKSPACE, argument, command
from persist.cli.output import print_result
from persist.cli.stores import open_store
from persist.cli.values import print_value
from persist.cli.workspaces import show_item
from persist.display import aligned, human_size, shown
from persist.exchange.kinds import Kind, kind_of
from persist.urls import is_url

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = ["run"]

_LARGEST = 10_000  # characters of JSON


@command(
    "show",
    "persist show results S01.rate\npersist show workspace.h5 D0/counts\npersist show 3f2a",
    argument(
        "dataset",
        metavar="DATASET",
        help="the folder of a data set, the HDF5 file of a workspace, or the id of a run",
    ),
    argument(
        "key",
        metavar="KEY",
        nargs="?",
        help="a key, or namespace.key; in a workspace, namespace/key; omit it for a run",
    ),
    WORKSPACE,
    *TRUST,
)
def run(args: argparse.Namespace) -> None:
    """Print the description of a key and its value, or the provenance of a run."""
    if args.key is None:
        _show_run(args.dataset, args.workspace)
        return
    check_local(args.dataset, "show")
    if kind_of(args.dataset) is Kind.WORKSPACE:
        show_item(args.dataset, args.key)
        return
    with open_dataset(args.dataset) as dataset:
        holder, key = key_in(dataset, args.key)
        entry = holder.entries()[key]
        described = Described(args.key, entry, info_of(holder, key))
        document = {
            **described.document(),
            "files": {path: record.size for path, record in entry.files.items()},
            "provenance": entry.provenance,
        }
        print_value(_description(described), document, lambda: _load(holder, key), _LARGEST)


def _show_run(run: str, workspace: str) -> None:
    kind = kind_of(run)
    if kind is Kind.STORE:
        # A password is hidden up to the last @ of a message: no URL is named twice.
        listing = "persist runs" if is_url(run) else f"persist runs {run}"
        raise CommandError(
            f"cannot show {run}: it is a store of runs; name the id of one, as {listing} lists "
            "them, and the store with --workspace"
        )
    check_local(run, "show")
    if kind is not None or os.path.exists(run):
        raise CommandError(f"cannot show {run}: no KEY given; run persist ls to list keys")
    with open_store(workspace) as store:
        found = store.provenance(store.find_id("run", run))
    lines: list[tuple[str, str]] = []
    for name, value in found.items():
        if name == "environment" and isinstance(value, dict):
            packages = value.get("packages") or {}
            lines += [(one, str(text)) for one, text in value.items() if one != "packages"]
            lines += _labelled("packages", [f"{one} {text}" for one, text in packages.items()])
        elif name in ("params", "artifacts"):
            lines += _labelled(name, [f"{one} {text}" for one, text in (value or {}).items()])
        elif name != "source" and value is not None:
            texts = value if isinstance(value, list) else [value]
            lines += _labelled(name, [str(text) for text in texts])
    text = aligned([(label and f"{label}:", text) for label, text in lines])
    if found["source"] is not None:
        text += f"\n\n{found['source']}"
    print_result(found, text=text)


def _load(dataset: Results, key: str) -> Any:
    """Load a value with its large arrays mapped, so that only what is printed is read."""
    try:
        return dataset.load(key, mmap_mode="r")
    except ValueError:
        # Its source was edited by hand: only running it tells where its arrays are.
        return dataset.load(key)


def _description(described: Described) -> str:
    entry, cells = described.entry, described.cells()
    written = cells.pop("written")
    files = [f"{path} ({human_size(record.size)})" for path, record in entry.files.items()]
    lines = [
        *cells.items(),
        *_labelled("files", files),
        ("written", written),
        *_labelled("provenance", _several_lines(entry.provenance)),
        *_labelled("info", _several_lines(described.info)),
    ]
    return aligned([(label and f"{label}:", text) for label, text in lines if text])


def _several_lines(value: Any) -> list[str]:
    if value is None:
        return []
    return (value if isinstance(value, str) else shown(value)).splitlines()


def _labelled(label: str, texts: list[str]) -> list[tuple[str, str]]:
    """Return lines of which the first has a label."""
    return [(label if number == 0 else "", text) for number, text in enumerate(texts)]
