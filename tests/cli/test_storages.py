"""Experiments on the command line."""

import zipfile
from pathlib import Path

import numpy
import pytest

from persist.experiment import Array, Storage, TaskReader, Trial, WorkingDataset
from tests.experiment.samples import make_storage


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


def test_arrays_without_rows_are_moved_aside(command, storage):
    table = Path("experiment01/p0/task1/trials.csv")
    table.write_text("block,trial,hit\n0,0,False\n")
    done = command("ls", "experiment01")
    assert "row 1: emg without attributes" in done.out
    done = command("repair", "experiment01")
    assert (done.status, done.err) == (0, "")
    assert done.out == "p0/task1: moved emg of rows 1 to emg.orphaned.h5\n"
    assert command("repair", "experiment01", "--json").document == {"done": []}
    assert command("repair", "experiment01").out == "nothing to repair\n"
    storage.subject_id = "p0"
    with storage.resume_task("task1") as writer:
        trial = Trial({"block": 0, "trial": 5, "hit": True})
        trial.arrays["emg"] = Array(data=numpy.full((2, 5), 7.0))
        writer.write(trial)
    assert TaskReader("experiment01/p0/task1").array("emg")[2].tolist() == [7.0] * 5


def test_what_is_no_experiment_is_not_repaired(command):
    Path("nothing").mkdir()
    done = command("repair", "nothing")
    assert done.status != 0
    assert "it is not a data set" in done.err


def test_a_damaged_experiment_is_verified_part_by_part(command):
    make_storage(Path("experiment"))
    assert command("verify", "experiment").status == 0
    arrays = Path("experiment/p0/reach/emg.hdf5")
    arrays.write_bytes(arrays.read_bytes()[:-100])
    done = command("verify", "experiment", "--json")
    assert done.status == 1
    names = [text.partition(": ")[0] for text in done.document["damaged"]]
    assert names == ["p0/reach", "p0/reach/emg.hdf5"]
    assert "damaged: p0/reach/emg.hdf5: " in command("verify", "experiment").out


def test_rows_that_an_experiment_lost_are_found(command):
    make_storage(Path("experiment"))
    table = Path("experiment/sub-01/reach/trials.csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    done = command("verify", "experiment")
    assert (done.status, done.out.count("damaged: sub-01/reach: ")) == (1, 1)
    assert "moved emg of rows 2" in command("repair", "experiment").out
    assert command("verify", "experiment").status == 0


def test_a_damaged_copy_of_an_experiment_is_verified(command):
    make_storage(Path("experiment"))
    assert command("hdf5", "experiment").status == 0
    assert command("verify", "experiment.hdf5").status == 0
    copy = Path("experiment.hdf5")
    copy.write_bytes(copy.read_bytes()[:-100])
    done = command("verify", "experiment.hdf5")
    assert done.status in (1, 2)
    assert "experiment.hdf5" in done.out + done.err
