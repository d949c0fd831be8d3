"""``python -m benchmarks CAPABILITY [--quick] [--only WORD]``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from benchmarks.table import print_table

CAPABILITIES = (
    *("archive", "safe", "dataset", "workspace", "experiment", "tracking", "formats"),
    "startup",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks of one capability; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("capability", choices=CAPABILITIES)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="groups whose name contains WORD"
    )
    options = parser.parse_args(arguments)
    capability = importlib.import_module(f"benchmarks.{options.capability}")
    groups = [group for name, group in capability.GROUPS.items() if options.only in name]
    return print_table(row for group in groups for row in group(options.quick))


if __name__ == "__main__":
    sys.exit(main())
