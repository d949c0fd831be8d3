"""What each class of persist shows in a notebook; nothing that is shown is run."""

import xml.etree.ElementTree as ElementTree

import numpy
import pytest

import persist
from persist.dataset.view import source_text
from persist.experiment import Design, Storage, WorkingDataset, storage_to_hdf5

EVIL = "import pathlib\npathlib.Path(__file__).with_name('marker').touch()\n"


def parsed(shown):
    return ElementTree.fromstring(shown._repr_html_())


def texts(shown, tag):
    return ["".join(one.itertext()) for one in parsed(shown).iter(tag)]


@pytest.fixture(params=["npy", "npz", "hdf5", "compressed"])
def results(request, tmp_path):
    options = {"data_format": request.param}
    if request.param == "compressed":
        options = {"data_format": "hdf5", "compression": "gzip"}
    with persist.open(tmp_path / "results", "w", **options) as found:
        found["x"] = numpy.sin(numpy.arange(1000) / 50)
        found["few"] = numpy.arange(5)
        found["d"] = {"a": 1, "b": numpy.eye(20)}
        found.info["x"] = {"unit": "<mV>"}
        found.group("D0")["rate"] = 2.5
    return persist.open(found.path)


def test_a_data_set_shows_types_pictures_and_source(results):
    tree = parsed(results)
    assert [one.text for one in tree.iter("th")][:5] == ["key", "type", "shape", "dtype", "size"]
    rows = [[*map("".join, map(ElementTree.Element.itertext, row))] for row in tree.iter("tr")]
    assert [row[0] for row in rows if row[0] != "key"] == ["x", "few", "d", "rate"]
    assert rows[1][1:4] == ["numpy.ndarray", "(1000,)", "float64"]
    assert "unit='<mV>'" in rows[1]
    assert len(list(tree.iter("svg"))) == 2
    assert next(pre.text for pre in tree.iter("pre")) == "x = _arrays['array_0']"


def test_a_data_set_is_a_table_in_text(results):
    lines = repr(results).splitlines()
    assert lines[0] == f"<persist results {results.path!r}: 3 keys, mode 'r'>"
    assert lines[1].split()[:3] == ["key", "type", "shape"]
    assert lines[-1].split()[:2] == ["D0.rate", "float"]
    assert persist.DataSet("results", path=f"{results.path}/..")._repr_html_() == (
        persist.open(f"{results.path}/../results")._repr_html_()
    )


def test_nothing_that_is_shown_is_run(results, tmp_path):
    folder = tmp_path / "results"
    for key in ("x", "few", "d"):
        with open(folder / f"{key}.py", "a") as file:
            file.write("\n" + EVIL)
    found = persist.open(folder)
    repr(found)
    found._repr_html_()
    repr(persist.verify(folder))
    assert not (folder / "marker").exists()
    for key in ("x", "few", "d"):
        assert "marker" in source_text(found, key)


def test_what_was_added_to_the_loader_of_arrays_is_shown(tmp_path):
    with persist.open(tmp_path / "results", "w") as found:
        found["x"] = numpy.arange(1000.0)
    file = tmp_path / "results" / "x.py"
    file.write_text(file.read_text().replace("import io", "import io, evil"))
    assert "import io, evil" in source_text(found, "x")


def test_an_info_that_is_not_trusted_is_not_run(tmp_path):
    class_info = pytest.importorskip("argparse").Namespace(a=1)
    with persist.open(tmp_path / "results", "w") as found:
        found["x"] = 1
        found.info["x"] = class_info
    assert "cannot be loaded: UntrustedError" in repr(persist.open(tmp_path / "results"))


def test_a_frame_shows_its_first_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    with persist.open(tmp_path / "results", "w") as found:
        found["frame"] = pandas.DataFrame({"target": ["left", "right"] * 10, "rt": range(20)})
    cells = texts(found, "td")
    assert "left" in cells
    assert "… 15 more" in cells
    assert "first rows" in texts(found, "summary")


