import collections
import contextlib
import dbm
import importlib
import shelve

import pytest

from persist.cli.sources import open_source

KINDS = ["dbm.dumb", "dbm.gnu", "dbm.ndbm", "dbm.sqlite3"]
VALUES = {"rate": 250, "spike times": [1.5, 2.5], "ä": collections.Counter("aab")}


@pytest.fixture(params=KINDS)
def shelf(request, tmp_path):
    try:
        kind = importlib.import_module(request.param)
    except ImportError:
        pytest.skip(f"this Python has no {request.param}")
    with shelve.Shelf(kind.open(str(tmp_path / "notes"), "n")) as file:
        file.update(VALUES)
    return tmp_path


def load(path):
    with contextlib.closing(open_source(str(path), trust_pickle=True)) as source:
        names = [listed.name for listed in source.names()]
        return {name: source.load(name).value for name in names}


def test_keys_are_names(shelf):
    assert load(shelf / "notes") == VALUES


def test_its_files_can_be_named(shelf):
    first = max(shelf.iterdir())
    assert load(first) == VALUES


@pytest.mark.parametrize("name", ["x.db", "x.shelf", "x.dir"])
@pytest.mark.parametrize("content", [b"", b"no shelf", b"'a', (0, 5"])
def test_a_file_that_is_no_shelf_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    if name == "x.dir":
        (tmp_path / "x.dat").touch()
        (tmp_path / "x.dir").write_bytes(b"'a" + content)
    with pytest.raises(ValueError, match="shelf"):
        open_source(str(tmp_path / name), trust_pickle=True).names()


def test_a_key_that_is_not_text_is_refused_by_name(tmp_path):
    database = importlib.import_module("dbm.dumb").open(str(tmp_path / "x"), "n")
    database[b"\xff"] = b"N."
    database.close()
    assert dbm.whichdb(str(tmp_path / "x")) == "dbm.dumb"
    (listed,) = open_source(str(tmp_path / "x"), trust_pickle=True).names()
    assert (listed.name, listed.refusal) == (r"b'\xff'", "its key is not text in UTF-8")


def test_a_value_that_cannot_be_read_is_a_value_error(tmp_path):
    database = importlib.import_module("dbm.dumb").open(str(tmp_path / "x"), "n")
    database[b"a"] = b"no pickle"
    database.close()
    with pytest.raises(ValueError, match="UnpicklingError"):
        load(tmp_path / "x")
