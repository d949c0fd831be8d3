"""What is shown of a workspace, as text and as HTML."""

import math
import xml.etree.ElementTree as ElementTree

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.workspace.pictures import picture
from persist.workspace.tables import html_tree, text_table
from tests.workspace.kinds import sample

BACKING = {
    "memory": "",
    "lazy": ", backed by temp HDF5",
    "in place": ", kept in {path}",
}


def parsed(ws):
    """Return the tree of the HTML of a workspace, which must be well formed."""
    return ElementTree.fromstring(f"<body>{ws._repr_html_()}</body>")


def cells(tree):
    return ["".join(cell.itertext()) for cell in tree.iter("td")]


def count_loads(monkeypatch, ws):
    """Return a list that grows with each object that is loaded for a picture."""
    loads = []
    real = ws._small

    def small(namespace, key):
        loads.append(key)
        return real(namespace, key)

    monkeypatch.setattr(ws, "_small", small)
    return loads


def test_the_first_line_tells_what_it_is(make, kind):
    ws = make("recordings")
    sample(ws)
    cls = "AnalysisWorkspace" if kind == "memory" else "LazyAnalysisWorkspace"
    backing = BACKING[kind].format(path=getattr(ws, "_h5_path", ""))
    assert repr(ws).splitlines()[0] == (
        f"{cls} 'recordings'(id={ws.workspace_id[:8]}…, 2 namespace(s), 4 item(s){backing})"
    )


def test_a_workspace_without_name_and_items_is_one_line(make, kind):
    ws = make()
    cls = "AnalysisWorkspace" if kind == "memory" else "LazyAnalysisWorkspace"
    assert repr(ws).startswith(f"{cls}(id={ws.workspace_id[:8]}…, 0 namespace(s), 0 item(s)")
    assert repr(ws).count("\n") == 0
    assert cells(parsed(ws)) == []


def test_each_item_has_a_line_with_type_shape_and_note(ws):
    sample(ws)
    ws.store("D0", "frame", None, note="first line\nsecond line")
    lines = [line.split("  ") for line in repr(ws).splitlines()[1:]]
    assert [[part.strip() for part in line if part.strip()] for line in lines] == [
        ["D3/rates", "ndarray", "(2, 3) float64", "Hz"],
        ["D3/params", "dict"],
        ["D0/labels", "ndarray", "(2,) <U2"],
        ["D0/mixed", "list", "{'by': 'hand'}"],
        ["D0/frame", "NoneType", "first line"],
    ]


def test_many_items_are_cut(ws):
    for number in range(100):
        ws.store("D0", f"x{number}", number)
    lines = repr(ws).splitlines()
    assert len(lines) == 62
    assert lines[-1] == "  … 40 more"


def test_long_names_and_notes_are_cut_and_odd_letters_replaced(ws):
    ws.store("n" * 100, "a\nb\x1b[0m\0", 1, note="x" * 100)
    (line,) = repr(ws).splitlines()[1:]
    assert line == (
        f"  {'n' * 47}…/a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[0m"
        f"\N{REPLACEMENT CHARACTER}  int    {'x' * 47}…"
    )


def test_html_is_a_tree_of_namespaces(ws):
    tree = parsed(sample(ws))
    assert [summary.text for summary in tree.iter("summary")] == ["D3 (2)", "D0 (2)"]
    assert len(list(tree.iter("details"))) == 2
    found = cells(tree)
    assert found[:3] == ["rates", "ndarray", "(2, 3) float64"]
    assert found[4] == "Hz"
    assert [row[0] for row in zip(*[iter(found)] * 6, strict=True)] == [
        "rates",
        "params",
        "labels",
        "mixed",
    ]


def test_html_is_escaped(ws):
    mark = "<script>alert('&\"')</script>"
    ws.name = mark
    ws.store(mark, mark, 1, note=mark)
    html = ws._repr_html_()
    assert "<script" not in html
    tree = parsed(ws)
    assert cells(tree)[0] == mark
    assert cells(tree)[4] == mark
    assert next(tree.iter("summary")).text == f"{mark} (1)"


def test_the_name_of_a_class_is_escaped():
    ws = AnalysisWorkspace()
    ws.store("D0", "x", type("<b>\x01", (), {})())
    assert cells(parsed(ws))[1] == "<b>\N{REPLACEMENT CHARACTER}"


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_html_is_well_formed_whatever_is_in_it(note, name):
    ws = AnalysisWorkspace(name)
    ws.store(name, name, 1, note=note)
    parsed(ws)
    repr(ws)


def test_html_needs_nothing_else(ws):
    html = sample(ws)._repr_html_()
    for word in ("http", "src=", "href=", "url(", "<script", "@import", "<link", "class="):
        assert word not in html


