"""``persist rerun``: train a recorded run again."""

from __future__ import annotations

import argparse

from persist.cli.options import JOBS, WORKSPACE, argument, command
from persist.cli.stores import open_store, print_run

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
        done = [f"{name}: {old} then, {new} now" for name, (old, new) in versions.items()]
        text = f"{changed} scores differ from run {run_id}" if changed else ""
        if not changed:
            done.append(f"all {len(after)} scores are those of run {run_id}")
        compared = {"scores": len(after), "changed": changed, "versions": versions}
        print_run(result, compared, "\n".join(done), text)
    return 1 if changed else 0


def _scores(store: object, run_id: str) -> list[object]:
    """Return the scores of a run, in the order in which they were recorded."""
    table = store.query_predictions(run_id=run_id)  # type: ignore[attr-defined]
    names = ("fold_id", "partition", "scores")
    return [tuple(row[name] for name in names) for row in reversed(table.to_pylist())]
