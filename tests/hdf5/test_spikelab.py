"""The classes of spikelab, read and written by both libraries."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import h5py
import numpy
import pytest

from persist.errors import DamagedError, PersistWarning, UnsupportedObjectError
from persist.hdf5 import read_item, read_summary, summarize
from tests.classes import Plain
from tests.hdf5.files import (
    CREATED_AT,
    SAMPLE,
    check_round_trip,
    kind,
    memory_file,
    stored,
    write_item,
)
from tests.same import assert_same

spikelab = pytest.importorskip("spikelab")
peer = pytest.importorskip("spikelab.workspace.hdf5_io")
peer_summary = pytest.importorskip("spikelab.workspace.workspace")._make_summary

SpikeData, RateData = spikelab.SpikeData, spikelab.RateData
SpikeSliceStack, RateSliceStack = spikelab.SpikeSliceStack, spikelab.RateSliceStack
Matrix, Stack = spikelab.PairwiseCompMatrix, spikelab.PairwiseCompMatrixStack

NUMBERS = numpy.random.default_rng(0)


def attributes() -> list[dict[str, Any]]:
    return [
        {"electrode": 1, "wave": numpy.arange(3.0), "place": "x", "good": True, "depth": 0.5},
        {"electrode": 2, "wave": numpy.arange(3.0) + 1, "good": False, "depth": -0.0},
    ]


def spikes(**changes: Any) -> Any:
    given = {"length": 10.0, "metadata": {"fs": 20000, "x": 1.5, "n": None, "l": [1, "é"]}}
    return SpikeData([[1.0, 2.0, 3.5], [4.0]], **{**given, **changes})


def slices() -> Any:
    # Those of frames() share what their metadata hold, which the format does not keep.
    return SpikeSliceStack(
        spike_stack=[spikes(length=5.0), spikes(length=5.0)],
        neuron_attributes=attributes(),
    )


KEPT: dict[str, Callable[[], Any]] = {
    "spikes": lambda: spikes(neuron_attributes=attributes(), start_time=-1.0),
    "spikes with raw data": lambda: spikes(raw_data=numpy.ones((2, 4), "f4"), raw_time=2.0),
    "no spikes": lambda: SpikeData([[], []], length=1.0),
    "no units": lambda: SpikeData([], length=0.0),
    "arrays in metadata": lambda: spikes(
        metadata={"a": numpy.arange(3), "b": [{"c": numpy.ones((2, 2), "f4")}], "s": "\0"}
    ),
    "rates": lambda: RateData(NUMBERS.random((2, 3)), numpy.arange(3.0), attributes()),
    "rates at integers": lambda: RateData(
        numpy.asfortranarray(NUMBERS.random((2, 3))), numpy.arange(3)
    ),
    "slices of rates": lambda: RateSliceStack(
        event_matrix=numpy.stack([NUMBERS.random((2, 5))] * 3, axis=2),
        times_start_to_end=[(0.0, 5.0), (5.0, 10.0), (20.0, 25.0)],
        step_size=1.0,
        neuron_attributes=attributes(),
    ),
    "slices of spikes": lambda: slices(),
    "matrix": lambda: Matrix(NUMBERS.random((2, 2)), ["a", "b"], {"m": "sttc"}),
    "matrix of small floats": lambda: Matrix(NUMBERS.random((2, 2)).astype("f4"), [3, 4]),
    "matrices": lambda: Stack(NUMBERS.random((2, 2, 3)), [0.5, 1.5], [(0.0, 1.0)] * 3),
    "matrices without times": lambda: Stack(NUMBERS.random((2, 2, 3))),
}
"""What the format of spikelab keeps."""

LOST: dict[str, Callable[[], Any]] = {
    "length that is an integer": lambda: spikes(length=10),
    "large integers": lambda: SpikeData([[2**53 + 1]], length=1e18),
    "keys of metadata": lambda: spikes(metadata={1: "a", "t": (1, 2)}),
    "sharing in metadata": lambda: spikes(metadata=(lambda part: {"a": part, "b": part})([1])),
    "scalar of numpy in metadata": lambda: spikes(metadata={"a": numpy.float32(0.5)}),
    "long long in metadata": lambda: spikes(metadata={"a": numpy.ones(2, "q")}),
    "long long of units": lambda: spikes(neuron_attributes=[{"x": numpy.ones(2, "q")}, {}]),
    "long long": lambda: Matrix(numpy.ones((1, 1), "q")),
    "None as an attribute": lambda: spikes(neuron_attributes=[{"x": None}, {"x": 1.5}]),
    "empty text": lambda: spikes(neuron_attributes=[{"x": ""}, {"x": "a"}]),
    "numbers of two kinds": lambda: spikes(neuron_attributes=[{"x": 1}, {"x": 1.5}]),
    "lists": lambda: spikes(neuron_attributes=[{"x": [1, 2]}, {"x": (3, 4)}]),
    "order of attributes": lambda: spikes(neuron_attributes=[{"x": 1, "y": 2}, {"y": 1, "x": 2}]),
    "no attributes of units": lambda: spikes(neuron_attributes=[{}, {}]),
    "large arrays of two types": lambda: spikes(
        neuron_attributes=[{"x": numpy.arange(40)}, {"x": numpy.ones(40)}]
    ),
    "one array for all units": lambda: spikes(
        neuron_attributes=(lambda wave: [{"x": wave}, {"x": wave}])(numpy.ones(3))
    ),
    "raw data without samples": lambda: spikes(
        raw_data=numpy.zeros((3, 0)), raw_time=numpy.zeros(0)
    ),
    "rate unit": lambda: RateData(numpy.ones((1, 2)), numpy.arange(2.0), rate_unit="Hz"),
    "attribute of its own": lambda: changed(spikes(), comment={"by": "hand"}),
    "tuple of attributes": lambda: changed(spikes(), neuron_attributes=({"x": 1}, {"x": 2})),
    "metadata of a matrix": lambda: Matrix(numpy.ones((1, 1)), None, {1: 2}),
    "rates that are long doubles": lambda: changed(
        RateData(numpy.ones((2, 1)), numpy.zeros(1)),
        inst_Frate_data=numpy.ones((2, 1), "g") / 3,
        neuron_attributes=[{"x": None}, {}],
    ),
    "slices without times": lambda: changed(
        RateSliceStack(event_matrix=numpy.ones((2, 3, 1))),
        event_stack=numpy.ones((2, 3, 1), "g") / 3,
        times=None,
        neuron_attributes=[{}, {}],
    ),
    "slices of spikes at integers": lambda: changed(
        slices(), N=numpy.int64(2), times=[(0, 5), (5, 10)], neuron_attributes=[]
    ),
    "number of units": lambda: changed(spikes(), N=numpy.int64(2)),
    "times that are integers": lambda: Stack(numpy.ones((2, 2, 1)), None, [(0, 1)]),
    "labels of two kinds": lambda: Matrix(numpy.ones((2, 2)), ["a", 1]),
    "labels without any": lambda: Matrix(numpy.ones((2, 2)), [None, None]),
    "long double": lambda: Matrix(numpy.ones((2, 2), "g") / 3),
    "step that is an integer": lambda: RateSliceStack(
        event_matrix=numpy.ones((1, 2, 1)), times_start_to_end=[(0, 4)], step_size=2
    ),
}
"""What it loses."""


def changed(obj: Any, **attributes: Any) -> Any:
    vars(obj).update(attributes)
    return obj


def names_of_ours(group: h5py.Group) -> set[str]:
    """Return the names in a group, at any depth, that spikelab does not know."""
    names = set(group.attrs)
    group.visititems(lambda name, item: names.update([*name.split("/"), *item.attrs]))
    return {name for name in names if name.startswith("encoding-")}


@pytest.mark.parametrize("name", KEPT)
def test_what_the_format_keeps_is_stored_once(name: str) -> None:
    check_round_trip(KEPT[name]())
    with stored(KEPT[name]()) as group:
        assert "encoding-exact" not in names_of_ours(group)


@pytest.mark.parametrize("name", LOST)
def test_what_the_format_loses_is_kept_beside(name: str) -> None:
    check_round_trip(LOST[name]())
    with stored(LOST[name]()) as group:
        assert "encoding-exact" in names_of_ours(group)


def test_trains_of_several_types_are_kept() -> None:
    check_round_trip(SpikeData([[1, 2], [], numpy.ones(1, "f4")], length=10.0))


def test_long_trains_are_kept() -> None:
    trains = [numpy.arange(30_000.0) / (i + 1) for i in range(5)]
    check_round_trip(SpikeData(trains, length=30_000.0))


def test_a_nan_among_numbers_is_kept_with_a_warning() -> None:
    obj = spikes(neuron_attributes=[{"x": math.nan}, {"x": 1.5}])
    with memory_file() as file:
        with pytest.warns(PersistWarning, match="'x' contains NaN values"):
            write_item(file, "item", obj, created_at=0)
        assert_same(read_item(file["item"]), obj)


def content(group: h5py.Group) -> dict[str, Any]:
    """Return all that spikelab finds in a group."""
    found: dict[str, Any] = {}

    def add(name: str, item: Any) -> None:
        if any(part.startswith("encoding-") for part in name.split("/")):
            return
        known = {n: repr(v) for n, v in item.attrs.items() if not n.startswith("encoding-")}
        found[name] = known
        if isinstance(item, h5py.Dataset):
            found[name] = known, item.dtype.kind, item.shape, repr(item[()].tolist())

    add("", group)
    group.visititems(add)
    return found


@pytest.mark.parametrize("name", {**KEPT, **LOST})
def test_the_peer_finds_what_it_would_have_written(name: str) -> None:
    obj = {**KEPT, **LOST}[name]()
    with memory_file() as file:
        write_item(file, "ours", obj, created_at=CREATED_AT)
        peer._dump_item(file.create_group("theirs"), obj, CREATED_AT, None)
        assert content(file["ours"]) == content(file["theirs"])
        found, entry = peer._load_item(file["ours"])
        assert type(found) is type(obj)
        assert entry == {**peer._load_item(file["theirs"])[1], "created_at": CREATED_AT}
        assert summarize(obj) == peer_summary(obj)


def usual(obj: Any) -> Any:
    """Return an object as persist reads it back: h5py spells some dtypes in its own way."""
    with stored(obj) as group:
        return read_item(group)


@pytest.mark.parametrize("name", KEPT)
def test_what_the_peer_writes_is_read_as_the_peer_reads_it(name: str) -> None:
    with memory_file() as file:
        peer._dump_item(file.create_group("theirs"), KEPT[name](), CREATED_AT, None)
        wanted, entry = peer._load_item(file["theirs"])
        assert_same(usual(read_item(file["theirs"])), usual(wanted))
        summary = read_summary(file["theirs"])
        assert summary == {key: entry[key] for key in summary}


@pytest.mark.parametrize("key", ["sd", "rd", "rss", "sss", "pcm", "pcm2", "pcms"])
def test_an_object_of_the_sample_is_read_as_the_peer_reads_it(key: str) -> None:
    with h5py.File(SAMPLE) as file:
        wanted, _ = peer._load_item(file["a"][key])
        assert_same(usual(read_item(file["a"][key])), usual(wanted))


def test_the_dict_of_the_sample_is_read_as_the_peer_reads_it() -> None:
    with h5py.File(SAMPLE) as file:
        found, wanted = read_item(file["b/d"]), peer._load_item(file["b/d"])[0]
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert_same(usual(found[name]), usual(value))


def test_the_peer_loads_a_dict_of_all_that_it_knows() -> None:
    part = [1, 2]
    obj = {
        **{name: make() for name, make in KEPT.items()},
        "list": part,
        "again": part,
        "mixed": [1, 2.5],
        "table": [[1, 2], [3, 4]],
        "tuple": (1, "a"),
        "set": {1, 2},
        "text": "é",
        "none": None,
        "inner": {"x": True},
        "scalar": numpy.float32(0.5),
        "texts": numpy.array(["a", "bc"]),
        "empty": [],
        "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
    }
    check_round_trip(obj)
    with stored(obj) as group:
        found, _ = peer._load_item(group)
    assert list(found) == list(obj)
    assert found["table"].tolist() == [[1, 2], [3, 4]]
    assert found["mixed"].tolist() == [1.0, 2.5]
    assert found["tuple"] == ("1", "a")
    assert found["set"] == {1, 2}
    assert found["texts"].tolist() == ["a", "bc"]
    assert found["fortran"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (found["scalar"], found["text"], found["none"]) == (0.5, "é", None)
    assert found["inner"] == {"x": True}


def test_the_values_of_the_peer_are_read_from_its_dicts() -> None:
    obj = {"i": 1, "n": numpy.int8(2), "f": numpy.float32(0.5), "t": (1, 2), "s": {"a"}, "b": True}
    with memory_file() as file:
        peer._dump_item(file.create_group("theirs"), obj, CREATED_AT, None)
        wanted, _ = peer._load_item(file["theirs"])
        assert_same(read_item(file["theirs"]), wanted)


def test_an_object_that_is_shared_is_one_object() -> None:
    sd = spikes()
    with stored({"a": sd, "b": {"c": sd}}) as group:
        assert kind(group["a"]) == ("SpikeData", None)
        found = read_item(group)
        assert found["a"] is found["b"]["c"]


def test_a_subclass_or_a_list_of_them_is_a_source() -> None:
    check_round_trip({"list": [spikes()], "owner": Plain(spikes=spikes())})


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "metadata": (
        lambda: spikes(metadata={"x": 1j}), ValueError, "^metadata contains non-JSON-serialisable",
    ),
    "records in metadata": (
        lambda: spikes(metadata={"x": numpy.zeros(1, "i4,i4")}), ValueError, "^metadata contains",
    ),
    "slash": (
        lambda: spikes(neuron_attributes=[{"a/b": 1}, {}]), ValueError, "contains a forward slash",
    ),
    "no name": (lambda: spikes(neuron_attributes=[{"": 1}, {}]), ValueError, "cannot name"),
    "type": (
        lambda: spikes(neuron_attributes=[{"x": {}}, {}]), ValueError, "unsupported value type: d",
    ),
    "scalar beside arrays": (
        lambda: spikes(neuron_attributes=[{"x": 1}, {"x": [1]}]), ValueError, "mixes scalar and ar",
    ),
    "shapes": (
        lambda: spikes(neuron_attributes=[{"x": [1, 2]}, {"x": [1]}]), ValueError, "inconsistent s",
    ),
    "many units without": (
        lambda: SpikeData(
            [[]] * 8002, length=1.0, neuron_attributes=[{"x": [1]}, *[{} for _ in range(8001)]]
        ), TypeError, "no array for 8001 units",
    ),
    "arrays of text": (
        lambda: spikes(neuron_attributes=[{"x": ["a"]}, {}]), TypeError, "arrays of dtype <U1",
    ),
    "NUL": (
        lambda: spikes(neuron_attributes=[{"x": "\0"}, {}]), UnsupportedObjectError, "NUL",
    ),
    "NUL in a label": (lambda: Matrix(numpy.ones((1, 1)), ["\0"]), UnsupportedObjectError, "NUL"),
    "labels": (lambda: Matrix(numpy.ones((2, 2)), [1, None]), TypeError, "numbers or texts"),
    "raw data": (
        lambda: spikes(raw_data=numpy.array([[None]]), raw_time=[0.0]), TypeError, "raw_data of d",
    ),
    "what is lost": (lambda: spikes(metadata={(i for i in ()): 1}), ValueError, "^metadata"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_what_the_format_cannot_hold_is_refused_before_writing(name: str) -> None:
    make, error, message = ERRORS[name]
    with memory_file() as file:
        with pytest.raises(error, match=message):
            write_item(file, "item", {"beside": 1, "x": make()}, created_at=0)
        assert list(file) == []


@pytest.mark.parametrize(
    ("name", "member"),
    [
        *(("spikes", "spike_times"), ("spikes", "spike_times_index"), ("rates", "times")),
        *(("slices of rates", "event_stack"), ("slices of spikes", "spike_stack")),
        *(("slices of spikes", "spike_stack/0"), ("matrix", "matrix"), ("matrices", "stack")),
    ],
)
def test_a_missing_part_is_named(name: str, member: str) -> None:
    with stored(KEPT[name]()) as group:
        del group[member]
        with pytest.raises(DamagedError, match=f"holds no '{member.split('/')[-1]}'"):
            read_item(group)


class TestOlderFiles:
    """What files may lack, or hold in another way."""

    def test_start_metadata_and_raw_data_may_be_absent(self) -> None:
        with stored(spikes()) as group:
            for name in ("start_time", "__metadata__"):
                del group.attrs[name]
            found = read_item(group)
            assert (found.start_time, found.metadata) == (0.0, {})
            assert read_summary(group)["start_time"] == 0.0

    @pytest.mark.parametrize(("times", "shape"), [([0.0, 1.0], (0, 2)), (2.0, (0, 1))])
    def test_times_of_raw_data_may_stand_alone(self, times: Any, shape: Any) -> None:
        with stored(spikes()) as group:
            group["raw_time"] = times
            assert read_item(group).raw_data.shape == shape

    def test_raw_data_may_stand_alone(self) -> None:
        with stored(spikes()) as group:
            group["raw_data"] = [[1.0, 2.0]]
            assert read_item(group).raw_data.tolist() == [[1.0, 2.0]]

    def test_the_number_of_units_is_that_of_the_first_slice(self) -> None:
        with stored(spikes().frames(5.0)) as group:
            del group.attrs["N"]
            assert read_item(group).N == 2

    def test_a_stack_may_have_no_slices(self) -> None:
        stack = SpikeSliceStack.__new__(SpikeSliceStack)
        stack.spike_stack, stack.times, stack.N, stack.neuron_attributes = [], [], 3, None
        check_round_trip(stack)
        assert summarize(stack)["length_ms"] is None

    def test_lengths_that_differ_are_a_pair(self) -> None:
        stack = slices()
        stack.times = [(0.0, 5.0), (5.0, 12.0)]
        check_round_trip(stack)
        assert summarize(stack)["length_ms"] == (5.0, 7.0)

    def test_a_row_of_nan_was_a_missing_array(self) -> None:
        with stored(spikes()) as group:
            group["neuron_attributes/wave"] = [[math.nan, math.nan], [1.0, math.nan]]
            group["neuron_attributes/index"] = [[0, 0], [1, 1]]
            first, second = read_item(group).neuron_attributes
        assert list(first) == ["index"]
        assert second["wave"][0] == 1.0

    def test_texts_and_numbers_may_be_missing(self) -> None:
        with stored(spikes()) as group:
            group["neuron_attributes/text"] = numpy.array([b"", b"ab"])
            group["neuron_attributes/number"] = [math.nan, 3.0]
            group["neuron_attributes/number"].attrs["__scalar_kind__"] = numpy.bytes_(b"int")
            group["neuron_attributes/none"] = [math.nan, math.nan]
            found = read_item(group).neuron_attributes
        assert_same(found, [{}, {"number": 3, "text": "ab"}])

    def test_metadata_may_have_the_mark_of_an_array(self) -> None:
        """spikelab writes them too, and cannot read them."""
        metadata = {"a": {"__ndarray__": True}}
        with stored(spikes(metadata=metadata)) as group:
            assert read_item(group).metadata == metadata

    def test_arrays_in_metadata_were_lists(self) -> None:
        with stored(spikes()) as group:
            group.attrs["__metadata__"] = '{"a": [1, 2], "b": NaN}'
            assert read_item(group).metadata["a"] == [1, 2]

    def test_an_empty_group_of_attributes_is_none(self) -> None:
        with stored(spikes()) as group:
            group.create_group("neuron_attributes")
            assert read_item(group).neuron_attributes is None


def test_reading_imports_the_library_without_a_warning() -> None:
    with warnings.catch_warnings(), h5py.File(SAMPLE) as file:
        warnings.simplefilter("error")
        read_item(file["b/d"])
