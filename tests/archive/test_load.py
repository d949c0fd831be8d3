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


def test_only_the_names_of_the_source_are_left():
    assert restore("import os\nx = __name__ and 1\ndel os") == {"x": 1}


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

    source = source_of(False, x=[{"a": [number]} for number in range(30_000)])
    monkeypatch.setattr(builtins, "compile", recorded)
    restore(source)
    monkeypatch.undo()
    assert sum(pieces) >= len(source)
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
