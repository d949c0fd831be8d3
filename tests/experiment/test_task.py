"""Writing the trials of a task, and reading them."""

import logging
import multiprocessing
import os
import pickle

import h5py
import numpy
import pandas
import pytest

from persist.errors import (
    ArchiveError,
    ClosedError,
    DamagedError,
    MissingPathError,
    PersistError,
    PersistWarning,
    UnknownKeyError,
)
from persist.experiment import (
    Array,
    Storage,
    TaskReader,
    TaskWriter,
    Trial,
    TrialWriter,
    UnknownArrayError,
    WorkingDataset,
    read_hdf5,
    repair_storage,
    repair_task,
    storage_to_hdf5,
    write_hdf5,
)
from tests.experiment.samples import contents, listing, make_trial, signal


def write_trials(folder, numbers=range(3), **options):
    with TaskWriter(folder, durable=False, **options) as writer:
        for number in numbers:
            writer.write(make_trial(number, {"x": number / 2}, emg=signal(number)))


def test_files_are_those_that_any_tool_opens(tmp_path):
    write_trials(tmp_path)
    assert (tmp_path / "trials.csv").read_text() == "block,trial,x\n0,0,0.0\n0,1,0.5\n0,2,1.0\n"
    with h5py.File(tmp_path / "emg.hdf5") as file:
        assert sorted(file) == ["0", "1", "2"]
        for number in range(3):
            dataset = file[str(number)]
            numpy.testing.assert_array_equal(dataset[()], signal(number))
            assert dataset.dtype == "f8"
            assert dataset.chunks is None
            assert dict(dataset.attrs) == {}
    assert listing(tmp_path) == ["emg.hdf5", "trials.csv"]


def test_each_trial_is_on_disk_before_the_next_begins(tmp_path):
    writer = TaskWriter(tmp_path)
    for number in range(12):
        writer.write(make_trial(number, emg=signal(number), pos=signal(number + 50)))
        assert len(TaskReader(tmp_path)) == number + 1
        with h5py.File(tmp_path / "pos.hdf5") as file:
            assert len(file) == number + 1
            numpy.testing.assert_array_equal(file[str(number)][()], signal(number + 50))


def test_nothing_is_written_before_the_first_trial(tmp_path):
    writer = TaskWriter(tmp_path)
    assert listing(tmp_path) == []
    assert writer.trials.data == {}
    assert not hasattr(writer.trials, "df")
    assert len(TaskReader(tmp_path)) == 0


def test_arrays_are_cleared_when_they_are_written(tmp_path):
    trial = make_trial(0, emg=signal(0))
    TaskWriter(tmp_path).write(trial)
    assert trial.arrays["emg"].data is None


def test_rows_of_hdf5_are_those_of_the_table_and_not_the_number_of_the_trial(tmp_path):
    writer = TaskWriter(tmp_path)
    for block in range(2):
        for number in range(2):
            trial = Trial({"block": block, "trial": number})
            trial.add_array("x", data=[block, number])
            writer.write(trial)
    assert [array.tolist() for array in TaskReader(tmp_path).iterarray("x")] == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
    ]


def test_the_frame_of_the_writer_grows(tmp_path):
    pytest.importorskip("pandas")
    writer = TaskWriter(tmp_path)
    for number in range(2):
        writer.write(make_trial(number))
        assert writer.trials.df["trial"].tolist() == list(range(number + 1))
    assert writer.trials.data == {"block": [0, 0], "trial": [0, 1]}


def test_what_a_trial_is_called_is_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        TaskWriter(tmp_path).write(make_trial(7, {"target": "left"}))
    assert caplog.records[0].message.startswith("saving trial 0:7\n")
    assert "'target': 'left'" in caplog.text


class Recorder:
    """An object of other software that holds an array."""

    def __init__(self, data):
        self.data = data

    def clear(self):
        self.data = "cleared"


class Other:
    """A trial of other software."""

    def __init__(self):
        self.attrs = {"block": 1, "trial": 2}
        self.arrays = {"emg": Recorder([1, 2])}


def test_trials_of_other_software_are_written(tmp_path):
    trial = Other()
    TaskWriter(tmp_path).write(trial)
    assert trial.arrays["emg"].data == "cleared"
    assert TaskReader(tmp_path).array("emg").tolist() == [[1, 2]]


