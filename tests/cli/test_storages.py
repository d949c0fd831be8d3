"""Experiments on the command line."""

import zipfile
from pathlib import Path

import numpy
import pytest

from persist.cli.progress import byte_meter
from persist.experiment import Array, Storage, Trial, WorkingDataset
from tests.cli.terminals import terminal


@pytest.fixture
def storage(command):
    storage = Storage("experiment01")
    for subject in ("p0", "p1"):
        storage.subject_id = subject
        with storage.create_task("task1") as writer:
            for number in range(2):
                trial = Trial({"block": 0, "trial": number, "hit": bool(number)})
                trial.arrays["emg"] = Array(data=numpy.ones((2, 5)) * number)
                writer.write(trial)
    return storage


def test_tasks_are_listed_with_what_their_trials_have(command, storage):
    done = command("ls", "experiment01")
    assert done.status == 0
    head, first, second = done.out.splitlines()
    assert head.split() == ["task", "trials", "attributes", "arrays", "dropped"]
    assert first.split("  ")[0] == "p0/task1"
    assert "block, trial, hit" in first
    assert second.split()[1] == "2"
    (task, _) = command("ls", "experiment01", "--json").document["tasks"]
    assert task == {
        "subject": "p0",
        "task": "task1",
        "trials": 2,
        "attributes": ["block", "trial", "hit"],
        "arrays": ["emg"],
        "dropped": [],
    }


def test_an_experiment_is_zipped(command, storage):
    done = command("zip", "experiment01", "--compression", "deflate")
    assert (done.status, done.err) == (0, "")
    assert done.out == "wrote experiment01.zip\n"
    with zipfile.ZipFile("experiment01.zip") as archive:
        assert "experiment01/p1/task1/trials.csv" in archive.namelist()


def test_a_target_inside_is_misuse(command, storage):
    done = command("zip", "experiment01", "experiment01/all.zip")
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert not Path("experiment01/all.zip").exists()


@pytest.mark.parametrize("layout", ["trials", "joined"])
def test_an_experiment_becomes_one_file_that_is_listed_like_it(command, storage, layout):
    done = command("hdf5", "experiment01", "all.h5", "--layout", layout)
    assert (done.status, done.out) == (0, "wrote all.h5\n")
    assert command("ls", "all.h5").out == command("ls", "experiment01").out


def test_a_file_that_was_extended_is_replaced_on_demand(command, storage):
    command("hdf5", "experiment01")
    with WorkingDataset("experiment01.hdf5") as dataset:
        dataset.add("p0", "task1", "mean", numpy.zeros(3))
    assert command("hdf5", "experiment01").status == 2
    assert command("hdf5", "experiment01", "--overwrite").status == 0


def test_bytes_are_shown_in_per_cent_on_a_terminal(monkeypatch):
    stream = terminal(monkeypatch, "stderr")
    with byte_meter() as meter:
        meter(50, 100, "a")
        meter(50, 100, "b")
        meter(100, 100, "c")
    assert stream.getvalue().split("\r") == ["", "\x1b[K[50 %] a", "\x1b[K[100 %] c", "\x1b[K"]
