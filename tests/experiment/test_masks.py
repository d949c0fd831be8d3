"""Masks, units, texts and numbers on every path: written, read, stacked, copied, converted back."""

import math
import pickle
import re
from pathlib import Path

import h5py
import numpy
import pandas
import pytest

from persist.errors import DamagedError
from persist.experiment import (
    Storage,
    TaskReader,
    TaskWriter,
    WorkingDataset,
    hdf5_to_storage,
    read_hdf5,
    storage_to_dataset,
    storage_to_hdf5,
    write_hdf5,
)
from persist.experiment.columns import Table
from persist.experiment.csv_text import parse_csv
from tests.experiment.samples import contents, make_trial
from tests.experiment.test_export import open_package
from tests.same import assert_same

ARRAYS = {
    "one axis": numpy.ma.array([1, 999, 3], mask=[0, 1, 0]),
    "two axes": numpy.ma.masked_greater(numpy.arange(6.0).reshape(2, 3), 3),
    "no mask": numpy.ma.array([1.5, 2.5]),
    "nothing masked": numpy.ma.array([1.5, 2.5], mask=[0, 0]),
    "all masked": numpy.ma.masked_all((2, 2)),
    "fill value": numpy.ma.array([1, 2], mask=[0, 1], fill_value=-7),
    "no axes": numpy.ma.array(5.0, mask=True),
    "empty": numpy.ma.array([], mask=[]),
    "record": numpy.ma.array([(1, 2.5)], dtype="i4,f8", mask=[(0, 1)]),
}


def check(found, wanted):
    assert type(found) is numpy.ma.MaskedArray
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert (found.mask is numpy.ma.nomask) == (wanted.mask is numpy.ma.nomask)
    numpy.testing.assert_array_equal(found.mask, wanted.mask)
    numpy.testing.assert_array_equal(found.data, wanted.data)
    assert found.fill_value == wanted.fill_value


def storage_with(root, *arrays):
    storage = Storage(root, durable=False)
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number, array in enumerate(arrays):
            writer.write(make_trial(number, x=array))
    return storage


@pytest.mark.parametrize("name", ARRAYS)
def test_a_mask_survives_every_path(tmp_path, name):
    given = ARRAYS[name]
    storage = storage_with(tmp_path / "data", given, given)
    reader = storage.require_task("t")
    for found in (*reader.iterarray("x"), reader.lazy("x")[1][()]):
        check(found, given)
    for layout in ("trials", "joined"):
        dataset = WorkingDataset(storage_to_hdf5(storage.root, tmp_path / layout, layout=layout))
        task = dataset.task("p0", "t")
        check(next(task.iterarray("x")), given)
        dataset.add("p0", "t", "result", given)
        check(task.array("result"), given)
        dataset.add_trials("p0", "t", "other", [given, None])
        check(next(task.iterarray("other")), given)
        back = TaskReader(hdf5_to_storage(dataset.path, tmp_path / f"back {layout}") + "/p0/t")
        for array in ("x", "other"):
            check(next(back.iterarray(array)), given)
        check(back.array("result"), given)
    write_hdf5(tmp_path / "one.h5", given, dataset="a/b")
    check(read_hdf5(tmp_path / "one.h5", "a/b"), given)


def test_handles_of_masked_arrays_are_written_with_their_masks(tmp_path):
    array = numpy.ma.array([1.0, 999.0, 3.0], mask=[0, 1, 0])
    (tmp_path / "data/p0/reach").mkdir(parents=True)
    with TaskWriter(tmp_path / "data/p0/reach") as writer:
        writer.write(make_trial(0, emg=array))
        handle = TaskReader(tmp_path / "data/p0/reach").lazy("emg")[0]
        writer.write(make_trial(1, emg=handle))
    dataset = WorkingDataset(storage_to_hdf5(tmp_path / "data"))
    task = dataset.task("p0", "reach")
    dataset.add_trials("p0", "reach", "copy", task.lazy("emg"))
    for name in ("emg", "copy"):
        for found in task.iterarray(name):
            assert_same(found, array)


def test_a_handle_of_a_masked_array_is_pickled_with_its_mask(tmp_path):
    array = numpy.ma.array([1.0, 999.0, 3.0], mask=[0, 1, 0])
    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(0, emg=array))
    handle = TaskReader(tmp_path).lazy("emg")[0]
    assert pickle.loads(pickle.dumps(handle)).tolist() == [1.0, None, 3.0]