BAD = {
    "no block": (Trial({"trial": 0}), KeyError),
    "never filled": (make_trial(1, emg=signal(1), pos=None), TypeError),
    "unicode array": (make_trial(1, emg=signal(1), pos=numpy.array(["a"])), TypeError),
    "objects": (make_trial(1, emg=signal(1), pos=numpy.array([{}], object)), TypeError),
    "times": (make_trial(1, pos=numpy.zeros(1, "M8[s]")), TypeError),
    "name": (make_trial(1, emg=signal(1), **{"a/b": signal(1)}), ValueError),
    "text": (make_trial(1, {"x": "\0"}, emg=signal(1)), ValueError),
    "column": (make_trial(1, {"": 1}, emg=signal(1)), ValueError),
}


@pytest.mark.parametrize("name", BAD)
def test_a_trial_that_cannot_be_written_changes_nothing(tmp_path, name):
    trial, error = BAD[name]
    before = {key: array.data for key, array in trial.arrays.items()}
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0, emg=signal(0)))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(error):
        writer.write(trial)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert {key: array.data for key, array in trial.arrays.items()} == before
    writer.write(make_trial(1, emg=signal(1)))
    assert len(TaskReader(tmp_path).array("emg")) == 4


def test_a_column_may_come_late_and_be_left_out(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for attrs in ({"a": "x,\n"}, {"b": 1}, {"a": "", "c": True}, {}):
            writer.write(make_trial(0, attrs, emg=signal(0)))
    text = (tmp_path / "trials.csv").read_text()
    assert text == 'block,trial,a,b,c\n0,0,"x,\n",,\n0,0,,1,\n0,0,"",,True\n0,0,,,\n'
    assert TaskReader(tmp_path).columns == {
        "block": [0] * 4,
        "trial": [0] * 4,
        "a": ["x,\n", None, "", None],
        "b": [None, 1, None, None],
        "c": [None, None, True, None],
    }


def test_rows_are_appended_and_not_written_again(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0))
    status = os.stat(tmp_path / "trials.csv")
    for number in range(1, 4):
        writer.write(make_trial(number))
    after = os.stat(tmp_path / "trials.csv")
    assert after.st_ino == status.st_ino
    assert after.st_size == len("block,trial\n") + 4 * len("0,0\n")


def test_an_array_may_come_late_and_be_left_out(tmp_path):
    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(0))
        writer.write(make_trial(1, emg=signal(1)))
        writer.write(make_trial(2))
        writer.write(make_trial(3, emg=signal(3)))
    reader = TaskReader(tmp_path)
    assert [array is None for array in reader.iterarray("emg")] == [True, False, True, False]
    assert [lazy is None for lazy in reader.lazy("emg")] == [True, False, True, False]
    numpy.testing.assert_array_equal(
        reader.array("emg", trials=[1, 3]), numpy.vstack([signal(1), signal(3)])
    )
    with pytest.raises(UnknownKeyError, match=r"'emg' in trials \[0, 2\]"):
        reader.array("emg")


def test_a_writer_goes_on_where_another_left_off(tmp_path):
    write_trials(tmp_path, range(2))
    write_trials(tmp_path, range(2, 4))
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == [0, 1, 2, 3]
    numpy.testing.assert_array_equal(reader.array("emg"), numpy.vstack([*map(signal, range(4))]))


def test_writers_of_one_task_take_turns(tmp_path):
    writers = [TaskWriter(tmp_path) for _ in range(3)]
    for number in range(9):
        writers[number % 3].write(make_trial(number, emg=signal(number), **{f"x{number % 2}": [1]}))
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == list(range(9))
    for number, array in enumerate(reader.iterarray("emg")):
        numpy.testing.assert_array_equal(array, signal(number))
    assert reader.dropped == []


