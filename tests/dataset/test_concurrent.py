"""Many writers and readers of one data set at the same time."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError

import numpy
import pytest

import persist
from persist.dataset import value
from persist.dataset.index import Index
from persist.dataset.writer import Writer
from persist.errors import LockTimeout, UnknownKeyError
from tests.dataset import workers
from tests.dataset.states import bare_package, read_bare, read_object
from tests.effort import IS_SHORT

WRITERS = 4 if IS_SHORT else 8
KEYS = 100 if IS_SHORT else 1000
HOLDER = """
import sys, time
import persist
ds = persist.DataSet(sys.argv[2], "w", path=sys.argv[1], synchronize=False)
ds.x = 2
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def pool():
    """Processes that have imported persist already."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WRITERS + 2, mp_context=context) as pool:
        list(pool.map(workers.make_value, range(WRITERS + 2)))
        yield pool


@pytest.fixture
def folder(tmp_path):
    """The path of a data set that holds one key."""
    ds = persist.DataSet("shared_results", "w", path=tmp_path, durable=False)
    ds.first_0 = workers.make_value(0)
    return str(tmp_path / "shared_results")


def opened(folder, mode="w", **options):
    path, name = os.path.split(folder)
    return persist.DataSet(name, mode, path=path, **options)


def test_nothing_is_lost_when_many_processes_write_and_others_read(pool, folder, tmp_path):
    writers = [(workers.write_keys, folder, writer, KEYS) for writer in range(WRITERS)]
    readers = [(workers.read_by_objects, folder), (workers.read_by_package, folder)]
    rounds = workers.run_together(pool, str(tmp_path / "stop"), writers, readers)
    assert min(rounds) > 2
    ds = opened(folder, "r")
    wanted = {f"w{writer}_{n}" for writer in range(WRITERS) for n in range(KEYS)} | {"first_0"}
    assert set(ds) == wanted
    for key in wanted:
        workers.check_value(ds._load(key), int(key.partition("_")[2]))
    report = persist.verify(folder)
    assert report.ok, report
    assert not report.unfinished
    assert any(path.stat().st_nlink > 1 for path in (tmp_path / "shared_results").rglob("*.npy"))


def test_values_that_many_processes_replace_are_whole_at_any_time(pool, folder, tmp_path):
    keys = ["a", "b", "c"]
    workers.write_same_keys(folder, keys, 0, 1)
    half, count = WRITERS // 2, KEYS // 5
    writers = [(workers.write_same_keys, folder, keys, number + 1, count) for number in range(half)]
    readers = [(workers.read_by_objects, folder), (workers.read_by_package, folder)] * (half // 2)
    rounds = workers.run_together(pool, str(tmp_path / "stop"), writers, readers)
    assert min(rounds) > 2
    report = persist.verify(folder)
    assert report.ok, report
    assert not report.unfinished


@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
def test_a_value_that_is_replaced_twice_while_it_is_read_is_whole(folder, monkeypatch, data_format):
    ds = opened(folder, array_threshold=workers.THRESHOLD, data_format=data_format)
    ds.x = workers.make_value(0)
    find = value.Place.find

    def find_source(*args):
        return replace_after(find, *args)

    def replace_after(real, *args):
        found = real(*args)
        monkeypatch.undo()
        ds.x = workers.make_value(4)
        ds.x = workers.make_value(8)
        return found

    monkeypatch.setattr(value.Place, "find", find_source)
    workers.check_value(opened(folder, "r").x, 8)
    ds.x = workers.make_value(0)
    with bare_package(folder) as package:
        find = package._source
        monkeypatch.setattr(package, "_source", find_source)
        workers.check_value(package.x, 8)


def test_a_value_that_comes_to_its_place_while_it_is_read_is_whole(folder, monkeypatch):
    ds = opened(folder, array_threshold=workers.THRESHOLD)
    find, apply = value.Place.find, Writer.apply
    found = []

    def read_meanwhile(writer, line):
        def find_source(*args):
            source = find(*args)
            monkeypatch.undo()
            apply(writer, line)
            return source

        monkeypatch.setattr(value.Place, "find", find_source)
        found.append(opened(folder, "r").x)

    monkeypatch.setattr(Writer, "apply", read_meanwhile)
    ds._update({"x": workers.make_value(4), "y": workers.make_value(8)})
    workers.check_value(*found, 4)
    workers.check_value(ds.x, 4)


def test_threads_share_one_object(folder):
    ds = opened(folder, array_threshold=workers.THRESHOLD, durable=False)
    count = KEYS // 10

    def write(thread):
        for number in range(count):
            setattr(ds, f"t{thread}_{number}", workers.make_value(number))
            ds[f"t{thread}_{number}"] = number
            workers.check_value(ds._load(f"t{thread}_{number}"), number)
            with ds._batch():
                ds.last_0 = workers.make_value(0)
                setattr(ds, f"b{thread}_{number}", workers.make_value(number))
            workers.check_value(ds.last_0, 0)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    for thread, number in itertools.product(range(4), range(count)):
        workers.check_value(ds._load(f"t{thread}_{number}"), number)
        workers.check_value(ds._load(f"b{thread}_{number}"), number)
        assert ds[f"t{thread}_{number}"] == number
    assert len(ds._keys()) == 4 * 2 * count + 2
    assert persist.verify(folder).ok


def test_threads_read_while_another_one_makes_batches(folder):
    ds = opened(folder, array_threshold=workers.THRESHOLD, durable=False)
    is_done = threading.Event()

    def write():
        try:
            for number in range(KEYS // 5):
                with ds._batch():
                    for key in ("a", "b", "c"):
                        setattr(ds, f"{key}_{number}", workers.make_value(number))
                        ds[f"{key}_{number}"] = (number, "no JSON")
                    if number > 2:
                        ds._delete(f"a_{number - 2}")
        finally:
            is_done.set()

    def read():
        while not is_done.is_set():
            for key in list(ds)[-5:]:
                number = int(key.partition("_")[2])
                if key[0] != "a":
                    assert ds[key] == (None if key == "first_0" else (number, "no JSON"))
                    workers.check_value(ds._load(key), number)

    with ThreadPoolExecutor(3) as threads:
        reading = [threads.submit(read) for _ in range(2)]
        threads.submit(write).result()
        for future in reading:
            future.result()


def test_a_commit_that_another_thread_sees_first_is_taken_in_once(folder, monkeypatch):
    ds = opened(folder)
    absorb = Index.absorb

    def absorb_after_another(*args):
        other.submit(ds._keys).result()
        absorb(*args)

    monkeypatch.setattr(Index, "absorb", absorb_after_another)
    with ThreadPoolExecutor(1) as other:
        for number in range(3):
            ds.x = number
            setattr(ds, f"y{number}", number)
            manifest = os.path.join(folder, "_manifest.jsonl")
            assert ds._results._index.end == os.path.getsize(manifest)
            assert ds._results._index.number == opened(folder, "r")._results._index.number
    assert ds._keys() == ["first_0", "x", "y0", "y1", "y2"]


def test_what_one_thread_does_in_a_batch_is_not_seen_by_others_until_it_is_done(folder):
    ds = opened(folder)
    with ThreadPoolExecutor(1) as other, ds._batch():
        ds.x = 1
        ds.first_0 = "another"
        assert other.submit(ds._keys).result() == ["first_0"]
        workers.check_value(other.submit(ds._load, "first_0").result(), 0)
        assert ds._keys() == ["first_0", "x"]
        assert ds.first_0 == "another"
    assert ds.x == 1


def test_a_change_of_another_thread_waits_for_the_end_of_a_batch(folder):
    ds = opened(folder)
    with ThreadPoolExecutor(1) as other:
        with ds._batch():
            ds.x = 1
            change = other.submit(setattr, ds, "y", 2)
            with pytest.raises(FuturesTimeoutError):
                change.result(timeout=0.1)
            assert ds._keys() == ["first_0", "x"]
        change.result()
    assert ds._keys() == ["first_0", "x", "y"]
    assert ds.y == 2


def test_who_holds_the_lock_is_named_when_others_wait_in_vain(folder):
    holder = opened(folder, synchronize=False)
    waiting = opened(folder, timeout=0)
    with pytest.raises(LockTimeout) as caught:
        waiting.x = 1
    assert caught.value.pid == os.getpid()
    with pytest.raises(LockTimeout):
        opened(folder, synchronize=False, timeout=0)
    holder.x = 2
    assert waiting.x == 2
    holder.close()
    waiting.x = 3
    assert waiting.x == 3


def test_readers_are_not_hindered_by_a_holder(folder):
    with opened(folder, synchronize=False) as holder:
        reader = opened(folder, "r", timeout=0)
        holder.x = numpy.arange(200)
        assert reader._keys() == ["first_0", "x"]
        assert numpy.array_equal(reader.x, numpy.arange(200))
        assert read_bare(folder).infos.keys() == {"first_0", "x"}


def test_a_killed_holder_holds_nothing(folder):
    command = [sys.executable, "-c", HOLDER, *os.path.split(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        ds = opened(folder, timeout=0)
        with pytest.raises(LockTimeout) as caught:
            ds.x = 3
        assert caught.value.pid == holder.pid
        assert ds.x == 2
        holder.kill()
        holder.wait()
        ds.x = 3
        with opened(folder, synchronize=False, timeout=0) as next_holder:
            next_holder.x = 4
        assert ds.x == 4
        assert read_object(ds).values.keys() == {"first_0", "x"}
        assert persist.verify(folder).ok


def test_a_key_that_is_deleted_while_it_is_read_is_unknown(folder, monkeypatch):
    writer, reader = opened(folder), opened(folder, "r")
    writer.x = 1
    assert reader.x == 1
    find = value.Place.find

    def find_after_deletion(*args):
        monkeypatch.undo()
        writer._delete("x")
        return find(*args)

    monkeypatch.setattr(value.Place, "find", find_after_deletion)
    with pytest.raises(UnknownKeyError):
        reader._load("x")
    writer.y = 1
    with bare_package(folder) as package:
        writer._delete("y")
        with pytest.raises(AttributeError, match="y was deleted after"):
            package._load("y")


def test_arrays_are_mapped_while_another_thread_replaces_them(tmp_path):
    ds = persist.DataSet("results", "w", tmp_path, durable=False)
    ds.x = numpy.arange(200)
    done = threading.Event()
    count = 20 if IS_SHORT else 60

    def write():
        for number in range(count):
            ds.x = numpy.arange(201 + number)
        done.set()

    reader, found = persist.open(tmp_path / "results"), []
    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        found.append(reader.load("x", "r"))
    thread.join()
    assert all(numpy.array_equal(array, numpy.arange(len(array))) for array in found)
    assert len(reader.load("x", "r")) == 200 + count
