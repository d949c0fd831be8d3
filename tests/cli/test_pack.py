import gc
import json
import os
import weakref

import h5py
import numpy
import pytest

from persist.cli.sources.npz import NpzSource
from persist.dataset import DataSet, verify
from persist.names import spelled_name


def keys(folder="results"):
    return DataSet(folder)._keys() if os.path.exists(folder) else None


@pytest.fixture
def files(command):
    """Make one file of each format that needs nothing but numpy and h5py."""
    numpy.savez("spikes.npz", times=numpy.arange(500) / 2, ids=numpy.arange(3))
    numpy.save("2nd run.npy", numpy.zeros((20, 30), "f4"))
    with h5py.File("raw.h5", "w") as file:
        file["D0/signal"] = numpy.arange(1000.0)
        file["D0/signal"].attrs["unit"] = "mV"
        file["rate"] = 250
    with open("trials.csv", "w") as file:
        file.write("trial,kind\n1,go\n2,stop\n")
    with open("meta.json", "w") as file:
        json.dump({"subject": "s07", "blocks": [1, 2]}, file)
    return ["spikes.npz", "2nd run.npy", "raw.h5", "trials.csv", "meta.json"]


def test_all_files_become_one_data_set(command, files):
    done = command("pack", "results", *files)
    assert done == (0, "9 keys stored\n", "")
    dataset = DataSet("results")
    assert dataset._keys() == sorted(
        [
            "times",
            "ids",
            "named_2nd_20_run",
            "D0_signal",
            "rate",
            "trial",
            "kind",
            "subject",
            "blocks",
        ]
    )
    numpy.testing.assert_array_equal(dataset.times, numpy.arange(500) / 2)
    numpy.testing.assert_array_equal(dataset.D0_signal, numpy.arange(1000.0))
    assert (dataset.named_2nd_20_run.shape, dataset.named_2nd_20_run.dtype) == ((20, 30), "f4")
    assert (dataset.rate, dataset.subject, dataset.blocks) == (250, "s07", [1, 2])
    assert (dataset.trial.tolist(), dataset.kind.tolist()) == ([1, 2], ["go", "stop"])
    assert type(dataset.times) is type(dataset.named_2nd_20_run) is numpy.ndarray
    assert verify("results").ok


def test_what_was_mapped_can_be_changed_when_it_is_read(command, files):
    command("pack", "results", *files)
    assert DataSet("results").named_2nd_20_run.flags.writeable


def test_infos_tell_where_values_came_from(command, files, tmp_path):
    command("pack", "results", *(str(tmp_path / file) for file in files))
    dataset = DataSet("results")
    assert dataset["times"] == {"source": "spikes.npz", "name": "times"}
    assert dataset["named_2nd_20_run"] == {"source": "2nd run.npy", "name": "2nd run"}
    assert dataset["D0_signal"] == {
        "source": "raw.h5",
        "name": "D0/signal",
        "attributes": {"unit": "mV"},
    }
    assert dataset["kind"] == {"source": "trials.csv", "name": "kind"}


def test_no_path_gets_into_the_data_set(command, files, tmp_path):
    command("pack", "results", *(str(tmp_path / file) for file in files))
    for folder, _, names in os.walk("results"):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert os.fsencode(tmp_path) not in file.read()


def test_mat_files_are_packed(command):
    matlab = pytest.importorskip("scipy.io")
    matlab.savemat("x.mat", {"rate": 250.0, "unit": "mV", "opts": {"on": True}})
    assert command("pack", "results", "x.mat").status == 0
    dataset = DataSet("results")
    assert (dataset.rate.tolist(), dataset.unit, dataset.opts) == ([[250.0]], "mV", {"on": True})


def test_a_run_extends_a_data_set(command, files):
    command("pack", "results", "meta.json")
    assert command("pack", "results", "trials.csv").status == 0
    assert keys() == ["blocks", "kind", "subject", "trial"]


def test_a_run_is_one_commit(command, files):
    command("pack", "results", "meta.json")
    with open("results/_manifest.jsonl") as file:
        before = file.read()
    command("pack", "results", "spikes.npz", "trials.csv")
    with open("results/_manifest.jsonl") as file:
        after = file.read()
    assert after.startswith(before)
    assert after[len(before) :].count("\n") == 1


def test_existing_keys_are_not_replaced(command, files):
    command("pack", "results", "meta.json")
    with open("meta.json", "w") as file:
        json.dump({"other": 1, "subject": "s08"}, file)
    done = command("pack", "results", "meta.json")
    assert done.status == 2
    assert done.err == (
        "persist: cannot pack 'subject' of meta.json: it makes the key subject, which exists "
        "already; replace it with --replace, or choose other names with --prefix or --namespace\n"
    )
    assert keys() == ["blocks", "subject"]
    assert command("pack", "results", "meta.json", "--replace").status == 0
    assert DataSet("results").subject == "s08"
    assert keys() == ["blocks", "other", "subject"]


