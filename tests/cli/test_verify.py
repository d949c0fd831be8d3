import os

import numpy
import pytest

from persist.dataset import DataSet


@pytest.fixture
def dataset(command):
    dataset = DataSet("results", "w")
    dataset.x = numpy.zeros(1000)
    dataset.y = 1
    dataset._namespace("D0").z = 2
    return dataset


def test_a_whole_data_set_is_ok(command, dataset):
    done = command("verify", "results")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("ok: ")
    assert done.out.endswith(" files checked\n")


def test_every_damaged_file_is_named(command, dataset):
    with open("results/x.py", "a") as file:
        file.write("#")
    os.remove("results/D0/z.py")
    with open("results/other.txt", "w"):
        pass
    done = command("verify", "results")
    *lines, last = done.out.splitlines()
    assert done.status == 1
    assert lines == ["missing: D0/z.py", "extra: other.txt", "differs: x.py"]
    assert last.startswith("damaged: ")
    assert last.endswith(" files checked, 1 missing, 1 extra, 1 differs")
    document = command("verify", "results", "--json").document
    assert (document["ok"], document["differs"]) == (False, ["x.py"])
    assert (document["missing"], document["extra"]) == (["D0/z.py"], ["other.txt"])


def test_a_write_that_was_not_finished_is_no_damage(command, dataset):
    with open("results/_manifest.jsonl", "ab") as file:
        file.write(b'{"info": {')
    done = command("verify", "results")
    assert done.status == 0
    assert done.out.splitlines()[0] == "unfinished: _manifest.jsonl"
    assert done.out.splitlines()[1].startswith("ok: ")


def test_json_of_a_whole_data_set(command, dataset):
    done = command("verify", "results", "--json")
    document = done.document
    assert done.status == 0
    assert document.pop("checked") >= 5
    assert document == {"ok": True, "missing": [], "extra": [], "differs": [], "unfinished": []}