def test_small_arrays_have_pictures(ws):
    ws.store("D0", "curve", numpy.sin(numpy.arange(50.0)))
    ws.store("D0", "map", numpy.eye(4))
    ws.store("D0", "large", numpy.zeros((100, 100)))
    ws.store("D0", "text", numpy.array(["a", "b"]))
    ws.store("D0", "number", numpy.array(1.5))
    ws.store("D0", "complex", numpy.zeros(3, complex))
    tree = parsed(ws)
    rows = [row for row in tree.iter("tr") if row.find("td") is not None]
    pictures = {row.find("td").text: row.find("td/svg") for row in rows}
    assert {name for name, found in pictures.items() if found is not None} == {"curve", "map"}
    assert len(pictures["curve"].find("polyline").get("points").split()) == 50
    assert len(pictures["map"].findall("rect")) == 16


def entry_of(array):
    return {"type": "ndarray", "shape": list(array.shape), "dtype": str(array.dtype)}


numbers = st.sampled_from(["f8", "f4", "f2", "g", "i8", "u8", "i1", "?", ">f8", ">i4"])


@given(arrays.arrays(numbers, arrays.array_shapes(min_dims=1, max_dims=2, max_side=30)))
def test_a_picture_is_well_formed_and_stays_in_its_frame(array):
    drawn = picture(entry_of(array), lambda: array)
    if not drawn:
        return
    assert "nan" not in drawn
    assert "inf" not in drawn
    tree = ElementTree.fromstring(drawn)
    for line in tree.iter("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 96
            assert 0 <= y <= 32
    for cell in tree.iter("rect"):
        assert 0 <= float(cell.get("fill-opacity")) <= 1
        assert float(cell.get("x")) + float(cell.get("width")) <= 96.2


@pytest.mark.parametrize("limit", [1.7e308, -1.7e308, math.inf, math.nan])
def test_the_largest_numbers_have_a_picture(limit):
    array = numpy.array([1.0, limit, -1.7e308, 1.7e308])
    tree = ElementTree.fromstring(picture(entry_of(array), lambda: array))
    heights = [float(p.split(",")[1]) for p in tree.find("polyline").get("points").split()]
    assert heights[-2:] == [31.0, 1.0]


def test_nothing_but_nan_has_no_picture():
    array = numpy.full(5, math.nan)
    assert picture(entry_of(array), lambda: array) == ""


def test_what_differs_from_its_entry_has_no_picture():
    assert picture(entry_of(numpy.arange(5)), lambda: numpy.arange(6)) == ""
    assert picture(entry_of(numpy.arange(5)), lambda: None) == ""


@pytest.mark.parametrize("value", [1.0, math.nan], ids=["numbers", "nan"])
def test_few_of_many_objects_are_loaded(monkeypatch, value):
    ws = AnalysisWorkspace()
    for number in range(10_000):
        ws.store(f"D{number % 10}", f"x{number}", numpy.full(5, value))
    loads = count_loads(monkeypatch, ws)
    html = ws._repr_html_()
    assert len(loads) == 40
    assert html.count("<svg") == (0 if math.isnan(value) else 40)
    assert html.count("<tr>") < 2100
    assert len(html) < 2_000_000
    assert [summary.text for summary in parsed(ws).iter("summary")] == [
        f"D{number} (1000)" for number in range(10)
    ]
    assert "… 1000 more" in html


def test_text_loads_no_object(make_kind, monkeypatch):
    ws = sample(make_kind("lazy"))
    loads = count_loads(monkeypatch, ws)
    repr(ws)
    assert loads == []


def test_large_arrays_are_not_loaded(make_kind, monkeypatch):
    ws = make_kind("lazy")
    ws.store("D0", "large", numpy.zeros(5000))
    ws.store("D0", "dict", {"a": 1})
    ws.store("D0", "small", numpy.zeros(50))
    loads = count_loads(monkeypatch, ws)
    ws._repr_html_()
    assert loads == ["small"]


def test_an_object_that_cannot_be_read_has_no_picture(make_kind):
    ws = make_kind("lazy")
    ws.store("D0", "x", numpy.arange(5.0))
    del ws._file["D0/x/data"]
    assert "<svg" not in ws._repr_html_()
    assert "D0/x" in repr(ws)


@pytest.mark.parametrize("time", [math.nan, math.inf, 1e300, -1e18])
def test_a_time_that_is_none_is_shown_as_such(time):
    index = {"D0": {"x": {"type": "int", "created_at": time}}}
    assert "<td style='text-align:left;padding:0 .8em'>?</td>" in html_tree("x", index, print)
    assert text_table("x", index) == "x\n  D0/x  int"


def test_a_closed_workspace_is_empty(make_kind):
    ws = sample(make_kind("lazy"))
    ws.close()
    assert "0 item(s)" in repr(ws)
    assert cells(parsed(ws)) == []
    assert isinstance(ws, LazyAnalysisWorkspace)
