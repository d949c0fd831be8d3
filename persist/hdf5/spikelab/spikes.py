"""SpikeData: trains of spike times, one after the other."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.errors import UnsupportedObjectError
from persist.hdf5.arrays import stored_array
from persist.hdf5.content import Content
from persist.hdf5.datasets import Joined, Numbers
from persist.hdf5.marks import attribute, marked, member, text_of
from persist.hdf5.spikelab.classes import spikelab_class
from persist.hdf5.spikelab.exact import keep_exact, keep_others, set_exact
from persist.hdf5.spikelab.metadata import is_exact_metadata, metadata_json, read_metadata
from persist.hdf5.spikelab.neuron_attributes import add_attributes, read_attributes
from persist.hdf5.spikelab.numbers import exact_as_float
from persist.hdf5.stored import read_array

__all__ = ["SpikeDataEncoding", "read_spikes", "spikes_content"]

TRAIN_DTYPES = "encoding-dtypes"

_KNOWN = {
    *("train", "N", "length", "start_time", "metadata", "neuron_attributes"),
    *("raw_data", "raw_time"),
}


class SpikeDataEncoding:
    """How a SpikeData is a group."""

    tag = "SpikeData"

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        content = spikes_content(obj)
        content.attributes.update(marked(self.tag))
        content.dated = True
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group stands for."""
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
    content = Content(attributes, {"spike_times_index": Numbers(ends)})
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
            dataset = stored_array(array)
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
    """Return the SpikeData that a group stands for."""
    raw: dict[str, Any] = {n: read_array(group[n]) for n in ("raw_data", "raw_time") if n in group}
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
    train = numpy.split(read_array(times), member(group, "spike_times_index")[()])[:-1]
    if TRAIN_DTYPES not in times.attrs:
        return train
    dtypes = text_of(times.attrs[TRAIN_DTYPES]).split(" ")
    return [part.astype(dtype) for part, dtype in zip(train, dtypes, strict=True)]