@pytest.mark.parametrize("content", [b"no HDF5", b"half"])
def test_an_array_file_that_is_damaged_is_named(tmp_path, content):
    write_trials(tmp_path)
    path = tmp_path / "emg.hdf5"
    content = path.read_bytes()[: path.stat().st_size // 2] if content == b"half" else content
    path.write_bytes(content)
    table = (tmp_path / "trials.csv").read_bytes()
    for act in (
        lambda: write_trials(tmp_path, [3]),
        lambda: TaskReader(tmp_path).array("emg"),
        lambda: TaskReader(tmp_path).check_complete(),
    ):
        with pytest.raises(DamagedError, match=r"emg\.hdf5: it is not an HDF5 file, or it is dam"):
            act()
    assert path.read_bytes() == content
    assert (tmp_path / "trials.csv").read_bytes() == table


def test_a_task_that_was_moved_is_told(tmp_path):
    writer = TaskWriter(tmp_path / "t")
    (tmp_path / "t").mkdir()
    writer.write(make_trial(0))
    (tmp_path / "t").rename(tmp_path / "moved")
    with pytest.raises(MissingPathError, match="it was moved or removed"):
        writer.write(make_trial(1))
    assert not (tmp_path / "t").exists()


def test_attributes_can_be_written_without_arrays(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0, emg=signal(0)))
    writer.trials.write({"block": 0, "trial": 1, "x": 5})
    writer.write(make_trial(2, emg=signal(2)))
    reader = TaskReader(tmp_path)
    assert reader.columns["x"] == [None, 5, None]
    assert [array is None for array in reader.iterarray("emg")] == [False, True, False]


ARRAYS = {
    "scalar": numpy.float32(1.5),
    "empty": numpy.zeros((0, 3)),
    "bool": numpy.array([True, False]),
    "big-endian": numpy.arange(3, dtype=">i4"),
    "fortran": numpy.asfortranarray(signal(1)),
    "strided": signal(1)[:, ::2],
    "complex": numpy.array([1 + 2j]),
    "record": numpy.array([(1, 2.5)], dtype="i4,f8"),
    "aligned": numpy.array([(1, 2.5)], dtype=numpy.dtype("i1,f8", align=True)),
    "bytes": numpy.array([b"ab", b"c"]),
    "half": numpy.array([1.5], "f2"),
    "long double": numpy.array([1.5], numpy.longdouble),
    "list": [[1, 2], [3, 4]],
    "texts": numpy.array(["é", "b"], object),
    "enum": numpy.array([1], h5py.enum_dtype({"a": 1}, "i1")),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_what_h5py_would_have_written(tmp_path, name):
    given = ARRAYS[name]
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["0"] = given
        dtype = file["0"].dtype
        wanted = file["0"].asstr()[()] if name == "texts" else file["0"][()]
    folder = tmp_path / "task"
    folder.mkdir()
    TaskWriter(folder).write(make_trial(0, x=given))
    with h5py.File(folder / "x.hdf5") as file:
        assert file["0"].dtype == dtype
        assert file["0"].shape == numpy.shape(given)
        assert h5py.check_dtype(enum=file["0"].dtype) == h5py.check_dtype(enum=dtype)
    found = next(TaskReader(folder).iterarray("x"))
    assert type(found) is type(wanted)
    numpy.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [numpy.longdouble, numpy.dtype("i1,f8", align=True)])
def test_bytes_between_values_are_not_those_that_memory_happens_to_hold(tmp_path, dtype):
    found = []
    for filler in (0, 255):
        memory = numpy.full(4 * numpy.dtype(dtype).itemsize, filler, "u1")
        array = memory.view(dtype)
        for name in array.dtype.names or ():
            array[name] = 1
        if array.dtype.names is None:
            array[...] = 1
        path = tmp_path / f"{filler}.hdf5"
        write_hdf5(path, array)
        found.append(path.read_bytes())
        numpy.testing.assert_array_equal(read_hdf5(path), array)
    assert found[0] == found[1]


@pytest.mark.parametrize("shapes", [[(2, 3), (2, 3)], [(4,), (4,)], [(2, 3), (5, 3)], [(), ()]])
def test_arrays_are_stacked_as_by_vstack(tmp_path, shapes):
    arrays = [numpy.random.default_rng(n).random(shape) for n, shape in enumerate(shapes)]
    writer = TaskWriter(tmp_path)
    for number, array in enumerate(arrays):
        writer.write(make_trial(number, x=array))
    found = TaskReader(tmp_path).array("x")
    assert type(found) is numpy.ndarray
    numpy.testing.assert_array_equal(found, numpy.vstack(arrays))


@pytest.mark.parametrize("dtype", ["f8", "i2", "S2"])
def test_trials_of_unequal_length_are_stacked_and_what_they_lack_is_masked(tmp_path, dtype):
    arrays = [numpy.ones((2, samples), dtype) for samples in (3, 5, 0)]
    writer = TaskWriter(tmp_path)
    for number, array in enumerate(arrays):
        writer.write(make_trial(number, x=array))
    found = TaskReader(tmp_path).array("x")
    assert found.shape == (6, 5)
    assert found.dtype == dtype
    for number, array in enumerate(arrays):
        part = found[2 * number : 2 * number + 2]
        numpy.testing.assert_array_equal(part[:, : array.shape[1]].data, array)
        assert not part.mask[:, : array.shape[1]].any()
        assert part.mask[:, array.shape[1] :].all()


