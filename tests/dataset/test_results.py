"""The mapping that `persist.open` gives."""

import copy
import enum
import itertools
import os
import pickle
import sys
from collections.abc import MutableMapping
from functools import partial

import numpy
import pytest

import persist
from persist.archive import registry
from persist.archive.reduction import Import, Reduction
from persist.errors import (
    ClosedError,
    DamagedError,
    DataSetError,
    InvalidKeyError,
    PersistError,
    ReadOnlyError,
    UnknownKeyError,
    UnsupportedObjectError,
)
from tests.dataset.states import bare_package


@pytest.fixture
def results(tmp_path):
    return persist.open(tmp_path / "results", "w", array_threshold=10, durable=False)


def test_it_is_a_mutable_mapping(results):
    assert isinstance(results, MutableMapping)
    results["x"] = numpy.arange(50)
    results.update(y=1, z=[2])
    assert (len(results), list(results), results.get("nothing")) == (3, ["x", "y", "z"], None)
    assert results.pop("y") == 1
    assert results.setdefault("z", 5) == [2]
    assert {key: int(numpy.sum(value)) for key, value in results.items()} == {"x": 1225, "z": 2}
    assert dict(persist.open(results.path)).keys() == {"x", "z"}
    with pytest.raises(KeyError):
        results["nothing"]
    with pytest.raises(UnknownKeyError):
        del results["nothing"]


def test_infos_are_a_mapping_of_the_same_keys(results):
    results["x"] = 1
    results.info["x"] = "250 Hz"
    results.info["y"] = (1, 2)
    assert dict(results.info) == {"x": "250 Hz", "y": (1, 2)}
    assert results["y"] is None
    del results.info["x"]
    assert results.info["x"] is None
    assert results["x"] == 1
    with pytest.raises(KeyError):
        results.info["nothing"]


class Rate:
    """A rate whose unit may be forgotten."""

    UNITS = {"Hz": 1.0}

    def __init__(self, unit):
        self.factor = self.UNITS[unit]

    def __reduce__(self):
        return Rate, ("Hz",)


def test_an_info_that_raises_keyerror_is_not_taken_for_a_missing_key(results, monkeypatch):
    results.info["x"] = Rate("Hz")
    monkeypatch.delitem(Rate.UNITS, "Hz")
    for read in (results.info.get, results.info.__getitem__, lambda _: results.info.as_dict()):
        with pytest.raises(DataSetError, match=r"cannot load the info of 'x' from .*results: Key"):
            read("x")


def test_an_info_whose_source_was_cut_is_named(results):
    results.info["x"] = (1, 2)
    path = os.path.join(results.path, "_manifest.jsonl")
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(b"(1, 2)", b"(1, 2"))
    assert persist.repair(results.path).doubtful == ("x",)
    with pytest.raises(DataSetError, match="cannot load the info of 'x'"):
        results.info["x"]


def test_a_key_whose_module_is_a_folder_is_not_renamed(results):
    results["x"] = 1
    path = os.path.join(results.path, "x.py")
    os.remove(path)
    os.mkdir(path)
    with pytest.raises(DamagedError, match="is a folder; move it away"):
        results.rename("x", "y")
    os.rmdir(path)
    assert list(results) == ["x"]


def test_groups_are_made_renamed_and_deleted(results):
    results.group("D0")["sttc"] = numpy.eye(4)
    results.group("D1")["a"] = 1
    assert results.groups == ["D0", "D1"]
    results.rename("D1", "D2")
    results.delete_group("D0")
    assert persist.open(results.path).groups == ["D2"]
    assert results.group("D2")["a"] == 1
    with pytest.raises(UnknownKeyError):
        results.delete_group("D0")
    results["x"] = 1
    with pytest.raises(InvalidKeyError):
        results.rename("D2", "x")
    with pytest.raises(InvalidKeyError):
        results["D2"] = 1
    assert persist.verify(results.path).ok


