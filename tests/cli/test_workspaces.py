"""Workspaces on the command line."""

import json
import os
from pathlib import Path

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace


@pytest.fixture
def saved(command):
    ws = AnalysisWorkspace(name="exp")
    ws.store("D0", "counts", numpy.arange(600.0).reshape(20, 30), note="Spikes\nin bins")
    ws.store("D0", "a/b", {"dose": 0.5, "units": [3, 7]})
    ws.store("all", "text", "x < y")
    ws.save("w")
    return ws


@pytest.mark.parametrize("path", ["w", "w.h5"])
def test_items_are_listed_with_what_is_known_of_them(command, saved, path):
    done = command("ls", path)
    assert done.status == 0
    head, counts, mixed, text = done.out.splitlines()
    assert head.split() == ["item", "type", "shape", "dtype", "stored", "note"]
    assert counts.startswith("D0/counts  ndarray  (20, 30)  float64")
    assert counts.endswith("Spikes in bins")
    assert mixed.split()[:2] == ["D0/a/b", "dict"]
    assert text.split()[:2] == ["all/text", "str"]


def test_a_listing_in_json_has_the_whole_index(command, saved):
    document = command("ls", "w", "--json").document
    assert document["workspace_id"] == saved.workspace_id
    assert document["name"] == "exp"
    assert document["unreadable"] == []
    for item in document["items"]:
        names = item.pop("namespace"), item.pop("key")
        assert item == saved.get_info(*names)


def test_a_workspace_without_items_is_listed(command):
    AnalysisWorkspace().save("w")
    assert command("ls", "w").out == "no items\n"


def test_what_cannot_be_read_is_listed_with_the_reason(command, saved):
    with h5py.File("w.h5", "r+") as file:
        file["D0/counts"].attrs["__type__"] = "Unheard"
        del file["__persist__"]
    done = command("ls", "w")
    assert done.status == 1
    assert "D0/counts  unreadable" in done.out
    assert "Unknown __type__ 'Unheard'" in done.out
    (unreadable,) = command("ls", "w", "--json").document["unreadable"]
    assert (unreadable["namespace"], unreadable["key"]) == ("D0", "counts")
    done = command("show", "w", "D0/counts")
    assert done.status == 2
    assert done.err.startswith("persist: cannot read D0/counts: ")
    assert "Unknown __type__ 'Unheard'" in done.err


@pytest.mark.parametrize("name", ["D0/counts", "D0.counts"])
def test_an_array_is_shown_by_its_edges(command, saved, name):
    done = command("show", "w", name)
    assert done.status == 0
    assert "shape:   (20, 30)" in done.out
    assert "[[  0.,   1.,   2., ...,  27.,  28.,  29.]" in done.out


def test_an_object_is_shown_with_its_value(command, saved):
    assert "{'dose': 0.5, 'units': [3, 7]}" in command("show", "w", "D0/a/b").out
    document = command("show", "w", "D0/a/b", "--json").document
    assert document["value"] == {"dose": 0.5, "units": [3, 7]}
    assert document["type"] == "dict"


def test_a_long_item_is_in_the_document_as_well(command):
    workspace = AnalysisWorkspace()
    workspace.store("D0", "x", {"units": list(range(10_000))})
    workspace.save("w")
    document = command("show", "w", "D0/x", "--json").document
    assert document["value"]["units"][-1] == 9_999


def test_an_item_that_is_not_there_is_misuse(command, saved):
    done = command("show", "w", "D0/nothing")
    assert done.status == 2
    assert done.err == "persist: no such item: D0/nothing (run `persist ls` to list items)\n"


def test_a_whole_workspace_is_verified(command, saved):
    done = command("verify", "w")
    assert (done.status, done.out) == (0, "ok: 3 items checked\n")


def test_verifying_names_what_is_damaged(command, saved):
    with h5py.File("w.h5", "r+") as file:
        del file["D0/counts/data"]
    done = command("verify", "w")
    assert done.status == 1
    assert done.out.startswith("damaged: D0/counts: DamagedError: ")
    assert done.out.endswith("damaged: 2 items checked\n")
    assert command("verify", "w", "--json").document["ok"] is False


def test_verifying_names_an_index_that_is_lost_old_or_wrong(command, saved):
    os.remove("w.json")
    assert "w.json: missing" in command("verify", "w").out
    assert not Path("w.json").exists()
    AnalysisWorkspace.load("w")
    assert command("verify", "w").status == 0
    document = json.loads(Path("w.json").read_text())
    del document["index"]["all"]
    Path("w.json").write_text(json.dumps(document))
    assert "w.json: lists other items" in command("verify", "w").out
    document["save_id"] = "another"
    Path("w.json").write_text(json.dumps(document))
    assert "w.json: older than the data" in command("verify", "w").out
    Path("w.json").write_text("{")
    assert "w.json: JSONDecodeError" in command("verify", "w").out


def test_verifying_runs_nothing(command, tmp_path):
    ws = AnalysisWorkspace()
    ws.store("D0", "x", {1: 2})
    ws.save("w")
    with h5py.File("w.h5", "r+") as file:
        del file["D0/x/source"]
        file["D0/x/source"] = "raise SystemExit('ran')"
    assert command("verify", "w").status == 0
    assert command("ls", "w").status == 0
    assert command("show", "w", "D0/x").status == 2
    assert "sys.exit('ran')" in command("show", "w", "D0/x", "--trust-all").err


def test_a_file_that_is_no_workspace_is_an_error_of_one_line(command):
    Path("w.h5").write_bytes(b"no HDF5")
    for name in ("ls", "verify"):
        done = command(name, "w")
        assert done.status in (1, 2)
        assert done.err.count("\n") == 1
        assert "not an HDF5 file, or it is damaged" in done.err
    with h5py.File("w.h5", "w"):
        pass
    assert "does not appear to be a SpikeLab workspace" in command("ls", "w").err


def test_a_package_is_a_data_set(command, saved):
    saved.save("results", format="package")
    assert "D0." in command("ls", "results").out
    assert command("verify", "results").status == 0
