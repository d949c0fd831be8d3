"""Subjects and tasks."""

import copy
import os
import pickle

import pytest

from persist.experiment import (
    Design,
    Storage,
    StorageWriter,
    TaskReader,
    TaskWriter,
    WorkingDataset,
    is_storage,
    makedirs,
    storage_to_hdf5,
)
from tests.experiment.samples import DATA, listing, make_storage, make_trial, signal


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path / "data")
    storage.subject_id = "p0"
    return storage


def test_the_default_root_is_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = Storage()
    assert (storage.root, storage.allow_overwrite) == ("data", False)
    assert (tmp_path / "data").is_dir()


def test_subjects_and_tasks_are_listed_in_order_and_files_are_not(storage):
    for subject in ("p9", "p10", "p0"):
        storage.subject_id = subject
        for task in ("b", "a"):
            storage.create_task(task)
    (storage.root / "notes.txt").touch()
    (storage.root / "p0" / "notes.txt").touch()
    (storage.root / ".hidden").mkdir()
    assert list(storage.subject_ids) == ["p0", "p10", "p9"]
    assert list(storage.task_ids) == ["a", "b"]


def test_without_a_subject_there_is_no_task(tmp_path):
    storage = Storage(tmp_path)
    assert storage.subject_id is None
    assert list(storage.task_ids) == []
    with pytest.raises(ValueError, match="set subject_id"):
        storage.create_task("t")
    with pytest.raises(ValueError, match="Subject None has not started"):
        storage.require_task("t")


def test_a_task_is_begun_once(storage):
    assert isinstance(storage.create_task("t"), TaskWriter)
    with pytest.raises(
        ValueError,
        match=r'^Subject p0 has already started "t"\. Only unique task names are allowed\.$',
    ):
        storage.create_task("t")


@pytest.mark.parametrize("method", ["require_task", "resume_task"])
def test_a_task_that_was_not_begun_is_an_error(storage, method):
    with pytest.raises(
        ValueError,
        match=r'^Subject p0 has not started "t" yet\. Use `create_task` to create it first\.$',
    ):
        getattr(storage, method)("t")


def test_a_task_can_be_gone_on_with(storage):
    with storage.create_task("t") as writer:
        writer.write(make_trial(0, emg=signal(0)))
    with storage.resume_task("t") as writer:
        writer.write(make_trial(1, emg=signal(1)))
    assert storage.require_task("t").array("emg").shape == (4, 5)


def filled(storage, count=2):
    with storage.create_task("t") as writer:
        for number in range(count):
            writer.write(make_trial(number, old=signal(number)))


def test_a_task_is_replaced_when_the_new_one_is_begun_to_be_written(storage):
    filled(storage)
    storage.allow_overwrite = True
    before = listing(storage.root)
    writer = storage.create_task("t")
    assert listing(storage.root) == before
    assert len(storage.require_task("t")) == 2
    writer.write(make_trial(0, new=signal(0)))
    assert len(storage.require_task("t")) == 1
    writer.write(make_trial(1, new=signal(1)))
    assert writer.root == str(storage.root / "p0" / "t")
    assert listing(storage.root) == ["p0", "p0/t", "p0/t/new.hdf5", "p0/t/trials.csv"]
    assert len(storage.require_task("t").array("new")) == 4


@pytest.mark.parametrize("act", ["pickle", "store"])
def test_an_object_begins_a_replacement_too(storage, act):
    filled(storage)
    storage.allow_overwrite = True
    writer = storage.create_task("t")
    getattr(writer, act)([1], "x")
    assert len(listing(storage.root / "p0" / "t")) == 1
    writer.write(make_trial(0))
    assert len(storage.require_task("t")) == 1