def test_a_key_that_a_batch_has_deleted_is_unknown_to_it(results):
    results["x"] = numpy.arange(1000)
    with results.batch():
        del results["x"]
        assert results.get("x", "nothing") == "nothing"
        for use in (
            lambda: results["x"],
            lambda: results.info["x"],
            lambda: results.rename("x", "y"),
            lambda: results.pop("x"),
        ):
            with pytest.raises(KeyError) as caught:
                use()
            assert not isinstance(caught.value, DamagedError)
        results["x"] = 1
    assert results["x"] == 1


def test_a_batch_is_one_commit_or_none(results):
    results["x"] = 1

    def fail():
        with results.batch():
            results["x"] = 2
            results["y"] = 3
            assert (results["x"], results["y"]) == (2, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert dict(results) == {"x": 1}
    with results.batch() as same:
        same["y"] = numpy.arange(20)
        same.rename("y", "w")
        del same["x"]
        same["x"] = "anew"
    assert list(results) == ["w", "x"]
    assert results["w"].sum() == 190
    assert persist.verify(results.path).ok


@pytest.mark.parametrize("moment", ["before all", "in a batch", "while it is held"])
def test_it_stays_in_its_folder_when_the_process_goes_elsewhere(tmp_path, monkeypatch, moment):
    home, other = tmp_path / "home", tmp_path / "other"
    for number, folder in enumerate((home, other)):
        with persist.open(folder / "results", "w", array_threshold=10) as made:
            made.update({"x": number, "array": numpy.arange(20) + number})
            made.group("inner")["y"] = number
    monkeypatch.chdir(home)
    results = persist.open("results", "w", array_threshold=10)
    if moment == "before all":
        monkeypatch.chdir(other)
        assert (results["x"], results["array"][0], results.groups) == (0, 0, ["inner"])
        results["z"] = numpy.arange(30)
    elif moment == "in a batch":
        with results.batch():
            results["z"] = numpy.arange(10)
            monkeypatch.chdir(other)
            assert (results["x"], results["z"].size) == (0, 10)
            results["z"] = numpy.arange(30)
    else:
        results.acquire()
        monkeypatch.chdir(other)
        results["z"] = numpy.arange(30)
        results.release()
    results.group("inner")["y"] = 2
    results.make_group("another")
    with persist.open(home / "results") as found:
        assert (found["z"].size, found.group("inner")["y"], len(found.groups)) == (30, 2, 2)
    with persist.open(other / "results") as found:
        assert (sorted(found), found.group("inner")["y"], found.groups) == (
            ["array", "x"],
            1,
            ["inner"],
        )
    assert persist.verify(home / "results").ok
    assert persist.verify(other / "results").ok


def test_every_reader_has_the_keys_of_a_batch_in_the_order_of_their_first_use(tmp_path):
    expected = {"first": 1}
    with persist.open(tmp_path / "kept_in_order", "w") as results:
        results["first"] = 1
        with results.batch():
            results["again"] = expected["again"] = 2
            results.info["noted"] = expected["noted"] = "an info alone"
            results["last"] = expected["last"] = 3
            results["again"] = expected["again"] = 4
        assert list(results) == list(expected)
    assert list(persist.open(tmp_path / "kept_in_order")) == list(expected)
    with bare_package(tmp_path / "kept_in_order") as package:
        assert list(package._info_dict) == list(expected)


def test_a_closed_one_reads_and_does_not_write(results):
    with results:
        results["x"] = 1
    assert "closed" in repr(results)
    assert results["x"] == 1
    with pytest.raises(ClosedError):
        results["x"] = 2
    reader = persist.open(results.path)
    with pytest.raises(ReadOnlyError):
        reader["x"] = 2


def test_arrays_are_mapped_on_request(results):
    results["x"] = numpy.arange(50)
    mapped = persist.open(results.path, mmap_mode="r")["x"]
    assert type(mapped) is numpy.memmap
    assert not mapped.flags.writeable


def test_its_pages_show_no_markup_of_infos(results):
    results["x"] = numpy.zeros((3, 20))
    results.info["x"] = "<script>"
    page = results._repr_html_()
    assert "<script>" not in page
    assert "(3, 20)" in page


@pytest.mark.parametrize("mode", ["a", "x", "", "rw"])
def test_other_modes_are_refused_and_make_nothing(tmp_path, mode):
    with pytest.raises(DataSetError, match="mode must be 'r' or 'w'"):
        persist.open(tmp_path / "results", mode)
    assert os.listdir(tmp_path) == []


def test_a_path_with_a_slash_at_its_end_is_the_same(tmp_path):
    persist.open(f"{tmp_path}/results/", "w")["x"] = 1
    assert persist.DataSet("results/", "w", tmp_path).x == 1
    assert os.listdir(tmp_path) == ["results"]


def test_the_lock_of_release_3_can_be_taken_by_name(tmp_path):
    ds = persist.DataSet("results", "w", tmp_path)
    ds._lock()
    ds.x = 1
    with pytest.raises(OSError, match="results"):
        persist.DataSet("results", "w", tmp_path, timeout=0)._lock()
    ds._unlock()
    with ds._ds_lock():
        assert os.path.exists(tmp_path / "results" / "_locked")
    assert not os.path.exists(tmp_path / "results" / "_locked")
    ds.close()
    with pytest.raises(OSError, match="closed"):
        ds._lock()


@pytest.mark.parametrize(
    "options",
    [
        {"array_threshold": "big"},
        {"array_threshold": float("nan")},
        {"trusted": "numpy.array"},
        {"timeout": -1},
        {"data_format": "zip"},
        {"compression": "gzip"},
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_made(tmp_path, options):
    with pytest.raises(PersistError):
        persist.open(tmp_path / "results", "w", **options)
    with pytest.raises(PersistError):
        persist.DataSet("results", "w", tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_opened_is_told_in_the_terms_of_the_call(tmp_path):
    with pytest.raises(DataSetError, match="does not exist; give mode 'w' to create it"):
        persist.open(tmp_path / "nothing")
    (tmp_path / "file").touch()
    for mode in "rw":
        with pytest.raises(DataSetError, match="it is a file, not the folder of a data set"):
            persist.open(tmp_path / "file", mode)


def test_an_attribute_is_deleted_with_its_value_and_info(tmp_path):
    ds = persist.DataSet("results", "w", tmp_path)
    ds.x, ds["x"] = 1, "info"
    del ds.x
    assert list(ds) == []
    with pytest.raises(UnknownKeyError):
        del ds.x


def work(act):
    """Return the number of calls, of C functions too, and of bytes read, without the first time."""
    act()
    calls = 0

    def profile(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    def bytes_read():
        with open("/proc/self/io") as file:
            return int(file.readline().split()[1])

    before = bytes_read()
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls, bytes_read() - before


class Name(str, enum.Enum):
    RATE = "rate"


@pytest.mark.parametrize("key", [numpy.str_("rate"), Name.RATE], ids=["numpy", "enum"])
def test_a_key_may_be_of_a_subclass_of_str(results, key):
    results[key] = numpy.arange(300)
    results.info[key] = "Hz"
    results.rename(key, "other")
    results.rename("other", key)
    assert [(type(k), k) for k in results] == [(str, "rate")]
    assert (results[key].sum(), results.info[key], results.entry(key).key) == (44850, "Hz", "rate")
    assert max(os.listdir(results.path)) == "rate.py"
    results.group(key := key + "s")[key] = 1
    assert results.groups == ["rates"]


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs Linux")
def test_a_change_in_a_batch_costs_no_more_after_many_others(tmp_path):
    results, numbers = persist.open(tmp_path / "d", "w", durable=False), itertools.count()

    def act():
        number = next(numbers)
        results.store({f"x_{number}": 1}, {f"y_{number}": 2})

    with results.batch():
        few, _ = work(act)
        for _ in range(500):
            act()
        assert work(act)[0] <= 1.2 * few


def operations(path, size):
    """Return what is done to a data set of some keys, by name; each can be done twice."""
    results, other = (persist.open(path, "w", durable=False) for _ in range(2))
    results.store({f"key_{i}": i for i in range(size)})
    old, gone, number = iter(["key_1", "key_2"]), iter(["key_3", "key_4"]), itertools.count()

    def follow():
        other["key_5"] = next(number)
        return results["key_5"]

    return {
        "set": lambda: results.update({f"new_{next(number)}": 1}),
        "set an array": lambda: results.update({f"array_{next(number)}": numpy.arange(200)}),
        "replace": lambda: results.update(key_6=1),
        "insert": lambda: results.insert(1),
        "set an info": lambda: results.store({}, {"key_7": next(number)}),
        "rename": lambda: results.rename(key := next(old), f"{key}_renamed"),
        "delete": lambda: results.pop(next(gone)),
        "read": lambda: results["key_8"],
        "read an info": lambda: results.info["key_8"],
        "ask": lambda: "key_8" in results,
        "describe": lambda: results.entry("key_8"),
        "count": lambda: len(results),
        "follow another writer": follow,
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs Linux")
def test_no_operation_costs_more_where_there_are_more_keys(tmp_path):
    few, many = (
        {name: work(act) for name, act in operations(tmp_path / f"of_{size}", size).items()}
        for size in (20, 2000)
    )
    for name, (calls, read) in many.items():
        assert calls <= 1.2 * few[name][0], name
        assert read <= 1.2 * few[name][1] + 1000, name


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs Linux")
def test_to_verify_costs_the_same_for_each_file(tmp_path):
    costs = []
    for size in (50, 500):
        results = persist.open(tmp_path / f"of_{size}", "w", durable=False)
        results.store({f"key_{i}": i for i in range(size)})
        calls, read = work(partial(persist.verify, results.path))
        costs.append((calls / size, read / size))
    (few, few_read), (many, many_read) = costs
    assert many <= 1.2 * few
    assert many_read <= 1.2 * few_read


def test_a_rule_of_the_user_for_arrays_is_followed(tmp_path):
    def reduce_as_list(array):
        return Reduction(Import("numpy", "array"), (array.tolist(),))

    own = registry.find(numpy.ndarray)
    registry.register(numpy.ndarray, reduce_as_list, replace=True)
    try:
        results = persist.open(tmp_path / "d", "w", array_threshold=2)
        results["x"] = numpy.arange(5.0)
    finally:
        registry.register(numpy.ndarray, own, replace=True)
    assert "array([0.0, 1.0, 2.0, 3.0, 4.0])" in (tmp_path / "d" / "x.py").read_text()
    assert [name for name in os.listdir(tmp_path / "d") if name.startswith("data_")] == []
    numpy.testing.assert_array_equal(results["x"], numpy.arange(5.0))


@pytest.mark.parametrize("path", ["a\0b", b"results", None, 3], ids=repr)
def test_a_path_that_no_folder_can_have_is_refused(tmp_path, path):
    with pytest.raises(persist.PersistError, match="the path of a data set"):
        persist.open(path)
    with pytest.raises(persist.PersistError, match="the path of a data set"):
        persist.DataSet(path, "w", tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_inner_data_set_is_not_deleted_as_a_key(tmp_path):
    with persist.open(tmp_path / "results", "w") as results:
        results.group("D0")["x"] = 1
        with pytest.raises(KeyError, match=r"delete_group\('D0'\)"):
            del results["D0"]
        assert results.group("D0")["x"] == 1


def test_all_keys_and_all_infos_are_cleared_at_once(tmp_path):
    with persist.open(tmp_path / "results", "w", durable=False) as results:
        results.update(x=1, y=2)
        results.info.update(x="of x", y="of y")
        results.group("D0")["z"] = 3
        (tmp_path / "results" / "x.py").write_text("damaged")
        assert results.info.popitem() == ("y", "of y")
        results.info.clear()
        assert dict(results.info) == {"x": None, "y": None}
        with pytest.raises(KeyError):
            results.info.popitem()
        results.clear()
        assert (dict(results), results.groups) == ({}, ["D0"])
        with pytest.raises(KeyError):
            results.popitem()
    assert persist.verify(tmp_path / "results").ok


def test_keys_come_in_the_order_of_a_dict_whatever_is_done_to_them(tmp_path):
    results, plain = persist.open(tmp_path / "results", "w", durable=False), {}
    for mapping in (results, plain):
        mapping |= {"x": 1, "y": 2, "z": 3}
        mapping["x"] = 4
        mapping["taken"] = mapping.popitem()[1]
        mapping |= {"y": mapping.pop("y")}
    assert list(results.items()) == list(plain.items())
    assert list(reversed(results)) == list(reversed(plain))


def test_an_inner_data_set_without_its_marker_is_not_passed_over(tmp_path):
    results = persist.open(tmp_path / "results", "w", durable=False)
    results.group("D0")["z"] = 3
    (tmp_path / "results" / "D0" / "_this_dir_is_a_DataSet").unlink()
    assert results.groups == ["D0"]
    with pytest.raises(DataSetError, match=r"lacks the file .*persist repair .*D0"):
        persist.diff(results, results)
    with pytest.raises(InvalidKeyError, match="a data set inside this one has that name"):
        results["D0"] = 1
    persist.repair(tmp_path / "results" / "D0")
    assert results.group("D0")["z"] == 3


@pytest.mark.parametrize("act", [persist.verify, persist.repair, persist.accept])
@pytest.mark.parametrize("path", ["", b"results", 5, "a\0b"])
def test_what_is_no_path_is_refused(act, path):
    with pytest.raises(PersistError, match=r"as the path of a data set|must be a str or a Path"):
        act(path)


def test_keys_may_be_called_like_arguments(results):
    results.update(self=1, args=2)
    results.info.update(self="one", named="two")
    assert results.insert(self=3, objects=4) == ["self", "objects"]
    assert (results["self"], results["args"], results.info["self"]) == (3, 2, None)


@pytest.mark.parametrize("opened", [persist.open, persist.DataSet])
def test_another_process_gets_the_same_data_set(tmp_path, monkeypatch, opened):
    monkeypatch.chdir(tmp_path)
    with persist.open("results", "w") as results:
        results["x"] = 1
    data_set = opened("results", "w")
    data = pickle.dumps(data_set)
    monkeypatch.chdir("/")
    for other in (pickle.loads(data), copy.copy(data_set), copy.deepcopy(data_set)):
        assert type(other) is type(data_set)
        if opened is persist.open:
            other["x"] = 2
        else:
            other.x = 2
        assert persist.open(tmp_path / "results")["x"] == 2
        persist.open(tmp_path / "results", "w")["x"] = 1
    results.info["x"]
    assert copy.deepcopy(results.info)["x"] is None


def test_a_data_set_that_is_being_changed_is_not_pickled(results):
    with results.batch(), pytest.raises(DataSetError, match="a batch is open"):
        pickle.dumps(results)
    exclusive = persist.DataSet(results.path, "w", synchronize=False)
    with pytest.raises(DataSetError, match="holds its lock"):
        pickle.dumps(exclusive)
    exclusive.close()


def test_a_data_set_is_no_value_since_its_place_would_be_written(results):
    results["x"] = 1
    for value in (results, persist.DataSet(results.path)):
        with pytest.raises(UnsupportedObjectError, match=r"Cannot store y.*a data set is a folder"):
            results["y"] = value
    assert list(results) == ["x"]
