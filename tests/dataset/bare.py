"""Python without persist, which a test runs and talks to."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.describe import DESCRIBE
from tests.interpreters import Interpreter, find_interpreters, has_numpy

INTERPRETERS = find_interpreters()


FORMATS = ("npy", "npz", "hdf5")


interpreters = pytest.mark.parametrize("interpreter", INTERPRETERS, ids=str)


formats = pytest.mark.parametrize("data_format", FORMATS)


with_numpy = pytest.mark.parametrize(
    "interpreter", [found for found in INTERPRETERS if has_numpy(found)], ids=str
)


DRIVER = """
import json, sys, warnings
sys.modules["persist"] = None
sys.path[:0] = sys.argv[1:]
try:
    import h5py, numpy
except ImportError:
    pass
warnings.simplefilter("error")
names = {}
for line in sys.stdin:
    exec(compile(json.loads(line), "<step>", "exec"), names)
    print(flush=True)
    print("done", flush=True)
"""


# What numpy of 2017 has as well.
SAME = """
def check(found, wanted):
    assert found.dtype == wanted.dtype and found.dtype.str == wanted.dtype.str, found.dtype
    assert found.shape == wanted.shape, found.shape
    assert found.flags.c_contiguous == wanted.flags.c_contiguous
    assert found.flags.f_contiguous == wanted.flags.f_contiguous
    if wanted.dtype.names:  # What fills up records to their length is not kept.
        assert repr(found.tolist()) == repr(wanted.tolist()), found
    else:
        assert found.tobytes() == wanted.tobytes(), found
"""


def run_bare(
    interpreter: Interpreter,
    path: os.PathLike[str] | str,
    *steps: str | Callable[[], object],
    flags: str = "-ISB",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run steps of a program in one process without persist, and return what they print.

    A step that is a function is called here, between the others.
    """
    command = [interpreter.path, flags, "-c", DRIVER, *([os.fspath(path)] if path else [])]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            encoding="utf-8",
        ) as child,
    ):
        found = []
        for step in steps:
            if not isinstance(step, str):
                step()
            elif not _run_step(child, textwrap.dedent(step), found):
                child.wait()
                errors.seek(0)
                pytest.fail(f"{interpreter}: {errors.read()}")
    return "\n".join(filter(None, found))


def _run_step(child: subprocess.Popen[str], step: str, found: list[str]) -> bool:
    """Run a step in a child, and add the lines that it prints; return whether it ends."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(step) + "\n")
    child.stdin.flush()
    for line in child.stdout:
        if line == "done\n":
            return True
        found.append(line.rstrip("\n"))
    return False


def description_of(expression: str) -> str:
    """Return a program that prints the description of the list of some expressions."""
    return f"exec({DESCRIBE!r})\nprint(describe([{expression}]))"


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return when each file in a folder was changed, and what it holds."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def skip_without(interpreter: Interpreter, data_format: str) -> None:
    """Skip a test of HDF5 where there is no h5py."""
    if data_format == "hdf5" and not _has_h5py(interpreter):
        pytest.skip("no h5py there")


@functools.cache
def _has_h5py(interpreter: Interpreter) -> bool:
    done = subprocess.run([interpreter.path, "-I", "-c", "import h5py"], capture_output=True)
    return done.returncode == 0
