import builtins
import importlib.util
import sys
from pathlib import Path

import numpy
import pytest

from persist.archive import Archive, restore

SAMPLES = Path(__file__).parents[1] / "data" / "archive-3.2.1"

both_formats = pytest.mark.parametrize("scoped", [False, True], ids=["flat", "scoped"])


def source_of(scoped, **items):
    archive = Archive(scoped=scoped)
    archive.insert(**items)
    return str(archive)


def test_the_environment_is_copied():
    env = {"y": [1]}
    found = restore("x = [y, y]", env)
    assert found == {"x": [[1], [1]], "y": [1]}
    assert found["x"][0] is env["y"]
    assert env == {"y": [1]}


def test_an_environment_is_not_needed():
    assert restore("x = 1") == restore("x = 1", {}) == restore(archive_text="x = 1", env={})
    assert restore(archive="x = 1") == {"x": 1}


def test_only_the_names_of_the_source_are_left():
    assert restore("import os\nx = __name__ and 1\ndel os") == {"x": 1}


@pytest.mark.cases(1)
@both_formats
def test_long_source_is_restored_in_pieces(scoped):
    shared = [0]
    items = {
        "rows": [
            {"number": number, "shared": shared, "text": "a\n    b"} for number in range(9000)
        ],
        "by_name": {f"name {number}": [number, shared] for number in range(9000)},
        "members": {f"member {number}" for number in range(9000)},
        "by_number": {number: str(number) for number in range(9000)},
        "numbers": list(range(50_000)),
        "array": numpy.arange(900.0),
        "tuples": [(number,) for number in range(9000)],
        "bytes": b"\n    \n)]}\n" * 9000,
    }
    source = source_of(scoped, **items)
    found, whole = restore(source), {}
    exec(source, whole)
    for result in (found, whole):
        assert set(result) == set(items)
        assert result.pop("array").tolist() == items["array"].tolist()
        assert {name: items[name] for name in result} == result
        assert result["rows"][0]["shared"] is result["by_name"]["name 5"][1]


def test_source_is_compiled_a_piece_at_a_time(monkeypatch):
    pieces = []
    real = compile

    def recorded(source, *args, **kwargs):
        pieces.append(len(source))
        return real(source, *args, **kwargs)

    source = source_of(False, x=[{"a": (number,)} for number in range(30_000)])
    monkeypatch.setattr(builtins, "compile", recorded)
    restore(source)
    monkeypatch.undo()
    assert sum(pieces) > 0.99 * len(source)
    assert max(pieces) < len(source) / 4


@pytest.mark.parametrize(
    "value",
    [
        '"""\nx = 1\n' + "    y = (\n" * 20_000 + '"""',
        "[\n" + "1,\n" * 40_000 + "]",
        "[\n" + "1,\n" * 40_000 + "] * 2",
        "(1 +\n" + "1 +\n" * 2000 + "1)",
    ],
    ids=["text", "list", "product", "sum"],
)
def test_source_of_another_hand_is_restored_whole(value):
    source = f"before = 1\nfound = {value}\nafter = before\n"
    assert restore(source) == {"before": 1, "found": eval(value), "after": 1}


def long_list(*items):
    """Return source of a list that is long enough to be read in pieces, and ends with `items`."""
    lines = ["    'filling', 'that is read', 'by the parser', 'of JSON',\n"] * 3000
    return "x = [\n" + "".join(lines + [f"    {item},\n" for item in items]) + "]"


ODD_ITEMS = [
    "True, False, None, 'True', 'None'",
    "[True, [None, []], {}], {'a': {'b': False}}",
    "true, 'true'",
    "null, NaN, Infinity, 'NaN'",
    "-1, 1.5, -0.0, 1e300, 1e-05, 10 ** 20",
    "1_000, 0x1F, 0b1, 1j, .5, 5.",
    """ "it's", 'True', "None" """,
    r"'it\'s', 'True', 'a\nb', '\\'",
    "'\t', '\x7f', '\u2028', 'é'",
    "b'True', b'a', r'a', f'{y}'",
    "'''True''', 'True'",
    "'''it's\nTrue''', 'True'",
    "y, [y, {'a': y}], 'y'",
    "'a' 'b', 'True' 'None'",
    "[1, 2][0], 'a'.upper(), (1, 2), {1, 2}, {1: 2}",
    "1 if y else 2, not y, y is None, -y[0]",
    "[\n        1,\n        [\n            2,\n        ],\n    ]",
    "1,  # it's, True\n    'True', None",
    "*y, *'ab'",
    "{'a': 1, 'a': 2}, {**{'a': 1}}",
    "int, len('abc'), [i for i in y]",
    "'\x01', 'True', True",
    "[" * 90 + "]" * 90,
    "_True, Nonesuch",
]


