"""``persist show``: print a key of a data set, an item of a workspace or a run of a store."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from persist.cli.arrays import is_array, shown_array
from persist.cli.datasets import Described, info_of, key_in, open_dataset
from persist.cli.errors import CommandError, one_line
from persist.cli.options import TRUST, WORKSPACE, argument, command
from persist.cli.output import is_plain, jsonable, print_document, print_text
from persist.cli.stores import open_store
from persist.cli.workspaces import show_item
from persist.display import aligned, human_size, shown
from persist.exchange.kinds import Kind, kind_of
from persist.urls import is_database, is_url

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
def run(args: argparse.Namespace) -> int:
    """Print the description of a key and its value, or the provenance of a run."""
    if args.key is None:
        return _show_run(args.dataset, args.workspace, args.json)
    _refuse_url(args.dataset)
    if kind_of(args.dataset) is Kind.WORKSPACE:
        return show_item(args.dataset, args.key, args.json)
    with open_dataset(args.dataset) as dataset:
        holder, key = key_in(dataset, args.key)
        described = Described(args.key, holder.entries()[key], info_of(holder, key))
        if args.json:
            print_document(_document(described, _load(holder, described, key)))
        else:
            # The description helps even where the value cannot be loaded.
            print_text(_description(described))
            value = _load(holder, described, key)
            print_text(f"\n{shown_array(value) if is_array(value) else shown(value)}")
    return 0


def _refuse_url(dataset: str) -> None:
    if is_database(dataset):
        raise CommandError(
            f"cannot show {dataset}: name the id of a run, and the database with --workspace"
        )
    if is_url(dataset):
        raise CommandError(
            f"cannot show {dataset}: pull the data set with persist pull, and show the copy"
        )


def _show_run(run: str, workspace: str, as_json: bool) -> int:
    if kind_of(run) is Kind.STORE and not is_url(run):
        raise CommandError(
            f"cannot show {run}: it is a store of runs; name the id of one, as persist runs {run} "
            f"lists them, and --workspace {run}"
        )
    if os.path.exists(run):
        raise CommandError(f"cannot show {run}: no KEY given; run persist ls to list keys")
    _refuse_url(run)
    with open_store(workspace) as store:
        found = store.provenance(store.find_id("run", run))
    if as_json:
        print_document(found)
        return 0
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
    print_text(aligned([(label and f"{label}:", text) for label, text in lines]))
    if found["source"] is not None:
        print_text(f"\n{found['source']}")
    return 0


def _load(dataset: Results, described: Described, key: str) -> Any:
    # Loading runs code of the classes of the value, which may raise anything.
    try:
        return _mapped(dataset, key) if described.entry.files else dataset.load(key)
    except Exception as error:
        raise CommandError(
            f"the value cannot be loaded: {type(error).__name__}: {one_line(error)}"
        ) from error


def _mapped(dataset: Results, key: str) -> Any:
    """Load a value with its large arrays mapped, so that only what is printed is read."""
    try:
        return dataset.load(key, mmap_mode="r")
    except ValueError:
        # Its source was edited by hand: only running it tells where its arrays are.
        return dataset.load(key)


def _document(described: Described, value: Any) -> dict[str, Any]:
    document = {
        **described.document(),
        "files": {path: record.size for path, record in described.entry.files.items()},
        "provenance": described.entry.provenance,
    }
    if is_plain(value) and len(json.dumps(jsonable(value))) <= _LARGEST:
        document["value"] = value
    return document


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
