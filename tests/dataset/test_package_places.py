"""A data set in a zip, copied, moved, under another name, and write-protected."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest

import persist
from tests.dataset.bare import (
    INTERPRETERS,
    SAME,
    description_of,
    formats,
    interpreters,
    run_bare,
    skip_without,
    snapshot,
    with_numpy,
)
from tests.dataset.samples import CHECK_ALL, make_arrays, make_plain, plain_values
from tests.describe import describe
from tests.interpreters import Interpreter, has_numpy


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the data set ``results``, which nobody may change."""
    folder = tmp_path_factory.mktemp("plain")
    make_plain(folder)
    return folder


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives a folder with arrays of a format, which nobody may change."""

    @functools.cache
    def find(data_format: str) -> Path:
        folder = tmp_path_factory.mktemp(data_format)
        make_arrays(folder, data_format)
        return folder

    return find


def make_zip(source: Path, target: Path, below: str = "", compression: int = 0) -> None:
    """Put all files of a folder into a zip, below another folder if that is given."""
    with zipfile.ZipFile(target, "w", compression) as file:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                file.write(path, Path(below, path.relative_to(source)))


@interpreters
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_values_are_read_from_a_zip(
    results: Path, tmp_path: Path, interpreter: Interpreter, compression: int
) -> None:
    make_zip(results, tmp_path / "all.zip", compression=compression)
    values = plain_values()
    loads = ", ".join(f"results._load({key!r})" for key in values)
    program = """
        import importlib, results
        assert results._info_dict['loop'] == (1, ('two', 3)) and results._load('only') is None
        importlib.reload(results)
        import results.D0.E
        assert results.D0.E._load('x') == ['innermost'] and results.D0._load('x') == ['inner']
        try:
            results._load('x', mmap_mode='r')
        except ValueError as error:
            assert 'zip' in str(error) and 'unpack' in str(error)
        else:
            raise AssertionError('mapped')
    """
    found = run_bare(interpreter, tmp_path / "all.zip", program, description_of(loads))
    assert found == describe(list(values.values()))


@with_numpy
@formats
@pytest.mark.parametrize("place", ["absolute", "relative", "below", "environment"])
@pytest.mark.cases(2)
def test_arrays_are_read_from_a_zip(
    arrays: Callable[[str], Path],
    tmp_path: Path,
    interpreter: Interpreter,
    data_format: str,
    place: str,
) -> None:
    skip_without(interpreter, data_format)
    below = "some/folder" if place == "below" else ""
    make_zip(arrays(data_format), tmp_path / "all.zip", below, zipfile.ZIP_DEFLATED)
    path = {
        "absolute": str(tmp_path / "all.zip"),
        "relative": "all.zip",
        "below": str(tmp_path / "all.zip" / below),
        "environment": "",
    }[place]
    flags = "-B" if place == "environment" else "-IB"
    program = """
        import importlib
        check_all(results)
        check(importlib.import_module('results.D0.E')._load('x'), numpy.arange(30))
        assert 'all.zip' in results.__file__
    """
    run_bare(
        interpreter,
        path,
        SAME,
        CHECK_ALL,
        program,
        flags=flags,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "all.zip")},
    )


@interpreters
def test_a_copy_has_any_name_and_place(
    results: Path, tmp_path: Path, interpreter: Interpreter
) -> None:
    shutil.copytree(results / "results", tmp_path / "elsewhere" / "study_2")
    package = tmp_path / "elsewhere" / "paper"
    shutil.copytree(results / "results", package / "data")
    (package / "__init__.py").write_text("from .data import x\n")
    shutil.move(tmp_path / "elsewhere", tmp_path / "moved")
    program = """
        import paper.data, study_2
        values = [1, 2.5, 'text', 0.0, 10**30]
        assert paper.x == values == study_2._load('x') == paper.data._load('x', mmap_mode='r')
        assert paper.x is paper.data._load('x') and paper.x is not study_2._load('x')
        from paper.data.D0.E import x
        from study_2.D0 import x as other
        assert x == ['innermost'] and other == ['inner']
        assert paper.data._info_dict == study_2._info_dict
    """
    run_bare(interpreter, tmp_path / "moved", program)


@pytest.mark.cases(1)
@with_numpy
@formats
def test_a_copy_has_its_own_arrays(
    tmp_path: Path, interpreter: Interpreter, data_format: str
) -> None:
    skip_without(interpreter, data_format)
    make_arrays(tmp_path / "first", data_format)
    shutil.copytree(tmp_path / "first" / "results", tmp_path / "second" / "copied")
    shutil.move(tmp_path / "first", tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    program = """
        import copied
        check_all(copied)
        check(copied._load('plain', mmap_mode='r'), eval(ARRAYS['plain']))
    """
    renamed = CHECK_ALL.replace("import numpy, results", "import numpy")
    run_bare(interpreter, tmp_path / "second", SAME, renamed, program, flags="-IB")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Return a function that takes the right to write from a folder, until the test is over."""

    def change(folder: Path, mode: int) -> None:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222 | mode)

    yield lambda folder: change(folder, 0)
    change(tmp_path, stat.S_IWUSR)


@pytest.mark.cases(1)
@formats
def test_to_read_changes_no_file(
    tmp_path: Path, data_format: str, read_only: Callable[[Path], None]
) -> None:
    make_plain(tmp_path)
    ds = persist.DataSet("results", "w", tmp_path, array_threshold=2, data_format=data_format)
    ds.array = numpy.arange(10)
    read_only(tmp_path / "results")
    before = snapshot(tmp_path)
    program = """
        import importlib, results, results.D0.E
        keys = [key for key in results._info_dict if key != 'array' or 'numpy' in sys.modules]
        for key in keys:
            results._load(key)
        results.D0.E._load('x')
        importlib.reload(results)
        if 'h5py' in sys.modules:
            results._load('array', mmap_mode='r')
            results._load('array', mmap_mode='c')[0] = 5
    """
    for interpreter in INTERPRETERS:
        skips_array = "" if has_numpy(interpreter) else "sys.modules.pop('numpy', None)"
        run_bare(interpreter, tmp_path, "import sys", skips_array, program, flags="-IB")
    assert snapshot(tmp_path) == before
    assert os.listdir(tmp_path) == ["results"]