@pytest.mark.cases(12)
@pytest.mark.parametrize("items", ODD_ITEMS)
def test_pieces_mean_what_they_mean_in_python(items):
    env = {"y": [5], "true": "T", "null": "N", "NaN": [1], "Infinity": 7, "_True": 1, "Nonesuch": 2}
    source, whole = long_list(items), dict(env)
    exec(source, whole)
    found = restore(source, env)["x"]
    assert repr(found) == repr(whole["x"])
    assert [obj is env["y"] for obj in found] == [obj is env["y"] for obj in whole["x"]]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("nothing", NameError),
        ("true", NameError),
        ("01", SyntaxError),
        ("1,,", SyntaxError),
        ("[1,,]", SyntaxError),
        ("'a", SyntaxError),
        ("'a\n    b'", SyntaxError),
    ],
)
def test_what_is_wrong_in_python_is_wrong_in_pieces(item, error):
    with pytest.raises(error):
        restore(long_list(item))


def test_names_are_those_of_the_environment_at_that_place():
    source = "y = [1]\n" + long_list("y, [y]") + "\ny = 2\n"
    found = restore(source)["x"]
    assert found[-2:] == [[1], [[1]]]
    assert found[-2] is found[-1][0]


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize(
    "word", ["1", "-1_0", "inf", "1.5", "x", "\u0661", "'", "1,2", "0x1", "1e5"]
)
def test_words_are_the_numbers_of_python(kind, word):
    words = "    0 0 0 0 0 0 0 0\n" * 5000
    source = f"x = list(map({kind.__name__}, '''\n{words}    {word}\n'''.split()))\ny = 1\n"
    try:
        last = kind(word)
    except ValueError:
        with pytest.raises(ValueError, match=r"could not convert|invalid literal"):
            restore(source)
    else:
        found = restore(source)
        assert found == {"x": [kind(0)] * 40_000 + [last], "y": 1}
        assert set(map(type, found["x"])) == {kind}


def test_words_may_be_read_by_other_functions():
    words = "    0 0 0 0 0 0 0 0\n" * 5000
    source = f"float = 7\nx = list(map(int, '''\n{words}'''.split()))\n"
    assert restore(source)["float"] == 7
    assert restore(source, {"int": str})["x"] == ["0"] * 40_000


def test_errors_of_source_are_raised():
    with pytest.raises(SyntaxError):
        restore("x = (")
    with pytest.raises(NameError, match="_arrays"):
        restore("x = _arrays['array_0']")


def test_annotations_are_those_of_the_source():
    assert restore("def f(x: int): pass\ny = f.__annotations__['x']\ndel f\n")["y"] is int


def test_the_source_of_a_single_item_changes_no_modules():
    before = dict(sys.modules)
    found = restore((SAMPLES / "item.py").read_text())
    assert found["item"] == [1, 2, [3]]
    assert dict(sys.modules) == before
    assert sys.modules["builtins"] is builtins


def check_sample(found):
    assert found["x"].tolist() == list(range(10))
    assert found["l"][0] is found["l"][1] is found["x"]
    assert found["k"] == {"a": 1}


@pytest.mark.parametrize("file", ["my_module.py", "my_archive/__init__.py"])
def test_modules_of_release_3_are_restored(file):
    path = SAMPLES / file
    found = restore(path.read_text(), {"__file__": str(path), "__name__": "a_sample"})
    check_sample(found)
    assert set(found) == {"x", "l", "k", "__file__", "__name__"}


@pytest.mark.parametrize("file", ["my_module.py", "my_archive/__init__.py"])
def test_modules_of_release_3_are_imported(file, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("a_sample", SAMPLES / file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "a_sample", module)
    spec.loader.exec_module(module)
    check_sample(vars(module))
