import os
import shutil
import subprocess
import sys
import zipfile

import numpy
import pytest

from persist.archive.arrays import EXTENSIONS, STORES, loader_source, write_new
from tests.archive.arrays.cases import FORMATS
from tests.grammar import check_grammar

ARRAYS = {"array_0": numpy.arange(3)}


def run(source, **env):
    exec(source, env)
    return env


@pytest.mark.parametrize("data_format", STORES)
def test_source_does_not_depend_on_content(data_format):
    def source(length):
        return loader_source(STORES[data_format], {"x": numpy.arange(length)}, location="x")

    assert source(3) == source(50)


@pytest.mark.parametrize("data_format", STORES)
def test_source_names_no_folder_of_this_machine(tmp_path, monkeypatch, data_format):
    monkeypatch.chdir(tmp_path)
    source = loader_source(STORES[data_format], ARRAYS, location=os.path.join("a", "b"))
    assert str(tmp_path) not in source
    assert "path = os.path.join(folder, 'a/b')" in source
    assert "folder = '.'" in source


def test_source_for_arrays_beside_the_module_joins_nothing(tmp_path):
    source = loader_source(STORES["npy"], ARRAYS, location=".")
    assert "path = folder\n" in source


def test_a_module_finds_its_arrays_from_anywhere(tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    write_new(STORES["npz"], str(package), "_arrays", ARRAYS)
    source = loader_source(STORES["npz"], ARRAYS, location="_arrays.npz")
    (package / "__init__.py").write_text(source)
    check = "import package; print(package._arrays['array_0'].sum())"
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "3\n", done.stderr


def test_without_a_file_the_fallback_folder_is_used(tmp_path):
    write_new(STORES["npy"], str(tmp_path), "x", ARRAYS)
    source = loader_source(STORES["npy"], ARRAYS, location="x", fallback=tmp_path)
    assert run(source)["_arrays"]["array_0"].tolist() == [0, 1, 2]


def test_a_relative_fallback_stays_relative(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    write_new(STORES["npy"], str(tmp_path / "runs"), "x", ARRAYS)
    source = loader_source(STORES["npy"], ARRAYS, location="x", fallback="runs")
    monkeypatch.chdir(tmp_path)
    assert run(source)["_arrays"]["array_0"].tolist() == [0, 1, 2]


def test_the_variable_has_the_name_that_is_asked_for(tmp_path):
    write_new(STORES["npy"], str(tmp_path), "x", ARRAYS)
    source = loader_source(
        STORES["npy"], ARRAYS, location="x", arrays_name="_data", fallback=tmp_path
    )
    assert run(source).keys() == {"__builtins__", "_data"}


@pytest.mark.parametrize("name", ["class", "a-b", ""])
def test_a_variable_that_cannot_be_is_refused(name):
    with pytest.raises(ValueError, match="arrays_name must be a Python identifier"):
        loader_source(STORES["npy"], ARRAYS, location="x", arrays_name=name)


@pytest.mark.cases(1)
@pytest.mark.parametrize("data_format", FORMATS)
def test_many_names_stand_one_a_line(tmp_path, data_format):
    arrays = {f"array_{number}": numpy.arange(3) for number in range(300)}
    store = STORES[data_format]
    write_new(store, str(tmp_path), "x", arrays)
    source = loader_source(store, arrays, location=f"x{EXTENSIONS[data_format]}", fallback=tmp_path)
    check_grammar(source)
    assert max(map(len, source.splitlines())) <= 100
    assert list(run(source)["_arrays"]) == list(arrays)


def test_names_are_quoted():
    check_grammar(loader_source(STORES["npy"], {"it's {0}": numpy.arange(3)}, location="{x}'s"))


def test_the_source_reads_as_written():
    source = loader_source(STORES["npy"], ARRAYS, location="x_arrays")
    assert (
        source
        == """\
try:
    _arrays
except NameError:

    def _arrays():
        import io
        import os

        import numpy

        try:
            folder = os.path.dirname(__file__) or os.curdir
        except NameError:
            folder = '.'

        def opened(filename):
            # What is in a zip, only the loader of this module can read.
            if os.path.isdir(folder) or not hasattr(__loader__, 'get_data'):
                return filename
            return io.BytesIO(__loader__.get_data(filename))

        path = os.path.join(folder, 'x_arrays')
        names = ['array_0']

        def read(name):
            # What numpy.load reads would be a view of other memory; this array owns its own.
            filename = os.path.join(path, name + '.npy')
            source = opened(filename)
            if source is not filename:
                return numpy.array(numpy.load(source, allow_pickle=False))
            mapped = numpy.load(filename, mmap_mode='r', allow_pickle=False)
            array = numpy.empty_like(mapped, subok=False)
            if array.nbytes:
                with open(filename, 'rb') as file:
                    file.seek(mapped.offset)
                    file.readinto(array.reshape(-1, order='A').view('u1'))
            return array

        return {name: read(name) for name in names}

    _arrays = _arrays()
"""
    )


def test_arrays_that_are_handed_in_are_not_loaded():
    source = loader_source(STORES["npy"], ARRAYS, location="missing")
    assert run(source, _arrays="handed in")["_arrays"] == "handed in"


@pytest.mark.cases(2)
@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
# What zarr reads is itself in a zip, which it opens by path.
@pytest.mark.parametrize("data_format", [name for name in STORES if name != "zarr"])
def test_a_module_in_a_zip_reads_its_arrays_from_the_zip(tmp_path, data_format, relative):
    arrays = {"a": numpy.arange(3), "b": numpy.asfortranarray(numpy.eye(3, dtype=">f4"))}
    package = tmp_path / "package"
    package.mkdir()
    path = write_new(STORES[data_format], str(package), "_arrays", arrays)
    source = loader_source(STORES[data_format], arrays, location=os.path.basename(path))
    (package / "__init__.py").write_text(source)
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as file:
        for name in package.rglob("*"):
            file.write(name, name.relative_to(tmp_path))
    shutil.rmtree(package)
    place = "package.zip" if relative else str(tmp_path / "package.zip")
    check = (
        f"import sys; sys.path.insert(0, {place!r}); import package; "
        "a, b = package._arrays['a'], package._arrays['b']; a += 1; "
        "print(a, b.flags.fnc, b.dtype.str, b.trace(), a.flags.owndata, b.flags.owndata)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "[1 2 3] True >f4 3.0 True True\n", done.stderr
