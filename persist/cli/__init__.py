"""The command line: one command a file, which is loaded to be run."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from persist import __version__
from persist.cli import (
    diff,
    export,
    gc,
    hdf5,
    ls,
    pack,
    predict,
    runs,
    show,
    top,
    verify,
    zip,
)
from persist.cli.errors import one_line
from persist.errors import PersistError

__all__ = ["main"]

_COMMANDS = (pack, ls, show, verify, diff, zip, hdf5, runs, top, export, predict, gc)
_MISUSE = 2
# What a shell tells of a process that ended by these signals.
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status of the process: 0 if all is well, 1 if data sets differ or one is damaged,
        2 if nothing could be done; 130 after Ctrl-C, and 141 if nobody reads the output.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = int(args.run(args))
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        _drop_output()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (PersistError, OSError, ValueError, KeyError) as error:
        print(f"persist: {one_line(error)}", file=sys.stderr)
        return _MISUSE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="persist",
        description="Keep Python objects and arrays in data sets that need no persist to be read.",
    )
    parser.add_argument("--version", action="version", version=f"persist {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"persist: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _drop_output() -> None:
    """Let what is still to be written go nowhere: Python flushes stdout when it ends."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