def test_trials_with_different_numbers_of_axes_are_not_stacked(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0, x=numpy.zeros((2, 2, 2))))
    writer.write(make_trial(1, x=numpy.zeros((2, 2))))
    with pytest.raises(ValueError, match="different numbers of axes"):
        TaskReader(tmp_path).array("x")


def test_arrays_are_read_lazily_by_trial_and_slice(tmp_path):
    write_trials(tmp_path)
    lazy = TaskReader(tmp_path).lazy("emg")
    assert len(lazy) == 3
    assert (lazy[-1].shape, lazy[1].dtype, lazy[1].ndim, len(lazy[1])) == ((2, 5), "f8", 2, 2)
    numpy.testing.assert_array_equal(lazy[1][:, 1:3], signal(1)[:, 1:3])
    numpy.testing.assert_array_equal(numpy.asarray(lazy[2]), signal(2))
    assert [array.shape for array in lazy[1:]] == [(2, 5), (2, 5)]
    with pytest.raises(IndexError):
        _ = lazy[3]
    with pytest.raises(ValueError, match="without a copy"):
        lazy[0].__array__(copy=False)


MASKS = [
    lambda hits: hits,
    numpy.array,
    lambda hits: pandas.Series(hits, index=[7, 8, 9]),
    lambda hits: pandas.Series(hits, dtype="boolean"),
    lambda hits: map(numpy.bool_, hits),
]


@pytest.mark.parametrize("mask", MASKS)
def test_truth_values_select_trials(tmp_path, mask):
    write_trials(tmp_path)
    found = TaskReader(tmp_path).array("emg", mask([True, False, True]))
    numpy.testing.assert_array_equal(found, numpy.vstack([signal(0), signal(2)]))


@pytest.mark.parametrize(
    ("trials", "error"),
    [
        ([True, False], ValueError),
        ([True, False, 1], ValueError),
        ([True, False, None], ValueError),
        (1, TypeError),
        ([0, 3], IndexError),
    ],
)
def test_a_wrong_selection_of_trials_is_an_error(tmp_path, trials, error):
    write_trials(tmp_path)
    with pytest.raises(error, match="cannot select trials") as caught:
        TaskReader(tmp_path).array("emg", trials)
    assert isinstance(caught.value, PersistError)


def test_a_slice_of_trials_is_stacked(tmp_path):
    write_trials(tmp_path)
    reader = TaskReader(tmp_path)
    numpy.testing.assert_array_equal(
        reader.array("emg", trials=slice(1, None)), numpy.vstack([signal(1), signal(2)])
    )
    with pytest.raises(IndexError):
        reader.array("emg", trials=[3])
    with pytest.raises(ValueError, match="no trial"):
        reader.array("emg", trials=[])


@pytest.mark.parametrize("error", [UnknownArrayError, KeyError, FileNotFoundError])
def test_an_unknown_array_is_an_error_that_names_those_that_are_there(tmp_path, error):
    write_trials(tmp_path)
    reader = TaskReader(tmp_path)
    for read in (reader.array, reader.lazy, lambda name: next(reader.iterarray(name))):
        with pytest.raises(error, match=r"No array 'x' in .*; there are: emg"):
            read("x")


def test_that_error_can_be_pickled(tmp_path):
    error = pickle.loads(pickle.dumps(UnknownArrayError("x", "there", ["emg"])))
    assert str(error) == "No array 'x' in there; there are: emg"


def test_an_array_of_the_task_as_a_whole_is_read_by_its_name(tmp_path):
    write_trials(tmp_path)
    write_hdf5(tmp_path / "rms.hdf5", [1.5, 2])
    write_hdf5(tmp_path / "emg.hdf5", [3])
    reader = TaskReader(tmp_path)
    assert reader.array_names == ["emg", "rms"]
    assert reader.array("rms").tolist() == [1.5, 2]
    assert reader.result("emg").tolist() == [3]
    assert reader.array("emg").shape == (6, 5)
    with pytest.raises(UnknownArrayError):
        reader.result("none")
    write_trials(tmp_path, [3])
    assert TaskReader(tmp_path).array("emg").shape == (8, 5)


