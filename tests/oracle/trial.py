"""Stores drawn graphs, has them restored in another process, and judges what came back."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persist.archive import Archive
from persist.errors import CycleError, UnsupportedObjectError
from tests.oracle.graphs import Graph, build
from tests.oracle.kinds import Kind, is_lossless, module_source

__all__ = ["ALLOWED", "Fault", "run_trials"]

ALLOWED: dict[str, str] = {}
"""Refusals of what pickle brings back: a pattern for the message, and the reason."""

_FORMATS = ("flat", "scoped")


@dataclass
class Fault:
    """What went wrong with a graph, and the source of its archive if there is one."""

    graph: Graph
    what: str
    source: str


@dataclass
class _Stored:
    """A graph as pickle and both formats store it, and what it is before and after that.

    `copied` is what it must be when it is restored with each state complete.
    """

    graph: Graph
    before: list[str]
    copied: list[str]
    pickled: bytes | None
    archived: list[str | Exception]
    after: list[str]
    lossless: bool


def run_trials(
    folder: Path, name: str, kinds: list[Kind], graphs: Sequence[Graph], *, ordered: bool
) -> tuple[list[Fault], Counter[str]]:
    """Store graphs of drawn classes, and restore them in another process.

    Parameters
    ----------
    folder : Path
        Where the module with the classes is written.
    name : str
        The name of the module. No two modules of a test may have the same.
    kinds : list of dict
        The descriptions of the classes.
    graphs : sequence of dict
        The descriptions of the graphs.
    ordered : bool
        The order of attributes counts.

    Returns
    -------
    faults : list of Fault
        The graphs that did not come back as they must.
    counts : Counter
        How often pickle and the archive could bring back a graph: ``"pickle, restored"``.
    """
    (folder / f"{name}.py").write_text(module_source(kinds))
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(name)
        stored = [_store(module, kinds, graph, ordered) for graph in graphs]
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
    trials = [
        (
            (one.before, one.copied),
            one.pickled,
            [None if isinstance(found, Exception) else found for found in one.archived],
        )
        for one in stored
    ]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("child.py")), str(folder), name],
        input=pickle.dumps((ordered, trials)),
        capture_output=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process that restores graphs failed: {done.stderr.decode()}")
    faults, counts = [], Counter[str]()
    for one, (pickled, found) in zip(stored, pickle.loads(done.stdout), strict=True):
        faults += _judge(one, pickled, found, counts)
    return faults, counts


def _store(module: Any, kinds: list[Kind], graph: Graph, ordered: bool) -> _Stored:
    root = build(module, kinds, graph)
    before = module.snapshot(root, ordered)
    try:
        pickled = pickle.dumps(root, 4)
    except Exception:
        pickled = None
    copied = module.snapshot(build(module, kinds, graph, copied=True), ordered)
    archived = [_archive(root, scoped=scoped) for scoped in (False, True)]
    used = {node["kind"] for node in graph["nodes"]} - {None}
    lossless = all(is_lossless(kinds[kind]) for kind in used if type(kind) is int)
    after = module.snapshot(root, ordered)
    return _Stored(graph, before, copied, pickled, archived, after, lossless)


def _archive(root: Any, *, scoped: bool) -> str | Exception:
    archive = Archive(scoped=scoped)
    archive.insert(x=root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return str(archive)
    except Exception as error:
        return error


def _judge(
    stored: _Stored, pickled: list[str] | None, found: list[Any], counts: Counter[str]
) -> list[Fault]:
    """Return what is wrong with one graph.

    It must come back as from pickle, or as it was, or as it must with each state complete. What
    pickle cannot bring back may be refused, or be such that nobody can: then the source cannot run.
    """
    if stored.after != stored.before:
        what = f"storing a graph changed it: {_difference(stored.after, stored.before)}"
        return [Fault(stored.graph, what, "")]
    by_pickle = pickled is not None and _is_snapshot(pickled)
    faults = []
    for name, archived, back in zip(_FORMATS, stored.archived, found, strict=True):
        outcome, what = "restored", ""
        if isinstance(archived, Exception):
            outcome = type(archived).__name__
            what = _refusal(archived, by_pickle)
        elif back != "same":
            if by_pickle:
                what = _difference(back, pickled or [])
            elif _is_snapshot(back) and stored.lossless:
                what = _difference(back, stored.before)
            else:
                outcome = "unknown"
        counts[f"{'pickle' if by_pickle else 'not pickle'}, {outcome}"] += 1
        if what:
            source = archived if isinstance(archived, str) else ""
            faults.append(Fault(stored.graph, f"{name}: {what}", source))
    return faults


def _refusal(error: Exception, by_pickle: bool) -> str:
    """Return what is wrong with a refusal, or nothing."""
    if not isinstance(error, (CycleError, UnsupportedObjectError)):
        return f"{type(error).__name__} is no refusal: {error}"
    if isinstance(error, UnsupportedObjectError) and not error.path.startswith("x"):
        return f"an error without a path: {error}"
    if by_pickle and not any(re.search(pattern, str(error)) for pattern in ALLOWED):
        return f"pickle restores what is refused: {error}"
    return ""


def _is_snapshot(lines: list[str]) -> bool:
    """Return True if a graph was restored; else the only line is an error."""
    return lines[0].startswith("#")


def _difference(found: list[str], wanted: list[str]) -> str:
    for ours, theirs in zip(found, wanted, strict=False):
        if ours != theirs:
            return f"found {ours}\n    instead of {theirs}"
    return f"found {len(found)} objects instead of {len(wanted)}"
