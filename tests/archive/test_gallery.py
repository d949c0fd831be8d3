"""The golden files: what a release writes, it always reads, and the present one still writes.

A file of ``tests/data`` is never written anew. When a release changes the text, it gets a folder of
its own, whose files are written once: ``python -m tests.archive.test_gallery FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from persist.archive import Archive, restore
from tests.effort import IS_SHORT
from tests.gallery import GALLERY, is_available
from tests.grammar import check_grammar
from tests.same import assert_same

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
NEWEST = "gallery-0.1.0"
FORMATS = {"flat": False, "scoped": True}

golden_files = pytest.mark.parametrize(
    "path",
    sorted(DATA.glob("gallery-*/*_*.py")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)


def write_gallery(folder: Path) -> None:
    """Write each item of the gallery in both formats to files that are not there yet."""
    folder.mkdir(exist_ok=True)
    for name in filter(is_available, GALLERY):
        for suffix, scoped in FORMATS.items():
            archive = Archive(scoped=scoped)
            archive.insert(**GALLERY[name]())
            with open(folder / f"{name}_{suffix}.py", "xb") as file:
                file.write(f"{archive}\n".encode())


def item_name(path: Path) -> str:
    return path.stem.rpartition("_")[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files that can be written here."""
    paths = folder.glob("*_*.py")
    return {path.name: path.read_bytes() for path in paths if is_available(item_name(path))}


@pytest.mark.parametrize("seed", ["0", "2024"] if IS_SHORT else ["0", "1", "2024"])
@pytest.mark.cases(1)
def test_the_gallery_is_written_byte_for_byte_whatever_the_hash_seed(
    seed: str, tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    subprocess.run(
        [sys.executable, "-m", "tests.archive.test_gallery", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
    )
    assert contents(folder) == contents(DATA / NEWEST)


@golden_files
def test_a_golden_file_holds_what_it_held(path: Path) -> None:
    if not is_available(item_name(path)):
        pytest.skip("needs another release of a library")
    source, wanted = path.read_text("utf-8"), GALLERY[item_name(path)]()
    env: dict[str, Any] = {}
    exec(compile(source, path, "exec", dont_inherit=True), env)
    assert set(env) == set(wanted)
    assert_same({name: env[name] for name in wanted}, wanted)
    found = restore(source)
    assert_same({name: found[name] for name in wanted}, wanted)


@golden_files
def test_a_golden_file_is_source_for_every_python(path: Path) -> None:
    check_grammar(path.read_text("utf-8"))


def test_there_is_a_golden_file_for_each_item_and_format() -> None:
    names = {f"{name}_{suffix}.py" for name in GALLERY for suffix in FORMATS}
    assert {path.name for path in (DATA / NEWEST).iterdir()} == names


if __name__ == "__main__":
    write_gallery(Path(sys.argv[1]))
