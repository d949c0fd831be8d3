"""What made a value: versions, commit, command line. Noted only when it is asked for."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from persist.environment import versions_of, work_tree

__all__ = ["provenance"]


def provenance() -> dict[str, Any]:
    """Return what this process runs on: python, platform, versions, git, argv.

    ``versions`` are those of the distributions whose modules are loaded, ``git`` is the commit of
    the current folder and whether its tracked files differ from it, or None.
    """
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    tree = work_tree(os.getcwd())
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": versions_of(loaded),
        "git": tree and {"commit": tree.commit, "dirty": not tree.clean},
        "argv": list(sys.argv),
    }