def test_no_two_names_make_one_key(command):
    names = ["x:y", "x y", "sub-01", "größe", "_id", "class", "NameError", "named_x", "2nd"]
    with open("a.json", "w") as file:
        json.dump({name: number for number, name in enumerate(names)}, file)
    assert command("pack", "results", "a.json").status == 0
    dataset = DataSet("results")
    found = {spelled_name(key): getattr(dataset, key) for key in keys()}
    assert found == {name: number for number, name in enumerate(names)}


def test_one_name_in_two_files_is_refused_before_anything_is_written(command):
    for name in ("a.json", "b.json"):
        with open(name, "w") as file:
            json.dump({"x/y": 1}, file)
    done = command("pack", "results", "a.json", "b.json")
    assert done.status == 2
    assert done.err.startswith(
        "persist: cannot pack 'x/y' of b.json: it makes the key x_y, as 'x/y' of a.json does"
    )
    assert "--prefix" in done.err
    assert keys() is None


def test_a_prefix_stands_before_each_name(command, files):
    command("pack", "results", "2nd run.npy", "meta.json", "--prefix", "s07_")
    assert keys() == ["named_s07__2nd_20_run", "s07_blocks", "s07_subject"]
    assert DataSet("results")["s07_blocks"]["name"] == "blocks"


def test_a_namespace_gets_the_keys(command, files):
    command("pack", "results", "meta.json")
    done = command("pack", "results", "meta.json", "--namespace", "s07.second", "--json")
    assert [key["key"] for key in done.document["keys"]] == [
        "s07.second.subject",
        "s07.second.blocks",
    ]
    dataset = DataSet("results")
    assert dataset._keys() == ["blocks", "subject"]
    assert dataset._namespace("s07")._namespace("second").subject == "s07"


def test_a_key_cannot_have_the_name_of_a_namespace(command, files):
    DataSet("results", "w")._namespace("subject")
    done = command("pack", "results", "meta.json", "--replace")
    assert done.status == 2
    assert "a namespace has that name" in done.err
    assert keys() == []


@pytest.mark.parametrize("name", ["meta", "a/b", "class", "x..y", "../x"])
def test_a_namespace_needs_a_name(command, files, name):
    DataSet("results", "w").meta = 1
    assert command("pack", "results", "trials.csv", "--namespace", name).status == 2
    assert keys() == ["meta"]


def test_json_tells_what_was_stored(command, files):
    document = command("pack", "results", "spikes.npz", "meta.json", "--json").document
    times, ids, subject, blocks = document["keys"]
    assert (times["key"], times["type"], times["shape"]) == ("times", "numpy.ndarray", [500])
    assert (times["dtype"], ids["dtype"], subject["dtype"]) == ("<f8", "<i8", None)
    assert blocks["info"] == {"source": "meta.json", "name": "blocks"}
    assert (subject["type"], subject["shape"]) == ("builtins.str", None)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--format", "npz"], "data_times.npz"),
        (["--format", "hdf5"], "data_times.hd5"),
        (["--format", "zarr"], "data_times.zarr.zip"),
        (["--threshold", "500"], None),
        ([], "data_times"),
    ],
)
def test_options_say_how_arrays_are_stored(command, files, options, name):
    if "zarr" in options:
        pytest.importorskip("zarr")
    command("pack", "results", "spikes.npz", *options)
    assert [found for found in os.listdir("results") if found.startswith("data_")] == (
        [name] if name else []
    )


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_hdf5_can_be_compressed(command, files, compression):
    options = ["--format", "hdf5", "--compression", compression]
    assert command("pack", "results", "2nd run.npy", *options).status == 0
    with h5py.File("results/data_named_2nd_20_run.hd5") as file:
        assert [dataset.compression for dataset in file.values()] == [compression]


def test_only_hdf5_is_compressed(command, files):
    done = command("pack", "results", "meta.json", "--compression", "gzip")
    assert (done.status, done.err) == (2, "persist: --compression needs --format hdf5\n")
    assert keys() is None


def test_provenance_is_recorded_if_asked_for(command, files):
    command("pack", "results", "meta.json", "--provenance")
    assert DataSet("results")._manifest["subject"].provenance
    command("pack", "results", "trials.csv")
    assert DataSet("results")._manifest["trial"].provenance is None


def test_what_cannot_be_packed_is_named_and_can_be_skipped(command):
    with h5py.File("x.h5", "w") as file:
        file["a"] = 1
        file["refs/b"] = file["a"].ref
    done = command("pack", "results", "x.h5")
    assert done.status == 2
    assert done.err == (
        "persist: cannot pack 'refs/b' of x.h5: it holds references to other objects of the "
        "file; leave it out with --skip\n"
    )
    assert keys() is None
    assert command("pack", "results", "x.h5", "--skip", "refs/*") == (0, "1 key stored\n", "")
    assert keys() == ["a"]


def test_a_pipe_is_refused_without_waiting_for_a_writer(command):
    os.mkfifo("pipe")
    done = command("pack", "results", "pipe")
    assert done.status == 2
    assert done.err.startswith("persist: cannot pack pipe: its extension is not that of a format")