def test_a_mask_is_seen_with_plain_h5py(tmp_path):
    storage_with(tmp_path / "data", ARRAYS["one axis"])
    with h5py.File(tmp_path / "data" / "p0" / "t" / "x.hdf5") as file:
        assert file["0"].attrs["mask"] == "0.mask"
        assert file["0"][()].tolist() == [1, 999, 3]
        assert file["0.mask"][()].tolist() == [False, True, False]


def test_masked_trials_are_stacked_with_their_masks(tmp_path):
    plain = numpy.array([4, 5, 6])
    storage = storage_with(tmp_path / "data", plain, ARRAYS["one axis"], plain)
    found = storage.require_task("t").array("x")
    assert found.mask.tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert found.sum() == 34
    assert storage.require_task("t").lazy("x")[1][1:].mask.tolist() == [True, False]


def test_what_ragged_trials_lack_stays_masked_in_a_result(tmp_path):
    storage = storage_with(tmp_path / "data", numpy.full((2, 3), 10.0), numpy.full((2, 5), -10.0))
    dataset = WorkingDataset(storage_to_hdf5(storage.root))
    emg = dataset.task("p0", "t").array("x")
    assert abs(emg).mean() == 10
    dataset.add("p0", "t", "abs", abs(emg))
    found = dataset.task("p0", "t").array("abs")
    assert found.mean() == 10
    numpy.testing.assert_array_equal(found.mask, emg.mask)


def test_masked_trials_are_exported(tmp_path):
    storage = storage_with(tmp_path / "data", *ARRAYS.values())
    dataset = open_package(Path(storage_to_dataset(storage.root, tmp_path / "package")))
    for found, given in zip(dataset.p0.t.x, ARRAYS.values(), strict=True):
        check(found, given)


def test_a_masked_attribute_is_missing(tmp_path):
    with TaskWriter(tmp_path) as writer:
        masked = {"a": numpy.ma.masked, "b": numpy.ma.array(3, mask=True), "c": numpy.ma.array(3)}
        writer.write(make_trial(0, masked))
    columns = TaskReader(tmp_path).columns
    assert (columns["a"], columns["b"], columns["c"]) == ([None], [None], [3])


class Quantity(numpy.ndarray):
    unit = "mV"


class Holder:
    units = "kHz"

    def __array__(self, dtype=None, copy=None):
        return numpy.array([1.0])


@pytest.mark.parametrize(
    ("data", "unit"), [(numpy.zeros(3).view(Quantity), "mV"), (Holder(), "kHz")]
)
def test_an_array_with_a_unit_is_refused(tmp_path, data, unit):
    with TaskWriter(tmp_path) as writer, pytest.raises(TypeError, match=f"the unit '{unit}'"):
        writer.write(make_trial(0, x=data))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("texts", [["é", "b"], [b"\xff", b"b"], [["a", "b"], ["c", ""]]])
def test_object_arrays_of_text_come_back_as_they_were(tmp_path, texts):
    given = numpy.array(texts, object)
    storage = storage_with(tmp_path / "data", given)
    dataset = WorkingDataset(storage_to_hdf5(storage.root))
    back = hdf5_to_storage(dataset.path, tmp_path / "back")
    for reader in (storage.require_task("t"), dataset.task("p0", "t"), TaskReader(f"{back}/p0/t")):
        found = next(reader.iterarray("x"))
        assert found.dtype == object
        assert found.tolist() == texts


@pytest.mark.parametrize("value", [["a", b"b"], ["a\0b"], ["\ud800"], [None], [b"a\0b"]])
def test_what_comes_back_as_something_else_is_refused(tmp_path, value):
    with TaskWriter(tmp_path) as writer, pytest.raises(TypeError, match="HDF5"):
        writer.write(make_trial(0, x=numpy.array(value, object)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (numpy.array(["a"]), "astype(object)"),
        (["a", "b"], "astype(object)"),
        (numpy.ma.array(["a", "b"], mask=[0, 1]), "astype(object)"),
        (numpy.array(["2020-01-01"], "M8[D]"), "astype('int64')"),
        (numpy.array([3], "m8[s]"), "astype('int64')"),
        (numpy.zeros(2, [("a", "U3"), ("b", "f8")]), "each field"),
        ([[1.0, 2.0], [3.0]], "one masked array"),
        ([numpy.zeros((2, 3)), numpy.zeros((2, 4))], "one masked array"),
    ],
    ids=repr,
)
def test_a_type_that_hdf5_lacks_is_refused_with_what_to_write_instead(tmp_path, value, advice):
    with TaskWriter(tmp_path) as writer, pytest.raises(TypeError, match=re.escape(advice)):
        writer.write(make_trial(0, x=value))
    assert list(tmp_path.iterdir()) == []


