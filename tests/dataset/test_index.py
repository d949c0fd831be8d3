"""The manifest as it is written and read: lines, their order, and the snapshot."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist import DataSet
from persist.dataset import writer
from persist.dataset.commit import Commit, decode, encode, ending, is_sound, plain_and_special
from persist.dataset.index import Index
from persist.dataset.info import info_source, is_json
from persist.dataset.manifest import find_value, read_manifest
from persist.dataset.snapshot import read_snapshot
from persist.errors import DamagedError

TEXT = st.text(max_size=8) | st.sampled_from(
    ["\t", "\n", '"', '\n{"do": ', '", "crc": "0"}', "\ud800"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", "é", "data"])
COMMITS = st.builds(
    Commit,
    st.integers(0, 99),
    infos=st.dictionaries(KEYS, JSON, max_size=3),
    sources=st.dictionaries(KEYS, TEXT, max_size=1),
    deleted=st.lists(KEYS, max_size=2),
    namespaces=st.lists(KEYS, max_size=1),
    values=st.dictionaries(KEYS, st.fixed_dictionaries({"type": TEXT}), max_size=2),
    removes=st.lists(TEXT, max_size=1),
    staged=st.none() | KEYS,
)


@given(COMMITS)
def test_a_line_gives_back_its_commit(commit):
    line = encode(commit)
    assert line.count(b"\n") == 1
    assert is_sound(line)
    assert decode(line) == commit
    assert (ending(line).number, ending(line).staged) == (commit.number, commit.staged)
    assert json.loads(line)["n"] == commit.number


@given(COMMITS, st.data())
def test_a_changed_line_is_not_sound(commit, data):
    line = bytearray(encode(commit))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    assert not is_sound(bytes(line))


@given(st.lists(COMMITS, max_size=6))
def test_infos_are_found_without_reading_the_lines(commits):
    fast, slow = {}, {}
    for infos, commit in plain_and_special(b"".join(map(encode, commits))):
        if commit is None:
            fast.update(json.loads(infos))
        else:
            for key in commit.deleted:
                fast.pop(key, None)
            fast.update({**commit.infos, **commit.sources})
    for commit in commits:
        for key in commit.deleted:
            slow.pop(key, None)
        slow.update({**commit.infos, **commit.sources})
    assert fast == slow


@given(JSON)
def test_what_json_holds_comes_back_the_same(info):
    if is_json(info):
        found = json.loads(json.dumps(info))
        assert repr(found) == repr(info)


@pytest.mark.parametrize(
    "info",
    [(), (1,), {1: 2}, {None: 1}, float("nan"), -float("inf"), 2**54, {1}, b"", [[[]] * 2], 0j],
    ids=repr,
)
def test_what_json_does_not_hold_becomes_source(info):
    assert not is_json(info)
    env = {}
    exec(info_source(info), env)
    assert repr(env["info"]) == repr(info)


def test_what_has_a_subclass_is_no_json():
    class Text(str):
        pass

    assert not is_json(Text("x"))
    assert not is_json({"a": [Text("x")]})


@pytest.mark.parametrize(
    "line", [b"", b"{}\n", b"[1]\n", b"null\n", b'{"n": 1}\n', b"\xff\n", b"{\n"]
)
def test_what_is_no_line_is_damage(line):
    assert not is_sound(line)
    if line != b'{"n": 1}\n':
        with pytest.raises(DamagedError):
            decode(line)
    with pytest.raises(DamagedError):
        ending(line)


@pytest.fixture
def ds(tmp_path):
    return DataSet("results", "w", tmp_path)


def test_only_what_is_new_is_read(ds, monkeypatch):
    for number in range(20):
        ds[f"k{number}"] = number
    reader = DataSet(ds._folder)
    read = []
    real = Index._read_data

    def read_data(self, signature):
        data = real(self, signature)
        read.append(len(data))
        return data

    monkeypatch.setattr(Index, "_read_data", read_data)
    assert reader["k0"] == 0
    assert read == []
    ds["new"] = 1
    read.clear()
    assert reader["new"] == 1
    assert len(read) == 1
    assert 0 < read[0] < 100


def test_a_snapshot_saves_reading_from_the_start(ds, monkeypatch):
    monkeypatch.setattr(writer, "_UNSNAPPED", 5)
    for number in range(20):
        ds[f"k{number}"] = (number,) if number % 2 else number
    ds._namespace("D")
    snapshot = read_snapshot(ds._folder)
    assert 0 < snapshot.end <= os.path.getsize(os.path.join(ds._folder, "_manifest.jsonl"))
    with open(os.path.join(ds._folder, "_manifest.jsonl"), "rb+") as file:
        # What stands before is not looked at.
        file.write(b"#" * 50)
    reader = DataSet(ds._folder)
    assert list(reader) == [f"k{number}" for number in range(20)]
    assert reader["k3"] == (3,)
    assert reader._namespaces() == ["D"]


def test_a_snapshot_of_another_manifest_is_passed_over(ds, monkeypatch, tmp_path):
    monkeypatch.setattr(writer, "_UNSNAPPED", 5)
    for number in range(20):
        ds[f"k{number}"] = number
    other = DataSet("other", "w", tmp_path)
    other.x = 1
    for number in range(40):
        other["x"] = number
    os.replace(os.path.join(other._folder, "_infos.json"), os.path.join(ds._folder, "_infos.json"))
    assert len(list(DataSet(ds._folder))) == 20


def test_the_last_value_of_a_key_is_found(ds):
    ds.x = 1
    ds["x"] = {"x": {"written": 3}}
    ds.x = "text"
    ds["y"] = {"x": {"type": 1}}
    assert find_value(ds._folder, "x")["type"] == "builtins.str"
    assert find_value(ds._folder, "y") is None


def test_the_fewest_lines_say_the_same(ds):
    ds.x, ds.y = 1, 2
    ds["y"] = (1, 2)
    ds["x"] = "info"
    ds._delete("y")
    ds._namespace("D")
    before = read_manifest(ds._folder)
    after = type(before)()
    for line in before.lines():
        after.apply(decode(line))
    before.removes = []
    assert after == before


def test_a_damaged_manifest_is_told(ds):
    ds.x = 1
    with open(os.path.join(ds._folder, "_manifest.jsonl"), "ab") as file:
        file.write(b'{"info": {\t"y": \t}, "n": 9, "crc": "00000000"}\n')
    with pytest.raises(DamagedError, match=r"_manifest\.jsonl cannot be read"):
        DataSet(ds._folder)
