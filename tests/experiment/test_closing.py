"""Storages, readers and writers are closed by `with`, and say so when they are used later."""

import numpy
import pytest

from persist.errors import ClosedError, LockTimeout, PersistError
from persist.experiment import (
    Storage,
    TaskReader,
    TaskWriter,
    Trial,
    TrialWriter,
    WorkingDataset,
    hdf5_to_storage,
    repair_storage,
    storage_to_dataset,
    storage_to_hdf5,
    storage_to_zip,
)
from persist.experiment.folder import lock_of


def a_trial(number=0):
    trial = Trial({"block": 0, "trial": number})
    trial.add_array("emg", data=numpy.zeros(3))
    return trial


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    with storage.create_task("reach") as writer:
        writer.write(a_trial())
        writer.pickle([1], "list")
        writer.store([1], "stored")
    return storage


WRITES = {
    "write": lambda writer: writer.write(a_trial()),
    "pickle": lambda writer: writer.pickle([1], "x"),
    "store": lambda writer: writer.store([1], "x"),
    "row": lambda writer: writer.trials.write({"block": 0}),
}
READS = {
    "trials": lambda task: task.trials,
    "columns": lambda task: task.columns,
    "len": len,
    "array_names": lambda task: task.array_names,
    "array": lambda task: task.array("emg"),
    "iterarray": lambda task: next(task.iterarray("emg")),
    "lazy": lambda task: task.lazy("emg"),
    "result": lambda task: task.result("emg"),
    "pickle": lambda task: task.pickle("list"),
    "load": lambda task: task.load("stored"),
}
STORAGE = {
    "create": lambda storage: storage.create_task("other"),
    "require": lambda storage: storage.require_task("reach"),
    "resume": lambda storage: storage.resume_task("reach"),
    "subjects": lambda storage: storage.subject_ids,
    "tasks": lambda storage: storage.task_ids,
    "subject": lambda storage: setattr(storage, "subject_id", "p1"),
    "to_zip": lambda storage: storage.to_zip(),
    "to_hdf5": lambda storage: storage.to_hdf5(),
    "to_dataset": lambda storage: storage.to_dataset(),
}
DATASET = {
    "add": lambda dataset: dataset.add("p0", "reach", "x", [1.0]),
    "add_trials": lambda dataset: dataset.add_trials("p0", "reach", "x", [[1.0]]),
    "task": lambda dataset: dataset.task("p0", "reach"),
    "subjects": lambda dataset: dataset.subject_ids,
}


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
def test_a_closed_writer_says_so(storage, use):
    with storage.resume_task("reach") as writer:
        writer.write(a_trial(1))
    writer.close()
    with pytest.raises(ClosedError, match="this writer was closed"):
        use(writer)
    assert len(storage.require_task("reach")) == 2


@pytest.mark.parametrize("use", READS.values(), ids=READS)
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_closed_reader_says_so(storage, kind, use):
    if kind == "folder":
        task = storage.require_task("reach")
    else:
        task = WorkingDataset(storage_to_hdf5(storage.root)).task("p0", "reach")
    with task as same:
        assert same.array("emg").shape == (1, 3)
    with pytest.raises(ClosedError, match="this reader was closed"):
        use(task)


@pytest.mark.parametrize("use", STORAGE.values(), ids=STORAGE)
def test_a_closed_storage_closes_its_tasks_and_says_so(storage, use):
    with storage as same:
        writer, reader = same.resume_task("reach"), same.require_task("reach")
    with pytest.raises(ClosedError, match="it was closed"):
        use(storage)
    with pytest.raises(ClosedError):
        writer.write(a_trial())
    with pytest.raises(ClosedError):
        reader.array("emg")


@pytest.mark.parametrize("use", DATASET.values(), ids=DATASET)
def test_a_closed_working_dataset_says_so(storage, use):
    with WorkingDataset(storage_to_hdf5(storage.root)) as dataset:
        assert list(dataset.subject_ids) == ["p0"]
    with pytest.raises(ClosedError, match="this dataset was closed"):
        use(dataset)


def test_a_closed_writer_of_rows_says_so(tmp_path):
    with TrialWriter(tmp_path / "trials.csv") as trials:
        trials.write({"a": 1})
    with pytest.raises(ClosedError):
        trials.write({"a": 2})
    assert trials.data == {"a": [1]}


def test_all_wait_as_long_as_they_are_told(storage):
    path = storage_to_hdf5(storage.root)
    folder = storage.root / "p0" / "reach"
    dataset = WorkingDataset(path, timeout=0.1)
    with lock_of(str(folder)), lock_of(str(storage.root.parent)):
        for use in (
            lambda: TaskWriter(folder, timeout=0.1).write(a_trial()),
            lambda: TrialWriter(folder / "trials.csv", timeout=0.1).write({"block": 0}),
            lambda: TaskReader(folder, timeout=0.1).array("emg"),
            lambda: Storage(storage.root, timeout=0.1).__class__ and dataset.task("p0", "reach"),
            lambda: dataset.add("p0", "reach", "x", [1.0]),
            lambda: storage_to_zip(storage.root, timeout=0.1),
            lambda: storage_to_hdf5(storage.root, timeout=0.1),
            lambda: storage_to_dataset(storage.root, timeout=0.1),
            lambda: Storage(storage.root, timeout=0.1).to_zip(),
            lambda: hdf5_to_storage(path, storage.root.parent / "new", timeout=0.1),
            lambda: repair_storage(storage.root, timeout=0.1),
        ):
            with pytest.raises(LockTimeout) as caught:
                use()
            assert isinstance(caught.value, PersistError)
            assert caught.value.timeout == 0.1