BIG = 2**53 + 1


def test_integers_are_stacked_without_losing_digits(tmp_path):
    signed, unsigned = numpy.array([BIG]), numpy.array([BIG], "u8")
    reader = storage_with(tmp_path / "a", signed, unsigned).require_task("t")
    assert reader.array("x").tolist() == [[BIG], [BIG]]
    huge = numpy.array([2**64 - 1], "u8")
    reader = storage_with(tmp_path / "b", signed, huge).require_task("t")
    assert reader.array("x").tolist() == [[BIG], [2**64 - 1]]
    for number, others in enumerate([(-signed, huge), (signed, numpy.array([0.5]))]):
        reader = storage_with(tmp_path / str(number), *others).require_task("t")
        with pytest.raises(ValueError, match="no type holds all of their values"):
            reader.array("x")
    reader = storage_with(tmp_path / "c", numpy.array([3]), numpy.array([0.5])).require_task("t")
    assert reader.array("x").tolist() == [[3.0], [0.5]]


COLUMNS = {
    "mixed": [1, 2.5, None, -3],
    "whole": [1, 2, 3, None],
    "floats": [1.0, math.nan, 2.0, None],
    "inf": [math.inf, 1, -math.inf, 2**53],
    "bools": [True, 1, 2.5, "x"],
    "large": [2**53 + 1, 0.5, 1, 2],
    "zeros": [0, -0.0, 0.0, 1],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_types_of_a_column_survive_every_path(tmp_path, name):
    storage = Storage(tmp_path / "data", durable=False)
    storage.subject_id = "p0"
    with storage.create_task("t") as writer:
        for number, value in enumerate(COLUMNS[name]):
            writer.write(make_trial(number, {"x": value}))
    dataset = WorkingDataset(storage_to_hdf5(storage.root))
    back = hdf5_to_storage(dataset.path, tmp_path / "back")
    for reader in (storage.require_task("t"), dataset.task("p0", "t"), TaskReader(f"{back}/p0/t")):
        assert_same(reader.columns["x"], COLUMNS[name])
    assert contents(back) == contents(storage.root)
    package = storage_to_dataset(storage.root, tmp_path / "package")
    exported = open_package(Path(package)).p0.t.trials["x"]
    if isinstance(exported, list) or None not in COLUMNS[name]:
        assert_same(list(exported), COLUMNS[name])


def test_nan_is_a_number_for_every_reader(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for number, value in enumerate([1.5, math.nan, numpy.float32("nan"), None]):
            writer.write(make_trial(number, {"x": value}))
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert lines == ["block,trial,x", "0,0,1.5", "0,1,NaN", "0,2,NaN", "0,3,"]
    polars = pytest.importorskip("polars")
    assert polars.read_csv(tmp_path / "trials.csv")["x"].dtype == polars.Float64
    assert pandas.read_csv(tmp_path / "trials.csv")["x"].dtype == float
    assert math.isnan(TaskReader(tmp_path).columns["x"][1])
    assert Table.of_csv(parse_csv(b"x\nnan\n")).columns["x"] != [None]


def test_masked_numbers_do_not_decide_the_type_of_a_stack(tmp_path):
    parts = [
        numpy.ma.array([2**63, 5], mask=[1, 0], dtype="uint64"),
        numpy.array([-1, 1]),
    ]
    with TaskWriter(tmp_path) as writer:
        for number, part in enumerate(parts):
            writer.write(make_trial(number, n=part))
    found = TaskReader(tmp_path).array("n")
    assert (found.dtype, found.tolist()) == (numpy.dtype("int64"), [[None, 5], [-1, 1]])


@pytest.mark.parametrize("mask", [[True], "group"], ids=["of another shape", "a group"])
def test_a_mask_that_does_not_fit_is_damage(tmp_path, mask):
    storage_with(tmp_path, numpy.ma.array([1, 2, 3], mask=[0, 1, 0]))
    with h5py.File(next(tmp_path.rglob("*.hdf5")), "r+") as file:
        del file["0.mask"]
        if mask == "group":
            file.create_group("0.mask")
        else:
            file["0.mask"] = mask * 2
    reader = TaskReader(next(tmp_path.rglob("trials.csv")).parent)
    with pytest.raises(DamagedError, match=r"cannot read /0 in|/0.mask in"):
        reader.array(reader.array_names[0])