def test_objects_are_pickled_and_stored(tmp_path):
    obj = {"gain": 2, "curve": numpy.arange(300.0)}
    with TaskWriter(tmp_path) as writer:
        writer.pickle(obj, "one-name")
        writer.store(obj, "model")
        writer.store({**obj, "gain": 3}, "model")
    with open(tmp_path / "one-name.pkl", "rb") as file:
        assert pickle.load(file)["gain"] == 2
    reader = TaskReader(tmp_path)
    assert reader.pickle("one-name")["gain"] == 2
    assert reader.load("model")["gain"] == 3
    numpy.testing.assert_array_equal(reader.load("model")["curve"], obj["curve"])
    for read in (reader.pickle, reader.load):
        with pytest.raises(FileNotFoundError):
            read("missing")


def test_what_cannot_be_stored_leaves_what_was_there(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.store(1, "model")
    writer.pickle(1, "model")
    with pytest.raises(ArchiveError):
        writer.store(lambda: 0, "model")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        writer.pickle(lambda: 0, "model")
    reader = TaskReader(tmp_path)
    assert (reader.load("model"), reader.pickle("model")) == (1, 1)


def test_trials_are_read_once_and_kept(tmp_path):
    pytest.importorskip("pandas")
    write_trials(tmp_path)
    reader = TaskReader(tmp_path)
    assert reader.trials is reader.trials
    write_trials(tmp_path, [3])
    assert len(reader.trials) == len(reader) == 3
    assert len(reader.array("emg")) == 6


def test_reading_leaves_a_folder_as_it_is(tmp_path):
    (tmp_path / "trials.csv").write_text("a\n1\n")
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["0"] = [1]
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.iterdir()]}
    reader = TaskReader(tmp_path)
    reader.array("x")
    _ = reader.dropped
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.iterdir()]} == before


def test_what_belongs_to_no_trial_is_told_and_no_trial_takes_its_place(tmp_path, caplog):
    write_trials(tmp_path)
    for row in ("3", "4"):
        write_hdf5(tmp_path / "emg.hdf5", [9], dataset=row)
    with open(tmp_path / "trials.csv", "a") as file:
        file.write("0,7")
    reader = TaskReader(tmp_path)
    assert reader.dropped == [
        "row 3: not whole: '0,7'",
        "row 3: emg without attributes",
        "row 4: emg without attributes",
    ]
    with pytest.warns(PersistWarning, match="arrays of rows that the table of trials lacks"):
        assert len(list(reader.iterarray("emg"))) == 3
    before = contents(tmp_path)
    with TaskWriter(tmp_path) as writer:
        for _ in range(2):
            with pytest.raises(DamagedError, match=r"3 rows, .* \(emg: 3, 4\); .*persist repair"):
                writer.write(make_trial(3))
            assert contents(tmp_path) == before
        assert repair_task(tmp_path) == ["moved emg of rows 3, 4 to emg.orphaned.h5"]
        writer.write(make_trial(3))
        writer.write(make_trial(4, emg=signal(4)))
    assert "dropping a row" in caplog.text
    with h5py.File(tmp_path / "emg.orphaned.h5") as file:
        assert {name: file[name][()].tolist() for name in file} == {"3": [9], "4": [9]}
    reader = TaskReader(tmp_path)
    assert reader.dropped == []
    arrays = list(reader.iterarray("emg"))
    assert arrays[3] is None
    numpy.testing.assert_array_equal(arrays[4], signal(4))


def test_a_last_line_without_an_end_is_kept_if_it_is_whole(tmp_path):
    (tmp_path / "trials.csv").write_text("block,trial\n0,0\n0,1")
    TaskWriter(tmp_path).write(make_trial(2))
    assert (tmp_path / "trials.csv").read_text() == "block,trial\n0,0\n0,1\n0,2\n"


@pytest.mark.parametrize("libver", ["earliest", "latest", ("v108", "v108"), ("v110", "v110")])
def test_files_of_every_version_of_hdf5_are_gone_on_with(tmp_path, libver):
    with h5py.File(tmp_path / "emg.hdf5", "w", libver=libver) as file:
        for number in range(20):
            file[str(number)] = signal(number)
    (tmp_path / "trials.csv").write_text("block,trial\n" + "0,0\n" * 20)
    writer = TaskWriter(tmp_path)
    for number in range(20, 60):
        writer.write(make_trial(number, emg=signal(number)))
        # Others may read while the writer goes on.
        with h5py.File(tmp_path / "emg.hdf5") as file:
            assert len(file) == number + 1
    with h5py.File(tmp_path / "emg.hdf5") as file:
        for number in range(60):
            numpy.testing.assert_array_equal(file[str(number)][()], signal(number))


