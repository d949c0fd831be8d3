"""PairwiseCompMatrix and PairwiseCompMatrixStack: what each pair of units has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from persist.hdf5.content import Content
from persist.hdf5.marks import marked, member
from persist.hdf5.spikelab.classes import spikelab_class
from persist.hdf5.spikelab.exact import keep_exact, keep_others, set_exact
from persist.hdf5.spikelab.labels import labels_dataset, read_labels
from persist.hdf5.spikelab.metadata import is_exact_metadata, metadata_json, read_metadata
from persist.hdf5.spikelab.numbers import floats, read_times, times
from persist.hdf5.stored import read_array

__all__ = ["PairwiseEncoding"]


@dataclass(frozen=True)
class PairwiseEncoding:
    """How objects of one of the two classes are groups.

    Parameters
    ----------
    tag : str
        The name of the class.
    field : str
        The name of its array.
    has_times : bool
        Whether there is a window of time for each slice of the array.
    """

    tag: str
    field: str
    has_times: bool

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds."""
        attributes = {**marked(self.tag), **metadata_json(obj.metadata)}
        content = Content(attributes, dated=True)
        lost = keep_others(obj, {self.field, "labels", "metadata", "times"})
        content.datasets[self.field], exact = floats(getattr(obj, self.field))
        if not exact:
            lost[self.field] = getattr(obj, self.field)
        labels, exact = labels_dataset(obj.labels)
        if labels is not None:
            content.datasets["labels"] = labels
        if not exact:
            lost["labels"] = obj.labels
        if self.has_times and obj.times is not None:
            content.datasets["times"], exact = times(obj.times)
            if not exact:
                lost["times"] = obj.times
        if not is_exact_metadata(obj.metadata):
            lost["metadata"] = obj.metadata
        keep_exact(content, lost)
        return content

    def read(self, group: Any) -> Any:
        """Return the object that a group stands for."""
        fields = {
            self.field: read_array(member(group, self.field)),
            "labels": read_labels(group),
            "metadata": read_metadata(group),
        }
        if self.has_times:
            fields["times"] = read_times(group)
        return set_exact(spikelab_class(self.tag)(**fields), group)

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the shape of the array."""
        return {"type": self.tag, "shape": list(getattr(obj, self.field).shape)}

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        return {"type": self.tag, "shape": list(member(group, self.field).shape)}
