import json
import struct
import zipfile

import numpy
import pytest

from persist.archive.arrays import STORES, write_new
from persist.archive.safe.arrays import read_arrays
from persist.errors import DamagedError, UntrustedError
from tests.archive.arrays.cases import CASES, assert_same_array, assert_same_content
from tests.archive.arrays.suite import StoreSuite

zarr = pytest.importorskip("zarr", "3", reason="zarr 3 is not installed")
numcodecs = pytest.importorskip("numcodecs")


def open_group(path, mode="r"):
    import zarr.storage

    return zarr.open_group(zarr.storage.ZipStore(path, mode=mode), mode=mode)


class TestZarr(StoreSuite):
    store = STORES["zarr"]
    libraries = ("numpy", "zarr")
    # A shard in several forms, and several chunks, at a time.
    saving_extra = 24 << 20
    loading_extra = 8 << 20

    def read_raw(self, path):
        return {name: array[...] for name, array in open_group(path).arrays()}

    def write_raw(self, path, arrays):
        group = open_group(path, "w")
        for name, array in arrays.items():
            group.create_array(name, data=array)
        group.store.close()

    @pytest.mark.parametrize("case", [case for case in CASES if CASES[case].nbytes])
    def test_a_mapped_array_is_the_same(self, tmp_path, case):
        path = self.write(tmp_path, {"x": CASES[case]})
        (opened,) = self.store.load(path, mmap_mode="r").values()
        found = opened if isinstance(opened, numpy.ndarray) else opened[...].view(CASES[case].dtype)
        assert_same_content(found, CASES[case])
        (copied,) = self.store.load(path, mmap_mode="c").values()
        assert_same_array(copied, CASES[case])

    def test_other_software_finds_the_arrays(self, tmp_path):
        arrays = {"array_0": numpy.arange(6.0).reshape(2, 3), "x": numpy.array([1, 2], ">i2")}
        found = self.read_raw(self.write(tmp_path, arrays))
        assert {name: array.tolist() for name, array in found.items()} == {
            "array_0": [[0, 1, 2], [3, 4, 5]],
            "x": [1, 2],
        }

    def test_arrays_of_other_software_are_loaded(self, tmp_path):
        path = str(tmp_path / "data.zarr.zip")
        self.write_raw(path, {"x": numpy.arange(6.0).reshape(2, 3)})
        assert_same_array(self.store.load(path)["x"], numpy.arange(6.0).reshape(2, 3))

    def test_changes_of_a_map_reach_the_file_only_in_that_mode(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.arange(3)})
        with pytest.raises(ValueError, match="cannot be changed in place"):
            self.store.load(path, mmap_mode="r+")
        with pytest.raises(ValueError, match="read-only"):
            self.store.load(path, mmap_mode="r")["x"][0] = 7
        self.store.load(path, mmap_mode="c")["x"][0] = 7
        assert self.store.load(path)["x"][0] == 0


# Read without zarr, from files that nobody vouches for.


def rewrite(path, changes):
    """Replace members of a zip; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, **changes}.items():
            archive.writestr(name, data)


def write_one(tmp_path, array=None, **changes):
    """Write an array as x, with changes of its metadata."""
    array = numpy.arange(6.0).reshape(2, 3) if array is None else array
    path = write_new(STORES["zarr"], str(tmp_path), "data", {"x": array})
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("x/zarr.json"))
    rewrite(path, {"x/zarr.json": json.dumps({**about, **changes})})
    return path


@pytest.mark.parametrize("case", CASES)
def test_arrays_are_read_without_zarr(tmp_path, case):
    path = write_new(STORES["zarr"], str(tmp_path), "data", {"x": CASES[case]})
    assert_same_array(read_arrays(path, "zarr")["x"], CASES[case])


def test_shards_and_chunks_come_together(tmp_path):
    array = numpy.random.default_rng(0).random((2500, 1001))
    path = write_new(STORES["zarr"], str(tmp_path), "data", {"x": array})
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) > 3
    assert_same_array(read_arrays(path, "zarr")["x"], array)
    assert_same_array(STORES["zarr"].load(path)["x"], array)


@pytest.mark.parametrize(
    "changes",
    [
        {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]},
        {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
        {"codecs": []},
        {"shape": [2, -3]},
        {"shape": [2]},
        {"shape": [2, 3.0]},
        {"data_type": "string"},
        {"data_type": "O"},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 3]}}},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
        {"storage_transformers": [{"name": "other"}]},
        {"zarr_format": 2},
        {"attributes": {"numpy_dtype": "'O'"}},
        {"attributes": {"numpy_dtype": "print('run')"}},
        {"attributes": {"memory_order": "X"}},
    ],
    ids=str,
)
def test_what_persist_does_not_write_is_refused(tmp_path, changes):
    with pytest.raises(DamagedError):
        read_arrays(write_one(tmp_path, **changes), "zarr")


def test_a_number_does_not_fill_an_array_of_more_bytes(tmp_path):
    path = write_one(tmp_path, numpy.ones(1), attributes={"numpy_dtype": "'V16'"})
    with pytest.raises(DamagedError, match="cannot be one of"):
        read_arrays(path, "zarr")
    with pytest.raises(DamagedError, match="cannot be one of"):
        STORES["zarr"].load(path)


def test_an_array_longer_than_its_file_is_refused(tmp_path):
    with pytest.raises(UntrustedError, match="more memory"):
        read_arrays(write_one(tmp_path, shape=[2_000_000, 30_000]), "zarr")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("<QQ", 0, 1 << 40) + bytes(4),
        struct.pack("<QQ", 1 << 63, 1 << 63) + bytes(4),
        numcodecs.zstd.compress(bytes(1 << 20)) + struct.pack("<QQ", 0, 50) + bytes(4),
    ],
)
def test_a_shard_that_lies_is_refused(tmp_path, data):
    path = write_one(tmp_path)
    rewrite(path, {"x/c/0/0": data})
    with pytest.raises(DamagedError):
        read_arrays(path, "zarr")
