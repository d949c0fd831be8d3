"""``persist rerun``: train a recorded run again."""

from __future__ import annotations

import argparse

from persist.cli.options import JOBS, WORKSPACE, argument, command
from persist.cli.output import is_quiet, print_document, print_text
from persist.cli.stores import describe_result, open_store, result_document

__all__ = ["run"]


@command(
    "rerun",
    "persist rerun 3f2a samples.csv",
    WORKSPACE,
    argument("run_id", metavar="RUN", help="the id of the run, or its first characters"),
    argument("data", metavar="DATA", help="its data: a CSV file, or a folder of them"),
    argument(
        "--any-data", action="store_true", help="train even if the data are not those of the run"
    ),
    JOBS,
    statuses={1: "scores differ"},
)
def run(args: argparse.Namespace) -> int:
    """Train the pipelines of a run again and compare the scores.

    This runs the code that the store has recorded.
    """
    with open_store(args.workspace) as store:
        run_id = store.find_id("run", args.run_id)
        result = store.rerun(
            run_id,
            args.data,
            check_data=not args.any_data,
            n_jobs=args.jobs,
            verbose=0 if args.quiet else 1,
        )
        versions = result.version_differences
        before, after = (_scores(store, one) for one in (run_id, result.run_id))
        changed = sum(a != b for a, b in zip(before, after, strict=False))
        changed += abs(len(before) - len(after))
        if args.json:
            compared = {"scores": len(after), "changed": changed, "versions": versions}
            print_document({**result_document(result), **compared})
            return 1 if changed else 0
        describe_result(result)
    if not is_quiet():
        for name, (old, new) in versions.items():
            print_text(f"{name}: {old} then, {new} now")
    if changed:
        print_text(f"{changed} scores differ from run {run_id}")
    elif not is_quiet():
        print_text(f"all {len(after)} scores are those of run {run_id}")
    return 1 if changed else 0


def _scores(store: object, run_id: str) -> list[object]:
    """Return the scores of a run, in the order in which they were recorded."""
    table = store.query_predictions(run_id=run_id)  # type: ignore[attr-defined]
    names = ("fold_id", "partition", "scores")
    return [tuple(row[name] for name in names) for row in reversed(table.to_pylist())]
