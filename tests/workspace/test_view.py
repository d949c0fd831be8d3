"""What is shown of a workspace, as text and as HTML."""

import math
import xml.etree.ElementTree as ElementTree

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.workspace.view import workspace_view
from tests.workspace.kinds import sample

BACKING = {
    "memory": "",
    "lazy": ", backed by temp HDF5",
    "in place": ", kept in {path}",
}


def parsed(ws):
    """Return the tree of the HTML of a workspace, which must be well formed."""
    return ElementTree.fromstring(f"<body>{ws._repr_html_()}</body>")


def body_rows(tree):
    return [row for body in tree.iter("tbody") for row in body.iter("tr")]


def cells(tree):
    return ["".join(cell.itertext()) for row in body_rows(tree) for cell in row.iter("td")]


def summaries(tree):
    return ["".join(summary.itertext()) for summary in tree.iter("summary")]


class Counted:
    """A workspace whose view counts the objects that it asks for."""

    def __init__(self, ws):
        self.loads = []

        def get(namespace, key):
            self.loads.append(key)
            return ws.get(namespace, key, lazy=True)

        self.view = workspace_view("x", ws.describe(), ws.unreadable, get)


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
    assert [[part.strip() for part in line if part.strip()][:-1] for line in lines] == [
        ["key", "type", "shape", "dtype", "note"],
        ["D3/rates", "ndarray", "(2, 3)", "float64", "Hz"],
        ["D3/params", "dict"],
        ["D0/labels", "ndarray", "(2,)", "<U2"],
        ["D0/mixed", "list", "by='hand'"],
        ["D0/frame", "NoneType", "first line"],
    ]


def test_many_items_are_cut(ws):
    for number in range(100):
        ws.store("D0", f"x{number}", number)
    lines = repr(ws).splitlines()
    assert len(lines) == 63
    assert lines[-1] == "  … 40 more"


def test_long_names_and_notes_are_cut_and_odd_letters_replaced(ws):
    ws.store("n" * 100, "a\nb\x1b[0m\0", 1, note="x" * 100)
    _, line = repr(ws).splitlines()[1:]
    assert line.startswith(
        f"  {'n' * 47}…/a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[0m"
        f"\N{REPLACEMENT CHARACTER}  int   {'x' * 47}…  20"
    )


def test_html_is_a_tree_of_namespaces(ws):
    tree = parsed(sample(ws))
    assert summaries(tree) == ["D3 (2)", "D0 (2)"]
    assert len(list(tree.iter("details"))) == 2
    rows = [["".join(cell.itertext()) for cell in row.findall("td")] for row in body_rows(tree)]
    assert rows[0][:5] == ["rates", "ndarray", "(2, 3)", "float64", "Hz"]
    assert [row[0] for row in rows] == ["rates", "params", "labels", "mixed"]


def test_html_is_escaped(ws):
    mark = "<script>alert('&\"')</script>"
    ws.name = mark
    ws.store(mark, mark, 1, note=mark)
    html = ws._repr_html_()
    assert "<script" not in html
    tree = parsed(ws)
    assert cells(tree)[0] == mark
    assert cells(tree)[2] == mark
    assert summaries(tree) == [f"{mark} (1)"]


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
    for word in ("http", "src=", "href=", "url(", "<script", "@import", "<link"):
        assert word not in html.replace("href='data:image/png;base64,", "")


def test_arrays_have_pictures(ws):
    ws.store("D0", "curve", numpy.sin(numpy.arange(50.0)))
    ws.store("D0", "map", numpy.eye(4))
    ws.store("D0", "large", numpy.zeros((1000, 1000)))
    ws.store("D0", "stack", numpy.zeros((3, 4, 5)))
    ws.store("D0", "text", numpy.array(["a", "b"]))
    ws.store("D0", "number", numpy.array(1.5))
    ws.store("D0", "complex", numpy.zeros(3, complex))
    pictures = {row.find("td").text: row.find("td//svg") for row in body_rows(parsed(ws))}
    drawn = {name: found for name, found in pictures.items() if found is not None}
    assert list(drawn) == ["curve", "map", "large", "stack"]
    assert len(drawn["curve"].find("polyline").get("points").split()) == 50
    assert drawn["map"].find("image") is not None
    assert drawn["stack"].find("path") is not None


@pytest.mark.parametrize("value", [1.0, math.nan], ids=["numbers", "nan"])
def test_few_of_many_objects_are_loaded(value):
    ws = AnalysisWorkspace()
    for number in range(10_000):
        ws.store(f"D{number % 10}", f"x{number}", numpy.full(5, value))
    counted = Counted(ws)
    html = counted.view.html()
    assert len(counted.loads) == 40
    assert html.count("<svg") == (0 if math.isnan(value) else 40)
    assert html.count("<tr>") < 2100
    assert len(html) < 2_000_000
    assert summaries(ElementTree.fromstring(html)) == [f"D{number} (1000)" for number in range(10)]
    assert "… 1000 more" in html


def test_text_loads_no_object(make_kind):
    counted = Counted(sample(make_kind("lazy")))
    counted.view.text()
    assert counted.loads == []


def test_large_arrays_are_sampled_in_their_file(make_kind):
    ws = make_kind("lazy")
    ws.store("D0", "large", numpy.arange(5000.0))
    read = []

    class Handle:
        def __init__(self, handle):
            self.shape, self.dtype, self.handle = handle.shape, handle.dtype, handle

        def __getitem__(self, index):
            found = self.handle[index]
            read.append(found.size)
            return found

    def get(namespace, key):
        return Handle(ws.get(namespace, key, lazy=True))

    html = workspace_view("x", ws.describe(), {}, get).html()
    assert "<svg" in html
    assert sum(read) < 500


def test_only_arrays_of_numbers_are_loaded(make_kind):
    ws = make_kind("lazy")
    ws.store("D0", "dict", {"a": 1})
    ws.store("D0", "text", numpy.array(["a", "b"]))
    ws.store("D0", "small", numpy.zeros(50))
    counted = Counted(ws)
    counted.view.html()
    assert counted.loads == ["small"]


def test_an_object_that_cannot_be_read_has_no_picture(make_kind):
    ws = make_kind("lazy")
    ws.store("D0", "x", numpy.arange(5.0))
    del ws._file["D0/x/data"]
    assert "<svg" not in ws._repr_html_()
    assert "D0/x" in repr(ws)


def test_what_differs_from_its_entry_has_no_picture():
    index = {"D0": {"x": {"type": "ndarray", "shape": [5], "dtype": "float64", "created_at": 0.0}}}
    for found in (numpy.arange(6.0), None):
        html = workspace_view("x", index, {}, lambda namespace, key, found=found: found).html()
        assert "<svg" not in html


@pytest.mark.parametrize("time", [math.nan, math.inf, 1e300, -1e18])
def test_a_time_that_is_none_is_shown_as_such(time):
    index = {"D0": {"x": {"type": "int", "created_at": time}}}
    view = workspace_view("x", index, {}, print)
    assert "<td>?</td>" in view.html()
    assert view.text() == "x\n  key   type  stored\n  D0/x  int   ?"


def test_a_closed_workspace_is_empty(make_kind):
    ws = sample(make_kind("lazy"))
    ws.close()
    assert "0 item(s)" in repr(ws)
    assert cells(parsed(ws)) == []
    assert isinstance(ws, LazyAnalysisWorkspace)
