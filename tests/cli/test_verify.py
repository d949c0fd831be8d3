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
    assert lines == ["missing: D0/z.py", "unexpected: other.txt", "damaged: x.py"]
    assert last.startswith("damaged: ")
    assert last.endswith(" files checked, 1 missing, 1 unexpected, 1 damaged")
    document = command("verify", "results", "--json").document
    assert (document["ok"], document["damaged"]) == (False, ["x.py"])
    assert (document["missing"], document["unexpected"]) == (["D0/z.py"], ["other.txt"])


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
    assert document.pop("ok") is True
    assert not any(document.values())


def test_several_paths_of_any_kind_are_verified_at_once(command, dataset):
    with DataSet("other", "w") as other:
        other.y = 1
    os.remove("other/y.py")
    done = command("verify", "results", "other", "nowhere", "--json")
    assert done.status == 2
    paths = done.document["paths"]
    assert [paths[name]["ok"] for name in ("results", "other", "nowhere")] == [True, False, False]
    assert paths["other"]["missing"] == ["y.py"]
    assert "nothing at that path" in paths["nowhere"]["error"]
    lines = command("verify", "results", "other").out.splitlines()
    assert lines[0].startswith("results: ok")
    assert "other: missing: y.py" in lines


def test_files_of_systems_are_listed_and_are_not_damage(command, dataset):
    for name in (".DS_Store", "Thumbs.db", "README.md"):
        with open(f"results/{name}", "w"):
            pass
    done = command("verify", "results")
    assert done.status == 0
    assert done.out.splitlines()[0] == "system: .DS_Store"


def test_repair_takes_in_the_values_that_are_there(command, dataset):
    os.remove("results/_manifest.jsonl")
    done = command("ls", "results")
    assert done.status == 2
    assert "2 value files are present" in done.err
    assert "persist repair" in done.err
    with open("results/y.py", "w") as file:
        file.write("sys.modules[__name__] = (\n")
    done = command("repair", "results")
    assert done.status == 0
    assert done.out.splitlines() == ["set aside: y.py", "repaired: 1 value is there"]
    assert os.listdir("results/_set_aside") == ["y.py"]
    assert command("verify", "results").status == 0
    assert DataSet("results").x.sum() == 0


def test_accept_records_what_was_edited(command, dataset):
    with open("results/y.py") as file:
        text = file.read()
    with open("results/y.py", "w") as file:
        file.write(text.replace("1", "5"))
    assert command("verify", "results").status == 1
    assert command("accept", "results").out == "accepted: y\n"
    assert command("verify", "results").status == 0
    assert DataSet("results").y == 5


@pytest.mark.parametrize("name", ["hdf5", "zip"])
def test_a_data_set_is_not_converted_as_if_it_was_an_experiment(command, dataset, name):
    done = command(name, "results")
    assert done.status == 2
    assert "it is a data set, not an experiment" in done.err
    assert not os.path.exists(f"results.{name}")


def test_what_would_control_a_terminal_is_written_out(command, dataset):
    dataset["x"] = "\x1b[31mred\x07\u202e"
    out = command("ls", "results").out
    assert "\\x1b[31mred\\x07\\u202e" in out
    assert "\x1b" not in out
