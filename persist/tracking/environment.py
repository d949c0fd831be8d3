"""The versions, code and command that made something."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from persist import __version__
from persist.environment import distributions_of, versions_of, work_tree
from persist.urls import without_password

__all__ = [
    "differences",
    "encodable",
    "environment",
    "has_left",
    "is_dead",
    "leave_run",
    "this_process",
]

_ALWAYS = ("numpy", "scipy", "sklearn", "duckdb", "joblib")


def environment(modules: Iterable[str] = ()) -> dict[str, Any]:
    """Return what made a run, for JSON, with the packages of some modules.

    Returns
    -------
    dict
        ``python``, ``platform``, ``persist``; ``packages``, the version of each package by its
        name; ``git``, None or the commit, and whether the tree was clean; ``script``,
        ``command_line``, ``folder``; and ``time``.
    """
    script = _script()
    tree = (work_tree(os.path.dirname(script)) if script else None) or work_tree(os.getcwd())
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "persist": __version__,
        "packages": _packages({*_ALWAYS, *(name.partition(".")[0] for name in modules)}),
        "git": None if tree is None else {"commit": tree.commit, "clean": tree.clean},
        "script": None if script is None else encodable(script),
        "command_line": [encodable(without_password(word)) for word in sys.argv],
        "folder": encodable(os.getcwd()),
        "time": datetime.now(timezone.utc).isoformat(),
    }


def encodable(text: str) -> str:
    r"""Return text with an escape for each byte of a path that is not UTF-8.

    Examples
    --------
    >>> encodable("r\udce9sultats")
    'r\\udce9sultats'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[str | None, str | None]]:
    """Return the versions that differ between two environments, by package, Python included."""
    before, after = (
        {
            "python": found.get("python"),
            "persist": found.get("persist"),
            **(found.get("packages") or {}),
        }
        for found in (then, now)
    )
    # A package that only one of them has recorded took no part in the other.
    return {
        name: (before[name], after[name])
        for name in before
        if name in after and before[name] != after[name]
    }


def _packages(modules: Iterable[str]) -> dict[str, str]:
    modules = set(modules) - {"builtins", "__main__"}
    found = versions_of(modules)
    for name in modules:
        version = getattr(sys.modules.get(name), "__version__", None)
        # A package that is used from its own folder.
        if version is not None and not distributions_of(name):
            found[name] = str(version)
    return dict(sorted(found.items()))


def _script() -> str | None:
    """Return the path of the script or notebook that runs, as far as it is known."""
    main = sys.modules.get("__main__")
    if getattr(main, "__package__", None) == "persist":
        # The command line: what is run is a file among its arguments.
        return None
    for found in (
        getattr(main, "__vsc_ipynb_file__", None),
        getattr(main, "__session__", None),
        os.environ.get("JPY_SESSION_NAME"),
        getattr(main, "__file__", None),
    ):
        if found:
            return os.path.abspath(str(found))
    return None


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others: ``host``, ``pid`` and ``started``.

    ``started`` is when the process started as its system counts it, None where it does not tell.
    """
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _start(os.getpid())}


_left: set[str] = set()


def leave_run(run_id: str) -> None:
    """Note that this process no longer trains a run, whether or not it could record that."""
    _left.add(run_id)


def has_left(run_id: str) -> bool:
    """Return True if this process trained a run, and no longer does."""
    return run_id in _left


def is_dead(process: Any) -> bool:
    """Return True if a process is known to have ended: one of this host, as of `this_process`."""
    if not isinstance(process, Mapping) or process.get("host") != socket.gethostname():
        return False
    pid = process.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if not _exists(pid):
        return True
    started, now = process.get("started"), _start(pid)
    # Another process may have the number by now.
    return started is not None and now is not None and started != now


def _exists(pid: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # One that was killed, and whose parent has not asked for its status yet, is a zombie.
    return _fields(pid)[:1] != ["Z"]


def _fields(pid: int) -> list[str]:
    """Return what Linux tells of a process after its name, which may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _start(pid: int) -> str | None:
    fields = _fields(pid)
    if len(fields) < 20:
        return None
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        boot = ""
    return f"{boot}:{fields[19]}"
