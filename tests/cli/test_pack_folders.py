"""Packing whole folders, and files that run code as they are read."""

import os
import pickle
import shelve
import sys
from dbm import dumb
from pathlib import Path

import numpy
import pytest

from persist.cli.sources import is_known
from persist.dataset import DataSet, verify


class Unpicklable:
    """Pickles, and has no form as source."""

    def __reduce__(self):
        return _refuse_to_be_stored, ()


def _refuse_to_be_stored():
    return object.__new__(Refusing)


class Refusing:
    """Is read from a pickle, and raises what it likes when it is stored."""

    def __reduce_ex__(self, protocol):
        raise RuntimeError("I stay here")


@pytest.fixture
def folder(command, tmp_path):
    """Make a folder of results as they lie around."""
    root = tmp_path / "runs"
    (root / "s01" / "day 1").mkdir(parents=True)
    (root / "rates.pkl").write_bytes(pickle.dumps([1, 2.5]))
    (root / "s01" / "class.pkl").write_bytes(pickle.dumps({"a": 1}))
    numpy.savez(root / "s01" / "day 1" / "spikes.npz", times=numpy.arange(300), ids=[1])
    (root / "s01" / "notes.csv").write_text("trial,kind\n1,go\n")
    (root / ".DS_Store").write_bytes(b"x")
    return root


KEYS = [
    *("named_s01__day_20_1__spikes__ids", "named_s01__day_20_1__spikes__times"),
    *("rates", "s01_class"),
    *("s01_notes_kind", "s01_notes_trial"),
]


def test_a_folder_is_packed_recursively_in_one_commit(command, folder):
    assert command("pack", "results", "runs", "--trust-pickle") == (0, "6 keys stored\n", "")
    dataset = DataSet("results")
    assert dataset._keys() == KEYS
    assert (dataset.rates, dataset.s01_class) == ([1, 2.5], {"a": 1})
    assert dataset["s01_class"] == {"source": "s01/class.pkl", "name": "class"}
    with open("results/_manifest.jsonl") as file:
        # The making of the data set is one.
        assert len(file.readlines()) <= 2
    assert verify("results").ok


def test_without_trust_no_pickle_is_read_and_the_option_is_named(command, folder):
    marker = folder / "marker"
    (folder / "evil.pkl").write_bytes(b"cos\nmkdir\n(V%s\ntR." % os.fsencode(marker))
    done = command("pack", "results", "runs", "--json")
    assert done.status == 1
    refused = {found["file"]: found["reason"] for found in done.document["not_stored"]}
    assert set(refused) == {"evil.pkl", "rates.pkl", os.path.join("s01", "class.pkl")}
    assert all("--trust-pickle" in reason for reason in refused.values())
    assert not marker.exists()
    assert len(DataSet("results")._keys()) == 4
    done = command("pack", "other", str(folder / "evil.pkl"))
    assert (done.status, done.out) == (2, "")
    assert "--trust-pickle" in done.err
    assert not marker.exists()


def test_what_cannot_be_stored_is_reported_with_its_reason(command, folder):
    (folder / "odd.pkl").write_bytes(pickle.dumps(Unpicklable()))
    (folder / "gone.pkl").write_bytes(b"cnosuchmodule\nThing\n.")
    (folder / "cut.npz").write_bytes(b"PK")
    (folder / "notes.txt").write_text("text")
    done = command("pack", "results", "runs", "--trust-pickle")
    assert (done.status, done.out) == (1, "6 keys stored\n")
    lines = done.err.splitlines()
    assert len(lines) == 4
    for start, reason in [
        ("not stored: cut.npz: ", "damaged"),
        ("not stored: 'gone' of gone.pkl: ", "ModuleNotFoundError"),
        ("not stored: notes.txt: ", "extension"),
        ("not stored: 'odd' of odd.pkl: ", "I stay here"),
    ]:
        assert any(line.startswith(start) and reason in line for line in lines), (start, lines)
    assert DataSet("results")._keys() == KEYS
    assert verify("results").ok


def test_what_is_named_is_stored_whole_or_not_at_all(command, folder):
    (folder / "gone.pkl").write_bytes(b"cnosuchmodule\nThing\n.")
    files = ["runs/rates.pkl", "runs/gone.pkl"]
    done = command("pack", "results", *files, "--trust-pickle")
    assert (done.status, done.out) == (2, "")
    assert "nosuchmodule" in done.err
    assert not os.path.exists("results")
    done = command("pack", "results", *files, "--trust-pickle", "--keep-going")
    assert (done.status, done.out) == (1, "1 key stored\n")
    assert DataSet("results")._keys() == ["rates"]


def test_keys_are_the_same_where_what_is_refused_is_reported(command):
    Path("a.json").write_text('{"rate": 250}')
    Path("b.json").write_text("{")
    assert command("pack", "results", "a.json", "b.json", "--keep-going").status == 1
    assert DataSet("results")._keys() == ["rate"]


