"""What every format of array files must do; each subclasses the suite."""

import os
import time
import tracemalloc
import zipfile

import numpy
import pytest

from persist.archive.arrays import (
    MissingArrayError,
    load_arrays,
    loader_source,
    replace_arrays,
    write_new,
)
from persist.errors import ArchiveError, UnsupportedObjectError
from tests.archive.arrays.cases import CASES, assert_same_array, assert_same_content
from tests.files.failures import Faults, record_synced, snapshot
from tests.grammar import check_grammar
from tests.interpreters import find_interpreters, run_source

LARGE = 16 << 20  # bytes
EXTRA = 2 << 20  # bytes


def load_by_source(store, arrays, path, **options):
    """Execute the source that loads `arrays` as the module beside `path` would."""
    source = loader_source(store, arrays, location=os.path.basename(path), **options)
    check_grammar(source)
    env = {"__file__": os.path.join(os.path.dirname(path), "module.py")}
    exec(source, env)
    del env["__builtins__"], env["__file__"]
    assert list(env) == [options.get("arrays_name", "_arrays")]
    (loaded,) = env.values()
    assert list(loaded) == list(arrays)
    return loaded


def peak_memory(call, *args):
    """Return the result of a call and its peak of memory, in bytes."""
    tracemalloc.start()
    try:
        result = call(*args)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class StoreSuite:
    """The contract of `Store`. A subclass sets `store` and reads and writes the raw files."""

    store = None
    mapped_modes = ("r", "c", "r+")
    saving_extra = loading_extra = EXTRA

    def read_raw(self, path):
        """Return what other software finds: a dictionary of arrays."""
        raise NotImplementedError

    def write_raw(self, path, arrays):
        """Write a dictionary of arrays as other software would."""
        raise NotImplementedError

    def write(self, folder, arrays, stem="data"):
        return write_new(self.store, str(folder), stem, arrays)

    # What is written.

    @pytest.mark.parametrize("case", CASES)
    def test_an_array_comes_back_the_same(self, tmp_path, case):
        path = self.write(tmp_path, {"array_0": CASES[case]})
        (found,) = self.store.load(path).values()
        assert_same_array(found, CASES[case])

    @pytest.mark.parametrize("case", CASES)
    def test_source_without_persist_gives_back_the_same(self, tmp_path, case):
        arrays = {"array_0": CASES[case]}
        path = self.write(tmp_path, arrays)
        (found,) = load_by_source(self.store, arrays, path).values()
        assert_same_array(found, CASES[case])

    def test_many_arrays_share_a_store(self, tmp_path):
        path = self.write(tmp_path, CASES)
        found = self.store.load(path)
        assert list(found) == sorted(CASES)
        for name, array in load_by_source(self.store, CASES, path).items():
            assert_same_array(found[name], CASES[name])
            assert_same_array(array, CASES[name])

    def test_no_arrays_are_a_store_too(self, tmp_path):
        path = self.write(tmp_path, {})
        assert self.store.load(path) == {}
        assert load_by_source(self.store, {}, path) == {}

    def test_other_software_finds_the_arrays(self, tmp_path):
        arrays = {"array_0": numpy.arange(6.0).reshape(2, 3), "x": numpy.array([1, 2], ">i2")}
        found = self.read_raw(self.write(tmp_path, arrays))
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert_same_content(found[name], array)

    def test_arrays_of_other_software_are_loaded(self, tmp_path):
        path = str(tmp_path / f"data{self.store.extension}")
        arrays = {"array_0": numpy.arange(6.0).reshape(2, 3), "x": numpy.array([1, 2], ">i2")}
        self.write_raw(path, arrays)
        for name, array in self.store.load(path).items():
            assert_same_array(array, arrays[name])

    def test_the_same_arrays_give_the_same_bytes(self, tmp_path, monkeypatch):
        (tmp_path / "first").mkdir()
        (tmp_path / "second").mkdir()
        self.write(tmp_path / "first", CASES)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 100_000)
        before = os.umask(0)
        try:
            self.write(tmp_path / "second", CASES)
        finally:
            os.umask(before)
        assert snapshot(tmp_path / "first") == snapshot(tmp_path / "second")

    def test_a_map_of_another_file_can_be_saved(self, tmp_path):
        mapped = numpy.memmap(tmp_path / "other", "<i4", "w+", shape=(2, 3))
        mapped[...] = 7
        (found,) = self.store.load(self.write(tmp_path, {"x": mapped})).values()
        assert_same_array(found, numpy.asarray(mapped))

    @pytest.mark.parametrize("name", ["class", "x y", "é", "x.y", "x_data", "-"])
    def test_names_are_kept(self, tmp_path, name):
        path = self.write(tmp_path, {name: numpy.arange(3)})
        assert list(self.store.load(path)) == [name]
        load_by_source(self.store, {name: numpy.arange(3)}, path)

    # What is refused.

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\\b", "a\0b", "C:x", "\n", 1])
    def test_names_that_lead_elsewhere_are_refused(self, tmp_path, name):
        with pytest.raises(ValueError, match="An array cannot be named"):
            self.write(tmp_path, {name: numpy.arange(3)})
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        "array",
        [
            numpy.array([None, 1]),
            numpy.array([(1, None)], [("a", "i4"), ("b", "O")]),
            numpy.ma.array([1, 2], mask=[True, False]),
            numpy.rec.array([(1, 2)], names="a,b"),
            numpy.float64(1),
            [1, 2],
            numpy.zeros(2, {"names": ["a", "b"], "formats": ["<i4", "<i2"], "offsets": [0, 2]}),
            numpy.zeros(2, [(f"a_field_with_a_long_name_{i}", "i4") for i in range(300)]),
        ],
        ids=lambda array: type(array).__name__,
    )
    def test_what_no_file_holds_is_refused_by_its_path(self, tmp_path, array):
        with pytest.raises(UnsupportedObjectError, match=r"Cannot store arrays\['x'\]: "):
            self.write(tmp_path, {"good": numpy.arange(3), "x": array})
        assert os.listdir(tmp_path) == []

    # What is asked for.

    def test_only_the_keys_asked_for_are_loaded_in_their_order(self, tmp_path):
        path = self.write(tmp_path, {name: numpy.arange(3) for name in "abc"})
        assert list(self.store.load(path, ["c", "a"])) == ["c", "a"]
        assert list(self.store.load(path, "b")) == ["b"]
        assert self.store.load(path, []) == {}

    def test_a_key_that_is_missing_is_named_with_those_that_are_there(self, tmp_path):
        path = self.write(tmp_path, {"a": numpy.arange(3)})
        with pytest.raises(
            MissingArrayError, match=r"No array 'b' in .*data.*holds \['a'\]"
        ) as info:
            self.store.load(path, ["a", "b"])
        assert (info.value.name, info.value.path, list(info.value.found)) == ("b", path, ["a"])
        assert isinstance(info.value, KeyError | ArchiveError)

    def test_source_loads_no_other_arrays(self, tmp_path):
        path = self.write(tmp_path, {name: numpy.arange(3) for name in "abc"})
        assert list(load_by_source(self.store, {"c": numpy.arange(3)}, path)) == ["c"]

    def test_a_store_that_is_missing_is_reported(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            self.store.load(str(tmp_path / f"nothing{self.store.extension}"))

    def test_a_truncated_file_is_reported(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.arange(100_000)})
        (filename,) = self.store.files(path, {"x": None})
        os.truncate(filename, os.path.getsize(filename) // 2)
        with pytest.raises((ValueError, OSError, zipfile.BadZipFile)):
            self.store.load(path)

    # Mapped into memory.

    @pytest.mark.parametrize("case", [case for case in CASES if CASES[case].nbytes])
    def test_a_mapped_array_is_the_same(self, tmp_path, case):
        path = self.write(tmp_path, {"x": CASES[case]})
        for mode in self.mapped_modes:
            (found,) = self.store.load(path, mmap_mode=mode).values()
            assert type(found) is numpy.memmap
            assert found.flags.aligned
            assert found.flags.writeable == (mode != "r")
            assert_same_content(found, CASES[case])

    @pytest.mark.parametrize("case", [case for case in CASES if not CASES[case].nbytes])
    def test_an_array_without_bytes_needs_no_map(self, tmp_path, case):
        path = self.write(tmp_path, {"x": CASES[case]})
        assert_same_content(self.store.load(path, mmap_mode="r")["x"], CASES[case])

    @pytest.mark.parametrize("mode", ["r", "c", "r+"])
    def test_changes_of_a_map_reach_the_file_only_in_that_mode(self, tmp_path, mode):
        path = self.write(tmp_path, {"x": numpy.arange(3)})
        if mode not in self.mapped_modes:
            with pytest.raises(ValueError, match="cannot be changed in place"):
                self.store.load(path, mmap_mode=mode)
            return
        mapped = self.store.load(path, mmap_mode=mode)["x"]
        if mode == "r":
            with pytest.raises(ValueError, match="read-only"):
                mapped[0] = 7
        else:
            mapped[0] = 7
        del mapped
        assert self.store.load(path)["x"][0] == (7 if mode == "r+" else 0)

    def test_other_modes_are_refused(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.arange(3)})
        with pytest.raises(ValueError, match=r"mmap_mode must be None or one of .* got 'w\+'"):
            self.store.load(path, mmap_mode="w+")
        assert self.store.load(path)["x"].tolist() == [0, 1, 2]

    # Memory, in bytes.

    @pytest.mark.parametrize(
        "array",
        [
            numpy.zeros(LARGE // 8),
            numpy.zeros((2, LARGE // 16), order="F"),
            numpy.zeros((4, LARGE // 16))[:, ::2],
            numpy.zeros(LARGE // 8, "M8[s]"),
            numpy.zeros(LARGE // 32, "U4")[::2],
        ],
        ids=["c", "fortran", "spread", "dates", "spread text"],
    )
    def test_saving_takes_no_copy(self, tmp_path, array):
        self.write(tmp_path, {"warm": numpy.arange(3)}, "warm")
        _, peak = peak_memory(self.write, tmp_path, {"x": array})
        assert peak < self.saving_extra

    @pytest.mark.parametrize("order", "CF")
    def test_loading_takes_one_copy(self, tmp_path, order):
        path = self.write(tmp_path, {"x": numpy.zeros((2, LARGE // 16), order=order)})
        _, peak = peak_memory(self.store.load, path)
        assert peak < LARGE + self.loading_extra

    def test_mapping_touches_no_data(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.zeros(LARGE // 8)})
        found, peak = peak_memory(lambda: self.store.load(path, mmap_mode="r"))
        assert found["x"].shape == (LARGE // 8,)
        assert peak < EXTRA

    # New stores, and replaced ones.

    def test_a_new_store_takes_the_first_free_name(self, tmp_path):
        extension = self.store.extension
        paths = [self.write(tmp_path, {"x": numpy.array(i)}) for i in range(3)]
        names = [f"data{extension}", f"data_1{extension}", f"data_2{extension}"]
        assert paths == [str(tmp_path / name) for name in names]
        assert [self.store.load(path)["x"] for path in paths] == [0, 1, 2]

    def test_every_file_and_folder_of_a_new_store_is_synced(self, tmp_path, monkeypatch):
        synced = record_synced(monkeypatch)
        self.write(tmp_path, {name: numpy.arange(3) for name in "abc"})
        assert {path.stat().st_ino for path in [tmp_path, *tmp_path.rglob("*")]} == set(synced)

    @pytest.mark.parametrize("error", [OSError("broken"), KeyboardInterrupt()])
    def test_a_failure_at_any_step_leaves_no_half_store(self, tmp_path, monkeypatch, error):
        self.write(tmp_path, CASES)
        before = snapshot(tmp_path)
        faults = Faults(monkeypatch, error)
        (tmp_path / "rehearsal").mkdir()
        faults.restart()
        self.write(tmp_path / "rehearsal", {"x": numpy.arange(3)})
        steps = len(faults.done)
        for number in range(steps):
            faults.restart(fail_at=number)
            with pytest.raises(type(error)):
                self.write(tmp_path, {"x": numpy.arange(3)})
            faults.restart()
            assert {k: v for k, v in snapshot(tmp_path).items() if "rehearsal" not in k} == before

    def test_a_write_that_fails_halfway_leaves_no_half_store(self, tmp_path, monkeypatch):
        def fail(filename, arrays):
            with open(filename, "wb") as file:
                file.write(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(type(self.store), "write_file", staticmethod(fail))
        with pytest.raises(KeyboardInterrupt):
            self.write(tmp_path, {"x": numpy.arange(3)})
        assert os.listdir(tmp_path) == []

    def replace(self, folder, arrays, keep=False):
        path = folder / f"data{self.store.extension}"
        if self.store.is_folder:
            path.mkdir(exist_ok=True)
        return str(path), replace_arrays(self.store, str(path), arrays, keep=keep)

    def test_a_store_is_replaced(self, tmp_path):
        self.replace(tmp_path, {"x": numpy.arange(3)})
        path, files = self.replace(tmp_path, {"x": numpy.arange(5)})
        assert_same_array(self.store.load(path)["x"], numpy.arange(5))
        assert snapshot(tmp_path).keys() == {os.path.relpath(file, tmp_path) for file in files}

    def test_replaced_files_are_kept_as_backups(self, tmp_path):
        self.replace(tmp_path, {"x": numpy.arange(3)})
        (old,) = snapshot(tmp_path).values()
        _, (file,) = self.replace(tmp_path, {"x": numpy.arange(5)}, keep=True)
        self.replace(tmp_path, {"x": numpy.arange(7)}, keep=True)
        name = os.path.relpath(file, tmp_path)
        found = snapshot(tmp_path)
        assert found.keys() == {name, f"{name}.bak", f"{name}_1.bak"}
        assert found[f"{name}.bak"] == old

    @pytest.mark.parametrize("keep", [True, False])
    def test_a_failure_while_replacing_leaves_the_old_store(self, tmp_path, monkeypatch, keep):
        self.replace(tmp_path, {"x": numpy.arange(3), "y": numpy.arange(4)})
        before = snapshot(tmp_path)
        new = {name: numpy.arange(5) for name in "xyz"}
        faults = Faults(monkeypatch, KeyboardInterrupt())
        (tmp_path / "rehearsal").mkdir()
        self.replace(tmp_path / "rehearsal", {name: new[name] for name in "xy"})
        faults.restart()
        self.replace(tmp_path / "rehearsal", new, keep)
        steps = len(faults.done)
        for number in range(steps):
            faults.restart(fail_at=number)
            with pytest.raises(KeyboardInterrupt):
                self.replace(tmp_path, new, keep)
            faults.restart()
            after = {k: v for k, v in snapshot(tmp_path).items() if "rehearsal" not in k}
            assert after == before

    # Source that loads them, on every Python.

    def test_every_python_loads_the_arrays(self, tmp_path):
        names = ["range", "fortran_dates", "text", "nested", "zero_d", "empty", "big_endian_number"]
        arrays = {name: CASES[name] for name in names}
        self.write(tmp_path, arrays)
        source = loader_source(
            self.store, arrays, location=f"data{self.store.extension}", fallback=tmp_path
        )
        sums = {name: array.tobytes().hex() for name, array in arrays.items()}
        check = (
            f"assert {{k: a.tobytes().hex() for k, a in _arrays.items()}} == {sums!r}\n"
            f"assert _arrays['fortran_dates'].flags.f_contiguous\n"
            f"assert _arrays['big_endian_number'].dtype.str == '>i4'\n"
            f"print('same')"
        )
        ready = [python for python in find_interpreters() if self.can_load(python)]
        assert ready
        for python in ready:
            assert run_source(python, source, check) == "same\n"

    def can_load(self, python):
        """Tell whether an interpreter has the libraries that the source needs."""
        try:
            run_source(python, "\n".join(f"import {module}" for module in self.libraries))
        except AssertionError:
            return False
        return True

    libraries = ("numpy",)

    def test_load_arrays_finds_the_format_of_the_store(self, tmp_path):
        self.write(tmp_path, {"x": numpy.arange(3)})
        for path in (tmp_path / "data", tmp_path / f"data{self.store.extension}"):
            assert_same_array(load_arrays(path)["x"], numpy.arange(3))
            found = load_arrays(path, ["x"], self.store.data_format, mmap_mode="r")
            assert_same_content(numpy.asarray(found["x"]).view(int), numpy.arange(3))
