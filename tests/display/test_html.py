"""Views: text and HTML of the same rows."""

import xml.etree.ElementTree as ElementTree

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.display import Row, View, code_html, table_html

NAMES = ("key", "type", "note")


def parsed(view):
    return ElementTree.fromstring(view.html())


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.none() | st.floats(), st.integers())), st.text())
def test_html_is_well_formed_whatever_is_in_it(cells, name):
    view = View(name, NAMES, {name: [Row(one, detail=lambda: code_html(name)) for one in cells]})
    parsed(view)
    assert len(view.text().splitlines()) <= 63
    assert all(letter.isprintable() or letter == "\n" for letter in view.text())


def test_columns_without_text_are_left_out():
    view = View("x", NAMES, {"": [Row(("a", "", 1)), Row(("b", None, 2))]})
    assert view.text() == "x\n  key  note\n  a    1\n  b    2"
    assert [one.text for one in parsed(view).iter("th")] == ["key", "note"]


def test_ten_thousand_rows_are_cut_with_a_note():
    calls = []

    def array():
        calls.append(1)
        return numpy.arange(5)

    rows = [Row((f"x{n}", "int", ""), array, lambda: code_html("x = 1")) for n in range(10_000)]
    view = View("x", NAMES, {"": rows})
    assert "… 9940 more" in view.text()
    assert "… 9000 more" in view.html()
    assert len(calls) == 40
    assert len(view.html()) < 200_000


def test_rows_that_are_not_given_are_counted():
    view = View("x", NAMES, {"": [Row(("a", "", ""))]}, more=7)
    assert view.text().endswith("… 7 more")
    assert "… 7 more" in view.html()


def test_groups_of_long_views_are_closed():
    rows = [Row((str(n), "", "")) for n in range(20)]
    short, long = View("x", NAMES, {"D0": rows}), View("x", NAMES, {"D0": rows, "D1": rows})
    assert [one.get("open") for one in parsed(short).iter("details")] == [""]
    assert [one.get("open") for one in parsed(long).iter("details")] == [None, None]


def test_source_is_cut_and_escaped():
    html = code_html("\n".join(f"x{n} = '<b>\x1b'" for n in range(20)))
    text = ElementTree.fromstring(html).text.splitlines()
    assert len(text) == 13
    assert text[0] == "x0 = '<b>\N{REPLACEMENT CHARACTER}'"
    assert text[-1] == "… 8 more lines"


def test_a_table_tells_how_many_rows_follow():
    tree = ElementTree.fromstring(table_html(["<a>", "b"], [[1, "x"]], 3))
    assert [one.text for one in tree.iter("th")] == ["<a>", "b"]
    assert ["".join(one.itertext()) for one in tree.iter("td")] == ["1", "x", "… 3 more"]