def test_a_folder_without_files_is_not_said_to_be_skipped(command):
    os.mkdir("empty")
    assert command("pack", "results", "empty").err == (
        "persist: cannot pack: nothing is left, as no file is in the folders\n"
    )


def test_something_has_to_be_left(command, files):
    assert command("pack", "results", "meta.json", "--skip", "*").err == (
        "persist: cannot pack: nothing is left, as all names are skipped\n"
    )
    assert keys() is None


def test_object_arrays_are_refused(command):
    numpy.savez("x.npz", a=1, b=numpy.array([{}], object))
    done = command("pack", "results", "x.npz")
    assert done.status == 2
    assert done.err.startswith("persist: cannot pack 'b' of x.npz: ")
    assert keys() is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"a,b\n1\n", "x.csv: line 2 has 1 cells"),
        (
            "x.csv",
            b"a\n\xff\n",
            "x.csv: it is not in UTF-8; save it as that (invalid start byte at",
        ),
        ("x.json", b'"\xff"', "x.json: it is not in UTF-8; save it as that (invalid start byte at"),
        ("x.json", b"{", "x.json: Expecting"),
        ("x.json", b"{}", "x.json: there is nothing in it to pack"),
        ("x.npz", b"", "x.npz: damaged, or no npz file"),
        ("x.h5", b"", "x.h5: "),
        ("x.txt", b"", "x.txt: its extension is not that of a format"),
        ("x.json", b'{"%s": 1}' % (b"x" * 300), ""),
    ],
)
def test_a_file_that_cannot_be_packed_is_one_line(command, files, name, content, message):
    with open(name, "wb") as file:
        file.write(content)
    done = command("pack", "results", "meta.json", name)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("persist: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert keys() is None


def test_a_missing_file_is_named(command):
    assert (
        command("pack", "results", "x.npz").err
        == "persist: cannot pack x.npz: No such file or directory\n"
    )


def test_a_failure_while_loading_leaves_the_data_set_as_it_was(command, files):
    command("pack", "results", "meta.json")
    with open("spikes.npz", "rb+") as file:
        file.seek(2000)
        file.write(b"\xff" * 8)
    done = command("pack", "results", "2nd run.npy", "spikes.npz", "trials.csv")
    assert done.status == 2
    assert done.err.startswith("persist: cannot pack 'times' of spikes.npz: damaged")
    assert keys() == ["blocks", "subject"]
    report = verify("results")
    assert (report.ok, report.unfinished) == (True, ())


@pytest.mark.cases(0)
def test_values_are_loaded_one_at_a_time(command, monkeypatch):
    numpy.savez("x.npz", **{f"x{number}": numpy.full(500, number) for number in range(5)})
    arrays, alive = [], []
    load = NpzSource.load

    def watch(self, name):
        gc.collect()
        alive.append(sum(array() is not None for array in arrays))
        loaded = load(self, name)
        arrays.append(weakref.ref(loaded.value))
        return loaded

    monkeypatch.setattr(NpzSource, "load", watch)
    assert command("pack", "results", "x.npz").status == 0
    assert alive == [0, 0, 0, 0, 0]


def test_a_folder_that_is_no_data_set_is_left_alone(command, files):
    os.mkdir("results")
    done = command("pack", "results", "meta.json")
    assert done.status == 2
    assert "it is not a data set" in done.err
    assert os.listdir("results") == []


def test_lines_of_json_are_a_list(command):
    with open("runs.jsonl", "w") as file:
        file.write('{"a": 1}\n{"a": 2}\n')
    assert command("pack", "results", "runs.jsonl").status == 0
    assert DataSet("results").runs == [{"a": 1}, {"a": 2}]


def test_a_damaged_line_of_json_lines_is_named(command):
    for text, reason in [('{"a": 1}\n\n{"a"\n', "line 3, column 5: Expecting"), ("\n", "is empty")]:
        with open("cut.jsonl", "w") as file:
            file.write(text)
        done = command("pack", "results", "cut.jsonl")
        assert done.status == 2
        assert f"cut.jsonl: {'it ' if 'empty' in reason else ''}{reason}" in done.err
        assert not os.path.exists("results")


def test_the_index_of_a_table_that_pandas_wrote_has_a_name(command):
    with open("t.csv", "w") as file:
        file.write(",rate\n0,1.5\n1,2.5\n")
    assert command("pack", "results", "t.csv").status == 0
    assert DataSet("results")._keys() == ["index", "rate"]


def test_a_failed_pack_leaves_nothing_behind(command):
    with open("good.csv", "w") as file:
        file.write("a,b\n1,2\n")
    with open("bad.mat", "wb") as file:
        file.write(b"MATLAB 5.0 MAT-file" + b"\0" * 500)
    pytest.importorskip("scipy")
    done = command("pack", "results", "good.csv", "bad.mat")
    assert done.status == 2
    assert "bad.mat" in done.err
    assert not os.path.exists("results")


def test_a_missing_file_is_not_one_of_an_unknown_format(command):
    done = command("pack", "out", "nowhere")
    assert done.err == "persist: cannot pack nowhere: there is nothing at that path\n"
