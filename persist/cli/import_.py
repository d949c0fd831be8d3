"""``persist import``: the runs of mlflow, into a store."""

from __future__ import annotations

import argparse

from persist.cli.options import WORKSPACE, argument, command
from persist.cli.output import print_aside, print_result, shows_progress
from persist.cli.stores import check_new_store
from persist.display import counted

__all__ = ["run"]


@command(
    "import",
    "persist import mlruns --workspace runs",
    argument(
        "source",
        metavar="SOURCE",
        help="the folder mlruns, or the SQLite database that mlflow was told to use",
    ),
    WORKSPACE,
    argument(
        "--trust-pickle", action="store_true", help="read models, which run the code that they name"
    ),
    argument(
        "--metric", metavar="NAME", help="what ranks the runs (default: what most of them have)"
    ),
    statuses={1: "something could not be recorded"},
)
def run(args: argparse.Namespace) -> int:
    """Record the runs of mlflow in a store, which is created if needed.

    Parameters, tags, metrics with their steps, models of scikit-learn and other artifacts come with
    them. Runs that the store has already are skipped. What cannot be recorded is reported, with
    exit status 1.
    """
    from persist.exchange.mlflow import import_mlflow
    from persist.exchange.mlflow_runs import read_runs
    from persist.tracking import WorkspaceStore

    check_new_store(args.workspace, "record in")
    # Before a store is made for nothing.
    next(iter(read_runs(args.source)), None)
    with WorkspaceStore(args.workspace) as store:
        done = import_mlflow(
            args.source,
            store,
            trust_pickle=args.trust_pickle,
            metric=args.metric,
            progress=shows_progress(),
        )
    known = f", {len(done.known)} known already" if done.known else ""
    print_result(
        {
            "runs": done.runs,
            "known": done.known,
            "models": done.models,
            "files": done.files,
            "not_stored": [{"what": what, "reason": why} for what, why in done.not_stored],
        },
        f"{counted(len(done.runs), 'run')}, {counted(done.models, 'model')} and "
        f"{counted(done.files, 'file')} recorded{known}",
    )
    for what, reason in done.not_stored:
        print_aside(f"not stored: {what}: {reason}")
    return 1 if done.not_stored else 0
