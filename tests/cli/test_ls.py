import os

import numpy
import pytest

from persist.dataset import DataSet


@pytest.fixture
def dataset(command):
    dataset = DataSet("results", "w")
    dataset.rates = numpy.zeros((20, 30), "f4")
    dataset["rates"] = {"unit": "Hz", "peak": float("nan")}
    dataset.fit = {"slope": 0.5}
    dataset["note"] = "only\nan info"
    inner = dataset._namespace("D0")
    inner.sttc = [1, 2]
    inner._namespace("deep").x = 1
    dataset._namespace("empty")
    return dataset


def rows(done):
    head, *lines = done.out.splitlines()
    starts = [
        head.index(name) for name in ("key", "type", "shape", "dtype", "size", "written", "info")
    ]
    ends = [*starts[1:], None]
    return [
        [line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines
    ]


def test_keys_are_listed_with_what_is_known_of_them(command, dataset):
    done = command("ls", "results")
    assert done.status == 0
    namespace, empty, fit, note, rates = rows(done)
    assert namespace == ["D0.", "namespace", "", "", "", "", ""]
    assert empty[0] == "empty."
    assert fit[:4] == ["fit", "dict", "", ""]
    assert note == ["note", "", "", "", "", "", "only an info"]
    assert rates[:4] == ["rates", "numpy.ndarray", "(20, 30)", "<f4"]
    assert rates[4].endswith("KiB")
    assert rates[5] == dataset._manifest["rates"].written
    assert rates[6] == "unit='Hz', peak=nan"


def test_namespaces_are_opened_with_all(command, dataset):
    keys = [row[0] for row in rows(command("ls", "results", "--all"))]
    assert keys == ["D0.", "D0.deep.", "D0.deep.x", "D0.sttc", "empty.", "fit", "note", "rates"]


def test_a_namespace_is_a_data_set(command, dataset):
    assert [row[0] for row in rows(command("ls", "results/D0"))] == ["deep.", "sttc"]


def test_values_are_not_loaded(command, dataset):
    with open("results/fit.py", "w") as file:
        file.write("raise SystemExit('loaded')")
    assert command("ls", "results", "--all").status == 0


def test_json_has_all_of_it(command, dataset):
    document = command("ls", "results", "--json", "--all").document
    assert document["namespaces"] == ["D0", "D0.deep", "empty"]
    keys = {key["key"]: key for key in document["keys"]}
    assert list(keys) == ["D0.deep.x", "D0.sttc", "fit", "note", "rates"]
    rates = keys["rates"]
    assert rates == {
        "key": "rates",
        "type": "numpy.ndarray",
        "shape": [20, 30],
        "dtype": "<f4",
        "size": dataset._manifest["rates"].size,
        "written": dataset._manifest["rates"].written,
        "info": {"unit": "Hz", "peak": "NaN"},
    }
    assert (keys["fit"]["type"], keys["fit"]["shape"]) == ("builtins.dict", None)


def test_json_without_all_has_the_names_of_namespaces(command, dataset):
    document = command("ls", "results", "--json").document
    assert document["namespaces"] == ["D0", "empty"]
    assert [key["key"] for key in document["keys"]] == ["fit", "note", "rates"]


@pytest.mark.parametrize("path", ["results/", "./results", "../{folder}/results"])
def test_the_path_may_be_any(command, dataset, tmp_path, path):
    assert command("ls", path.format(folder=tmp_path.name)).status == 0
    assert command("ls", str(tmp_path / path.format(folder=tmp_path.name))).status == 0


def test_the_data_set_may_be_where_one_is(command, dataset, monkeypatch):
    monkeypatch.chdir("results")
    assert rows(command("ls", "."))[0][0] == "D0."


def test_an_empty_data_set_has_no_keys(command):
    DataSet("results", "w")
    assert command("ls", "results") == (0, "no keys\n", "")
    assert command("ls", "results", "--json").document == {"keys": [], "namespaces": []}


def test_a_data_set_of_an_older_release_is_listed(command, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "_this_dir_is_a_DataSet").touch()
    (folder / "__init__.py").write_text("_info_dict = {'a': 'an info'}\n")
    (folder / "a.py").write_text("import sys\na = 1\nsys.modules[__name__] = a")
    assert rows(command("ls", "old")) == [["a", "", "", "", "", "", "an info"]]


def test_an_info_that_cannot_be_loaded_is_told(command, dataset, tmp_path, monkeypatch):
    (tmp_path / "shapes.py").write_text("class Point: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shapes

    dataset["fit"] = shapes.Point()
    monkeypatch.delitem(__import__("sys").modules, "shapes")
    (tmp_path / "shapes.py").unlink()
    found = {row[0]: row[6] for row in rows(command("ls", "results"))}
    assert found["fit"].startswith("<cannot be loaded: UntrustedError")
    assert found["rates"] == "unit='Hz', peak=nan"


@pytest.mark.parametrize("name", ["ls", "verify", "report", "repair", "runs"])
def test_a_file_that_may_not_be_read_is_named(command, name):
    with open("x.h5", "w"):
        os.chmod("x.h5", 0)
    if os.access("x.h5", os.R_OK):
        pytest.skip("root and Windows read everything")
    done = command(name, "x.h5")
    assert (done.status, done.err) == (2, "persist: x.h5: Permission denied\n")


def test_what_json_cannot_hold_is_shown_as_text(command):
    long = 10**5000
    dataset = DataSet("results", "w")
    dataset["x"], dataset["y"] = {1: "a", "1": "b"}, long
    dataset.z = [long]
    shown = ["{1: 'a', '1': 'b'}", f"{hex(long)[:100]}...{hex(long)[-97:]}", None]
    keys = command("ls", "results", "--json").document["keys"]
    assert [key["info"] for key in keys] == shown
    assert "value" not in command("show", "results", "z", "--json").document
    assert f"[{hex(long)[:60]}" in command("show", "results", "z").out


def test_a_deep_info_hides_no_key(command):
    dataset = DataSet("results", "w")
    deep = []
    for _ in range(600):
        deep = [deep]
    dataset.y = dataset["x"] = deep
    keys = command("ls", "results", "--json").document["keys"]
    assert [key["key"] for key in keys] == ["x", "y"]
    assert "value" not in command("show", "results", "y", "--json").document
