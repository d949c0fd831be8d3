import io
import os

import numpy
import pytest

from persist.archive.arrays import STORES
from persist.archive.arrays.npy import npy_header, read_array, write_array
from tests.archive.arrays.cases import CASES, assert_same_array, assert_same_content
from tests.archive.arrays.suite import StoreSuite


class TestNpy(StoreSuite):
    store = STORES["npy"]

    def read_raw(self, path):
        return {name[:-4]: numpy.load(os.path.join(path, name)) for name in os.listdir(path)}

    def write_raw(self, path, arrays):
        os.mkdir(path)
        for name, array in arrays.items():
            numpy.save(os.path.join(path, f"{name}.npy"), array)

    def test_other_files_in_the_folder_are_left_alone(self, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "notes.txt").write_text("mine")
        path, _ = self.replace(tmp_path, {"x": numpy.arange(3)})
        assert list(self.store.load(path)) == ["x"]
        assert (tmp_path / "data" / "notes.txt").read_text() == "mine"

    def test_a_pickle_is_not_loaded(self, tmp_path):
        numpy.save(tmp_path / "x.npy", numpy.array([None]), allow_pickle=True)
        with pytest.raises(ValueError, match="persist does not read"):
            self.store.load(str(tmp_path))


@pytest.mark.parametrize("case", CASES)
def test_numpy_reads_every_file(tmp_path, case):
    with open(tmp_path / "x.npy", "wb") as file:
        write_array(file, CASES[case])
    assert_same_content(numpy.load(tmp_path / "x.npy"), CASES[case])


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version):
    file = io.BytesIO()
    numpy.lib.format.write_array(file, CASES["structured"], version)
    file.seek(0)
    assert_same_array(read_array(file), CASES["structured"])


def test_files_that_python_2_wrote_are_read():
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2L,), }".ljust(69) + b"\n"
    file = io.BytesIO(b"\x93NUMPY\x01\x00" + bytes([70, 0]) + header + b"\1\0\0\0\2\0\0\0")
    with pytest.warns(UserWarning, match="Python 2"):
        found = read_array(file)
    assert_same_array(found, numpy.array([1, 2], "<i4"))


@pytest.mark.parametrize("case", CASES)
def test_the_first_element_is_aligned(case):
    assert len(npy_header(CASES[case])) % 64 == 0


def test_only_field_names_beyond_latin_need_a_newer_numpy():
    versions = {case: tuple(npy_header(array)[6:8]) for case, array in CASES.items()}
    assert {case for case, version in versions.items() if version != (1, 0)} == {"greek_fields"}
    assert versions["greek_fields"] == (3, 0)
