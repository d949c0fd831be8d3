"""The versions of packages that this process has, and the state of a git work tree."""

from __future__ import annotations

import functools
import importlib.metadata
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
    found = {}
    for name in sorted({name for module in modules for name in distributions_of(module)}):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def distributions_of(module: str) -> list[str]:
    """Return the names of the installed distributions that provide a top-level module."""
    return _distributions().get(module, [])


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    # Lists every installed file: a second where many packages are installed.
    found = dict(importlib.metadata.packages_distributions())
    # Python 3.10 knows only the modules of distributions that list them.
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if len(file.parts) == 2 and file.name == "__init__.py":
                names = found.setdefault(file.parts[0], [])
                if distribution.metadata["Name"] not in names:
                    names.append(distribution.metadata["Name"])
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
