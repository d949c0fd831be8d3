"""Objects of the libraries that scientists use: the same when read, and readable.

Each library is one test, since its objects share three processes: two write with different hash
seeds, in a different order and with other modules loaded; the third reads without persist.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.libraries.exceptions import BYTES, PRIVATE, REFUSED
from tests.libraries.worker import FORMATS

ROOT = Path(__file__).parents[2]
MODULES = {"attrs": "attrs", "pillow": "PIL"}
LIBRARIES = sorted(file.stem for file in (Path(__file__).parent / "objects").glob("[a-z]*.py"))

# Parts of a path that a library does not promise to keep, beside those that begin with _.
INTERNAL = {"core", "internals", "lib"}
LONGEST_BYTES = 40


class Run:
    """What became of the objects of one library.

    Parameters
    ----------
    library : str
        The name of a module of `tests.libraries.objects`.
    folder : Path
        An empty folder for the archives.
    """

    def __init__(self, library: str, folder: Path) -> None:
        self.library = library
        self.folders = [folder / "first", folder / "second"]
        for part in self.folders:
            part.mkdir()
        first = self._start("write", self.folders[0], "1")
        second = self._start("write", self.folders[1], "2", "reverse")
        self.not_written = finish(first) | finish(second)
        self.not_read = finish(self._start("read", self.folders[0], "3"))

    def _start(self, task: str, folder: Path, seed: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.libraries.worker", task, self.library, str(folder)]
        return subprocess.Popen(
            [*command, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )

    def texts(self) -> dict[str, str]:
        """Return the text of each object, in one format."""
        return {
            file.name.partition(".")[0]: file.read_text(encoding="utf-8")
            for file in sorted(self.folders[0].glob(f"*.{FORMATS[0]}.py"))
        }

    def changed(self) -> list[str]:
        """Return the files that are not the same in both folders."""
        names = sorted({file.name for folder in self.folders for file in folder.iterdir()})
        return [name for name in names if len({read(f / name) for f in self.folders}) > 1]


def read(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def finish(process: subprocess.Popen[str]) -> dict[str, str]:
    out, error = process.communicate()
    assert process.returncode == 0, error
    failed: dict[str, str] = json.loads(out.splitlines()[-1])
    return failed


def private_paths(text: str) -> set[str]:
    """Return the paths in a text that pass through what a library keeps to itself."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(f".{node.attr}")
    return {path for path in found if any(map(is_private, path.split(".")))}


def is_private(part: str) -> bool:
    magic = part.startswith("__") and part.endswith("__")
    return (part.startswith("_") and not magic) or part in INTERNAL


def has_long_bytes(text: str) -> bool:
    constants = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant))
    return any(isinstance(value, bytes) and len(value) > LONGEST_BYTES for value in constants)


def unexplained(failed: dict[str, str]) -> str:
    return "\n".join(f"{key}:\n{trace}" for key, trace in failed.items())


@pytest.mark.parametrize("library", LIBRARIES)
def test_objects_of_a_library_come_back_the_same(library: str, tmp_path: Path) -> None:
    if os.environ.get("PERSIST_LIBRARIES") != "required":
        pytest.importorskip(MODULES.get(library, library), reason=f"{library} is not installed")
    run = Run(library, tmp_path)
    refused = REFUSED.get(library, {})
    failed = {key: why for key, why in run.not_written.items() if key not in refused}
    assert not failed, unexplained(failed)
    assert set(refused) <= set(run.not_written), "what is said to be refused is stored"
    assert all("UnsupportedObjectError" in run.not_written[key] for key in refused)
    assert not run.not_read, unexplained(run.not_read)
    assert not run.changed(), "the text depends on the hash seed, or on what is loaded"
    found = {key: paths for key, text in run.texts().items() if (paths := private_paths(text))}
    assert set(found) == set(PRIVATE.get(library, {})), found
    assert {k for k, text in run.texts().items() if has_long_bytes(text)} == set(
        BYTES.get(library, {})
    )


def test_every_exception_is_of_an_object_in_the_table() -> None:
    for table in (PRIVATE, BYTES, REFUSED):
        assert set(table) <= set(LIBRARIES)
        assert all(reason for part in table.values() for reason in part.values())
