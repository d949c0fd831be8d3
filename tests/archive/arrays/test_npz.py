import sys
import zipfile
from pathlib import Path

import numpy
import pytest

from persist.archive.arrays import STORES
from tests.archive.arrays.cases import CASES, assert_same_array, assert_same_content
from tests.archive.arrays.suite import StoreSuite


class TestNpz(StoreSuite):
    store = STORES["npz"]
    mapped_modes = ("r", "c")

    def read_raw(self, path):
        with numpy.load(path) as file:
            return dict(file)

    def write_raw(self, path, arrays):
        numpy.savez(path, **arrays)

    def test_members_are_stored_whole_with_the_oldest_date(self, tmp_path):
        path = self.write(tmp_path, CASES)
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert [info.filename for info in archive.infolist()] == [f"{n}.npy" for n in CASES]
            for info in archive.infolist():
                assert info.compress_type == zipfile.ZIP_STORED
                assert info.date_time == (1980, 1, 1, 0, 0, 0)

    def test_every_system_writes_the_same_bytes(self, tmp_path, monkeypatch):
        first = self.write(tmp_path, {"x": numpy.arange(3)})
        monkeypatch.setattr(sys, "platform", "win32")
        second = self.write(tmp_path, {"x": numpy.arange(3)})
        assert Path(first).read_bytes() == Path(second).read_bytes()

    def test_numpy_reads_every_member(self, tmp_path):
        with numpy.load(self.write(tmp_path, CASES)) as file:
            for name, array in CASES.items():
                assert_same_content(file[name], array)

    def test_compressed_arrays_are_loaded_and_not_mapped(self, tmp_path):
        path = str(tmp_path / "x.npz")
        numpy.savez_compressed(path, x=numpy.zeros(1000))
        assert_same_array(self.store.load(path)["x"], numpy.zeros(1000))
        with pytest.raises(ValueError, match=r"x.npy in .* is compressed: load it without"):
            self.store.load(path, mmap_mode="r")

    def test_arrays_of_numpy_are_mapped(self, tmp_path):
        path = str(tmp_path / "x.npz")
        self.write_raw(path, {"x": numpy.arange(3), "y": CASES["fortran"]})
        found = self.store.load(path, mmap_mode="r")
        assert_same_content(found["x"], numpy.arange(3))
        assert_same_content(found["y"], CASES["fortran"])

    def test_members_that_are_no_arrays_are_passed_over(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.arange(3)})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("notes.txt", "mine")
        assert list(self.store.load(path)) == ["x"]

    def test_a_damaged_member_is_reported(self, tmp_path):
        path = tmp_path / "data.npz"
        self.write(tmp_path, {"x": numpy.full(100, 7, "u1")})
        path.write_bytes(path.read_bytes().replace(bytes([7] * 100), bytes([7] * 99 + [8])))
        with pytest.raises(zipfile.BadZipFile, match="CRC"):
            self.store.load(str(path))
