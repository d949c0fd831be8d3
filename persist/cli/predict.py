"""``persist predict``: apply a bundle to the rows of a CSV file."""

from __future__ import annotations

import argparse
from pathlib import Path

from persist.cli.options import FORM, TRUST, argument, command, form_of, trusted_of
from persist.cli.output import print_result

__all__ = ["run"]


@command(
    "predict",
    "persist predict model.n4a new_samples.csv",
    argument("bundle", metavar="BUNDLE", help="a .n4a file"),
    argument(
        "data",
        metavar="FILE",
        help="CSV file with one sample per row; if it has a header, the columns the model was "
        "trained on are selected by name",
    ),
    *FORM,
    *TRUST,
)
def run(args: argparse.Namespace) -> None:
    """Print the prediction of a bundle for each row of a CSV file."""
    from persist.tracking import BundleLoader
    from persist.tracking.training.loading import features_of
    from persist.tracking.training.reading import Form, read_table

    table = read_table(Path(args.data), Form(**form_of(args)))
    if not table.form.header:
        features_of(table, None)
    chain = BundleLoader(args.bundle, trusted=trusted_of(args)).load()
    features = features_of(table, chain.feature_names)
    predicted = chain.predict(features).tolist()
    rows = [row if isinstance(row, list) else [row] for row in predicted]
    print_result(
        {"model": chain.model_class, "predictions": predicted},
        text="\n".join(",".join(map(repr, row)) for row in rows),
    )
