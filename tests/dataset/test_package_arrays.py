"""Arrays of a data set, loaded and mapped by a Python that has no persist."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from tests.dataset.bare import (
    INTERPRETERS,
    SAME,
    formats,
    run_bare,
    skip_without,
    snapshot,
    with_numpy,
)
from tests.dataset.samples import CHECK_ALL, make_arrays, make_plain
from tests.interpreters import Interpreter


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


@pytest.mark.cases(2)
@with_numpy
@formats
def test_arrays_of_each_kind_are_loaded(
    arrays: Callable[[str], Path], data_format: str, interpreter: Interpreter
) -> None:
    skip_without(interpreter, data_format)
    program = """
        import importlib
        check_all(results)
        check(importlib.import_module('results.D0.E')._load('x'), numpy.arange(30))
    """
    run_bare(interpreter, arrays(data_format), SAME, CHECK_ALL, program, flags="-IB")


@with_numpy
@formats
@pytest.mark.parametrize("mmap_mode", ["r", "c"])
@pytest.mark.cases(2)
def test_arrays_of_each_kind_are_mapped(
    arrays: Callable[[str], Path], data_format: str, interpreter: Interpreter, mmap_mode: str
) -> None:
    skip_without(interpreter, data_format)
    before = snapshot(arrays(data_format))
    program = f"""
        import importlib, sys
        for key in ARRAYS:
            array, wanted = results._load(key, mmap_mode={mmap_mode!r}), eval(ARRAYS[key])
            try:
                check(array, wanted)
                if array.nbytes:
                    assert type(array) is numpy.memmap
                    assert array.flags.writeable == ({mmap_mode!r} == 'c')
                if array.nbytes and array.flags.writeable:
                    array.fill(array.flat[-1])
            except AssertionError as error:
                raise AssertionError(key) from error
        several = results._load('several', mmap_mode={mmap_mode!r})
        assert several['base'] is several['again'][0] is several['again'][1]
        assert type(several['other']) is numpy.memmap and several['text'] == u'\\xe9'
        inner = importlib.import_module('results.D0.E')._load('x', mmap_mode={mmap_mode!r})
        assert type(inner) is numpy.memmap
        check(inner, numpy.arange(30))
        assert not any(name.startswith('results.') and name[8:] in ARRAYS for name in sys.modules)
        check_all(results)
    """
    run_bare(interpreter, arrays(data_format), SAME, CHECK_ALL, program, flags="-IB")
    assert snapshot(arrays(data_format)) == before


@pytest.mark.cases(2)
@with_numpy
@formats
def test_a_mapped_array_is_read_anew_each_time(
    tmp_path: Path, data_format: str, interpreter: Interpreter
) -> None:
    skip_without(interpreter, data_format)
    options: dict[str, Any] = {"array_threshold": 2, "data_format": data_format}
    ds = persist.DataSet("results", "w", tmp_path, durable=False, **options)
    ds.x = numpy.arange(10)

    def change() -> None:
        ds.x = numpy.arange(20)
        ds.x = numpy.arange(30)
        ds._rename("x", "y")
        ds.x = [numpy.arange(10), "text"]

    before = """
        import importlib, numpy, results
        first, again = results._load('x', mmap_mode='r'), results._load('x', mmap_mode='c')
        assert first is not results._load('x', mmap_mode='r')
        again[0] = 100
        check(results._load('x', mmap_mode='c'), numpy.arange(10))
    """
    after = """
        assert first.sum() == 45 == again.sum() - 100
        array, text = results._load('x', mmap_mode='r')
        check(array, numpy.arange(10))
        assert text == 'text'
        importlib.reload(results)
        check(results._load('y', mmap_mode='r'), numpy.arange(30))
        check(results._load('y'), numpy.arange(30))
    """
    run_bare(interpreter, tmp_path, SAME, before, change, after, flags="-IB")


def test_values_without_arrays_may_be_mapped_and_are_not_kept(results: Path) -> None:
    program = """
        import results, sys
        kept = results._load('x')
        for mode in 'r', 'c':
            again = results._load('x', mmap_mode=mode)
            assert again == kept and again is not kept
            assert results._load('nothing', mmap_mode=mode) is None
        assert results._load('x') is kept
        modules = set(sys.modules)
        results._load('shared', mmap_mode='r')
        assert set(sys.modules) == modules
    """
    for interpreter in INTERPRETERS:
        run_bare(interpreter, results, program)


@pytest.mark.cases(1)
@pytest.mark.parametrize("mmap_mode", ["'r+'", "'w+'", "'readonly'", "''", "True", "b'r'"])
def test_a_mode_that_could_write_is_refused_with_the_reason(results: Path, mmap_mode: str) -> None:
    program = f"""
        import results
        try:
            results._load('x', mmap_mode={mmap_mode})
        except ValueError as error:
            print(error)
    """
    for interpreter in INTERPRETERS:
        found = run_bare(interpreter, results, program)
        assert "mmap_mode must be 'r' or 'c', got " + mmap_mode in found
        assert "never changed in place" in found


def test_a_key_with_only_an_info_is_none_however_it_is_loaded(results: Path) -> None:
    program = """
        import results
        for mode in None, 'r', 'c':
            assert results._load('only', mmap_mode=mode) is None, mode
    """
    for interpreter in INTERPRETERS:
        run_bare(interpreter, results, program)


@with_numpy
def test_a_module_that_was_changed_by_hand_is_not_mapped(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    ds = persist.DataSet("results", "w", tmp_path, array_threshold=2)
    ds.x = numpy.arange(10)
    with open(tmp_path / "results" / "x.py", "a") as file:
        file.write("\n# A note.\n")
    program = """
        import results
        try:
            results._load('x', mmap_mode='r')
        except ValueError as error:
            print(error)
        assert results._load('x').sum() == 45
    """
    found = run_bare(interpreter, tmp_path, program, flags="-IB")
    assert found.startswith("x.py is not what _manifest.jsonl says")


@pytest.mark.cases(1)
@with_numpy
@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_a_compressed_array_is_mapped_as_an_open_dataset(
    tmp_path: Path, interpreter: Interpreter, compression: str
) -> None:
    skip_without(interpreter, "hdf5")
    make_arrays(tmp_path, "hdf5", compression=compression)
    program = """
        import h5py
        check_all(results)
        for key in ARRAYS:
            wanted = eval(ARRAYS[key])
            check(results._load(key, mmap_mode='c'), wanted)
            array = results._load(key, mmap_mode='r')
            if isinstance(array, h5py.Dataset):
                assert array.chunks, key
                check(array[()], wanted)
            else:
                check(array, wanted)
        array = results._load('plain', mmap_mode='r')
        assert type(array) is h5py.Dataset
        assert array[1:3, 2].tolist() == eval(ARRAYS['plain'])[1:3, 2].tolist()
        assert type(results._load('several', mmap_mode='r')['base']) is h5py.Dataset
    """
    run_bare(interpreter, tmp_path, SAME, CHECK_ALL, program, flags="-IB")