def test_damaged_arrays_have_no_picture(tmp_path):
    with persist.open(tmp_path / "results", "w") as found:
        found["x"] = numpy.arange(1000.0)
    (tmp_path / "results" / "data_x" / "array_0.npy").write_bytes(b"\x93NUMPY")
    assert not texts(found, "svg")
    (tmp_path / "results" / "data_x" / "array_0.npy").unlink()
    assert not texts(found, "svg")


def test_many_keys_are_cut(tmp_path):
    with persist.open(tmp_path / "results", "w", durable=False) as found:
        found.update({f"x{n}": n for n in range(1100)})
    assert "… 1040 more" in repr(found)
    html = found._repr_html_()
    assert "… 100 more" in html
    assert len(html) < 1_000_000


def test_an_archive_shows_its_names_and_source():
    archive = persist.Archive(scoped=False)
    archive.insert(x=numpy.arange(30.0), blocks=[1, "<b>"])
    assert texts(archive, "td")[1:5] == ["x", "numpy.ndarray", "(30,)", "float64"]
    assert texts(archive, "svg")
    assert "blocks = [1, '<b>']" in texts(archive, "pre")[0]
    assert repr(archive) == str(archive)


def test_an_archive_that_cannot_be_written_is_shown():
    archive = persist.Archive()
    archive.insert(x=(one for one in ()))
    assert "cannot be written" in texts(archive, "pre")[0]


def test_reports_show_what_they_found(tmp_path):
    for name, value in (("old", 1), ("new", 2)):
        with persist.open(tmp_path / name, "w") as found:
            found["x"], found[name] = value, None
    changes = persist.diff(tmp_path / "old", tmp_path / "new")
    assert repr(changes).splitlines()[0] == "<diff: 1 added, 1 removed, 1 changed>"
    assert texts(changes, "td")[-5:] == ["x", "changed", "x", "1", "2"]
    assert repr(persist.diff(tmp_path / "old", tmp_path / "old")) == "<diff: same>"
    (tmp_path / "new" / "x.py").write_text("x = 3\n")
    report = persist.verify(tmp_path / "new")
    assert repr(report).splitlines()[0] == "<verify: damaged: 6 files checked, 1 damaged>"
    assert texts(report, "td") == ["damaged", "x.py"]


def test_reports_of_every_kind_have_one_form(tmp_path):
    from persist.exchange.packages import PackageReport
    from persist.tracking.maintenance import StoreReport
    from persist.workspace.verification import WorkspaceReport

    name = "<b>.joblib"
    for report, noun in (
        (StoreReport((), (name,), 3), "files"),
        (WorkspaceReport((name,), 3), "items"),
        (PackageReport(3, damaged=[name]), "files"),
    ):
        first, *rows = repr(report).splitlines()
        assert first == f"<verify: damaged: 3 {noun} checked, 1 damaged>"
        assert name in rows[-1]
        assert texts(report, "td") == ["damaged", name]


@pytest.fixture
def storage(tmp_path):
    found = Storage(tmp_path / "experiment")
    for subject in ("p0", "p1"):
        found.subject_id = subject
        with found.create_task("reach") as writer:
            block = Design().add_block()
            for target in ("left", "right"):
                trial = block.add_trial({"target": target})
                trial.add_array("emg", data=numpy.arange(400.0).reshape(2, 200))
                writer.write(trial)
    return found


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_experiment_shows_its_tasks_and_traces(storage, kind):
    if kind == "file":
        storage = WorkingDataset(storage_to_hdf5(storage.root))
        storage.subject_id = "p1"
    assert "2 subjects, 2 tasks" in repr(storage).splitlines()[0]
    assert repr(storage).splitlines()[-1].split() == (
        ["p1/reach", "2", "target,", "block,", "trial", "emg"]
    )
    assert texts(storage, "summary") == ["p0 (1)", "p1 (1)"]
    assert storage.subject_id == "p1"
    task = storage.require_task("reach")
    assert "2 trials; arrays: emg" in repr(task).splitlines()[0]
    assert len(texts(task, "svg")) == 2
