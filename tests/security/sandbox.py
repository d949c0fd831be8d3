"""Runs sources in a process of its own, which may take little, and tells what they did.

Reads a list of ``[source, trusted]`` as JSON, and writes a list of what happened as JSON: the name
of the error, its message, the seconds that it took, and the events that Python's audit hooks saw.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import tracemalloc
from typing import Any

import persist

SECONDS = 10
MEGABYTES = 600

# What reading a source has no business to do. Importing a module that is trusted does some of it,
# so those are imported before.
_EVENTS = (
    *("exec", "os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "webbrowser."),
    *("code.__new__", "function.__new__", "builtins.input", "builtins.breakpoint"),
)
_IMPORTED = (
    *("scipy.sparse", "pandas", "sklearn.tree", "sklearn.utils._testing", "sklearn.datasets"),
    *(
        "sklearn.datasets._base",
        "sklearn.datasets._openml",
        "argparse",
        "enum",
        "sklearn.neighbors",
    ),
)


def main() -> None:
    """Read and write."""
    import resource

    for name in _IMPORTED:
        importlib.import_module(name)
    warm_up()
    requests = json.load(sys.stdin)
    events: list[str] = []
    sys.addaudithook(lambda event, args: note(events, event, args))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * len(requests), SECONDS * len(requests)))
    answers = []
    for source, trusted in requests:
        before = set(os.listdir())
        # Counting the memory of long sources takes longer than reading them.
        if len(source) < 10**5:
            tracemalloc.start()
        events.clear()
        start = time.process_time()
        _watch[0] = True
        try:
            persist.load(source + "\n", trusted=trusted)
            kind, message = "", ""
        except BaseException as error:
            kind = "UntrustedError" if isinstance(error, persist.UntrustedError) else repr(error)
            message = str(error)
        seconds = time.process_time() - start
        _watch[0] = False
        peak = tracemalloc.get_traced_memory()[1] if tracemalloc.is_tracing() else 0
        tracemalloc.stop()
        left = sorted(set(os.listdir()) - before)
        answers.append([kind, message, seconds, peak, [*events, *left]])
        if peak > MEGABYTES << 20:
            answers[-1][0] = f"took {peak >> 20} MB"
    json.dump(answers, sys.stdout)


_watch = [False]


def note(events: list[str], event: str, args: tuple[Any, ...]) -> None:
    """Remember an event that should not be."""
    if not _watch[0]:
        return
    is_writing = event == "open" and (not isinstance(args[1], str) or set(args[1]) & set("wxa+"))
    if event.startswith(_EVENTS) or is_writing or (event == "open" and args[0] == "/etc/passwd"):
        events.append(f"{event} {args!r:.100}")


def warm_up() -> None:
    """Import what good sources import."""
    persist.load(
        "from scipy.sparse import csr_matrix as c\nimport numpy as n\nimport pandas as p\n"
        "from zoneinfo import ZoneInfo as Z\nimport random\nimport ipaddress\n"
        "x = c((n.array([1.0]), n.array([0]), n.array([0, 1])), shape=(1, 1))\n"
        "y = p.DataFrame({'a': [1]})\nz = [Z('Europe/Paris'), random.Random(0)]\n"
        "w = ipaddress.IPv4Address('1.1.1.1')\n"
    )


if __name__ == "__main__":
    main()
