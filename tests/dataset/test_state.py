"""Two writers of one data set, and one inside it, do what a dictionary does."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import persist
from persist.dataset import writer
from persist.errors import InvalidKeyError, PersistError, UnknownKeyError
from tests.dataset.states import State, bare_package, is_same, read_object
from tests.effort import IS_SHORT
from tests.folders import MEMORY

THRESHOLD = 5
EXAMPLES = 4 if IS_SHORT else 50

PLACES = st.sampled_from(["outer", "outer", "inner"])
KEYS = st.sampled_from(["a", "b", "c", "d", "x_0", "x_1"])
NEW_KEYS = st.sampled_from(["e", "f", "a", "x_2"])
FORMATS = st.sampled_from(["npy", "npz", "hdf5"])
# Few different arrays, so that equal ones are stored under several keys.
ARRAYS = st.builds(
    lambda length, start, dtype: numpy.arange(start, start + length).astype(dtype),
    st.sampled_from([0, 3, THRESHOLD, THRESHOLD + 1, 40]),
    st.sampled_from([0, 7]),
    st.sampled_from(["<i8", ">f4", "?"]),
)
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    ARRAYS,
    st.lists(ARRAYS, max_size=3),
    st.builds(lambda array, number: {"array": array, "number": number}, ARRAYS, st.integers()),
)
INFOS = st.one_of(
    st.none(), st.text(max_size=3), st.just({"rate": 250.0}), st.tuples(st.integers()), ARRAYS
)
CHANGES = st.one_of(
    st.tuples(st.just("value"), KEYS, VALUES),
    st.tuples(st.just("info"), KEYS, INFOS),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("rename"), KEYS, NEW_KEYS),
)


class UndoneError(Exception):
    """Ends a batch that is to change nothing."""


def change(ds, state, kind, key, given):
    """Change one thing in a data set, and return the state that it makes of another one."""
    if kind == "value":
        setattr(ds, key, given)
        return state.with_value(key, given)
    if kind == "info":
        ds[key] = given
        return state.with_info(key, given)
    if key not in state.infos:
        with pytest.raises(UnknownKeyError):
            ds._delete(key) if kind == "delete" else ds._rename(key, given)
        return state
    if kind == "delete":
        ds._delete(key)
        return state.without(key)
    if given in state.infos and given != key:
        with pytest.raises(InvalidKeyError):
            ds._rename(key, given)
        return state
    ds._rename(key, given)
    return state if given == key else state.renamed(key, given)


@contextlib.contextmanager
def often_compacted():
    """Let the manifest be written anew after a few commits, and its infos be put together."""
    with mock.patch.multiple(writer, COMPACT_AFTER=3, SNAPSHOT_AFTER=3):
        yield


def without_inner(state):
    """Return the values and infos of a state."""
    return State(state.values, state.infos)


class DataSets(RuleBasedStateMachine):
    """Two objects, each of which sees what the other one does."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=MEMORY if IS_SHORT else None))
        self.folder = self.root / f"state_{self.root.name.replace('.', '_')}"
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(often_compacted())
        self.states = {"outer": State(), "inner": State()}
        self.has_inner = False
        self.objects = [self.opened("npy"), self.opened("npy")]

    def teardown(self):
        self.stack.close()
        shutil.rmtree(self.root)

    def opened(self, data_format):
        return persist.DataSet(
            self.folder.name,
            "w",
            path=self.root,
            array_threshold=THRESHOLD,
            data_format=data_format,
            durable=False,
        )

    def place(self, number, place):
        """Return one of the objects, or the data set inside it."""
        if place == "outer":
            return self.objects[number]
        self.has_inner = True
        return self.objects[number]._namespace("inner")

    @initialize(data_format=FORMATS)
    def begin(self, data_format):
        self.objects[0] = self.opened(data_format)
        self.objects[0].first = 1
        self.states["outer"] = self.states["outer"].with_value("first", 1)

    @rule(number=st.integers(0, 1), data_format=FORMATS)
    def reopen(self, number, data_format):
        self.objects[number].close()
        self.objects[number] = self.opened(data_format)

    @rule(number=st.integers(0, 1), place=PLACES, wanted=CHANGES)
    def change_one(self, number, place, wanted):
        self.states[place] = change(self.place(number, place), self.states[place], *wanted)

    @rule(number=st.integers(0, 1), place=PLACES, key=KEYS, value=VALUES)
    def set_value(self, number, place, key, value):
        self.change_one(number, place, ("value", key, value))

    @rule(
        number=st.integers(0, 1),
        place=PLACES,
        changes=st.lists(CHANGES, min_size=1, max_size=6),
        fails=st.booleans(),
    )
    def batch(self, number, place, changes, fails):
        ds, state = self.place(number, place), self.states[place]
        with contextlib.suppress(UndoneError), ds._batch():
            for wanted in changes:
                state = change(ds, state, *wanted)
            assert is_same(without_inner(read_object(ds)), without_inner(state))
            if fails:
                raise UndoneError
        if not fails:
            self.states[place] = state

    @rule(
        number=st.integers(0, 1),
        place=PLACES,
        items=st.dictionaries(KEYS, VALUES, max_size=3),
        infos=st.dictionaries(KEYS, INFOS, max_size=2),
    )
    def update(self, number, place, items, infos):
        self.place(number, place)._update(items, infos)
        for key, value in items.items():
            self.states[place] = self.states[place].with_value(key, value)
        for key, info in infos.items():
            self.states[place] = self.states[place].with_info(key, info)

    @rule(
        number=st.integers(0, 1),
        place=PLACES,
        values=st.lists(VALUES, max_size=3),
        named=st.dictionaries(KEYS, VALUES, max_size=2),
        info=INFOS,
    )
    def insert(self, number, place, values, named, info):
        keys = self.place(number, place)._insert(*values, info=info, **named)
        new = keys[: len(values)]
        assert keys == [*new, *named]
        assert all(key.startswith("x_") for key in new)
        assert not {*new} & {*named, *self.states[place].infos}
        for key, value in zip(keys, [*values, *named.values()], strict=True):
            self.states[place] = self.states[place].with_value(key, value).with_info(key, info)

    @rule(
        number=st.integers(0, 1),
        wanted=st.sampled_from([("class", 1), ("_x", 1), ("a.b", 1), ("a", lambda: 0)]),
    )
    def refuse(self, number, wanted):
        with pytest.raises((PersistError, TypeError)):
            self.objects[number]._update(dict(b=2, **dict([wanted])))

    @precondition(lambda self: self.has_inner)
    @rule(number=st.integers(0, 1))
    def refuse_the_name_of_the_inner_one(self, number):
        with pytest.raises(InvalidKeyError):
            self.objects[number].inner = 1

    @rule(number=st.integers(0, 1), mode=st.sampled_from(["r", "c"]))
    def map_into_memory(self, number, mode):
        for key, value in self.states["outer"].values.items():
            found = self.objects[number]._load(key, mmap_mode=mode)
            if isinstance(value, numpy.ndarray):
                assert numpy.array_equal(found, value)
                assert found.dtype == value.dtype
            else:
                assert type(found) is type(value)

    @invariant()
    def all_readers_agree(self):
        wanted = self.states["outer"]
        if self.has_inner:
            wanted = State(wanted.values, wanted.infos, {"inner": self.states["inner"]})
        fresh = persist.DataSet(self.folder.name, path=self.root)
        for ds in (*self.objects, fresh):
            assert is_same(read_object(ds), wanted)
            assert list(ds) == list(fresh)

    @precondition(lambda self: self.objects[0]._results._index.number % 3 == 0)
    @invariant()
    def the_bare_package_agrees(self):
        with bare_package(self.folder) as package:
            assert list(getattr(package, "_info_dict", {})) == list(self.objects[0])
            for key, value in self.states["outer"].values.items():
                assert is_same(package._load(key), value)
                assert is_same(getattr(package, key), value)
            for key, info in self.states["outer"].infos.items():
                assert is_same(package._info_dict[key], info)
            if self.has_inner:
                for key, value in self.states["inner"].values.items():
                    assert is_same(package.inner._load(key), value)

    @invariant()
    def the_files_are_as_they_were_written(self):
        report = persist.verify(self.folder)
        assert report.ok, report
        assert not report.unfinished, report


