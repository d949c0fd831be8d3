"""Work that must grow no faster than what is worked on: statements and system calls are counted."""

import contextlib
import importlib
import json
import os
import sys
import tracemalloc

import numpy
import pytest

import persist
from persist.dataset import writer
from persist.dataset.index import Index
from persist.errors import UnknownKeyError
from tests.calls import counted_calls
from tests.effort import IS_SHORT

COUNT = 150 if IS_SHORT else 300


def statements(work):
    """Return how many statements, and rounds of comprehensions, run while `work` does."""
    found = 0

    def trace(frame, event, argument):
        nonlocal found
        found += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


def listings(work):
    """Return how often a folder is listed while `work` does."""
    with counted_calls("c_call") as found:
        work()
    return found["listdir"] + found["scandir"]


def growth(work):
    """Return the statements for thrice as many keys, per those for some."""
    few, many = (statements(work(number)) for number in (COUNT, 3 * COUNT))
    return many / few


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes a data set of a number of keys, and opens it."""
    monkeypatch.chdir(tmp_path)

    def make(number, value=lambda number: number):
        results = persist.open(f"r{number}", "w", durable=False)
        results.update({f"k{i}": value(i) for i in range(number)})
        return results

    return make


def test_a_process_for_each_commit_writes_a_snapshot_as_often_as_one_for_all(make):
    make(1)
    for number in range(230):
        persist.open("r1", "w", durable=False)[f"x{number}"] = number
    with open("r1/_snapshot.json", encoding="ascii") as file:
        found = json.load(file)
    assert found["n"] > 200


def test_loading_does_not_go_through_the_keys_that_the_last_commit_deleted(make):
    def work(number):
        results = make(number)
        results["kept"] = 1
        with results.batch():
            for i in range(number):
                del results[f"k{i}"]
        return lambda: [results["kept"] for _ in range(number)]

    assert growth(work) < 4


def test_the_place_of_modules_is_known_until_the_next_commit(make):
    results = make(2)
    del results["k0"]
    index = Index("r2")
    index.refresh()
    assert index.place() is index.place()
    before = index.place()
    results["k0"] = 2
    index.refresh()
    assert index.place() is not before


def test_compiled_modules_are_looked_for_once_in_a_commit(make):
    results = make(100)
    os.mkdir("r100/__pycache__")
    for name in ("k1.cpython-310.pyc", "k2.cpython-310.opt-1.pyc", "other.cpython-310.pyc"):
        with open(f"r100/__pycache__/{name}", "w", encoding="ascii"):
            pass
    assert listings(results.clear) < 10
    assert os.listdir("r100/__pycache__") == ["other.cpython-310.pyc"]


def test_keys_are_made_up_in_one_go(make):
    def work(number):
        results = make(number)
        return lambda: results.insert(*range(number))

    assert growth(work) < 4


def test_keys_are_made_up_around_those_that_are_taken(make):
    results = make(0)
    results.update({"x_1": 1, "x_3": 3})
    assert results.insert("a", "b", "c", x_2="d") == ["x_0", "x_4", "x_5", "x_2"]
    del results["x_3"]
    assert results.insert("e", "f") == ["x_3", "x_6"]
    assert [results[f"x_{i}"] for i in range(7)] == ["a", 1, "d", "e", "b", "c", "f"]


def test_a_change_that_fails_before_it_begins_does_not_look_into_the_folder(make):
    results = make(3)

    def fail():
        for _ in range(10):
            with contextlib.suppress(UnknownKeyError):
                del results["nokey"]

    with contextlib.suppress(UnknownKeyError):
        del results["nokey"]
    assert listings(fail) == 0


def test_array_files_that_are_gone_are_forgotten(make, monkeypatch):
    monkeypatch.setattr(writer, "COMPACT_AFTER", 20)
    results = make(1)

    def overwrite(number):
        for i in range(number):
            results["k0"] = numpy.arange(200) + i

    overwrite(10)
    tracemalloc.start()
    try:
        overwrite(110)
        before = tracemalloc.get_traced_memory()[0]
        overwrite(440)
        assert tracemalloc.get_traced_memory()[0] < before + 20_000
    finally:
        tracemalloc.stop()


def imported(name):
    sys.path.insert(0, os.getcwd())
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(os.getcwd())


@pytest.fixture
def no_modules():
    """Forget the modules that a test imports."""
    before = set(sys.modules), list(sys.meta_path)
    yield
    for name in set(sys.modules) - before[0]:
        if name.partition(".")[0] in ("r100", f"r{COUNT}", f"r{3 * COUNT}"):
            del sys.modules[name]
    sys.meta_path[:] = before[1]


@pytest.mark.usefixtures("no_modules")
def test_a_package_does_not_go_through_its_values_to_load_another(make):
    def work(number):
        make(number)
        package = imported(f"r{number}")
        return lambda: [getattr(package, f"k{i}") for i in range(number)]

    assert growth(work) < 4


@pytest.mark.usefixtures("no_modules")
def test_a_package_reads_its_manifest_once_to_map_many_arrays(make):
    def work(number):
        results = make(0)
        for i in range(number):
            results[f"k{i}"] = numpy.arange(200.0) + i
        os.rename("r0", f"r{number}")
        package = imported(f"r{number}")
        return lambda: [package._load(f"k{i}", "r") for i in range(number)]

    assert growth(work) < 4


@pytest.mark.usefixtures("no_modules")
def test_a_package_maps_what_was_stored_after_its_manifest_was_read(make):
    results = make(100, lambda i: numpy.arange(200.0) + i)
    package = imported("r100")
    assert package._load("k1", "r")[0] == 1
    results["k1"] = numpy.arange(200.0) - 5
    assert package._load("k1", "r")[0] == -5


def test_accepting_lost_keys_does_not_list_the_folder_for_each(make):
    make(50)
    keys = [f"k{i}" for i in range(40)]
    for key in keys:
        os.remove(f"r50/{key}.py")
    assert listings(lambda: persist.accept("r50", *keys)) < 10
    assert len(persist.open("r50")) == 10


@pytest.mark.skipif(os.name == "nt", reason="Windows calls a name that is too long missing")
@pytest.mark.parametrize("path", ["x" * 300, "x/" * 3000], ids=["name", "path"])
@pytest.mark.parametrize(
    "call",
    [persist.open, lambda p: persist.open(p, "w"), persist.verify, persist.repair, persist.accept],
    ids=["open", "create", "verify", "repair", "accept"],
)
def test_a_path_that_is_too_long_is_refused(call, path):
    with pytest.raises(persist.PersistError, match="too long for this file system") as caught:
        call(path)
    assert isinstance(caught.value, OSError)
