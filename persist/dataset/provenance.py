"""What made a value: versions, commit, command line. Noted only when it is asked for."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

__all__ = ["provenance"]

_TIMEOUT = 10  # seconds


def provenance() -> dict[str, Any]:
    """Return what this process runs on: python, platform, versions, git, argv.

    ``versions`` are those of the distributions whose modules are loaded, ``git`` is the commit of
    the current folder and whether files differ from it, or None.
    """
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": _versions(),
        "git": _git(),
        "argv": list(sys.argv),
    }


def _versions() -> dict[str, str]:
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    known = metadata.packages_distributions()
    # Python 3.10 does not know the modules of all distributions: most are called alike.
    names = sorted({name for module in loaded for name in known.get(module, [module])})
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _git() -> dict[str, Any] | None:
    commit = _run("git", "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _run("git", "status", "--porcelain")
    return {"commit": commit, "dirty": changes is None or changes != ""}


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