def test_a_first_trial_that_cannot_be_written_leaves_the_former_task(storage):
    filled(storage)
    storage.allow_overwrite = True
    writer = storage.create_task("t")
    for bad in (make_trial(0, x=None), make_trial(0, {"a": "\0"})):
        with pytest.raises((TypeError, ValueError)):
            writer.write(bad)
    assert len(storage.require_task("t").array("old")) == 4
    writer.write(make_trial(0))
    assert len(storage.require_task("t")) == 1


def test_replacing_again_replaces_again(storage):
    storage.allow_overwrite = True
    for count in (3, 2, 1):
        filled(storage, count)
        assert len(storage.require_task("t")) == count
    assert listing(storage.root / "p0") == ["t", "t/old.hdf5", "t/trials.csv"]


def test_both_names_are_one_thing(tmp_path):
    assert issubclass(StorageWriter, Storage)
    storage = StorageWriter(tmp_path)
    storage.subject_id = "p0"
    filled(storage)
    assert isinstance(storage.require_task("t"), TaskReader)


def test_a_root_can_be_opened_again_and_again(tmp_path):
    for subject in ("p0", "p1"):
        storage = Storage(tmp_path)
        storage.subject_id = subject
        filled(storage)
    assert list(Storage(tmp_path).subject_ids) == ["p0", "p1"]


def test_folders_are_made(tmp_path):
    makedirs(tmp_path / "a" / "b")
    makedirs(tmp_path / "a" / "b", exist_ok=True)
    with pytest.raises(OSError, match="exists"):
        makedirs(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="folder is to be made"):
        makedirs(tmp_path / "file", exist_ok=True)


def test_a_storage_is_known_by_its_tasks(tmp_path):
    assert is_storage(DATA / "data")
    assert not is_storage(DATA)
    assert not is_storage(tmp_path)
    assert not is_storage(tmp_path / "none")
    make_storage(tmp_path / "x")
    assert is_storage(tmp_path / "x")


def test_design_storage_writer_and_reader_work_together(tmp_path):
    storage = Storage(tmp_path)
    storage.subject_id = "p0"
    design = Design()
    for _ in range(2):
        block = design.add_block()
        for x in range(3):
            block.add_trial({"x": x}).add_array("pos", stack_axis=1)
        block.shuffle(seed=0)
    writer = storage.create_task("reach")
    for block in design:
        for trial in block:
            for step in range(4):
                trial.arrays["pos"].stack(signal(step, samples=1))
            writer.write(trial)
    reader = storage.require_task("reach")
    assert reader.columns["block"] == [0] * 3 + [1] * 3
    assert reader.columns["trial"] == [0, 1, 2] * 2
    assert sorted(reader.columns["x"][:3]) == [0, 1, 2]
    assert reader.array("pos").shape == (12, 4)


def test_a_copy_of_a_storage_has_opened_nothing(tmp_path):
    with Storage(tmp_path) as storage:
        storage.subject_id = "p0"
        writer = storage.create_task("reach")
        writer.write(make_trial(0))
        pickled = pickle.loads(pickle.dumps(storage))
        for copied in (copy.copy(storage), copy.deepcopy(storage), pickled):
            assert len(copied.require_task("reach")) == 1
            copied.close()
        writer.write(make_trial(1))
        assert len(storage.require_task("reach")) == 2


def test_a_relative_root_is_not_of_the_folder_that_is_current_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = Storage("data")
    storage.subject_id = "p0"
    writer = storage.create_task("t")
    writer.write(make_trial(0, emg=[0.0]))
    reader = storage.require_task("t")
    dataset = WorkingDataset(storage_to_hdf5("data"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    writer.write(make_trial(1, emg=[1.0]))
    storage.subject_id = "p1"
    assert reader.columns["trial"] == [0, 1]
    assert reader.array("emg").tolist() == [[0.0], [1.0]]
    assert dataset.task("p0", "t").array("emg").tolist() == [[0.0]]
    assert list(storage.subject_ids) == ["p0", "p1"]
    assert storage.root == "data"
    assert os.listdir() == []
    storage.close()
