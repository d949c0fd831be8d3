"""The command line: one file per command."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from persist import __version__
from persist.cli import (
    accept,
    completion,
    diff,
    export,
    gc,
    hdf5,
    import_,
    ls,
    migrate,
    pack,
    predict,
    pull,
    push,
    repair,
    report,
    rerun,
    run,
    runs,
    show,
    top,
    verify,
    zip,
)
from persist.cli.errors import one_line
from persist.cli.options import STATUSES, in_options, trusted_of
from persist.cli.output import clear_progress, is_quiet, output_options, print_message
from persist.errors import PersistError
from persist.urls import without_password

__all__ = ["main", "make_parser"]

_COMMANDS = (
    *(pack, ls, show, verify, repair, accept, diff, report, zip, hdf5, pull, push),
    *(import_, run, runs, top, export, predict, rerun, gc, migrate),
    completion,
)
_MISUSE = 2
# As shells report processes that a signal ended.
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
        The exit status of the process: 0 on success; 1 if a check failed, such as data sets that
        differ; 2 if nothing could be done; 130 after Ctrl-C; 141 if nobody reads the output.
    """
    _open_streams()
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        completion.complete(parser)
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        with warnings.catch_warnings(), output_options(args):
            warnings.showwarning = _show_warning
            from persist.archive.safe.policy import reading_everywhere

            # Values are interpreted, never executed, unless the user says so.
            with reading_everywhere(trusted_of(args)):
                status = args.run(args) or 0
            sys.stdout.flush()
            return int(status)
    except BrokenPipeError:
        _drop_output()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        clear_progress()
        return _INTERRUPTED
    except SystemExit as error:
        # A status of 0 would say that all is done.
        print_message(
            f"a script, or the code of a value, called sys.exit({error.code!r}); take that out"
        )
        return _MISUSE
    except (PersistError, OSError, ValueError, KeyError, RuntimeError) as error:
        print_message(without_password(in_options(one_line(error))))
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return _MISUSE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with all commands."""
    parser = argparse.ArgumentParser(
        prog="persist",
        description="Keep Python objects and arrays in data sets that need no persist to be read.",
        epilog="Exit status: "
        + "; ".join(f"{status}: {meaning}" for status, meaning in STATUSES.items())
        + ". Status 1 is described by the commands that use it: persist COMMAND --help.",
    )
    parser.add_argument("--version", action="version", version=f"persist {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in _COMMANDS:
        module.run.add_parser(commands)
    return parser


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    if not is_quiet():
        print_message(f"warning: {' '.join(str(message).split())}")


def _open_streams() -> None:
    """Open the null device where the caller has closed stdout or stderr: Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Redirect stdout to the null device, because Python flushes it on exit."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
