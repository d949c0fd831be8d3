"""``persist run``: train pipelines on data and record the run."""

from __future__ import annotations

import argparse
import json
import runpy
import traceback
from pathlib import Path
from typing import Any

from persist.cli.datasets import check_local
from persist.cli.errors import CommandError
from persist.cli.options import FORM, JOBS, WORKSPACE, argument, command, form_of
from persist.cli.output import print_result
from persist.cli.stores import check_new_store, print_run

__all__ = ["run"]


@command(
    "run",
    "persist run --check samples.csv\npersist run samples.csv pipeline.json --target y",
    WORKSPACE,
    argument(
        "--artifacts",
        metavar="PLACE",
        help="where a database on a server keeps its artifacts, needed once: a folder that all "
        "machines share, or a URL",
    ),
    argument("data", metavar="DATA", help="a CSV file, or a folder of them"),
    argument(
        "pipeline",
        metavar="PIPELINE",
        nargs="?",
        help="a JSON or YAML file, or a Python script that assigns pipeline",
    ),
    argument(
        "--check",
        action="store_true",
        help="train nothing; print shapes, names and first rows of the data",
    ),
    argument(
        "--target", metavar="COLUMN", action="append", help="a column to predict; can be repeated"
    ),
    argument("--groups", metavar="COLUMN", help="column with the group of each sample"),
    argument("--weights", metavar="COLUMN", help="column with the weight of each sample"),
    argument("--index", metavar="COLUMN", help="column with the name of each sample"),
    *FORM,
    argument("--name", default="", help="name of the run"),
    argument("--cv", metavar="N", type=int, default=5, help="the number of folds (default: 5)"),
    argument(
        "--test",
        metavar="PART",
        type=float,
        help="fraction of the samples held out for a final score (default: none)",
    ),
    argument("--metric", help="metric to rank by"),
    argument("--seed", metavar="N", type=int, help="random seed"),
    argument(
        "--no-refit", action="store_true", help="do not train on all samples after cross-validation"
    ),
    argument(
        "--tag", metavar="TEXT", action="append", help="text to keep with the run; can be repeated"
    ),
    JOBS,
    statuses={1: "no pipeline could be trained"},
)
def run(args: argparse.Namespace) -> int:
    """Train pipelines on data and record the run."""
    from persist.tracking import load_data
    from persist.tracking import run as train

    check_local(args.data, "train on")
    check_new_store(args.workspace, "record in")
    target = args.target[0] if args.target and len(args.target) == 1 else args.target
    columns = {"groups": args.groups, "sample_weight": args.weights, "index": args.index}
    if args.check:
        previews = [
            data.preview() for data in load_data(args.data, target, **columns, **form_of(args))
        ]
        print_result({"data": previews}, text="\n".join(previews))
        return 0
    if args.pipeline is None:
        raise CommandError("cannot train: no PIPELINE given; name its file, or use --check")
    result = train(
        _load_pipeline(args.pipeline),
        args.data,
        target=target,
        **columns,
        **form_of(args),
        name=args.name,
        workspace_path=args.workspace,
        artifacts=args.artifacts,
        cv=args.cv,
        test=args.test,
        metric=args.metric,
        random_state=args.seed,
        refit=not args.no_refit,
        tags=args.tag,
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
    )
    print_run(result)
    return 0 if result.best else 1


def _load_pipeline(path: str) -> Any:
    """Read a pipeline from JSON or YAML, or run a script that assigns ``pipeline``."""
    suffix = Path(path).suffix.lower()
    if suffix == ".py":
        try:
            names = runpy.run_path(path)
        except OSError:
            raise
        except Exception as error:
            # The script raises what it likes.
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == path]
            where = f" (line {lines[-1]})" if lines else ""
            text = f"cannot run {path}: {type(error).__name__}: {error}{where}"
            raise CommandError(text) from error
        if "pipeline" not in names:
            raise CommandError(
                f"cannot train {path}: it does not assign pipeline; add pipeline = [...]"
            )
        return names["pipeline"]
    try:
        text = Path(path).read_text(encoding="utf-8")
        if suffix not in (".yaml", ".yml"):
            return json.loads(text)
    except ValueError as error:
        raise CommandError(f"cannot read {path}: it is not JSON: {error}") from error
    from persist.tracking.optional import import_optional

    yaml = import_optional("yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"cannot read {path}: it is not YAML: {error}") from error
