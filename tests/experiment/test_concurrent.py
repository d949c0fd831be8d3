"""Several stations at once, and readers meanwhile."""

import multiprocessing
import os

import numpy
import pytest

from persist.experiment import (
    Storage,
    TaskReader,
    WorkingDataset,
    storage_to_hdf5,
    storage_to_zip,
    zip_to_storage,
)
from tests.effort import IS_SHORT
from tests.experiment.samples import listing, make_trial, signal

TRIALS = 10 if IS_SHORT else 100
CONTEXT = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")


def record(root, subject, first=0):
    storage = Storage(root, durable=False)
    storage.subject_id = subject
    with storage.create_task("t") as writer:
        for number in range(first, first + TRIALS):
            writer.write(make_trial(number, emg=signal(number)))


def add_to(folder, first):
    from persist.experiment import TaskWriter

    with TaskWriter(folder, durable=False) as writer:
        for number in range(first, first + TRIALS):
            writer.write(make_trial(number, emg=signal(number)))


def add_result(path, name):
    WorkingDataset(path).add("p0", "t", name, signal(5))


def run(target, arguments):
    processes = [CONTEXT.Process(target=target, args=given) for given in arguments]
    for process in processes:
        process.start()
    return processes


def join(processes):
    for process in processes:
        process.join()
        assert process.exitcode == 0


def test_stations_record_different_subjects_into_one_root(tmp_path):
    root = tmp_path / "deep" / "data"
    join(run(record, [(root, f"p{number}") for number in range(4)]))
    storage = Storage(root)
    assert list(storage.subject_ids) == ["p0", "p1", "p2", "p3"]
    for subject in storage.subject_ids:
        storage.subject_id = subject
        reader = storage.require_task("t")
        assert reader.columns["trial"] == list(range(TRIALS))
        numpy.testing.assert_array_equal(reader.array("emg")[-2:], signal(TRIALS - 1))


def test_writers_of_one_task_in_several_processes_lose_nothing(tmp_path):
    join(run(add_to, [(tmp_path, first) for first in (0, 1000, 2000)]))
    reader = TaskReader(tmp_path)
    numbers = reader.columns["trial"]
    assert sorted(numbers) == [first + n for first in (0, 1000, 2000) for n in range(TRIALS)]
    for number, array in zip(numbers, reader.iterarray("emg"), strict=True):
        numpy.testing.assert_array_equal(array, signal(number))
    assert reader.dropped == []


def test_what_is_read_and_consolidated_while_a_trial_is_written_is_whole(tmp_path):
    root = tmp_path / "data"
    Storage(root)
    processes = run(record, [(root, "p0")])
    folder = root / "p0" / "t"
    seen = 0
    while any(process.is_alive() for process in processes):
        if not folder.is_dir():
            continue
        reader = TaskReader(folder)
        numbers = reader.columns.get("trial", [])
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= seen
        seen = len(numbers)
        if numbers:
            assert reader.array("emg").shape == (2 * len(numbers), 5)
        path = storage_to_zip(root, tmp_path / "x.zip")
        out = zip_to_storage(path, tmp_path / f"zip_{len(listing(tmp_path))}")
        copied = TaskReader(f"{out}/p0/t")
        assert len(list(copied.iterarray("emg"))) == len(copied) if len(copied) else True
        consolidated = WorkingDataset(storage_to_hdf5(root, tmp_path / "x.hdf5")).task("p0", "t")
        if len(consolidated):
            assert len(consolidated.array("emg")) == 2 * len(consolidated)
    join(processes)
    assert TaskReader(folder).array("emg").shape == (2 * TRIALS, 5)


def test_results_of_several_processes_are_all_there(tmp_path):
    record(tmp_path / "data", "p0")
    path = storage_to_hdf5(tmp_path / "data")
    names = [f"r{number}" for number in range(4)]
    join(run(add_result, [(path, name) for name in names]))
    task = WorkingDataset(path).task("p0", "t")
    assert task.array_names == ["emg", *names]
    for name in names:
        numpy.testing.assert_array_equal(task.array(name), signal(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_subject_and_root_may_be_made_by_several_at_once(tmp_path):
    def begin(subject):
        storage = Storage(tmp_path / "a" / "b")
        storage.subject_id = subject

    join(run(begin, [(f"p{number % 2}",) for number in range(8)]))
    assert list(Storage(tmp_path / "a" / "b").subject_ids) == ["p0", "p1"]
