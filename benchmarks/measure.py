"""Time, as medians of interleaved rounds, and memory, as the peak of a process of its own.

All contenders run in one process and in turn, so that what else the machine does falls on each of
them. The garbage collector is off while they run, unless it is part of what is measured, and all
that exists before is frozen, the same for each: its passes over the data of one contender would
otherwise be paid by the next.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy

__all__ = ["apart", "cpu_time", "exponent", "medians", "peak_memory", "watch"]

_APART = """
import json
from benchmarks import measure
from {module} import {name} as function
print(json.dumps({call}))
"""


def medians(
    contenders: Mapping[str, Callable[[], Any]],
    rounds: int,
    *,
    prepare: Callable[[], Any] | None = None,
    warm: bool = True,
    collector: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median time of each contender in seconds.

    Parameters
    ----------
    contenders : mapping of str to callable
        What to time. What they return is dropped outside of the time taken.
    rounds : int
        How often each runs.
    prepare : callable, optional
        Run before each contender, outside of the time taken.
    warm : bool, optional
        Run a first round that is not counted.
    collector : bool, optional
        Leave the garbage collector on, and all that exists before to it.
    clock : callable, optional
        What tells the time: for work that waits for nothing, `time.process_time` leaves out what
        other processes do.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    with contextlib.nullcontext() if collector else _quiet_collector():
        for number in range(rounds + warm):
            # Each is first as often as the others.
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                if prepare is not None:
                    prepare()
                times[name].append(_time(contenders[name], clock))
    return {name: statistics.median(found[warm:]) for name, found in times.items()}


def _time(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    begin = clock()
    result = run()
    elapsed = clock() - begin
    del result
    gc.collect()
    return elapsed


@contextlib.contextmanager
def _quiet_collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def cpu_time() -> float:
    """Return the CPU time in s of this process and of its children, those that run included.

    Unlike the time that passes, it does not depend on what else the machine does. Without
    ``/proc``, as on systems other than Linux, children count when they have ended.
    """
    used = os.times()
    total = used.user + used.system + used.children_user + used.children_system
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def exponent(times: Mapping[int, float]) -> float:
    """Return the exponent of growth: the least-squares slope of log time over log size."""
    sizes = numpy.log(list(times))
    return float(numpy.polyfit(sizes, numpy.log(list(times.values())), 1)[0])


def peak_memory(prepare: Callable[..., Callable[[], int]], *arguments: Any) -> tuple[int, int]:
    """Return the bytes that a run takes at its peak, and the number that it returns.

    Parameters
    ----------
    prepare : callable
        A function of a module, called in a new process with `arguments`. Memory is counted from
        when it returns, over the run of the callable that it returns.

    Notes
    -----
    This is resident memory, as the system sees it: what Python keeps free for itself before the run
    counts for nothing, what it keeps free afterwards counts. The collector is on.
    """
    extra, result = _run_apart(prepare, f"measure.watch(function(*{arguments!r}))")
    return extra, result


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module returns in a new process, as JSON has it."""
    return _run_apart(function, f"function(*{arguments!r})")


def _run_apart(function: Callable[..., Any], call: str) -> Any:
    source = _APART.format(module=function.__module__, name=function.__qualname__, call=call)
    output = subprocess.run(
        [sys.executable, "-c", source],
        cwd=Path(__file__).parents[1],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def watch(run: Callable[[], int]) -> tuple[int, int]:
    """Return the bytes by which resident memory grows at the peak of `run`, and what it returns."""
    gc.collect()
    before = _begin_peak()
    result = run()
    return max(0, _peak() - before), result


def _begin_peak() -> int:
    """Forget the peak so far, where the system can, and return the memory taken now."""
    try:
        # Linux: 5 sets the high-water mark to what is resident now.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