def test_nothing_that_can_be_stored_leaves_nothing_behind(command, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.txt").write_text("text")
    done = command("pack", "results", "runs")
    assert done.status == 2
    assert "not stored: a.txt" in done.err
    assert not os.path.exists("results")


def test_a_value_behind_one_that_cannot_be_read_is_stored(command, tmp_path):
    (tmp_path / "runs").mkdir()
    with dumb.open(str(tmp_path / "runs" / "notes"), "n") as database:
        shelf = shelve.Shelf(database)
        shelf.update(a=1, c=3)
        database[b"b"] = b"no pickle"
    done = command("pack", "results", "runs", "--trust-pickle")
    assert done.status == 1
    assert DataSet("results")._keys() == ["notes_a", "notes_c"]
    assert "'b' of notes.dir: " in done.err


def test_keys_that_fall_together_are_reported(command, tmp_path):
    for folder, value in [("a", 1), ("a/b", 2), ("a_b", 3)]:
        (tmp_path / "runs" / folder).mkdir(parents=True)
        (tmp_path / "runs" / folder / "x.json").write_text(f'{{"x": {value}}}')
    done = command("pack", "results", "runs")
    assert (done.status, DataSet("results")._keys()) == (1, ["a_b_x", "a_x"])
    assert "makes the key a_b_x" in done.err


def test_keys_that_exist_are_reported_and_kept(command, folder):
    DataSet("results", "w").rates = "mine"
    done = command("pack", "results", "runs", "--trust-pickle")
    assert done.status == 1
    assert "'rates' of rates.pkl: it makes the key rates, which exists already" in done.err
    assert DataSet("results").rates == "mine"
    assert command("pack", "results", "runs", "--trust-pickle", "--replace").status == 0
    assert DataSet("results").rates == [1, 2.5]


def test_files_can_be_left_out_by_their_paths(command, folder):
    done = command("pack", "results", "runs", "--skip", "*.pkl", "--skip", "s01/day*")
    assert (done.status, done.err) == (0, "")
    assert DataSet("results")._keys() == ["s01_notes_kind", "s01_notes_trial"]


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
def test_links_pipes_and_cycles_are_not_followed(command, folder, tmp_path):
    (tmp_path / "secret.json").write_text('{"secret": 1}')
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.json")
    done = command("pack", "results", "runs", "--trust-pickle")
    assert done.status == 1
    assert [line.partition(": it is ")[0] for line in done.err.splitlines()] == [
        "not stored: link.json",
        "not stored: loop",
        "not stored: pipe.json",
    ]
    assert DataSet("results")._keys() == KEYS
    assert "it is a pipe" in command("pack", "other", "runs/pipe.json").err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_reported(command, folder):
    (folder / "private.json").write_text("{}")
    (folder / "private.json").chmod(0)
    (folder / "closed").mkdir(mode=0)
    done = command("pack", "results", "runs", "--trust-pickle")
    (folder / "closed").chmod(0o700)
    assert done.status == 1
    assert "private.json: Permission denied" in done.err
    assert "closed: Permission denied" in done.err


def test_the_data_set_and_others_in_the_folder_are_left_alone(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    DataSet("earlier", "w").x = 1
    done = command("pack", "results", ".", "--trust-pickle")
    assert done.status == 1
    assert done.err == (
        "not stored: earlier: it is a data set, which needs no packing: copy its folder\n"
    )
    assert command("pack", "results", ".", "--trust-pickle", "--replace").out == "6 keys stored\n"


def test_a_deep_tree_is_walked(command, tmp_path):
    folder = tmp_path / "runs"
    for _ in range(120):
        folder = folder / "a"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("[1]")
    done = command("pack", "results", "runs")
    # The key would be too long for the name of a file.
    assert done.status == 2
    assert "too many" in done.err


@pytest.mark.parametrize("name", ["class", "2nd", "a-b", "_x", "ä" * 90, "NameError"])
def test_names_that_are_not_keys_become_some_or_are_reported(command, tmp_path, name):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / f"{name}.json").write_text("[1]")
    (tmp_path / "runs" / "fine.json").write_text("[1]")
    done = command("pack", "results", "runs")
    assert done.status in (0, 1)
    assert len(DataSet("results")._keys()) == (2 if done.status == 0 else 1)


def test_text_of_files_reaches_no_terminal_raw(command, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a\x1b[2J.txt").write_text("")
    (tmp_path / "runs" / "a.json").write_text("[1]")
    assert "\x1b" not in command("pack", "results", "runs").err


def test_known_formats_are_told_by_name():
    assert is_known("x.PKL.GZ")
    assert not is_known("x.csv.gz")
    assert not is_known(sys.executable)
