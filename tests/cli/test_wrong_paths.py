"""What commands say of paths that are something else than they take."""

import os
from pathlib import Path

import pytest

from persist import AnalysisWorkspace, DataSet
from persist.exchange.bag import write_bag
from persist.exchange.crate import write_crate
from tests.experiment.samples import make_storage


@pytest.fixture
def places(command):
    """Make a data set, a workspace, a storage, packages and other things in the present folder."""
    DataSet("results", "w").x = 1
    workspace = AnalysisWorkspace()
    workspace.store("D0", "x", 1)
    workspace.save("w")
    make_storage(Path("experiment"))
    write_bag("results", "bag")
    write_crate("results", "crate", license="CC0-1.0")
    DataSet("unmarked", "w").x = 1
    os.remove("unmarked/_this_dir_is_a_DataSet")
    Path("notes").mkdir()
    Path("notes/todo.txt").write_text("nothing")
    Path("x.csv").write_text("a\n1\n")
    os.symlink("nowhere", "broken")
    return command


UNMARKED = (
    "it is a data set that lacks the file _this_dir_is_a_DataSet; bring that empty file back, or "
    "run: persist repair unmarked"
)
REFUSED = {
    "ls bag": "cannot open bag: it is a BagIt package; name what is in it",
    "ls crate": "cannot open crate: it is an RO-Crate; name what is in it",
    "ls w.json": "cannot open w.json: it is the index of a workspace; name w.h5",
    "ls broken": "cannot open broken: it is a link that leads nowhere",
    "show w": "cannot show w: no KEY given; run persist ls to list keys",
    "show experiment x": "cannot open experiment: it is a storage, not a data set",
    "show results .": "no such namespace: ''",
    "diff results w": "cannot open w: it is a workspace, not a data set",
    "report crate": "cannot report on crate: it is an RO-Crate; name what is in it",
    "report unmarked": f"cannot report on unmarked: {UNMARKED}",
    "push unmarked s3://lab/x": f"cannot push unmarked: {UNMARKED}",
    "verify x.csv": "cannot verify x.csv: it is not a data set, a workspace, a storage or a run "
    "store",
    "zip nowhere": "cannot zip nowhere: there is nothing at that path; name the folder of an "
    "experiment",
    "zip notes": "cannot zip notes: it is not an experiment; name the folder of an experiment",
    "hdf5 x.csv": "cannot convert x.csv: it is not an experiment; name the folder of an experiment",
    "pack r results": "cannot pack results: it is a data set, which needs no packing: copy its "
    "folder",
    "pack r broken": "cannot pack broken: it is a link that leads nowhere",
    "zip crate": "cannot zip crate: it is an RO-Crate, not an experiment; name the folder of one",
    "zip experiment notes": "notes: it is a folder; name a file",
    "import notes --workspace bag": "cannot record in bag: it is a BagIt package; name what is in "
    "it",
    "import sqlite:///mlflow.db": "cannot import sqlite:///mlflow.db: it is a URL; name the folder "
    "mlruns, or the file of the SQLite database",
    "runs http://127.0.0.1:1/x": "cannot open http://127.0.0.1:1/x: a store is a folder or in "
    "PostgreSQL; give one such as postgresql+psycopg://host/database",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_a_path_is_instead_is_named(places, line):
    before = sorted(os.listdir())
    done = places(*line.split())
    assert (done.status, done.err) == (2, f"persist: {REFUSED[line]}\n")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("option", ["--bag", "--crate", "--license", "--workspace"])
def test_an_empty_option_is_misuse(places, option, capsys):
    with pytest.raises(SystemExit) as raised:
        places("export", "results", option, "")
    assert raised.value.code == 2
    assert f"argument {option}: must not be empty" in capsys.readouterr().err


def test_what_is_no_number_is_misuse(places, capsys):
    with pytest.raises(SystemExit):
        places("gc", "--grace", "soon")
    assert "argument --grace: invalid number value: 'soon'" in capsys.readouterr().err


def test_an_experiment_without_trials_is_zipped(command):
    Path("experiment/p0").mkdir(parents=True)
    assert command("zip", "experiment").status == 0


def test_runs_are_not_recorded_where_something_else_is(places):
    pytest.importorskip("duckdb")
    Path("p.json").write_text("[]")
    for name, reason in [("results", "it is a data set"), ("x.csv", "it is a file")]:
        done = places("run", "x.csv", "p.json", "--workspace", name)
        wanted = f"persist: cannot record in {name}: {reason}; name the folder of a run store\n"
        assert (done.status, done.err) == (2, wanted)
    assert not Path("results/store.duckdb").exists()


def test_the_database_of_a_store_stands_for_its_folder(places):
    pytest.importorskip("duckdb")
    from persist.tracking import WorkspaceStore

    WorkspaceStore("runs").close()
    for name in ("runs", "verify", "gc"):
        done = places(name, "runs/store.duckdb")
        assert (done.status, done.err) == (0, "")
    assert places("export", "runs/store.duckdb", "--bag", "of_runs").status == 0
    assert places("verify", "of_runs").status == 0


def test_a_page_is_written_into_a_new_folder(places):
    pytest.importorskip("jinja2")
    assert places("report", "results", "-o", "pages/of/results.html").status == 0
    assert os.listdir("pages/of") == ["results.html"]


def test_one_document_is_printed_for_each_path_that_is_named_twice(places):
    document = places("verify", "results", "results", "--json").document
    assert list(document) == ["ok", "paths"]


def test_a_url_without_a_password_is_shown_before_one_with_a_user(places):
    done = places("runs", "http://x")
    assert done.err.startswith("persist: cannot open http://x: a store is a folder")


def test_a_link_to_itself_hides_nothing_beside_it(places):
    for folder in ("experiment", "experiment/p0", "notes"):
        os.symlink("loop", f"{folder}/loop")
    tasks = places("ls", "experiment", "--json").document["tasks"]
    assert len(tasks) == 4
    assert places("verify", "experiment").status == 0
    assert places("show", "notes").err.startswith("persist: cannot show notes: ")
