"""The versions of packages that this process has, and the state of a git work tree."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import subprocess
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["WorkTree", "distributions_of", "versions_of", "work_tree"]

_TIMEOUT = 10  # seconds


class WorkTree(NamedTuple):
    """The commit of a git work tree, and whether its tracked files are as they were committed."""

    commit: str
    clean: bool


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Return the version of each installed distribution that provides one of `modules`.

    Parameters
    ----------
    modules : iterable of str
        Names of top-level modules, such as ``sklearn``. Those that no distribution provides are
        ignored.

    Returns
    -------
    dict
        Versions by the name of the distribution, such as ``scikit-learn``, in order.
    """
    return dict(sorted({pair for module in modules for pair in _provided(module)}))


def distributions_of(module: str) -> list[str]:
    """Return the names of the installed distributions that provide a top-level module."""
    return [name for name, _ in _provided(module)]


@functools.cache
def _provided(module: str) -> list[tuple[str, str]]:
    # A distribution's metadata take 4 ms to parse: once, and only of those that are asked for.
    found: dict[str, str] = {}
    for distribution in _distributions().get(module, []):
        metadata = distribution.metadata
        # As in an import, the first of several installations counts.
        found.setdefault(metadata["Name"], metadata["Version"])
    return list(found.items())


@functools.cache
def _distributions() -> Mapping[str, list[importlib.metadata.Distribution]]:
    # `importlib.metadata.packages_distributions` parses all metadata and makes an object of each
    # installed file: seconds where many packages are installed.
    found: dict[str, list[importlib.metadata.Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        modules = set((distribution.read_text("top_level.txt") or "").split())
        if not modules:
            for line in (distribution.read_text("RECORD") or "").splitlines():
                first, slash, _ = line.partition(",")[0].partition("/")
                modules.add(first if slash else inspect.getmodulename(first) or "")
        for module in modules:
            found.setdefault(module, []).append(distribution)
    return found


def work_tree(folder: str) -> WorkTree | None:
    """Return the state of the git work tree that holds `folder`, or None."""
    # A repository may name programs for git to run; none is needed here.
    options = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    command = ("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    try:
        done = subprocess.run(
            ["git", *options, "-C", folder or ".", *command],
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    commits = [line.split()[-1] for line in lines if line.startswith("# branch.oid ")]
    if not commits or commits == ["(initial)"]:
        return None
    return WorkTree(commits[0], all(line.startswith("#") for line in lines))
