"""Arrays that are written block by block, and read in chunks."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy
import pytest

import persist
from persist import DataSet
from persist.dataset.verification import verify
from persist.errors import ArchiveError, DataSetError, UnsupportedObjectError
from tests.dataset.bare import run_bare
from tests.dataset.crashes import run_in_child
from tests.effort import IS_SHORT
from tests.interpreters import Interpreter

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask is not installed")
HAS_ZARR = importlib.util.find_spec("zarr") is not None
needs_zarr = pytest.mark.skipif(not HAS_ZARR, reason="zarr is not installed")
FORMATS = ["npy", "hdf5", pytest.param("zarr", marks=needs_zarr)]
WHOLE = numpy.arange(6000.0).reshape(60, 100)
MEGABYTE = 1 << 20
TIMEOUT = 300  # seconds

formats = pytest.mark.parametrize("data_format", FORMATS)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def results(tmp_path, data_format):
    return persist.open(tmp_path / "results", "w", data_format=data_format)


def of_dask(array=WHOLE, chunks=(17, 30)):
    return da.from_array(array, chunks=chunks)


def assert_whole(results):
    report = verify(results.path)
    assert (report.ok, report.unfinished) == (True, ())


@formats
@pytest.mark.parametrize("dtype", ["f4", ">f8", "c16", "?", "M8[s]", "U3", "S2", "u1"])
@pytest.mark.cases(7)
def test_blocks_come_back_as_one_array(results, dtype):
    wanted = (WHOLE % 7).astype("i8").astype(dtype)
    results["x"] = of_dask(wanted)
    found = results["x"]
    assert type(found) is numpy.ndarray
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tobytes() == wanted.tobytes()
    assert found.flags.writeable
    assert results.entry("x").shape == (60, 100)
    assert_whole(results)


@formats
@pytest.mark.parametrize("chunks", [((20, 37, 3), (1, 98, 1)), (60, 100), (1, 100), (60, 1)])
@pytest.mark.cases(3)
def test_blocks_of_any_shape_are_stored(results, chunks):
    results["x"] = of_dask(chunks=chunks)
    assert results["x"].tobytes() == WHOLE.tobytes()


@formats
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("chunks", [(70, 1000), (170, 300)])
@pytest.mark.cases(3)
def test_digests_of_blocks_are_those_of_the_files(results, scheduler, chunks):
    xarray = pytest.importorskip("xarray")
    # Larger than what is digested at once.
    large = numpy.arange(600_000.0).reshape(600, 1000)
    arrays = {
        "a": (("t", "c"), of_dask(large, chunks)),
        "b": (("t", "c"), of_dask(large, chunks) * 2),
    }
    with dask.config.set(scheduler=scheduler):
        results["x"] = xarray.Dataset(arrays)
    assert results["x"]["a"].values.tobytes() == large.tobytes()
    assert results["x"]["b"].values.tobytes() == (large * 2).tobytes()
    assert_whole(results)


@formats
def test_attributes_of_a_data_set_are_stored_likewise(tmp_path, data_format):
    ds = DataSet("ds", "w", path=tmp_path, data_format=data_format)
    ds.x = of_dask() + 1
    assert ds.x.tolist() == (WHOLE + 1).tolist()


@formats
def test_a_batch_is_one_commit(results):
    with results.batch():
        results["x"] = of_dask()
        results["y"] = 1
        assert results["x"].tobytes() == WHOLE.tobytes()
    lines = Path(results.path, "_manifest.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["values"].keys() == {"x", "y"}
    assert_whole(results)


@formats
def test_a_batch_that_fails_leaves_nothing(results):
    results["y"] = 1
    before = sorted(os.listdir(results.path))

    def fail():
        with results.batch():
            results["x"] = of_dask()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sorted(os.listdir(results.path)) == before


@formats
def test_a_block_that_fails_leaves_the_former_value(results):
    def fail(block):
        raise ZeroDivisionError

    results["x"] = 1
    before = sorted(os.listdir(results.path))
    with pytest.raises(ZeroDivisionError):
        results["x"] = of_dask().map_blocks(fail, dtype=float, meta=numpy.empty((0, 0)))
    assert results["x"] == 1
    assert sorted(os.listdir(results.path)) == before


@formats
def test_the_same_blocks_give_the_same_bytes(tmp_path, data_format):
    digests = []
    for name in "ab":
        results = persist.open(tmp_path / name, "w", data_format=data_format)
        results["x"] = of_dask()
        digests.append(results.entry("x").files)
    assert digests[0] == digests[1]


def test_equal_files_are_linked(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    results["a"] = WHOLE
    results["b"] = of_dask()
    files = [f"{results.path}/data_{key}/array_0.npy" for key in "ab"]
    assert os.path.samefile(*files)


def test_a_zip_of_npy_is_refused(tmp_path):
    results = persist.open(tmp_path / "results", "w", data_format="npz")
    before = sorted(os.listdir(results.path))
    with pytest.raises(ArchiveError, match=r"block by block .*'npz'; choose|choose 'npy'"):
        results["x"] = of_dask()
    assert sorted(os.listdir(results.path)) == before


def test_compressed_hdf5_is_written_by_blocks(tmp_path):
    results = persist.open(tmp_path / "results", "w", data_format="hdf5", compression="gzip")
    results["x"] = of_dask()
    with h5py.File(f"{results.path}/data_x.hd5") as file:
        assert file["array_0"].compression == "gzip"
    assert results["x"].tobytes() == WHOLE.tobytes()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (lambda: of_dask()[of_dask()[:, 0] > 5], "unknown sizes"),
        (lambda: da.ma.masked_greater(of_dask(), 3), "numpy.ma"),
        (lambda: da.zeros(200, dtype=[("a", "i4"), ("b", "f8")]), "store each field"),
        (lambda: of_dask().astype(object), "object"),
    ],
)
def test_what_has_no_blocks_of_numbers_is_refused(tmp_path, array, reason):
    results = persist.open(tmp_path / "results", "w")
    with pytest.raises(UnsupportedObjectError, match=reason):
        results["x"] = array()
    assert list(results) == []


def test_small_arrays_are_stored_as_those_of_numpy(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    results["x"] = da.arange(3, chunks=2)
    assert "array([0, 1, 2]" in Path(results.path, "x.py").read_text()
    results["x"] = da.zeros((0, 5))
    assert results["x"].shape == (0, 5)


# Other sources.


@formats
@pytest.mark.parametrize("chunks", [None, (7, 9)])
def test_a_dataset_of_hdf5_is_stored(results, tmp_path, chunks):
    with h5py.File(tmp_path / "source.h5", "w") as file:
        results["x"] = file.create_dataset("source", data=WHOLE, chunks=chunks)
    assert results["x"].tobytes() == WHOLE.tobytes()
    assert_whole(results)


@formats
@needs_zarr
def test_an_array_of_zarr_is_stored(results, tmp_path):
    import zarr

    source = zarr.create_array(tmp_path / "source.zarr", data=WHOLE, chunks=(7, 9))
    results["x"] = source
    assert results["x"].tobytes() == WHOLE.tobytes()
    assert_whole(results)


@pytest.mark.cases(1)
@formats
def test_objects_of_xarray_keep_all_but_their_chunks(results):
    xarray = pytest.importorskip("xarray")
    dataset = xarray.Dataset(
        {
            "a": (("t", "c"), of_dask(), {"unit": "V"}),
            "b": (("t", "c"), of_dask() * 2),
            "n": ("c", numpy.arange(100.0)),
        },
        coords={"t": numpy.arange(60), "k": ("c", da.arange(100, chunks=30) * 2)},
        attrs={"rate": 250},
    )
    results["dataset"] = dataset
    results["array"] = dataset["b"]
    results["variable"] = dataset["a"].variable
    assert results["dataset"].identical(dataset.compute())
    assert results["array"].identical(dataset["b"].compute())
    assert results["variable"].identical(dataset["a"].variable.compute())
    # What was stored still has its chunks.
    assert dataset["a"].chunks is not None
    assert_whole(results)


# Delayed.


@formats
def test_a_delayed_write_commits_when_it_is_computed(results):
    delayed = results.store({"x": of_dask(), "y": 1}, {"x": "note"}, compute=False)
    assert list(results) == []
    results["between"] = 2
    delayed.compute()
    assert results["x"].tobytes() == WHOLE.tobytes()
    assert (results["y"], results["between"], results.info["x"]) == (1, 2, "note")
    assert_whole(results)


def test_delayed_writes_are_computed_together(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    writes = [results.store({f"x{n}": of_dask() + n}, compute=False) for n in range(4)]
    dask.compute(*writes)
    assert [results[f"x{n}"][0, 0] for n in range(4)] == [0, 1, 2, 3]
    assert_whole(results)


def test_a_write_is_not_delayed_while_its_lock_is_held(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    with results.batch(), pytest.raises(DataSetError, match="cannot delay a commit"):
        results.store({"x": of_dask()}, compute=False)


# Killed writers.


def kill_a_writer(results, *, is_delayed=False):
    """Store blocks in a process that is killed; return the folder that it leaves."""

    def kill(block):
        # dask may compute a block before the writer begins.
        if list(Path(results.path).glob(".blocks.*.tmp")):
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    def write():
        # The threads of dask are not in a child that was forked.
        with dask.config.set(scheduler="synchronous"):
            array = da.ones((60, 100), chunks=(20, 100))
            array = array.map_blocks(kill, dtype=float, meta=numpy.empty((0, 0)))
            results.store({"x": array}, compute=not is_delayed).compute()

    assert run_in_child(write) == -signal.SIGKILL
    (staging,) = Path(results.path).glob(".blocks.*.tmp")
    assert verify(results.path).ok
    assert verify(results.path).unfinished == (staging.name,)
    return staging


@needs_fork
@formats
@pytest.mark.cases(0)
def test_the_next_writer_removes_the_blocks_of_a_killed_one(results):
    results["y"] = 1
    staging = kill_a_writer(results)
    assert persist.open(results.path)["y"] == 1
    assert staging.exists()
    persist.open(results.path, "w")["y"] = 2
    assert not staging.exists()
    assert_whole(results)


@needs_fork
def test_repair_removes_the_blocks_of_a_killed_writer(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    results["y"] = 1
    staging = kill_a_writer(results)
    persist.repair(results.path)
    assert not staging.exists()
    assert results["y"] == 1


@needs_fork
def test_blocks_of_a_delayed_write_are_removed_a_week_after_the_last(tmp_path):
    results = persist.open(tmp_path / "results", "w")
    staging = kill_a_writer(results, is_delayed=True)
    persist.open(results.path, "w")["y"] = 2
    assert staging.exists()
    week = 7 * 24 * 3600
    for path in (*staging.glob("*/*"), *staging.glob("*"), staging):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - week))
    persist.open(results.path, "w")["y"] = 3
    assert not staging.exists()


@formats
def test_other_writers_leave_the_blocks_of_a_living_one(results):
    def meanwhile(block):
        persist.open(results.path, "w")["y"] = 1
        return block

    results["x"] = of_dask().map_blocks(meanwhile, dtype=float, meta=numpy.empty((0, 0)))
    assert results["x"].tobytes() == WHOLE.tobytes()
    assert results["y"] == 1
    assert_whole(results)


# Reading.


@formats
def test_chunks_give_arrays_of_dask(results):
    results["x"] = WHOLE
    results["small"] = [1, 2]
    found = results.load("x", chunks=(20, 100))
    assert found.numblocks == (3, 1)
    assert found[3:30].sum().compute() == WHOLE[3:30].sum()
    opened = persist.open(results.path, chunks="auto")
    assert isinstance(opened["x"], da.Array)
    assert opened["x"].compute().tobytes() == WHOLE.tobytes()
    assert opened["small"] == [1, 2]


def test_chunks_of_a_zip_of_npy_are_read(tmp_path):
    results = persist.open(tmp_path / "results", "w", data_format="npz")
    results["x"] = WHOLE
    assert results.load("x", chunks=7).compute().tobytes() == WHOLE.tobytes()


@pytest.mark.cases(1)
@formats
def test_what_is_read_in_chunks_can_be_stored_again(results):
    results["x"] = WHOLE
    results["x"] = results.load("x", chunks=10) + 1
    assert results["x"].tobytes() == (WHOLE + 1).tobytes()


def test_chunks_of_untrusted_data_sets_are_refused(tmp_path):
    persist.open(tmp_path / "results", "w")["x"] = WHOLE
    results = persist.open(tmp_path / "results", trusted=False, chunks="auto")
    with pytest.raises(DataSetError, match="trusted=True"):
        results["x"]


def test_maps_and_chunks_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="not both"):
        persist.open(tmp_path / "results", "w", mmap_mode="r", chunks="auto")


# Without persist, and without trust.


@pytest.mark.cases(1)
@formats
def test_a_bare_import_reads_the_arrays(results, data_format):
    results["x"] = of_dask()
    here = Interpreter(sys.version_info[:2], sys.executable)
    package = [str(Path(module.__file__).parents[1]) for module in (numpy, h5py)]
    steps = (
        f"import sys; sys.path += {package!r}",
        "from results import x",
        "print(x.sum(), x.dtype)",
    )
    found = run_bare(here, os.path.dirname(results.path), *steps)
    assert found.split() == [str(WHOLE.sum()), "float64"]


@pytest.mark.cases(1)
@formats
@pytest.mark.parametrize("dtype", ["f8", "M8[s]"])
def test_a_bare_import_reads_the_arrays_from_a_zip(results, tmp_path, dtype):
    results["x"] = of_dask(WHOLE.astype("i8").astype(dtype))
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path, "results")
    here = Interpreter(sys.version_info[:2], sys.executable)
    package = [str(Path(module.__file__).parents[1]) for module in (numpy, h5py)]
    steps = (
        f"import sys; sys.path[:0] = {[archive]!r}; sys.path += {package!r}",
        "import results",
        "print('all.zip' in results.__file__, results.x.astype(int).sum(), results.x.dtype)",
    )
    (tmp_path / "elsewhere").mkdir()
    found = run_bare(here, tmp_path / "elsewhere", *steps)
    assert found.split() == ["True", str(int(WHOLE.sum())), str(numpy.dtype(dtype))]


@formats
def test_untrusted_data_sets_are_read(results):
    results["x"] = of_dask()
    assert persist.open(results.path, trusted=False)["x"].tobytes() == WHOLE.tobytes()


# Memory, and a cluster.

PROGRAM = """
import resource, sys
import dask.array as da, persist

