"""The encodings of the data classes of spikelab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.datasets import Encoded, Stored, encode, text_of
from persist.archive.arrays.vocabulary import ITEM
from persist.errors import UnsupportedObjectError
from persist.hdf5.arrays import ARRAY
from persist.hdf5.builtins import ARCHIVED
from persist.hdf5.content import Content, Joined
from persist.hdf5.extras import Layout, dataset_layout, group_layout
from persist.hdf5.opening import member
from persist.hdf5.spikelab.fields import (
    EXACT,
    METADATA_NAME,
    exact_as_float,
    floats,
    is_exact_metadata,
    keep_exact,
    keep_others,
    labels_dataset,
    metadata_json,
    read_labels,
    read_metadata,
    read_times,
    set_exact,
    spikelab_class,
    times,
)
from persist.hdf5.spikelab.units import (
    KIND,
    MISSING_UNITS,
    NAME,
    add_attributes,
    read_attributes,
)
from persist.hdf5.vocabulary import attribute, marked

TRAIN_DTYPES = "encoding-dtypes"

_KNOWN = {
    *("train", "N", "length", "start_time", "metadata", "neuron_attributes"),
    *("raw_data", "raw_time"),
}


_UNITS = Layout(rest=dataset_layout(*ITEM.names, KIND, MISSING_UNITS))
_SPIKES = group_layout(
    ["N", "length_ms", "start_time", METADATA_NAME, EXACT],
    {
        "spike_times": dataset_layout(*ITEM.names, TRAIN_DTYPES),
        "spike_times_index": ARRAY,
        "raw_data": ARRAY,
        "raw_time": ARRAY,
        NAME: _UNITS,
        EXACT: ARCHIVED,
    },
)


class SpikeDataEncoding:
    """How a SpikeData is a group."""

    tag = "SpikeData"
    layout = _SPIKES

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        content = spikes_content(obj)
        content.attributes.update(marked(self.tag))
        content.dated = True
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group represents."""
        return read_spikes(group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the number of units, the length and the start, in ms."""
        return _summary(obj.N, obj.length, obj.start_time)

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        length = float(attribute(group, "length_ms"))
        return _summary(attribute(group, "N"), length, group.attrs.get("start_time", 0.0))


def _summary(count: Any, length: Any, start: Any) -> dict[str, Any]:
    times = {"length_ms": float(length), "start_time": float(start)}
    return {"type": "SpikeData", "N": int(count), **times}


def spikes_content(obj: Any) -> Content:
    """Return what the group of a SpikeData holds, but for its type: slices of a stack have none."""
    train = [numpy.asarray(times) for times in obj.train]
    attributes = {
        "N": numpy.int64(obj.N),
        "length_ms": float(obj.length),
        "start_time": float(obj.start_time),
        **metadata_json(obj.metadata),
    }
    ends = numpy.cumsum([len(times) for times in train], dtype="<i8")
    content = Content(attributes, {"spike_times_index": Encoded(ends)})
    lost = keep_others(obj, _KNOWN)
    exact = _is_exact_train(obj.train)
    content.datasets["spike_times"] = Joined(train, _train_dtypes(train) if exact else {})
    if not exact:
        lost["train"] = obj.train
    for name, kind in (("N", int), ("length", float), ("start_time", float)):
        if type(getattr(obj, name)) is not kind:
            lost[name] = getattr(obj, name)
    if not is_exact_metadata(obj.metadata):
        lost["metadata"] = obj.metadata
    if not add_attributes(content, obj.neuron_attributes):
        lost["neuron_attributes"] = obj.neuron_attributes
    _add_raw(content, obj, lost)
    keep_exact(content, lost)
    return content


def _train_dtypes(train: list[Array]) -> dict[str, str]:
    """Return the attribute for trains that are not of 64-bit floats."""
    dtypes = [times.dtype.str for times in train]
    return {} if set(dtypes) <= {"<f8"} else {TRAIN_DTYPES: " ".join(dtypes)}


def _is_exact_train(train: Any) -> bool:
    return type(train) is list and all(
        type(times) is numpy.ndarray
        and times.ndim == 1
        and times.flags.writeable
        and exact_as_float(times)
        for times in train
    )


def _add_raw(content: Content, obj: Any, lost: dict[str, Any]) -> None:
    """Add the raw signal and its times, each if it is not empty."""
    for name, value in (("raw_data", obj.raw_data), ("raw_time", obj.raw_time)):
        if numpy.size(value):
            array = numpy.asarray(value)
            dataset = encode(array, ITEM)
            if dataset is None:
                raise UnsupportedObjectError(f"{name} of dtype {array.dtype} has no form in HDF5")
            content.datasets[name] = dataset
    shape = (0, numpy.size(obj.raw_time))
    for name, empty in (("raw_data", shape), ("raw_time", (0,))):
        value = getattr(obj, name)
        is_array = type(value) is numpy.ndarray
        if name not in content.datasets and is_array:
            is_array = value.shape == empty and value.dtype == "f8"
        if not is_array or not numpy.ndim(value):
            lost[name] = value


def read_spikes(group: Any) -> Any:
    """Return the SpikeData that a group represents."""
    raw: dict[str, Any] = {
        n: Stored(member(group, n)).read() for n in ("raw_data", "raw_time") if n in group
    }
    late = raw if "raw_time" not in raw else {}
    if "raw_time" in raw:
        raw.setdefault("raw_data", numpy.zeros((0, raw["raw_time"].size)))
    spikes = spikelab_class("SpikeData")(
        _read_train(group),
        N=int(attribute(group, "N")),
        length=float(attribute(group, "length_ms")),
        start_time=float(group.attrs.get("start_time", 0.0)),
        metadata=read_metadata(group),
        neuron_attributes=read_attributes(group),
        **({} if late else raw),
    )
    vars(spikes).update(late)
    return set_exact(spikes, group)


def _read_train(group: Any) -> list[Array]:
    times = member(group, "spike_times")
    train = numpy.split(Stored(times).read(), member(group, "spike_times_index")[()])[:-1]
    if TRAIN_DTYPES not in times.attrs:
        return train
    dtypes = text_of(times.attrs[TRAIN_DTYPES]).split(" ")
    return [part.astype(dtype) for part, dtype in zip(train, dtypes, strict=True)]


_KNOWN_OF_STACK = {"spike_stack", "times", "N", "neuron_attributes"}
_SLICES = "spike_stack"


class SpikeStackEncoding:
    """How a SpikeSliceStack is a group."""

    tag = "SpikeSliceStack"
    layout = group_layout(
        ["N", EXACT],
        {"times": ARRAY, _SLICES: Layout(rest=_SPIKES), NAME: _UNITS, EXACT: ARCHIVED},
    )

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        attributes = {**marked(self.tag), "N": numpy.int64(obj.N)}
        content = Content(attributes, dated=True)
        lost = keep_others(obj, _KNOWN_OF_STACK)
        if obj.times is not None:
            content.datasets["times"], exact = times(obj.times)
            if not exact:
                lost["times"] = obj.times
        slices = {str(i): spikes_content(part) for i, part in enumerate(obj.spike_stack)}
        content.groups[_SLICES] = Content({}, groups=slices)
        if type(obj.N) is not int:
            lost["N"] = obj.N
        if not add_attributes(content, obj.neuron_attributes):
            lost["neuron_attributes"] = obj.neuron_attributes
        keep_exact(content, lost)
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group represents, without running its constructor."""
        cls = spikelab_class(self.tag)
        slices = member(group, _SLICES)
        stack = [read_spikes(member(slices, str(i))) for i in range(len(slices))]
        obj = cls.__new__(cls)
        obj.spike_stack = stack
        obj.times = read_times(group)
        default = stack[0].N if stack else 0
        obj.N = int(group.attrs.get("N", default))
        obj.neuron_attributes = read_attributes(group)
        return set_exact(obj, group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the numbers of slices and of units, and the length of the slices in ms."""
        units = obj.spike_stack[0].N if obj.spike_stack else 0
        return self._summary(len(obj.spike_stack), units, obj.times)

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        slices = member(group, _SLICES)
        units = attribute(member(slices, "0"), "N") if len(slices) else 0
        return self._summary(len(slices), units, read_times(group))

    def _summary(self, slices: int, units: Any, windows: Any) -> dict[str, Any]:
        numbers = {"N_slices": slices, "N_units": int(units)}
        return {"type": self.tag, **numbers, "length_ms": _length(windows or [])}


def _length(windows: Any) -> Any:
    """Return the length of all windows, or the least and the greatest."""
    lengths = [float(end - start) for start, end in windows]
    if not lengths:
        return None
    least, greatest = min(lengths), max(lengths)
    return least if least == greatest else (least, greatest)


class Codec(NamedTuple):
    """How one attribute of an object is stored.

    `add` adds a value to the content under a name, and returns True if it comes back the same.
    """

    add: Callable[[Content, str, Any], bool]
    read: Callable[[Any, str], Any]


def _add_floats(content: Content, name: str, value: Any) -> bool:
    content.datasets[name], is_exact = floats(value)
    return is_exact


def _add_times(content: Content, name: str, value: Any) -> bool:
    if value is None:
        return False
    content.datasets[name], is_exact = times(value)
    return is_exact


def _add_number(content: Content, name: str, value: Any) -> bool:
    content.attributes[name] = float(value)
    return type(value) is float


def _add_labels(content: Content, name: str, value: Any) -> bool:
    labels, is_exact = labels_dataset(value)
    if labels is not None:
        content.datasets[name] = labels
    return is_exact


def _add_metadata(content: Content, name: str, value: Any) -> bool:
    content.attributes.update(metadata_json(value))
    return is_exact_metadata(value)


FLOATS = Codec(_add_floats, lambda group, name: Stored(member(group, name)).read())
TIMES = Codec(_add_times, lambda group, name: read_times(group))
# Where a constructor makes no times of its own, none is what comes back.
OPTIONAL_TIMES = Codec(lambda *given: given[2] is None or _add_times(*given), TIMES.read)
NUMBER = Codec(_add_number, lambda group, name: float(attribute(group, name)))
LABELS = Codec(_add_labels, lambda group, name: read_labels(group))
METADATA = Codec(_add_metadata, lambda group, name: read_metadata(group))
UNITS = Codec(
    lambda content, name, value: add_attributes(content, value),
    lambda group, name: read_attributes(group),
)


@dataclass(frozen=True)
class FieldsEncoding:
    """How objects of a class with one large array are groups.

    Parameters
    ----------
    tag : str
        The name of the class.
    array : str
        The name of the large array.
    fields : dict of str to Codec
        How the attributes are stored.
    arguments : dict of str to str, optional
        What the constructor calls attributes, where it does not call them by their name.
    derived : dict of str to object, optional
        Attributes that the constructor sets; ``...`` stands for any value.
    """

    tag: str
    array: str
    fields: dict[str, Codec]
    arguments: dict[str, str] = field(default_factory=dict)
    derived: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """What is read of a group."""
        names = [METADATA_NAME if name == "metadata" else name for name in self.fields]
        return group_layout(
            [EXACT, *names],
            {**dict.fromkeys(names, ARRAY), NAME: _UNITS, EXACT: ARCHIVED},
        )

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        content = Content(marked(self.tag), dated=True)
        lost = keep_others(obj, self.fields)
        for name, value in self.derived.items():
            if value is ... or lost.get(name, ...) is value:
                lost.pop(name, None)
        for name, codec in self.fields.items():
            if not codec.add(content, name, getattr(obj, name)):
                lost[name] = getattr(obj, name)
        keep_exact(content, lost)
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group represents."""
        values = {name: codec.read(group, name) for name, codec in self.fields.items()}
        given = {self.arguments.get(name, name): value for name, value in values.items()}
        obj = spikelab_class(self.tag)(**given)
        # Constructors copy the array into C order.
        setattr(obj, self.array, values[self.array])
        return set_exact(obj, group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the shape of the array."""
        return {"type": self.tag, "shape": list(getattr(obj, self.array).shape)}

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        return {"type": self.tag, "shape": list(member(group, self.array).shape)}


_PAIRS = {"labels": LABELS, "metadata": METADATA}
RATES = FieldsEncoding(
    "RateData",
    "inst_Frate_data",
    {"inst_Frate_data": FLOATS, "times": FLOATS, "neuron_attributes": UNITS},
    derived={"N": ..., "rate_unit": None},
)
RATE_STACKS = FieldsEncoding(
    "RateSliceStack",
    "event_stack",
    {"event_stack": FLOATS, "times": TIMES, "step_size": NUMBER, "neuron_attributes": UNITS},
    arguments={"event_stack": "event_matrix", "times": "times_start_to_end"},
)
PAIRS = FieldsEncoding("PairwiseCompMatrix", "matrix", {"matrix": FLOATS, **_PAIRS})
PAIR_STACKS = FieldsEncoding(
    "PairwiseCompMatrixStack", "stack", {"stack": FLOATS, **_PAIRS, "times": OPTIONAL_TIMES}
)
