"""Names of every sort: kept, or refused before anything is written."""

import h5py
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.dataset.layout import check_key
from persist.errors import InvalidKeyError, PortabilityWarning
from persist.names import group_name, key_spelling, spelled_name
from persist.workspace.index import name_of_group
from tests.workspace.kinds import assert_same_items, contents, listing

NAMES = {
    "empty": "",
    "slash": "/",
    "slashes": "a/b//c/",
    "dot": ".",
    "dots": "..",
    "three dots": "...",
    "path out": "../x",
    "space": " two words ",
    "unicode": "µ-日本語 \U0001d518",
    "combining": "e\u0301",
    "line": "a\nb\r\n",
    "nul": "a\0b",
    "only nul": "\0",
    "dunder": "__x__",
    "own": "__persist__",
    "staged": "__staged__",
    "underscore": "_x",
    "percent": "%",
    "percent at the end": "50 %",
    "escape of a slash": "a%2Fb",
    "escape of an escape": "a%252Fb",
    "escape of a dot": "%2E",
    "escape of a dunder": "%5F_x__",
    "keyword": "class",
    "digit": "3-days",
    "prefix": "named_x",
    "info": "workspace_info",
    "markup": "<script>",
    "ligature": "\ufb01",
}
LONG = {
    "long": "x" * 2000,
    "long with slashes": "a/" * 1000,
    "long dunder": "__" + "x" * 2000,
    "long unicode": "日" * 2000,
    "long, and differs at the end": "x" * 1999 + "y",
}
ALL = {**NAMES, **LONG}

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("/.%_#2E5F0\0ab")


def check_loaded(path, ws):
    """Make sure that loading, in both ways, gives the same as there is."""
    assert_same_items(AnalysisWorkspace.load(path), ws)
    with LazyAnalysisWorkspace.load(path) as found:
        assert_same_items(found, ws)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.cases(12)
def test_a_name_is_kept_for_keys_and_namespaces(ws, tmp_path, name):
    text = ALL[name]
    ws.store("D0", text, numpy.arange(3), note="of a key")
    ws.store(text, "x", {"x": 1}, note="of a namespace")
    ws.store(text, text, "both")
    assert ws.list_keys() == {"D0": [text], text: ["x", text]}
    assert ws.get("D0", text).tolist() == [0, 1, 2]
    assert (ws.get(text, "x"), ws.get(text, text)) == ({"x": 1}, "both")
    ws.save(tmp_path / "ws")
    check_loaded(tmp_path / "ws", ws)
    assert AnalysisWorkspace.load_item(tmp_path / "ws", text, text) == "both"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.cases(34)
def test_an_item_of_any_name_is_renamed_noted_and_deleted(ws, name):
    text = ALL[name]
    ws.store(text, "x", 1)
    ws.rename(text, "x", text)
    ws.add_note(text, text, "note")
    assert ws.get(text, text) == 1
    ws.rename(text, text, "y")
    assert ws.get(text, "y") == 1
    assert ws.get_info(text, "y")["note"] == "note"
    ws.delete(text, "y")
    assert ws.list_keys() == {}
    ws.store(text, text, 2)
    ws.delete(text)
    assert ws.list_keys() == {}


def test_no_name_is_taken_for_another(ws, tmp_path):
    names = list(ALL.values())
    for number, name in enumerate(names):
        ws.store(name, "x", number)
        ws.store("all", name, -number)
    for number, name in enumerate(names):
        assert ws.get(name, "x") == number
        assert ws.get("all", name) == -number
    ws.save(tmp_path / "ws")
    check_loaded(tmp_path / "ws", ws)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("", "D0"), ("D0", ""), ("D0", "."), ("D0", "d/m"), ("D0/d", "m"), ("/D0", "d"), ("/", "D0")],
)
@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_a_name_does_not_lead_to_what_another_has(ws, outer, inner):
    ws.store("D0", "d", {"m": 1})
    ws.store("D0", "x", 2)
    ws.store(outer, inner, 3)
    assert ws.get("D0", "d") == {"m": 1}
    assert ws.get("D0", "x") == 2
    assert ws.get(outer, inner) == 3
    ws.delete(outer, inner)
    assert contents(ws) == {"D0": {"d": {"m": 1}, "x": 2}}
    assert ws.get("D0", "d") == {"m": 1}


