"""What the original writes is read here, and the other way round."""

import h5py
import numpy
import pytest

from persist.experiment import (
    Storage,
    TaskReader,
    WorkingDataset,
    hdf5_to_storage,
    storage_to_hdf5,
    storage_to_zip,
    zip_to_storage,
)
from tests.experiment.original import load_original
from tests.experiment.samples import DATA, contents, make_storage, make_trial, signal

COLUMNS = {
    "label": ["plain", 'a,"q"'] * 2,
    "time": [0.0, 0.5] * 2,
    "hit": [False, True] * 2,
    "block": [0, 0, 1, 1],
    "trial": [0, 1] * 2,
}
TASKS = [(subject, task) for subject in ("p0", "p1") for task in ("practice", "reach")]


def test_files_of_the_release_are_read():
    storage = Storage(DATA / "data")
    assert list(storage.subject_ids) == ["p0", "p1"]
    for subject, task in TASKS:
        storage.subject_id = subject
        reader = storage.require_task(task)
        assert reader.columns == COLUMNS
        assert reader.array_names == ["emg", "pos"]
        assert reader.dropped == []
        for name in reader.array_names:
            arrays = list(reader.iterarray(name))
            with h5py.File(DATA / "data" / subject / task / f"{name}.hdf5") as file:
                for row, array in enumerate(arrays):
                    numpy.testing.assert_array_equal(array, file[str(row)][()])
            assert len(reader.array(name)) == sum(len(numpy.atleast_2d(a)) for a in arrays)
        assert reader.pickle("meta") is not None


def test_the_frame_is_that_of_pandas():
    pandas = pytest.importorskip("pandas")
    path = DATA / "data" / "p0" / "reach"
    pandas.testing.assert_frame_equal(TaskReader(path).trials, pandas.read_csv(path / "trials.csv"))


def test_files_of_the_release_come_back_from_every_consolidation(tmp_path):
    before = contents(DATA / "data")
    assert contents(zip_to_storage(storage_to_zip(DATA / "data", tmp_path / "x.zip"))) == before
    for layout in ("trials", "joined"):
        path = storage_to_hdf5(DATA / "data", tmp_path / f"{layout}.hdf5", layout=layout)
        assert WorkingDataset(path).task("p1", "reach").columns == COLUMNS
        assert contents(hdf5_to_storage(path)) == before


def test_what_the_original_flattened_is_refused_and_the_loss_is_named(tmp_path):
    with pytest.raises(ValueError, match="more than once: it was written without its folders"):
        zip_to_storage(DATA / "flattened_by_0.2.3.zip", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_original_reads_what_is_written_here(tmp_path):
    original = load_original("storage")
    make_storage(tmp_path)
    storage = original.Storage(str(tmp_path))
    assert list(storage.subject_ids) == ["p0", "sub-01", "sub-02"]
    storage.subject_id = "sub-01"
    assert list(storage.task_ids) == ["reach", "rest 2"]
    reader = storage.require_task("reach")
    frame = reader.trials
    assert list(frame) == ["label", "hit", "time", "note", "block", "trial", "score"]
    assert frame["hit"].tolist() == [True, False, True]
    assert frame["time"].tolist() == [0, 1 / 3, 2 / 3]
    assert frame["score"].tolist()[2] == 5
    assert frame["score"].isna().tolist() == [True, True, False]
    # It has no types: see the contract.
    assert frame["label"].tolist()[:2] == ["007", 'a,"q"\nb']
    for number, array in enumerate(reader.iterarray("emg")):
        numpy.testing.assert_array_equal(array, signal(number, samples=4 + number))
    assert reader.pickle("settings") == {"gain": 2}
    path = tmp_path / "sub-01" / "reach" / "emg.hdf5"
    numpy.testing.assert_array_equal(original.read_hdf5(str(path), "1"), signal(1, samples=5))


def test_what_the_original_has_written_is_read_and_gone_on_with(tmp_path):
    original, design = load_original("storage"), load_original("design")
    storage = original.Storage(str(tmp_path))
    storage.subject_id = "p0"
    writer = storage.create_task("t")
    block = design.Design().add_block()
    for number, label in enumerate(["plain", "007", ""]):
        trial = block.add_trial({"label": label, "x": number / 3, "y": None})
        trial.add_array("emg", data=signal(number))
        writer.write(trial)
    writer.pickle([1], "p")
    ours = Storage(tmp_path)
    ours.subject_id = "p0"
    reader = ours.require_task("t")
    assert reader.columns["label"] == ["plain", "007", None]
    assert reader.columns["x"] == [0, 1 / 3, 2 / 3]
    assert reader.pickle("p") == [1]
    trial = block.add_trial({"label": "008", "x": 1.5, "y": 2})
    trial.add_array("emg", data=signal(3))
    ours.resume_task("t").write(trial)
    assert trial.arrays["emg"].data is None
    reader = ours.require_task("t")
    assert reader.columns["label"] == ["plain", "007", None, "008"]
    numpy.testing.assert_array_equal(
        reader.array("emg"), numpy.vstack([signal(number) for number in range(4)])
    )
    assert len(list(original.TaskReader(str(tmp_path / "p0" / "t")).iterarray("emg"))) == 4


def test_the_original_writes_trials_of_this_design_and_reads_its_hdf5(tmp_path):
    original = load_original("storage")
    writer = original.TaskWriter(str(tmp_path))
    for number in range(2):
        writer.write(make_trial(number, {"hit": True}, emg=signal(number)))
    assert TaskReader(tmp_path).columns == {"block": [0, 0], "trial": [0, 1], "hit": [True, True]}
    original.write_hdf5(str(tmp_path / "more.hdf5"), signal(5))
    numpy.testing.assert_array_equal(TaskReader(tmp_path).array("more"), signal(5))
