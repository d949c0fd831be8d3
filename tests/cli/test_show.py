import sys

import numpy
import pytest

from persist.cli.values import shown_array
from persist.dataset import DataSet


@pytest.fixture
def dataset(command):
    dataset = DataSet("results", "w")
    dataset.rates = numpy.arange(600.0).reshape(20, 30)
    dataset["rates"] = {"unit": "Hz", "peak": float("nan")}
    dataset.fit = {"slope": 0.5, "at": [float("inf"), None]}
    dataset._namespace("D0").sttc = [1, 2]
    return dataset


def parts(done):
    """Return the lines of the description, and the value."""
    description, value = done.out.split("\n\n", 1)
    return [line.split(maxsplit=1) for line in description.splitlines()], value.rstrip("\n")


def test_an_array_is_shown_by_its_edges(command, dataset):
    done = command("show", "results", "rates")
    description, value = parts(done)
    found = {label: text for label, text in description if label.endswith(":")}
    assert done.status == 0
    assert list(found) == [
        "key:",
        "type:",
        "shape:",
        "dtype:",
        "size:",
        "files:",
        "written:",
        "info:",
    ]
    assert (found["shape:"], found["dtype:"]) == ("(20, 30)", "<f8")
    assert found["info:"] == "{'unit': 'Hz', 'peak': nan}"
    assert value == numpy.array2string(
        dataset.rates, threshold=0, separator=", ", max_line_width=88
    )


def test_every_file_is_named(command, dataset):
    out = command("show", "results", "rates").out
    assert all(path in out for path in dataset._manifest["rates"].files)


def test_other_values_are_shown_whole(command, dataset):
    _, value = parts(command("show", "results", "fit"))
    assert value == "{'slope': 0.5, 'at': [inf, None]}"


def test_dots_lead_into_namespaces(command, dataset):
    description, value = parts(command("show", "results", "D0.sttc"))
    assert description[0] == ["key:", "D0.sttc"]
    assert value == "[1, 2]"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("nothing", "no such key: nothing"),
        ("D0.nothing", "no such key: D0.nothing"),
        ("D1.x", "no such namespace: D1"),
        ("D0.inner.x", "no such namespace: D0.inner"),
        ("D0", "D0 is a namespace"),
        ("../x", "no such namespace"),
    ],
)
def test_what_there_is_not_is_an_error(command, dataset, key, message):
    done = command("show", "results", key)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"persist: {message}")


def test_json_has_small_values(command, dataset):
    document = command("show", "results", "fit", "--json").document
    assert document["value"] == {"slope": 0.5, "at": ["Infinity", None]}
    assert document["files"] == {
        path: record.size for path, record in dataset._manifest["fit"].files.items()
    }
    assert (document["key"], document["type"], document["provenance"]) == (
        "fit",
        "builtins.dict",
        None,
    )


@pytest.mark.parametrize(
    "value",
    [numpy.zeros(3), (1, 2), {1: 2}, {1}, list(range(10_000))],
    ids=lambda v: type(v).__name__,
)
def test_json_leaves_other_values_out(command, dataset, value):
    dataset.x = value
    document = command("show", "results", "x", "--json").document
    assert "value" not in document
    assert document["key"] == "x"


def test_provenance_is_shown(command):
    dataset = DataSet("results", "w", provenance=True)
    dataset.x = 1
    assert "provenance:" in command("show", "results", "x").out
    provenance = command("show", "results", "x", "--json").document["provenance"]
    assert provenance == dataset._manifest["x"].provenance


def test_a_key_with_an_info_only_is_shown(command, dataset):
    dataset["note"] = "later"
    description, value = parts(command("show", "results", "note"))
    assert (dict(description)["info:"], value) == ("later", "None")


def test_a_value_that_was_edited_is_shown(command, dataset):
    with open("results/rates.py", "a") as file:
        file.write("\n# edited\n")
    _, value = parts(command("show", "results", "rates"))
    assert value == shown_array(dataset.rates)


def test_a_value_that_cannot_be_loaded_is_described(command, dataset, tmp_path, monkeypatch):
    (tmp_path / "shapes.py").write_text("class Point: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shapes

    dataset.x = shapes.Point()
    monkeypatch.delitem(sys.modules, "shapes")
    (tmp_path / "shapes.py").unlink()
    done = command("show", "results", "x")
    assert done.status == 2
    assert "shapes.Point" in done.out
    assert "give --trust shapes.Point" in done.err
    done = command("show", "results", "x", "--trust-all")
    assert "cannot be loaded: ModuleNotFoundError: No module named 'shapes'" in done.err
    done = command("show", "results", "x", "--trust", "shapes.Point")
    assert "cannot find shapes.Point" in done.err


@pytest.mark.parametrize("options", [{}, {"data_format": "npz"}, {"data_format": "hdf5"}])
def test_arrays_of_every_format_are_shown(command, options):
    array = numpy.arange(600.0).reshape(20, 30)
    DataSet("results", "w", **options).x = array
    _, value = parts(command("show", "results", "x"))
    assert value == shown_array(array)


def test_a_compressed_array_is_shown_by_its_edges(command):
    array = numpy.arange(60_000.0).reshape(20, 3000)
    DataSet("results", "w", data_format="hdf5", compression="gzip").x = array
    _, value = parts(command("show", "results", "x"))
    assert value == shown_array(array)