REFUSED = {
    "surrogate": ("\ud800", InvalidKeyError, "UTF-8"),
    "bytes": (b"x", TypeError, "must be text, got bytes"),
    "number": (3, TypeError, "must be text, got int"),
    "none": (None, TypeError, "must be text, got NoneType"),
    "tuple": (("a",), TypeError, "must be text, got tuple"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_be_no_name_is_refused(ws, case):
    name, error, message = REFUSED[case]
    ws.store("D0", "x", 1)
    for act in (
        lambda: ws.store("D0", name, 1),
        lambda: ws.store(name, "x", 1),
        lambda: ws.rename("D0", "x", name),
    ):
        with pytest.raises(error, match=message):
            act()
    assert ws.list_keys() == {"D0": ["x"]}


def test_texts_of_other_classes_are_kept_as_texts(ws):
    ws.store(numpy.str_("D0"), numpy.str_("x"), 1)
    ws.rename("D0", "x", numpy.str_("y"))
    assert [type(name) for name in (*ws.list_namespaces(), *ws.list_keys("D0"))] == [str, str]


@pytest.mark.parametrize("format", ["hdf5", "package"])
@pytest.mark.parametrize("kind", ["lazy", "in place"], indirect=True)
def test_a_loaded_name_is_found_by_all_that_looks_for_it(ws, tmp_path, format):
    ws.store("a/b", "c/d", 1)
    ws.save(tmp_path / "results", format=format)
    assert AnalysisWorkspace.load_item(tmp_path / "results", "a/b", "c/d") == 1
    with LazyAnalysisWorkspace.load(tmp_path / "results") as found:
        assert found.get("a/b", "c/d") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_package_keeps_a_name(make_kind, tmp_path, name):
    ws = make_kind("memory")
    text = NAMES[name]
    ws.store("D0", text, [1], note="of a key")
    ws.store(text, "x", 2)
    ws.store(text, text, 3)
    ws.save(tmp_path / "results", format="package")
    check_loaded(tmp_path / "results", ws)
    assert AnalysisWorkspace.load_item(tmp_path / "results", text, text) == 3


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("place", ["namespace", "key"])
def test_a_package_refuses_a_name_too_long_for_a_file(make_kind, tmp_path, name, place):
    ws = make_kind("memory")
    ws.store("D0", "x", 1)
    ws.save(tmp_path / "results", format="package")
    ws.store(*((LONG[name], "y") if place == "namespace" else ("D0", LONG[name])), 2)
    with pytest.raises(InvalidKeyError, match="too many for a file name"):
        ws.save(tmp_path / "results", format="package")
    assert listing(tmp_path) == ["results"]
    assert contents(AnalysisWorkspace.load(tmp_path / "results")) == {"D0": {"x": 1}}


def test_a_package_warns_of_names_that_differ_by_case(make_kind, tmp_path, load):
    ws = make_kind("memory")
    ws.store("D0", "x", 1)
    ws.store("D0", "X", 2)
    with pytest.warns(PortabilityWarning, match="'X' is not portable"):
        ws.save(tmp_path / "results", format="package")
    assert contents(load(tmp_path / "results")) == {"D0": {"x": 1, "X": 2}}


def test_names_that_differ_by_case_are_two(ws, tmp_path, load):
    for number, name in enumerate(["x", "X", "ß", "SS", "é", "e\u0301"]):
        ws.store(name, name, number)
        ws.store("D0", name, number)
    ws.save(tmp_path / "ws")
    assert_same_items(load(tmp_path / "ws"), ws)


def test_plain_names_stand_as_they_are(ws, tmp_path):
    names = ["D0", "sttc 20ms", "a.b", "日本", "100%", "50%x", "x" * 1000]
    for name in names[:4]:
        ws.store(name, name, 1)
    ws.save(tmp_path / "ws")
    with h5py.File(tmp_path / "ws.h5", "r") as file:
        assert {name for name in file if not name.startswith("__")} == set(names[:4])
        assert "encoding-name" not in file["sttc 20ms/sttc 20ms"].attrs
    assert [group_name(name) == name for name in names] == [True] * 4 + [False, True, True]


class Named:
    """What `name_of_group` asks of a group."""

    def __init__(self, **attributes):
        self.attrs = attributes


@given(st.lists(texts, min_size=2, max_size=6, unique=True))
def test_the_group_of_each_name_has_another(names):
    assert len(set(map(group_name, names))) == len(names)


@given(texts)
def test_the_group_of_a_name_is_no_path_and_not_reserved(name):
    for text in (name, name * 1000):
        spelled = group_name(text)
        assert spelled not in ("", ".", "..")
        assert not spelled.startswith("__")
        assert not set("/\0") & set(spelled)
        assert len(spelled.encode()) <= 3100
        # Spelled again, it is another's.
        assert spelled == text or group_name(spelled) != spelled


@pytest.mark.parametrize("name", LONG)
def test_the_group_of_a_long_name_is_that_of_no_other(name):
    spelled = group_name(LONG[name])
    assert group_name(spelled) != spelled
    assert name_of_group(spelled, Named()) == spelled


@given(texts)
def test_the_spelling_of_a_key_is_a_key_and_reversible(name):
    spelled = key_spelling(name)
    assert spelled_name(spelled) == name
    if len(spelled) < 60:
        assert check_key(spelled) == spelled


@given(texts)
def test_a_spelling_is_spelled_anew(name):
    twice = key_spelling(key_spelling(name))
    assert spelled_name(twice) == key_spelling(name)


def test_another_program_may_use_names_that_are_spellings(tmp_path):
    with h5py.File(tmp_path / "ws.h5", "w") as file:
        file.attrs["__workspace_id__"] = "id"
        for path in ("D0/a%2Fb", "c%2Fd/x", "D0/__x__"):
            group = file.create_group(path)
            group.attrs["__type__"] = "ndarray"
            group["data"] = numpy.arange(3)
    with LazyAnalysisWorkspace.open(tmp_path / "ws") as ws:
        assert ws.list_keys() == {"D0": ["__x__", "a%2Fb"], "c%2Fd": ["x"]}
        for namespace, key in (("D0", "a%2Fb"), ("c%2Fd", "x"), ("D0", "__x__")):
            assert ws.get(namespace, key).tolist() == [0, 1, 2]
        for namespace, key in (("D0", "a/b"), ("c/d", "x")):
            with pytest.raises(ValueError, match="name already exists"):
                ws.store(namespace, key, 1)
        ws.store("D0", "__x__", 2)
        assert ws.get("D0", "a%2Fb").tolist() == [0, 1, 2]
        assert ws.get("D0", "__x__") == 2
        ws.rename("D0", "a%2Fb", "y")
        ws.store("D0", "a/b", 1)
        assert ws.get("D0", "y").tolist() == [0, 1, 2]
        assert ws.get("D0", "a/b") == 1


def test_slashes_that_spelled_groups_in_groups_are_followed(tmp_path):
    with h5py.File(tmp_path / "ws.h5", "w") as file:
        file.attrs["__workspace_id__"] = "id"
        group = file.create_group("D0/a/b")
        group.attrs["__type__"] = "scalar_str"
        group.attrs["__scalar_value__"] = "text"
    for namespace, key in (("D0", "a/b"), ("D0/a", "b")):
        assert AnalysisWorkspace.load_item(tmp_path / "ws", namespace, key) == "text"
    with pytest.raises(ValueError, match="Unknown __type__ ''"):
        AnalysisWorkspace.load(tmp_path / "ws")
