"""``persist top``: list the best pipelines of a store."""

from __future__ import annotations

import argparse

from persist.cli.options import STORE, argument, command, count, one_of
from persist.cli.stores import open_store, print_rows

__all__ = ["run"]

_COLUMNS = (
    *("model_name", "val_score", "val_std", "metric", "dataset_name", "preprocessings"),
    *("test_score", "n_folds", "chain_id", "prediction_id"),
)
_OF_FOLDS = (
    *("model_name", "val_score", "metric", "dataset_name", "fold_id", "test_score"),
    *("chain_id", "prediction_id"),
)


@command(
    "top",
    "persist top -n 5",
    *STORE,
    argument("-n", metavar="N", type=count, default=10, help="how many at most (default: 10)"),
    argument(
        "--metric", default="val_score", help="the column that ranks them (default: val_score)"
    ),
    argument("--dataset", metavar="NAME", help="only this data set; %% matches any text"),
    argument("--run", metavar="RUN", dest="run_id", help="only this run"),
    argument("--folds", action="store_true", help="rank the predictions of single folds"),
    argument("--partition", help="with --folds, the partition that is ranked (default: val)"),
    argument(
        "--group-by",
        metavar="COLUMN",
        help="with --folds, the best of each value of a column (default: metric, if no direction "
        "is given)",
    ),
    one_of(
        argument(
            "--lowest",
            action="store_const",
            const=True,
            dest="ascending",
            help="low is good (default: as the metric says)",
        ),
        argument(
            "--highest", action="store_const", const=False, dest="ascending", help="high is good"
        ),
    ),
)
def run(args: argparse.Namespace) -> None:
    """List the best pipelines of a store by cross-validated score.

    Each data set and metric is ranked on its own.
    """
    is_of_folds = args.folds or args.partition is not None or args.group_by is not None
    with open_store(args.workspace) as store:
        run_id = None if args.run_id is None else store.find_id("run", args.run_id)
        if is_of_folds:
            # Scores of different metrics cannot be compared.
            by_default = "metric" if args.ascending is None else None
            found = store.top_predictions(
                args.n,
                args.metric,
                args.ascending,
                args.partition or "val",
                args.dataset,
                args.group_by or by_default,
                run_id=run_id,
            )
        else:
            found = store.ranking(
                args.n,
                by=args.metric,
                ascending=args.ascending,
                dataset_name=args.dataset,
                run_id=run_id,
            )
    print_rows(_OF_FOLDS if is_of_folds else _COLUMNS, found)
