"""``persist show``: one key of a data set or item of a workspace, with its value."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json
from persist.cli.arrays import is_array, shown_array
from persist.cli.bounded import shown
from persist.cli.documents import is_plain, jsonable, print_document
from persist.cli.entries import Described, describe_key
from persist.cli.errors import CommandError, one_line
from persist.cli.opening import key_in, open_dataset
from persist.cli.tables import aligned, human_size, print_text
from persist.cli.workspaces import is_workspace, show_item

if TYPE_CHECKING:
    from persist.cli.arguments import Commands
    from persist.dataset import DataSet

__all__ = ["add_parser", "run"]

_LARGEST = 10_000  # characters of JSON


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(commands, "show", run, "Show what is known of a key, and its value.")
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="the folder of a data set, or the HDF5 file of a workspace",
    )
    parser.add_argument(
        "key", metavar="KEY", help="a key, or namespace.key; in a workspace, namespace/key"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Show the key."""
    if is_workspace(args.dataset):
        return show_item(args.dataset, args.key, args.json)
    with open_dataset(args.dataset) as dataset:
        holder, key = key_in(dataset, args.key)
        described = describe_key(holder, key, args.key)
        if args.json:
            print_document(_document(described, _load(holder, described, key)))
        else:
            # Where the value cannot be loaded, the rest is still worth to be seen.
            print_text(_description(described))
            value = _load(holder, described, key)
            print_text(f"\n{shown_array(value) if is_array(value) else shown(value)}")
    return 0


def _load(dataset: DataSet, described: Described, key: str) -> Any:
    # Loading runs the code of the value's own classes, which can fail in every way.
    try:
        return _mapped(dataset, key) if described.files else dataset._load(key)
    except Exception as error:
        raise CommandError(
            f"the value cannot be loaded: {type(error).__name__}: {one_line(error)}"
        ) from error


def _mapped(dataset: DataSet, key: str) -> Any:
    """Return a value of whose large arrays no more is read than what is shown."""
    try:
        return dataset._load(key, mmap_mode="r")
    except ValueError:
        # Somebody has edited its source: nothing tells where its arrays are but running it.
        return dataset._load(key)


def _document(described: Described, value: Any) -> dict[str, Any]:
    document = {
        **described.document(),
        "files": {path: record.size for path, record in described.files.items()},
        "provenance": described.provenance,
    }
    if is_plain(value) and len(json.dumps(jsonable(value))) <= _LARGEST:
        document["value"] = value
    return document


def _description(described: Described) -> str:
    lines = [
        ("key", described.key),
        ("type", described.type),
        ("shape", described.shape),
        ("dtype", described.dtype),
        ("size", "" if described.size is None else human_size(described.size)),
        *_labelled("files", [_file(*item) for item in described.files.items()]),
        ("written", described.written),
        *_labelled("provenance", _several_lines(described.provenance)),
        *_labelled("info", _several_lines(described.info)),
    ]
    return aligned([(label and f"{label}:", text) for label, text in lines if text])


def _file(path: str, record: Any) -> str:
    return f"{path} ({human_size(record.size)})"


def _several_lines(value: Any) -> list[str]:
    if value is None:
        return []
    return (value if isinstance(value, str) else shown(value)).splitlines()


def _labelled(label: str, texts: list[str]) -> list[tuple[str, str]]:
    """Return lines of which the first has a label."""
    return [(label if number == 0 else "", text) for number, text in enumerate(texts)]
