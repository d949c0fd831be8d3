"""Many trials, columns, arrays and subjects: what one costs does not grow with how many there are.

Where nothing is counted, the number is one at which quadratic time would be hours.
"""

import contextlib
import io
import os
import tracemalloc
import zipfile

import h5py
import numpy
import pytest

from persist.errors import DamagedError
from persist.experiment import (
    Storage,
    TaskReader,
    TaskWriter,
    Trial,
    TrialWriter,
    WorkingDataset,
    storage_to_hdf5,
    zip_to_storage,
)
from persist.experiment.columns import Table
from persist.experiment.csv_text import parse_csv
from persist.experiment.reader import Reader
from persist.experiment.trial_arrays import JoinedArrays
from tests.calls import counted_calls


def write_trials(folder, count, **arrays):
    with TaskWriter(folder, durable=False) as writer:
        for number in range(count):
            trial = Trial({"block": 0, "trial": number})
            for name, array in {"emg": numpy.arange(3.0), **arrays}.items():
                trial.add_array(name, data=array)
            writer.write(trial)


class NearlyEmpty(Reader):
    """A task of many trials, of which the first has an array."""

    array_names = ("emg",)
    _source = ""

    def rows(self):
        return [0]

    def read(self, row):
        return numpy.zeros(2)

    @contextlib.contextmanager
    def _open(self, name):
        yield self

    def _where(self):
        return "here"

    def _read_table(self):
        return Table({}, 1_000_000)

    def _pickled(self, name):
        raise NotImplementedError

    _stored = _pickled


def test_trials_without_an_array_are_passed_in_constant_time():
    assert sum(array is None for array in NearlyEmpty().iterarray("emg")) == 999_999


def test_a_row_of_many_columns_is_added(tmp_path):
    row = {f"c{number}": 1 for number in range(60_000)}
    with TrialWriter(tmp_path / "t.csv", durable=False) as trials:
        trials.write(row)
        trials.write(row)
        trials.write({"c59999": 2})
    assert (tmp_path / "t.csv").read_bytes().endswith(b"\n" + b"," * 59_999 + b"2\n")


def test_many_columns_of_one_name_are_told_apart():
    names = b",".join([b"x"] * 60_000)
    columns = Table.of_csv(parse_csv(names + b"\n")).columns
    assert [*columns][:2] == ["x", "x.1"]
    assert [*columns][-1] == "x.59999"


def test_a_field_of_many_digits_and_a_letter_is_text():
    digits = "1" * 1_000_000
    table = Table.of_csv(parse_csv(f"x\n{digits}a\n".encode()))
    assert table.columns == {"x": [digits + "a"]}


def test_only_the_files_of_a_trial_are_flushed(tmp_path, monkeypatch):
    write_trials(tmp_path, 1, **{f"a{number}": numpy.zeros(2) for number in range(9)})
    flushed = []
    with TaskWriter(tmp_path, durable=False) as writer:
        for number in (1, 2):
            trial = Trial({"block": 0, "trial": number})
            trial.add_array("emg", data=numpy.zeros(3))
            writer.write(trial)
            monkeypatch.setattr(h5py.h5f, "flush", flushed.append)
    assert len(flushed) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux lists open files there")
def test_files_of_former_trials_do_not_stay_open_without_end(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with TaskWriter(tmp_path, durable=False) as writer:
        for number in range(450):
            trial = Trial({"block": 0, "trial": number})
            trial.add_array(f"a{number}", data=numpy.zeros(3))
            writer.write(trial)
        assert len(os.listdir("/proc/self/fd")) - before < 300
    reader = TaskReader(tmp_path)
    assert all(reader.lazy(f"a{number}")[number].shape == (3,) for number in (0, 200, 449))


def test_rows_with_an_array_are_listed_once_for_a_file(tmp_path):
    write_trials(tmp_path, 20)
    reader = TaskReader(tmp_path)
    with counted_calls() as calls:
        for row in range(20):
            numpy.testing.assert_array_equal(reader.array("emg", [row]), [[0, 1, 2]])
    assert calls["row_names"] == 1
    os.unlink(tmp_path / "emg.hdf5")
    with h5py.File(tmp_path / "emg.hdf5", "w") as file:
        file["3"] = [5.0]
    assert [array is None for array in reader.iterarray("emg")].count(False) == 1


def test_an_array_is_opened_once_for_its_picture(tmp_path):
    opened = []
    for count in (10, 40):
        (tmp_path / str(count)).mkdir()
        write_trials(tmp_path / str(count), count)
        with counted_calls() as calls:
            assert TaskReader(tmp_path / str(count))._repr_html_().count("<svg") == count
        opened.append(calls["open_hdf5"])
    assert opened[1] - opened[0] == 2 * (40 - 10)


def test_a_subject_of_a_working_dataset_is_found_without_the_others(tmp_path):
    storage = Storage(tmp_path / "data")
    opened = []
    for number in range(20):
        storage.subject_id = f"p{number}"
        if number in (1, 19):
            dataset = WorkingDataset(storage_to_hdf5(storage.root))
            with counted_calls() as calls:
                dataset.subject_id = "p1"
            opened.append(calls["member"])
    assert opened[0] == opened[1] == 1
    for name in (".files", "p20"):
        with pytest.raises(KeyError):
            dataset.subject_id = name


def test_the_index_of_joined_arrays_makes_no_object_of_each_trial():
    with h5py.File(io.BytesIO(), "w") as file:
        rows = numpy.arange(200_000)
        file["data"] = numpy.zeros(200_000)
        file["index"] = numpy.stack([rows, rows, rows + 1], axis=1)
        file.attrs["axis"] = 0
        tracemalloc.start()
        try:
            arrays = JoinedArrays(file)
            assert arrays.shape(7) == arrays.read(7).shape == (1,)
            assert tracemalloc.get_traced_memory()[1] < 100 * len(rows)
        finally:
            tracemalloc.stop()
        with pytest.raises(KeyError):
            arrays.shape(200_000)


def test_links_are_followed_only_where_there_are_any(tmp_path):
    storage = Storage(tmp_path / "data")
    inner = tmp_path / "data" / "p0" / "t" / "a" / "b"
    inner.mkdir(parents=True)
    for number in range(20):
        (inner / str(number)).write_text("x")
    with counted_calls() as calls:
        storage_to_hdf5(storage.root)
    assert calls["realpath"] < 10
    (inner / "link").symlink_to(inner / "3")
    storage_to_hdf5(storage.root)


def test_a_name_in_a_zip_file_that_leads_through_many_folders_takes_little_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/" * 30_000 + "f", b"")
    tracemalloc.start()
    try:
        with pytest.raises((DamagedError, OSError)):
            zip_to_storage(tmp_path / "x.zip")
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == ["x.zip"]
