import sys

import numpy
import pytest

from persist.dataset import DataSet


@pytest.fixture
def pair(command):
    old, new = DataSet("old", "w"), DataSet("new", "w")
    for dataset in (old, new):
        dataset.same = numpy.arange(1000)
        dataset.fit = {"slope": [1.0, 2.0]}
    return old, new


def test_the_same_data_sets_have_no_difference(command, pair):
    assert command("diff", "old", "new") == (0, "", "")
    document = command("diff", "old", "new", "--json").document
    assert document == {"same": True, "added": [], "removed": [], "changed": {}}


def test_a_page_that_is_named_is_written(command, pair, tmp_path):
    pytest.importorskip("jinja2")
    assert command("diff", "old", "new", "-o", "page.html").out == "wrote page.html\n"
    assert command("diff", "old", "new", "--html").out == "wrote diff.html\n"
    assert (tmp_path / "page.html").exists()


def test_differences_are_listed_by_key(command, pair):
    old, new = pair
    new.fit = {"slope": [1.0, 2.5]}
    old.a = 1
    new._namespace("D0").sttc = 1
    done = command("diff", "old", "new")
    assert done.status == 1
    assert done.out.splitlines() == [
        "+ D0.sttc",
        "- a",
        "~ fit",
        "    fit['slope'][1]: 2.0 -> 2.5",
    ]
    done = command("diff", "old", "new", "--json")
    assert done.status == 1
    assert done.document == {
        "same": False,
        "added": ["D0.sttc"],
        "removed": ["a"],
        "changed": {"fit": [{"path": "fit['slope'][1]", "old": "2.0", "new": "2.5"}]},
    }


@pytest.mark.parametrize("option", ["--rtol", "--atol"])
def test_small_differences_can_be_passed_over(command, pair, option):
    _, new = pair
    new.fit = {"slope": [1.0, 2.0001]}
    assert command("diff", "old", "new", option, "1e-3").status == 0
    assert command("diff", "old", "new", option, "1e-6").status == 1


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "x"])
def test_a_tolerance_is_a_finite_number(command, capsys, text):
    with pytest.raises(SystemExit, match="2"):
        command("diff", "old", "new", f"--atol={text}")
    assert "--atol" in capsys.readouterr().err


def test_a_value_that_cannot_be_loaded_is_an_error(command, pair, tmp_path, monkeypatch):
    (tmp_path / "shapes.py").write_text("class Point: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shapes

    pair[0].fit = shapes.Point()
    monkeypatch.delitem(sys.modules, "shapes")
    (tmp_path / "shapes.py").unlink()
    done = command("diff", "old", "new", "--trust-all")
    assert (done.status, done.out) == (2, "")
    assert done.err == "persist: a value cannot be loaded: No module named 'shapes'\n"
    done = command("diff", "old", "new")
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("if you trust it, give --trust shapes.Point\n")