def test_a_child_process_has_files_of_its_own(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0, emg=signal(0)))
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    child = context.Process(target=write_trials, args=(tmp_path, [1]))
    child.start()
    child.join()
    assert child.exitcode == 0
    writer.write(make_trial(2, emg=signal(2)))
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == [0, 1, 2]
    numpy.testing.assert_array_equal(reader.array("emg"), numpy.vstack([*map(signal, range(3))]))


def test_hdf5_is_read_and_written(tmp_path):
    path = tmp_path / "x.hdf5"
    write_hdf5(path, [1, 2])
    write_hdf5(path, signal(1), dataset="a/b")
    assert read_hdf5(path).tolist() == [1, 2]
    numpy.testing.assert_array_equal(read_hdf5(path, dataset="a/b"), signal(1))
    with pytest.raises(ValueError, match="'data' already"):
        write_hdf5(path, [3])
    with pytest.raises(KeyError, match="'b'"):
        read_hdf5(path, dataset="b")
    with pytest.raises(FileNotFoundError):
        read_hdf5(tmp_path / "none.hdf5")
    with pytest.raises(TypeError):
        write_hdf5(tmp_path / "new.hdf5", ["a"])
    assert [file.name for file in tmp_path.iterdir()] == ["x.hdf5"]


def test_an_array_is_any_object_with_data(tmp_path):
    trial = make_trial(0)
    trial.arrays["emg"] = Array()
    for number in range(3):
        trial.arrays["emg"].stack(signal(number))
    TaskWriter(tmp_path).write(trial)
    numpy.testing.assert_array_equal(
        TaskReader(tmp_path).array("emg"), numpy.hstack([*map(signal, range(3))])
    )


def test_files_are_closed_when_nobody_uses_the_writer(tmp_path):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0, emg=signal(0)))
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    del writer
    if files:
        assert len(os.listdir("/proc/self/fd")) == files - 3


@pytest.mark.parametrize("mark", [b";", b"\t"])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_table_that_a_spreadsheet_gave_other_separators_is_refused(tmp_path, mark, quote):
    writer = TaskWriter(tmp_path)
    writer.write(make_trial(0))
    path = tmp_path / "trials.csv"
    rows = [line.split(b",") for line in path.read_bytes().splitlines()]
    data = b"".join(mark.join(quote + field + quote for field in row) + b"\r\n" for row in rows)
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="semicolons or tabs; save it with commas"):
        _ = TaskReader(tmp_path).columns
    with pytest.raises(DamagedError, match="semicolons or tabs; save it with commas"):
        writer.write(make_trial(1))
    assert path.read_bytes() == data
    writer.close()


def test_rows_that_cannot_be_read_are_not_cut_off(tmp_path):
    (tmp_path / "trials.csv").write_text('block,trial,x\n0,0,"a"\n0,1,"b\n0,2,c\n0,3,d\n')
    before = (tmp_path / "trials.csv").read_bytes()
    with TaskWriter(tmp_path) as writer, pytest.raises(DamagedError, match="quote that is not"):
        writer.write(make_trial(4))
    assert (tmp_path / "trials.csv").read_bytes() == before


@pytest.mark.parametrize("left", ["", "block,trial,x\n", "block,trial,x\n0,0,0.0\n0,2,1.0\n"])
def test_a_task_whose_table_lost_rows_is_not_resumed(tmp_path, left):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    task = tmp_path / "data" / "p0" / "t"
    with storage.create_task("t"):
        write_trials(task)
    (task / "trials.csv").write_text(left)
    before = contents(task)
    with pytest.raises(DamagedError, match=r"cannot add to .*emg: .*2"):
        storage.resume_task("t")
    assert contents(task) == before
    done = repair_storage(storage.root)
    assert len(done) == 1
    count = len(TaskReader(task))
    with storage.resume_task("t") as writer:
        writer.write(make_trial(9, emg=signal(9)))
    numpy.testing.assert_array_equal(list(TaskReader(task).iterarray("emg"))[count], signal(9))
    kept = [path for path in task.iterdir() if path.name == "emg.orphaned.h5"]
    with h5py.File(kept[0]) as file:
        for name in file:
            numpy.testing.assert_array_equal(file[name], signal(int(name)))
    assert len(list(h5py.File(kept[0]))) + count == 3


