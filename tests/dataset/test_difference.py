import numpy
import pytest

import persist
from persist import DataSet
from persist.dataset.results import Results


@pytest.fixture
def pair(tmp_path):
    return DataSet("old", "w", tmp_path), DataSet("new", "w", tmp_path)


def test_equal_data_sets_are_the_same(pair):
    for ds in pair:
        ds.x = numpy.arange(500)
        ds._namespace("D").y = {"a": [1, 2.5]}
    found = persist.diff(*pair)
    assert found.same
    assert (found.added, found.removed, found.changed) == ((), (), {})


def test_keys_and_parts_are_told(pair):
    old, new = pair
    old.x, new.x = {"b": [1, 2, 3]}, {"b": [1, 2, 4]}
    old.gone, new.came = 1, 2
    old.same, new.same = 5, 5
    old["same"], new["same"] = "before", "after"
    found = persist.diff(old, new)
    assert (found.added, found.removed) == (("came",), ("gone",))
    assert {key: list(map(str, parts)) for key, parts in found.changed.items()} == {
        "x": ["x['b'][2]: 3 -> 4"],
        "same": ["info of same: 'before' -> 'after'"],
    }
    assert not found.same


def test_inner_data_sets_are_compared_too(pair):
    old, new = pair
    old._namespace("D")._namespace("E").x = 1
    new._namespace("D")._namespace("E").x = 2
    new._namespace("F").y = 3
    found = persist.diff(old, new)
    assert found.added == ("F.y",)
    assert list(found.changed) == ["D.E.x"]


def test_paths_are_taken_too(pair, tmp_path):
    pair[0].x, pair[1].x = 1, 2
    assert list(persist.diff(tmp_path / "old", str(tmp_path / "new")).changed) == ["x"]


def test_floats_may_differ_by_a_tolerance(pair):
    old, new = pair
    old.x, new.x = numpy.ones(500), numpy.ones(500) + 1e-9
    assert list(persist.diff(old, new).changed) == ["x"]
    assert persist.diff(old, new, atol=1e-8).same
    assert persist.diff(old, new, rtol=1e-8).same
    with pytest.raises(ValueError, match="rtol"):
        persist.diff(old, new, rtol=-1)


def test_values_of_the_same_files_are_not_read(pair, monkeypatch):
    for ds in pair:
        ds.x = numpy.arange(500)

    def refuse(*args, **kwargs):
        raise AssertionError("it was read")

    monkeypatch.setattr(Results, "load", refuse)
    assert persist.diff(*pair).same


def test_the_format_of_arrays_makes_no_difference(tmp_path):
    for data_format in ("npy", "npz", "hdf5"):
        DataSet(data_format, "w", tmp_path, data_format=data_format).x = numpy.arange(500)
    assert persist.diff(tmp_path / "npy", tmp_path / "npz").same
    assert persist.diff(tmp_path / "hdf5", tmp_path / "npz").same
