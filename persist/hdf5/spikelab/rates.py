"""RateData and RateSliceStack: rates over time, for one or for many windows."""

from __future__ import annotations

from typing import Any

from persist.hdf5.content import Content
from persist.hdf5.marks import attribute, marked, member
from persist.hdf5.spikelab.classes import spikelab_class
from persist.hdf5.spikelab.exact import keep_exact, keep_others, set_exact
from persist.hdf5.spikelab.neuron_attributes import add_attributes, read_attributes
from persist.hdf5.spikelab.numbers import floats, read_times, times
from persist.hdf5.stored import read_array

__all__ = ["RateDataEncoding", "RateStackEncoding"]


class RateDataEncoding:
    """How a RateData is a group."""

    tag = "RateData"

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        content = Content(marked(self.tag), dated=True)
        lost = keep_others(obj, {"inst_Frate_data", "times", "N", "neuron_attributes"})
        if obj.rate_unit is None:
            lost.pop("rate_unit", None)  # It is what comes back by itself.
        for name in ("inst_Frate_data", "times"):
            content.datasets[name], exact = floats(getattr(obj, name))
            if not exact:
                lost[name] = getattr(obj, name)
        if not add_attributes(content, obj.neuron_attributes):
            lost["neuron_attributes"] = obj.neuron_attributes
        keep_exact(content, lost)
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group stands for."""
        rates, instants = (read_array(member(group, n)) for n in ("inst_Frate_data", "times"))
        attributes = read_attributes(group)
        obj = spikelab_class(self.tag)(rates, instants, neuron_attributes=attributes)
        # The constructor copies the rates into C order.
        obj.inst_Frate_data = rates
        return set_exact(obj, group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the shape of the rates."""
        return {"type": self.tag, "shape": list(obj.inst_Frate_data.shape)}

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        return {"type": self.tag, "shape": list(member(group, "inst_Frate_data").shape)}


class RateStackEncoding:
    """How a RateSliceStack is a group."""

    tag = "RateSliceStack"

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        attributes = {**marked(self.tag), "step_size": float(obj.step_size)}
        content = Content(attributes, dated=True)
        lost = keep_others(obj, {"event_stack", "times", "step_size", "neuron_attributes"})
        content.datasets["event_stack"], exact = floats(obj.event_stack)
        if not exact:
            lost["event_stack"] = obj.event_stack
        if obj.times is not None:
            content.datasets["times"], exact = times(obj.times)
        if obj.times is None or not exact:
            lost["times"] = obj.times
        if type(obj.step_size) is not float:
            lost["step_size"] = obj.step_size
        if not add_attributes(content, obj.neuron_attributes):
            lost["neuron_attributes"] = obj.neuron_attributes
        keep_exact(content, lost)
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group stands for."""
        obj = spikelab_class(self.tag)(
            event_matrix=read_array(member(group, "event_stack")),
            times_start_to_end=read_times(group),
            step_size=float(attribute(group, "step_size")),
            neuron_attributes=read_attributes(group),
        )
        return set_exact(obj, group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the shape of the stack."""
        return {"type": self.tag, "shape": list(obj.event_stack.shape)}

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        return {"type": self.tag, "shape": list(member(group, "event_stack").shape)}