DataSets.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
test_two_writers_and_all_readers_agree = DataSets.TestCase


def test_the_manifest_does_not_grow_without_end(tmp_path):
    lengths = []
    with often_compacted():
        writers = [persist.DataSet("ds", "w", path=tmp_path, durable=False) for _ in range(2)]
        for number in range(200):
            writers[number % 2].x = number
            writers[number % 2]["x"] = number
            lengths.append((tmp_path / "ds" / "_manifest.jsonl").read_bytes().count(b"\n"))
            assert writers[1 - number % 2].x == writers[1 - number % 2]["x"] == number
    assert max(lengths) < 50
    assert persist.verify(tmp_path / "ds").ok


@pytest.fixture
def ds(tmp_path):
    """A data set with one key, which has a value."""
    ds = persist.DataSet("ds", "w", path=tmp_path, array_threshold=THRESHOLD)
    ds.a = numpy.arange(10)
    return ds


def test_an_info_that_comes_after_a_deleted_value_has_none(ds):
    ds._delete("a")
    ds["a"] = "only an info"
    assert ds.a is None
    assert ds._load("a", mmap_mode="r") is None
    assert ds._manifest["a"].files == {}
    ds._rename("a", "b")
    assert ds.b is None
    assert ds["b"] == "only an info"


def test_an_info_that_comes_after_a_deleted_value_in_a_batch_has_none(ds):
    with ds._batch():
        ds._delete("a")
        ds["a"] = "only an info"
        assert ds.a is None
        assert ds._load("a", mmap_mode="r") is None
        ds._rename("a", "b")
        assert ds.b is None
    assert ds._keys() == ["b"]
    assert ds.b is None


def test_a_value_of_a_batch_is_mapped_within_it(ds):
    with ds._batch():
        ds.b = numpy.arange(20)
        assert numpy.array_equal(ds._load("b", mmap_mode="r"), numpy.arange(20))
        ds._rename("b", "c")
        assert numpy.array_equal(ds._load("c", mmap_mode="r"), numpy.arange(20))