def test_repair_names_all_that_it_cannot_read_and_repairs_the_other_tasks(tmp_path):
    storage = Storage(tmp_path / "data")
    for subject in ("p0", "p1", "p2"):
        storage.subject_id = subject
        with storage.create_task("t") as writer:
            writer.write(make_trial(0, emg=signal(0), pos=signal(1)))
        (tmp_path / "data" / subject / "t" / "trials.csv").write_text("")
    (tmp_path / "data/p0/t/emg.hdf5").write_bytes(b"torn")
    (tmp_path / "data/p0/t/pos.hdf5").write_bytes(b"too")
    (tmp_path / "data/p1/t/trials.csv").write_bytes(b"\0" * 512)
    before = contents(tmp_path / "data/p0/t"), contents(tmp_path / "data/p1/t")
    with pytest.raises(DamagedError) as caught:
        repair_storage(storage.root)
    text = str(caught.value)
    assert text.startswith("cannot repair 2 tasks")
    for name in ("p0/t/emg.hdf5", "p0/t/pos.hdf5", "p1/t/trials.csv"):
        assert str(tmp_path / "data" / name) in text
    assert "p2/t: moved emg of rows 0 to emg.orphaned.h5" in text
    assert (contents(tmp_path / "data/p0/t"), contents(tmp_path / "data/p1/t")) == before
    assert sorted(os.listdir(tmp_path / "data/p2/t"))[-2:] == ["pos.orphaned.h5", "trials.csv"]


def test_a_table_of_nul_bytes_is_damaged_and_not_empty(tmp_path):
    (tmp_path / "trials.csv").write_bytes(b"\0" * 4096)
    with pytest.raises(DamagedError, match=r"trials\.csv: it holds NUL bytes, and no table"):
        len(TaskReader(tmp_path))
    with TaskWriter(tmp_path) as writer, pytest.raises(DamagedError, match="NUL bytes"):
        writer.write(make_trial(0))
    assert (tmp_path / "trials.csv").read_bytes() == b"\0" * 4096


