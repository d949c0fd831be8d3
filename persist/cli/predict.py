"""``persist predict``: what a bundle predicts for the rows of a CSV file."""

from __future__ import annotations

import argparse
import csv
from typing import TYPE_CHECKING, Any

from persist.cli.arguments import add_command, add_json
from persist.cli.documents import print_document
from persist.cli.errors import CommandError
from persist.cli.tables import print_text

if TYPE_CHECKING:
    from persist.cli.arguments import Commands

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "predict", run, "Print what a bundle predicts for each row of a CSV file."
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="a file .n4a")
    parser.add_argument(
        "data",
        metavar="FILE",
        help="CSV with the features, a row for each sample; a first row of names is passed over",
    )
    parser.add_argument(
        "--trusted",
        action="store_true",
        help="run the code that is in the bundle of somebody else",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Predict."""
    from persist.tracking import predict
    from persist.tracking.errors import UntrustedError

    features = _features(args.data)
    try:
        result = predict(args.bundle, features, trusted=args.trusted)
    except UntrustedError as error:
        raise CommandError(str(error).replace("trusted=True", "--trusted")) from error
    predicted = result.y_pred.tolist()
    if args.json:
        print_document({"model": result.model_name, "predictions": predicted})
    else:
        rows = [row if isinstance(row, list) else [row] for row in predicted]
        print_text("\n".join(",".join(map(repr, row)) for row in rows))
    return 0


def _features(path: str) -> Any:
    """Return the numbers of a CSV file, (n_samples, n_features)."""
    import numpy

    from persist.tracking.data import csv_form

    with open(path, newline="", encoding="utf-8-sig") as file:
        text = file.read()
    separator, is_headed = csv_form(text.partition("\n")[0])
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    try:
        found = numpy.array([[float(field) for field in row] for row in rows[is_headed:]])
    except ValueError as error:
        raise CommandError(f"{path} does not hold a table of numbers: {error}") from error
    if found.ndim != 2:
        raise CommandError(f"{path} holds no samples")
    return found
