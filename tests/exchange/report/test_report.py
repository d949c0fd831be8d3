"""Pages: complete, escaped, bounded, and written without running what they show."""

import builtins
import html.parser
import os
import re
import warnings

import numpy
import pytest

import persist
from persist.cli import main
from persist.errors import MissingExtraError
from persist.exchange.report import ReportError
from persist.exchange.report.highlighting import highlighted
from persist.tracking import WorkspaceStore
from tests.effort import IS_SHORT
from tests.exchange.report import samples

pytest.importorskip("jinja2")
KINDS = ["data set", "workspace", "experiment", "store", "difference"]


class Page(html.parser.HTMLParser):
    """Checks that tags are closed in order; collects what a page refers to, and its text."""

    VOID = frozenset(["meta", "input", "br", "path", "circle", "rect", "image", "polyline", "link"])

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.references, self.scripts, self.texts = [], [], [], 0, []
        with open(path, encoding="utf-8") as file:
            self.source = file.read()
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        for name, value in attributes:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "action", "srcset", "data"):
                self.references.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag
            if tag != "b":
                self.texts.append(" ")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    pytest.importorskip("duckdb")
    return samples.make_pages(tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_complete_and_escaped(pages, kind):
    page = Page(pages[kind])
    assert page.source.startswith("<!doctype html>\n")
    # One script is that of the page itself: none comes out of the data.
    assert page.scripts == 1
    for reference in page.references:
        assert reference.startswith(("data:image/png;base64,", "#"))
        assert reference[0] != "#" or reference[1:] in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\(|@import|https?://", page.source)
    assert "default-src 'none'" in page.source


def test_a_data_set_has_source_beside_pictures_and_provenance(pages):
    page = Page(pages["data set"])
    for text in ("trace = _arrays['array_0']", "'gain': 1.0", "unit='<mV>'", "inner.rate"):
        assert text in page.text
    for text in ("Provenance", "Python", "numpy"):
        assert text in page.text
    assert page.source.count("class='persist-thumb'") == 4
    assert page.source.count("<figure>") == 4


def test_a_workspace_has_pictures_and_values(pages):
    page = Page(pages["workspace"])
    assert "{'bin': 5, 'text': '</script><b>'}" in page.text
    assert "Hz & <b>" in page.text
    assert page.source.count("class='persist-thumb'") == 4


def test_an_experiment_has_subjects_by_tasks_and_traces(pages):
    page = Page(pages["experiment"])
    assert page.text.count("2 trials") == 4
    assert "<b>right" in page.text
    # Four channels, twice, of two subjects; and one of the other array.
    assert page.source.count("<polyline") == 2 * 2 * (4 + 1)
    # In the title and in the caption of each picture.
    assert page.text.count("video, trial") == 2 * 4


def test_a_store_has_a_ranking_and_plots_by_kind_of_model(pages):
    page = Page(pages["store"])
    for text in ("Ridge", "Lasso", "Tree", "ValueError: <b>", "first <b>"):
        assert text in page.text
    titles = ("Scores by fold", "Predicted and true", "Residuals", "Confusion matrix")
    # "Predicted and true" is in the title and in the caption of two plots.
    assert [page.text.count(title) for title in titles[:2]] == [3, 4]
    assert "Confusion matrix of Tree" in page.source
    assert "Confusion matrix of Ridge" not in page.source


def test_a_difference_has_each_change(pages):
    page = Page(pages["difference"])
    for text in ("params['gain'] 1.0 2.0", "Added added", "Removed few"):
        assert text in page.text


def test_an_experiment_in_one_file_has_the_same_page(tmp_path):
    from persist.experiment import storage_to_hdf5

    folder = samples.make_experiment(tmp_path / "experiment")
    file = storage_to_hdf5(folder, tmp_path / "experiment.hdf5")
    found = [persist.report(path, tmp_path / "page.html", title="x") for path in (folder, file)]
    assert found[0] == found[1] == str(tmp_path / "page.html")
    assert "2 trials" in Page(found[1]).text


@pytest.mark.parametrize("name", ["ws", "ws.h5"])
def test_a_workspace_is_found_without_its_extension(tmp_path, name):
    samples.make_workspace(tmp_path / "ws")
    assert "workspace" in Page(persist.report(tmp_path / name, tmp_path / "page.html")).text


def test_a_store_is_found_by_its_database(tmp_path):
    pytest.importorskip("duckdb")
    folder = samples.make_store(tmp_path / "store")
    page = Page(persist.report(folder / "store.duckdb", tmp_path / "page.html"))
    assert "Ranking" in page.text


def test_nothing_that_is_shown_is_run(tmp_path):
    folder = samples.make_data_set(tmp_path / "results")
    samples.make_data_set(tmp_path / "other", 2.0)
    marker = tmp_path / "marker"
    evil = f"open({str(marker)!r}, 'w').close()\n"
    for key in ("trace", "params", "few"):
        path = folder / f"{key}.py"
        path.write_text(evil + path.read_text())
    page = Page(persist.report(folder, tmp_path / "page.html"))
    assert str(marker) in page.text
    output = str(tmp_path / "diff.html")
    assert main(["diff", str(folder), str(tmp_path / "other"), "--html", "-o", output]) == 2
    assert not marker.exists()


def test_damaged_values_do_not_hide_the_others(tmp_path):
    folder = samples.make_data_set(tmp_path / "results")
    (folder / "data_trace" / "array_0.npy").write_bytes(b"damaged")
    (folder / "params.py").unlink()
    page = Page(persist.report(folder, tmp_path / "page.html"))
    assert page.source.count("class='persist-thumb'") == 3
    assert "params" in page.text


def test_a_damaged_run_does_not_hide_the_others(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    folder = samples.make_store(tmp_path / "store")
    with duckdb.connect(folder / "store.duckdb") as connection:
        connection.execute('UPDATE runs SET config = \'{"source": "gone"}\'')
    page = Page(persist.report(folder, tmp_path / "page.html"))
    assert "first <b>" in page.text
    assert "Confusion matrix" in page.text


def test_thousands_of_keys_fit_into_a_page(tmp_path):
    keys = 2500 if IS_SHORT else 10_000
    with persist.open(tmp_path / "results", "w", durable=False, array_threshold=1000) as results:
        wave = numpy.sin(numpy.arange(40))
        results.update(
            {f"k{n}": wave + n if n % 4 else {"n": n, "text": ["x"] * 20} for n in range(keys)}
        )
    path = persist.report(tmp_path / "results", tmp_path / "page.html")
    assert os.path.getsize(path) < 20_000_000
    with open(path, encoding="utf-8") as file:
        source = file.read()
    assert source.count('<tbody class="item">') == keys
    assert "pictures and sources are left out" in source


@pytest.mark.parametrize("make", [None, "file", "folder"])
def test_what_has_no_page_is_refused(tmp_path, make):
    path = tmp_path / "x"
    if make == "file":
        path.write_text("x")
    elif make == "folder":
        path.mkdir()
        (path / "notes.txt").write_text("x")
    with pytest.raises(ReportError, match=r"cannot report on .*x: .*; name the folder or file"):
        persist.report(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_an_empty_data_set_has_a_page(tmp_path):
    persist.open(tmp_path / "results", "w").close()
    page = Page(persist.report(tmp_path / "results", tmp_path / "page.html"))
    assert "This data set has no keys." in page.text


def test_without_jinja_the_extra_is_named(tmp_path, monkeypatch):
    folder = samples.make_data_set(tmp_path / "results")
    real = builtins.__import__

    def lacking(name, *args):
        if name == "jinja2":
            raise ModuleNotFoundError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MissingExtraError, match=r"persist\[report\]"):
        persist.report(folder, tmp_path / "page.html")


def test_the_same_data_have_the_same_page(tmp_path):
    folder = samples.make_data_set(tmp_path / "results")
    pages = [persist.report(folder, tmp_path / f"{number}.html") for number in range(2)]
    assert Page(pages[0]).source == Page(pages[1]).source


def test_the_command_line_writes_pages(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    samples.make_data_set(tmp_path / "old")
    samples.make_data_set(tmp_path / "new", 2.0)
    assert main(["report", "old", "-o", "page.html", "--title", "A <title>"]) == 0
    assert capsys.readouterr().out == "wrote page.html\n"
    assert "A <title>" in Page(tmp_path / "page.html").text
    assert main(["diff", "old", "new", "--html"]) == 1
    assert capsys.readouterr().out == "wrote diff.html\n"
    assert "params['gain']" in Page(tmp_path / "diff.html").text
    assert main(["report", "missing"]) == 2
    assert capsys.readouterr().err.startswith("persist: cannot report on missing: ")


@pytest.mark.parametrize("name", ["report", "diff"])
def test_the_help_has_an_example(name, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert f"persist {name} " in capsys.readouterr().out.partition("example")[2]


def test_tokens_of_source_are_marked():
    text = highlighted("x = {'a': 1.5, \"b\": None}  # <c>\ndef f(n2): return n2")
    assert re.findall("<b class=(.)>(.*?)</b>", text) == [
        *(("s", "&#x27;a&#x27;"), ("n", "1.5"), ("s", "&quot;b&quot;"), ("k", "None")),
        *(("c", "# &lt;c&gt;"), ("k", "def"), ("k", "return")),
    ]


def test_a_page_is_not_written_in_place_of_a_folder(tmp_path):
    folder = samples.make_data_set(tmp_path / "results")
    with pytest.raises(ReportError, match="it is a folder; name the file of the page"):
        persist.report(folder, tmp_path)


def test_control_characters_of_names_are_escaped(tmp_path):
    name = "a\x1b[31m\u202e"
    workspace = persist.AnalysisWorkspace(name)
    workspace.store(name, name, numpy.arange(50.0))
    workspace.save(str(tmp_path / "w"))
    page = Page(persist.report(tmp_path / "w", tmp_path / "w.html", title=name))
    assert not re.search("[\x1b\u202e]", page.source)
    assert r"a\x1b[31m\u202e" in page.source


def test_residuals_that_overflow_are_no_warning(tmp_path):
    large = numpy.full(9, 1e308)
    with WorkspaceStore(tmp_path / "store") as store:
        run = store.begin_run("first", {}, [])
        pipeline = store.begin_pipeline(run, "p", {}, [], "wheat", "h")
        chain = store.save_chain(pipeline, [], 0, "Ridge", "", "per_fold", {}, {})
        samples.save(store, pipeline, chain, "Ridge", "rmse", "0", 0.5, large, -large)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        page = persist.report(tmp_path / "store", tmp_path / "store.html")
    assert "Predicted and true" in Page(page).source
