"""Arrays of dask and zarr, and datasets of h5py, in workspaces: written block by block."""

import os
import subprocess
import sys
import threading

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import UnsupportedObjectError
from tests.effort import IS_SHORT

da = pytest.importorskip("dask.array", reason="dask is not installed")
WHOLE = numpy.arange(6000.0).reshape(60, 100)
MEGABYTE = 1 << 20
TIMEOUT = 300  # s


def of_dask(array=WHOLE, chunks=(17, 30)):
    return da.from_array(array, chunks=chunks)


def in_place(folder):
    return LazyAnalysisWorkspace.open(folder / "kept")


def in_temporary_file(folder):
    return LazyAnalysisWorkspace()


lazy = pytest.mark.parametrize("make", [in_temporary_file, in_place])


def assert_same(found, wanted):
    assert type(found) is numpy.ndarray
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tobytes() == wanted.tobytes()
    assert found.flags.writeable


@pytest.mark.cases(8)
@lazy
@pytest.mark.parametrize("dtype", ["f4", ">f8", "c16", "?", "M8[s]", "U3", "S2", "q"])
def test_blocks_come_back_as_one_array(tmp_path, make, dtype):
    wanted = (WHOLE % 7).astype("i8").astype(dtype)
    with make(tmp_path) as ws:
        ws.store("D0", "x", of_dask(wanted), note="in blocks")
        assert_same(ws.get("D0", "x"), wanted)
        info = ws.get_info("D0", "x")
        assert (info["type"], info["shape"], info["note"]) == ("ndarray", [60, 100], "in blocks")
        assert info["dtype"] == str(wanted.dtype)


@pytest.mark.cases(2)
@lazy
@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes"])
def test_any_scheduler_of_dask_computes_the_blocks(tmp_path, make, scheduler):
    import dask

    with make(tmp_path) as ws, dask.config.set(scheduler=scheduler, num_workers=2):
        ws.store("D0", "x", of_dask() + 1)
        assert_same(ws.get("D0", "x"), WHOLE + 1)


@pytest.mark.parametrize("format", ["hdf5", "package"])
def test_blocks_in_memory_are_written_when_they_are_saved(tmp_path, format):
    ws = AnalysisWorkspace()
    array = of_dask() + 1
    ws.store("D0", "x", array)
    assert ws.get("D0", "x") is array
    assert "60, 100" in repr(ws)
    ws.save(tmp_path / "saved", format=format)
    loaded = AnalysisWorkspace.load(tmp_path / "saved")
    assert_same(loaded.get("D0", "x"), WHOLE + 1)
    assert loaded.get_info("D0", "x")["type"] == "ndarray"


@lazy
def test_values_of_dicts_are_written_block_by_block(tmp_path, make):
    with make(tmp_path) as ws:
        ws.store("D0", "x", {"a": of_dask(), "b": {"c": of_dask() * 2}, "n": 1})
        found = ws.get("D0", "x")
        assert_same(found["a"], WHOLE)
        assert_same(found["b"]["c"], WHOLE * 2)
        assert found["n"] == 1


@lazy
@pytest.mark.parametrize("nested", [False, True])
def test_objects_of_xarray_keep_all_but_their_chunks(tmp_path, make, nested):
    xarray = pytest.importorskip("xarray")
    dataset = xarray.Dataset(
        {"a": (("t", "c"), of_dask(), {"unit": "V"}), "n": ("c", numpy.arange(100.0))},
        coords={"t": numpy.arange(60), "k": ("c", da.arange(100, chunks=30) * 2)},
        attrs={"rate": 250},
    )
    with make(tmp_path) as ws:
        ws.store("D0", "x", {"dataset": dataset, "y": [1, "a"]} if nested else dataset)
        found = ws.get("D0", "x")
        assert (found["dataset"] if nested else found).identical(dataset.compute())
        assert dataset["a"].chunks is not None


@lazy
def test_datasets_of_hdf5_and_arrays_of_zarr_are_stored(tmp_path, make):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    source = zarr.create_array(tmp_path / "source.zarr", data=WHOLE, chunks=(7, 9))
    with h5py.File(tmp_path / "source.h5", "w") as file, make(tmp_path) as ws:
        ws.store("D0", "h", file.create_dataset("source", data=WHOLE, chunks=(7, 9)))
        ws.store("D0", "z", source)
        assert_same(ws.get("D0", "h"), WHOLE)
        assert_same(ws.get("D0", "z"), WHOLE)