path, data_format, size, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
{warm}
# Private memory: maps of files, which the system can take back, do not count.
used = sum(
    int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData")
)
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
array = da.ones((size // 8 // 1024, 1024), chunks=(4 << 20 >> 13, 1024))
array = array + da.arange(array.shape[0], chunks=array.chunks[0])[:, None]
results = persist.open(path, "w", data_format=data_format, durable=False)
results["x"] = array
total = persist.open(path, chunks=(4 << 20 >> 13, 1024))["x"].sum().compute()
print(int(total) == 1024 * sum(range(1, array.shape[0] + 1)))
try:
    bytearray(size)
except MemoryError:
    print("limited")
"""
WARM = """
results = persist.open(path + "-warm", "w", data_format=data_format)
results["x"] = da.ones((4096, 1024), chunks=(512, 1024))
persist.open(path + "-warm", chunks=(512, 1024))["x"].sum().compute()
"""


@formats
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits private memory")
@pytest.mark.cases(1)
def test_an_array_larger_than_the_memory_is_stored(tmp_path, data_format):
    size = (128 if IS_SHORT else 1024) * MEGABYTE
    program = PROGRAM.format(warm=WARM)
    args = [str(tmp_path / "results"), data_format, str(size), str(size // 2)]
    found = subprocess.run(
        [sys.executable, "-c", program, *args],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert (found.stdout.split(), found.returncode) == (["True", "limited"], 0), found.stderr
    assert verify(tmp_path / "results").ok


CLUSTER = """
import sys
import dask, dask.array as da, persist
from distributed import Client, LocalCluster

def main():
    path, size = sys.argv[1], int(sys.argv[2])
    with LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="1GiB", dashboard_address=None,
        host="127.0.0.1",
    ) as cluster, Client(cluster, timeout=60):
        for data_format in sys.argv[3:]:
            results = persist.open(path + data_format, "w", data_format=data_format)
            rows = size // 8 // 1024
            chunks = min(rows // 16, 8192), 1024
            array = da.ones((rows, 1024), chunks=chunks)
            array = array + da.arange(rows, chunks=array.chunks[0])[:, None]
            results["x"] = array
            results.store({"y": array[: rows // 2] * 2}, compute=False).compute()
            total = 1024 * rows * (rows + 1) // 2
            chunked = persist.open(path + data_format, chunks=chunks)
            half = 1024 * (rows // 2) * (rows // 2 + 1)
            assert int(chunked["x"].sum().compute()) == total
            assert int(chunked["y"].sum().compute()) == half
            print(data_format)

if __name__ == "__main__":
    main()
"""


@pytest.mark.cases(0)
def test_two_workers_write_and_read_one_data_set(tmp_path):
    pytest.importorskip("distributed", reason="distributed is not installed")
    size = (32 if IS_SHORT else 1024) * MEGABYTE
    program = tmp_path / "program.py"
    program.write_text(CLUSTER)
    wanted = ["npy", "hdf5", *["zarr"] * HAS_ZARR]
    with subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "results_"), str(size), *wanted],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=TIMEOUT * 2)
        except BaseException:
            # Its workers are processes of its own session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            raise
    assert (output.split(), process.returncode) == (wanted, 0), errors
    for name in wanted:
        assert verify(tmp_path / f"results_{name}").ok


@formats
def test_arrays_that_are_read_only_stay_so_and_can_be_read_in_chunks(tmp_path, data_format):
    array = numpy.arange(30.0)
    array.flags.writeable = False
    folder = tmp_path / "results"
    with persist.open(folder, "w", array_threshold=10, data_format=data_format) as results:
        results["alone"], results["listed"] = array, [array, numpy.arange(20.0)]
        assert not results["alone"].flags.writeable
        assert [found.flags.writeable for found in results["listed"]] == [False, True]
    in_chunks = persist.open(folder, chunks=10)
    numpy.testing.assert_array_equal(in_chunks["alone"].compute(), array)
    numpy.testing.assert_array_equal(in_chunks["listed"][0].compute(), array)
    mapped = persist.open(folder, mmap_mode="r")
    numpy.testing.assert_array_equal(mapped["listed"][0][...], array)