def test_arrays_follow_their_rows_where_the_numbers_of_trials_tell_which_were_removed(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for number in range(6):
            masked = numpy.ma.array([number, 9, 9], mask=[0, 1, 0])
            arrays = {"m": masked} if number % 2 else {}
            writer.write(make_trial(number, emg=signal(number), **arrays))
    lines = (tmp_path / "trials.csv").read_text().splitlines(keepends=True)
    (tmp_path / "trials.csv").write_text("".join(lines[:2] + lines[3:5] + lines[6:]))
    with pytest.warns(PersistWarning, match="lacks, up to row 5"):
        TaskReader(tmp_path).array("emg")
    assert repair_task(tmp_path) == [
        "moved emg of rows 1, 4 to emg.orphaned.h5",
        "moved m of rows 1 to m.orphaned.h5",
    ]
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == [0, 2, 3, 5]
    for number, array in zip((0, 2, 3, 5), reader.iterarray("emg"), strict=True):
        numpy.testing.assert_array_equal(array, signal(number))
    found = [None if array is None else array.tolist() for array in reader.iterarray("m")]
    assert found == [None, None, [3, None, 9], [5, None, 9]]
    with h5py.File(tmp_path / "m.orphaned.h5") as file:
        assert sorted(file) == ["1", "1.mask"]
    assert repair_task(tmp_path) == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_that_a_spreadsheet_has_sorted_are_noticed(tmp_path, end):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    path = tmp_path / "data" / "p0" / "t" / "trials.csv"
    with storage.create_task("t") as writer:
        for number in range(4):
            writer.write(make_trial(number, {"label": f"t{number}"}, emg=signal(number)))
    header, *rows = path.read_text().replace('"', "").splitlines()
    path.write_text("".join(line + end for line in (header, *rows)), newline="")
    assert storage.require_task("t").columns["trial"] == [0, 1, 2, 3]
    path.write_text("".join(line + end for line in (header, *rows[::-1])), newline="")
    dataset = WorkingDataset(storage_to_hdf5(storage.root))
    for reader in (storage.require_task("t"), dataset.task("p0", "t")):
        with pytest.warns(PersistWarning, match="p0/t: other software has saved the table"):
            reader.array("emg")
    with pytest.warns(PersistWarning, match="put them back in order"):
        storage.to_dataset(tmp_path / "package")


def test_trials_that_were_recorded_in_any_order_are_no_sorted_ones(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for number in (2, 0, 3, 1):
            writer.write(make_trial(number, {"label": "a"}, emg=signal(number)))
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == [2, 0, 3, 1]
    numpy.testing.assert_array_equal(reader.array("emg", [0]), signal(2))


def test_many_new_columns_are_empty_in_earlier_rows(tmp_path):
    rows = "".join(f'0,{n},{n / 7},"text {n}"\n' for n in range(5000))
    (tmp_path / "trials.csv").write_text("block,trial,x,label\n" + rows)
    writer = TrialWriter(tmp_path / "trials.csv", durable=False)
    for number in range(100):
        writer.write({"block": 1, "trial": number, f"new {number}": number})
    columns = TaskReader(tmp_path).columns
    assert len(columns) == 104
    assert columns["label"][4999] == "text 4999"
    assert columns["new 99"][5099] == 99
    assert columns["new 99"][:5099] == [None] * 5099


@pytest.mark.parametrize("rows", [b",,\n,,\n", b",,\r\n,,", b",,\n\n,\n"])
def test_rows_that_a_spreadsheet_cleared_at_the_end_are_no_trials(tmp_path, rows):
    with TaskWriter(tmp_path) as writer:
        for number in range(2):
            writer.write(make_trial(number, emg=[number]))
    path = tmp_path / "trials.csv"
    path.write_bytes(path.read_bytes() + rows)
    assert TaskReader(tmp_path).columns["trial"] == [0, 1]
    assert TaskReader(tmp_path).dropped == []
    with TaskWriter(tmp_path) as writer:
        writer.write(make_trial(2, emg=[2]))
    reader = TaskReader(tmp_path)
    assert reader.columns["trial"] == [0, 1, 2]
    assert reader.array("emg").tolist() == [[0], [1], [2]]


def test_rows_that_a_spreadsheet_cleared_among_others_are_noticed(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for number in range(2):
            writer.write(make_trial(number, emg=[number]))
    path = tmp_path / "trials.csv"
    head, first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + b"," * head.count(b",") + b"\n" + second)
    with pytest.warns(PersistWarning, match="put them back in order"):
        assert len(TaskReader(tmp_path)) == 3


def test_a_trial_without_any_value_is_one(tmp_path):
    with TaskWriter(tmp_path) as writer:
        for number in range(2):
            trial = Trial({"block": None, "trial": None, "hit": None})
            trial.add_array("emg", data=[number])
            writer.write(trial)
    reader = TaskReader(tmp_path)
    assert reader.columns == {"block": [None] * 2, "trial": [None] * 2, "hit": [None] * 2}
    assert reader.array("emg").tolist() == [[0], [1]]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_that_is_not_in_utf8_says_what_to_save(tmp_path, encoding):
    with TaskWriter(tmp_path) as writer:
        writer.write(Trial({"block": 0, "trial": 0, "name": "é"}))
    path = tmp_path / "trials.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    with pytest.raises(DamagedError, match=r"not in UTF-8 .*save it as CSV in UTF-8"):
        len(TaskReader(tmp_path))


@pytest.mark.parametrize("where", ["folder", "file"])
def test_a_reader_gives_no_trial_the_array_of_a_task_that_replaced_its_own(tmp_path, where):
    storage = Storage(tmp_path / "data", allow_overwrite=True)
    storage.subject_id = "p0"

    def record(first):
        with storage.create_task("t") as writer:
            for number in range(2):
                writer.write(make_trial(number, {"x": first + number}, emg=[first + number]))
        return WorkingDataset(storage_to_hdf5(storage.root)).task("p0", "t")

    reader = record(0)
    if where == "folder":
        reader = storage.require_task("t")
    assert reader.columns["x"] == [0, 1]
    handle = reader.lazy("emg")[0]
    record(10)
    assert reader.columns["x"] == [0, 1]
    with pytest.raises(ClosedError, match="was replaced since the trials were read"):
        reader.array("emg")
    with pytest.raises(ClosedError, match="make another reader"):
        handle[...]
    assert storage.require_task("t").array("emg").tolist() == [[10], [11]]
