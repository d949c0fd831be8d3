"""``persist completion``: print the code that makes a shell complete commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from persist.cli.options import argument, command
from persist.cli.output import print_result
from persist.errors import MissingExtraError

__all__ = ["complete", "run"]


@command(
    "completion",
    'eval "$(persist completion bash)"     # in ~/.bashrc\n'
    'eval "$(persist completion zsh)"      # in ~/.zshrc, after compinit\n'
    "persist completion fish | source      # in ~/.config/fish/config.fish",
    argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"]),
)
def run(args: argparse.Namespace) -> None:
    """Print the code that makes a shell complete commands, options and files.

    Add the line of the example for your shell to its startup file. Needs the extra cli.
    """
    script = _argcomplete().shellcode(["persist"], shell=args.shell)
    print_result({"shell": args.shell, "script": script}, script)


def complete(parser: argparse.ArgumentParser) -> None:
    """Print the completions that the shell asks for in its environment, and exit."""
    _argcomplete().autocomplete(parser)


def _argcomplete() -> Any:
    try:
        import argcomplete
    except ModuleNotFoundError as error:
        raise MissingExtraError("argcomplete", "cli") from error
    return argcomplete
