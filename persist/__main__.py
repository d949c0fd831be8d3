"""The command line: ``persist``, or ``python -m persist``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from persist import __version__

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status of the process.
    """
    parser = _parser()
    parser.parse_args(argv)
    parser.print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="persist", description="Store object graphs as Python source."
    )
    parser.add_argument("--version", action="version", version=f"persist {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
