"""SpikeSliceStack: a group for each slice."""

from __future__ import annotations

from typing import Any

import numpy

from persist.hdf5.content import Content
from persist.hdf5.marks import attribute, marked, member
from persist.hdf5.spikelab.classes import spikelab_class
from persist.hdf5.spikelab.exact import keep_exact, keep_others, set_exact
from persist.hdf5.spikelab.neuron_attributes import add_attributes, read_attributes
from persist.hdf5.spikelab.numbers import read_times, times
from persist.hdf5.spikelab.spikes import read_spikes, spikes_content

__all__ = ["SpikeStackEncoding"]

_KNOWN = {"spike_stack", "times", "N", "neuron_attributes"}
_SLICES = "spike_stack"


class SpikeStackEncoding:
    """How a SpikeSliceStack is a group."""

    tag = "SpikeSliceStack"

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        attributes = {**marked(self.tag), "N": numpy.int64(obj.N)}
        content = Content(attributes, dated=True)
        lost = keep_others(obj, _KNOWN)
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
        """Return the object that a group stands for, without running its constructor."""
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
