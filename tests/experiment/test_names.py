"""What subjects, tasks, arrays and columns may not be called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.errors import InvalidKeyError
from persist.experiment import Storage, TaskReader, TaskWriter, WorkingDataset, storage_to_hdf5
from persist.experiment.names import check_name
from persist.names import group_name, name_of_group
from tests.experiment.samples import make_storage, make_trial, signal

REFUSED = {
    "empty": "",
    "dot": ".",
    "parent": "..",
    "up": "../x",
    "slash": "a/b",
    "absolute": "/tmp",
    "backslash": "a\\b",
    "hidden": ".x",
    "nul": "a\0b",
    "newline": "a\nb",
    "colon": "c:",
    "star": "*",
    "quote": 'a"b',
    "device": "con",
    "device with extension": "LPT1.txt",
    "device with space": "aux ",
    "end dot": "a.",
    "end space": "a ",
    "surrogate": "\ud800",
    "long": "é" * 101,
}
refused = pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)


@refused
def test_a_subject_or_task_of_such_a_name_is_refused_and_nothing_is_made(tmp_path, name):
    storage = Storage(tmp_path / "data")
    with pytest.raises(InvalidKeyError):
        storage.subject_id = name
    storage.subject_id = "p0"
    with pytest.raises(InvalidKeyError):
        storage.create_task(name)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert [path.name for path in (tmp_path / "data").rglob("*")] == ["p0"]


@refused
def test_an_array_or_pickle_of_such_a_name_is_refused_and_nothing_is_written(tmp_path, name):
    writer = TaskWriter(tmp_path)
    with pytest.raises(InvalidKeyError):
        writer.write(make_trial(0, **{name: signal(0)}))
    with pytest.raises(InvalidKeyError):
        writer.pickle(1, name)
    with pytest.raises(InvalidKeyError):
        writer.store(1, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["..", "", "a/b", "\0"])
def test_reading_leads_nowhere_else(tmp_path, name):
    storage = make_storage(tmp_path / "data")
    storage.subject_id = "p0"
    dataset = WorkingDataset(storage_to_hdf5(storage.root))
    for read in (
        storage.require_task,
        storage.resume_task,
        storage.require_task("reach").array,
        storage.require_task("reach").pickle,
        storage.require_task("reach").load,
        dataset.task("p0", "reach").array,
        dataset.task("p0", "reach").pickle,
        lambda name: dataset.task("p0", name),
        lambda name: dataset.add("p0", "reach", name, [1]),
    ):
        with pytest.raises(InvalidKeyError):
            read(name)


@pytest.mark.parametrize("name", ["a:b", "x.", "con"])
def test_what_is_there_already_can_be_read_whatever_it_is_called(tmp_path, name):
    (tmp_path / name / name).mkdir(parents=True)
    (tmp_path / name / name / "trials.csv").write_text("a,b\n1,2\n")
    storage = Storage(tmp_path)
    storage.subject_id = name
    assert storage.require_task(name).columns == {"a": [1], "b": [2]}


@pytest.mark.parametrize("name", [3, None, b"p0"])
def test_what_is_no_text_is_a_type_error(tmp_path, name):
    storage = Storage(tmp_path)
    with pytest.raises(TypeError, match="subject must be text"):
        storage.subject_id = name
    storage.subject_id = "p0"
    with pytest.raises(TypeError, match="task must be text"):
        storage.create_task(name)


@pytest.mark.parametrize("name", ["", "a\0", "\ufeffx", "\ud800", 3])
def test_a_column_of_such_a_name_is_refused(tmp_path, name):
    with pytest.raises((InvalidKeyError, TypeError)):
        TaskWriter(tmp_path).write(make_trial(0, {name: 1}))
    assert list(tmp_path.iterdir()) == []


def test_reading_a_task_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        _ = TaskReader(tmp_path / "none").columns


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_names_within_hdf5_are_spelled_one_for_one(name):
    spelled = group_name(name)
    assert "/" not in spelled
    assert spelled not in (".", "..")
    assert name_of_group(spelled) == name


def test_ordinary_names_pass():
    for name in ("p0", "sub-01", "rest 2", "ä", "console", "a.b"):
        assert check_name("task", name) == name
