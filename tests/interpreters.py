"""Every Python on this machine, to run in it what persist wrote.

The environment variable ``PERSIST_TEST_PYTHONS`` names more interpreters, separated as in PATH; of
one version, these are taken first.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.effort import IS_SHORT

MINORS = range(6, 15)
PROBE = "import platform, sys; print(platform.python_implementation(), *sys.version_info[:2])"
# Runs on Python 3.6. Within it, persist cannot be imported.
DRIVER = """
import json, sys, warnings
sys.modules["persist"] = None
for source, check in json.load(sys.stdin):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = compile(source, "<archive>", "exec")
    env = {}
    exec(code, env)
    exec(compile(check, "<check>", "exec"), env)
"""


class Interpreter(NamedTuple):
    """A CPython, known by its version: ``(3, 6)``."""

    version: tuple[int, int]
    path: str

    def __str__(self) -> str:
        return "python{}.{}".format(*self.version)


@functools.cache
def find_interpreters() -> tuple[Interpreter, ...]:
    """Return one CPython for each version from 3.6 to 3.14 that is here, the oldest first.

    With few examples, these are the oldest, the newest, and that of these tests.
    """
    found: dict[tuple[int, int], Interpreter] = {}
    for path in _candidates():
        name = Path(path).name
        # Commands of pyenv are slow scripts: not asked if what they are named after is known.
        if any(name == f"python3.{minor}" for _, minor in found):
            continue
        version = _version(path)
        if version is not None:
            found.setdefault(version, Interpreter(version, path))
    versions = sorted(found)
    if IS_SHORT:
        versions = sorted({versions[0], sys.version_info[:2], versions[-1]})
    return tuple(found[version] for version in versions)


def run_source(interpreter: Interpreter, source: str, check: str = "") -> str:
    """Execute `source` without persist, then `check` in the same names; return what is printed.

    Raises
    ------
    AssertionError
        If either of them raises; the message holds the traceback.
    """
    return run_sources(interpreter, [(source, check)])


def run_sources(interpreter: Interpreter, pairs: Iterable[tuple[str, str]]) -> str:
    """Do as `run_source` for each pair of source and check, in one process."""
    done = subprocess.run(
        [interpreter.path, "-I", "-c", DRIVER],
        input=json.dumps(list(pairs)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{interpreter}: {done.stderr}"
    return done.stdout


@functools.cache
def has_numpy(interpreter: Interpreter) -> bool:
    """Tell whether numpy can be imported in `interpreter`."""
    done = subprocess.run([interpreter.path, "-I", "-c", "import numpy"], capture_output=True)
    return done.returncode == 0


def _candidates() -> Iterator[str]:
    yield from filter(None, os.environ.get("PERSIST_TEST_PYTHONS", "").split(os.pathsep))
    yield sys.executable
    yield from map(str, sorted(Path.home().glob(".pyenv/versions/*/bin/python"), reverse=True))
    yield from filter(None, (shutil.which(f"python3.{minor}") for minor in MINORS))


def _version(path: str) -> tuple[int, int] | None:
    try:
        done = subprocess.run([path, "-I", "-c", PROBE], capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    # Python 2 has no -I; the shims of pyenv fail for a version that is not active.
    if done.returncode:
        return None
    implementation, major, minor = done.stdout.split()
    supported = implementation == "CPython" and major == "3" and int(minor) in MINORS
    return (int(major), int(minor)) if supported else None