@lazy
def test_small_arrays_are_stored(tmp_path, make):
    with make(tmp_path) as ws:
        ws.store("D0", "x", da.arange(3, chunks=2))
        assert ws.get("D0", "x").tolist() == [0, 1, 2]
        ws.store("D0", "x", da.zeros((0, 5)))
        assert ws.get("D0", "x").shape == (0, 5)


@lazy
def test_a_block_that_fails_leaves_the_former_item(tmp_path, make):
    def fail(block):
        raise ZeroDivisionError

    with make(tmp_path) as ws:
        ws.store("D0", "x", 1)
        with pytest.raises(ZeroDivisionError):
            ws.store("D0", "x", of_dask().map_blocks(fail, dtype=float, meta=numpy.empty((0, 0))))
        with pytest.raises(ZeroDivisionError):
            ws.store("D0", "y", of_dask().map_blocks(fail, dtype=float, meta=numpy.empty((0, 0))))
        assert ws.get("D0", "x") == 1
        assert ws.list_keys("D0") == ["x"]


@lazy
def test_unknown_sizes_are_refused(tmp_path, make):
    with make(tmp_path) as ws:
        with pytest.raises(UnsupportedObjectError, match="unknown sizes"):
            ws.store("D0", "x", of_dask()[of_dask()[:, 0] > 5])
        assert ws.list_namespaces() == []


@lazy
def test_blocks_are_computed_from_handles_of_the_same_workspace(tmp_path, make):
    with make(tmp_path) as ws:
        ws.store("D0", "x", WHOLE)
        handle = ws.get("D0", "x", lazy=True)
        array = da.from_array(handle, chunks=(17, 30)) + 1

        def store():
            ws.store("D0", "y", array)
            ws.store("D0", "x", array + 1)

        # Whoever waits for a lock that its own caller holds waits for ever.
        thread = threading.Thread(target=store, daemon=True)
        thread.start()
        thread.join(TIMEOUT)
        assert not thread.is_alive()
        assert_same(ws.get("D0", "y"), WHOLE + 1)
        assert_same(ws.get("D0", "x"), WHOLE + 2)


def test_an_array_on_disk_becomes_one_of_dask_without_pickling_its_workspace():
    pickled = []

    class Workspace(LazyAnalysisWorkspace):
        def __getstate__(self):
            pickled.append(self)
            return super().__getstate__()

    with Workspace() as ws:
        ws.store("D0", "x", WHOLE)
        array = da.from_array(ws.get("D0", "x", lazy=True), chunks=(20, 50))
        assert_same((array + 1).compute(scheduler="threads"), WHOLE + 1)
    assert pickled == []


PROGRAM = """
import resource, sys
import dask.array as da, numpy, persist

path, kind, size, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def made(size):
    array = da.ones((size // 8 // 1024, 1024), chunks=(4 << 20 >> 13, 1024))
    return array + da.arange(array.shape[0], chunks=array.chunks[0])[:, None]

def store(path, array):
    if kind == "memory":
        ws = persist.AnalysisWorkspace()
        ws.store("D0", "x", array)
        ws.save(path)
        ws.save(path + "-package", format="package")
        ws = persist.LazyAnalysisWorkspace.load(path)
    else:
        ws = persist.LazyAnalysisWorkspace.open(path)
        ws.store("D0", "x", array)
    handle = ws.get("D0", "x", lazy=True)
    total = da.from_array(handle, chunks=(4 << 20 >> 13, 1024)).sum().compute()
    ws.close()
    return int(total)

store(path + "-warm", made(32 << 20))
used = sum(
    int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData")
)
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
print(store(path, made(size)) == 1024 * sum(range(1, size // 8 // 1024 + 1)))
try:
    bytearray(size)
except MemoryError:
    print("limited")
"""


@pytest.mark.parametrize("kind", ["memory", "in_place"])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits private memory")
@pytest.mark.cases(0)
def test_an_array_larger_than_the_memory_is_stored(tmp_path, kind):
    size = (128 if IS_SHORT else 1024) * MEGABYTE
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "ws"), kind, str(size), str(size // 2)],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert (found.stdout.split(), found.returncode) == (["True", "limited"], 0), found.stderr
