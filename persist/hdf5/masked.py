"""Arrays as datasets that plain h5py reads, with their masks beside them.

A masked array has the attribute ``mask``, which names the dataset of its mask, and ``fill_value``
if the user has chosen one. Text is variable-length UTF-8, and bytes are variable-length ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy

from persist.errors import UnsupportedObjectError
from persist.files.overlay import OverlayFile
from persist.hdf5.opening import member
from persist.hdf5.vocabulary import TIMELESS, file_type, is_text, new_dataset, text_of

MASK = "mask"
"""The attribute of a dataset that names the dataset of its mask, which is beside it."""
MASK_ENDING = ".mask"
FILL_VALUE = "fill_value"
_LINKS = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_LINKS.set_create_intermediate_group(True)
_LINKS.set_char_encoding(h5py.h5t.CSET_UTF8)
_EARLY = TIMELESS.copy()
_EARLY.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
_EARLY.set_fill_time(h5py.h5d.FILL_TIME_NEVER)


@dataclass(frozen=True)
class Prepared:
    """An array that HDF5 can hold.

    It is in C order. The mask has no axes where nothing was ever masked, and there is a
    `fill_value` where the user has chosen one.
    """

    array: Any
    kind: Any
    mask: Prepared | None = None
    fill_value: Any = None

    def write(self, file: Any, overlay: OverlayFile, name: str) -> None:
        """Write it as a dataset.

        Raises
        ------
        ValueError
            If there is a dataset of that name.
        OSError
            If the disk fails.
        """
        array = self.array
        properties = TIMELESS if array.dtype.hasobject else _EARLY
        dataset = new_dataset(file, name, self.kind, array.shape, properties, _LINKS)
        if array.dtype.hasobject:
            h5py.Dataset(dataset)[...] = array
        elif array.nbytes:
            # Past HDF5, which would hand it on in pieces.
            overlay.write_behind(array.reshape(-1).view("u1").data, dataset.get_offset())
        if self.mask is not None:
            self.mask.write(file, overlay, name + MASK_ENDING)
            attributes = h5py.Dataset(dataset).attrs
            attributes[MASK] = name.rpartition("/")[2] + MASK_ENDING
            if self.fill_value is not None:
                attributes[FILL_VALUE] = self.fill_value


def prepare_array(data: Any) -> Prepared:
    """Return an array as it is to be written.

    Raises
    ------
    TypeError
        If it is None, has a unit, or HDF5 has no such type.
    """
    if data is None:
        raise UnsupportedObjectError("the array was never filled: stack something, or leave it out")
    if type(data) is not numpy.ndarray:
        _refuse_units(data)
    if isinstance(data, numpy.ma.MaskedArray):
        plain = prepare_array(data.data)
        mask = numpy.False_ if data.mask is numpy.ma.nomask else data.mask
        # numpy tells only by this attribute whether the user has chosen one.
        chosen = getattr(data, "_fill_value", None)
        fill_value = None if chosen is None or plain.array.dtype.hasobject else data.fill_value
        return Prepared(plain.array, plain.kind, prepare_array(mask), fill_value)
    try:
        array = numpy.asarray(data, order="C")
    except ValueError as error:
        raise UnsupportedObjectError(
            "its parts differ in shape, and numpy makes no array of them: write each as an array "
            "of its own, or one masked array that has all of them"
        ) from error
    dtype = array.dtype
    if dtype.isbuiltin == 1 and dtype.kind in "biufc":
        return Prepared(array, file_type(dtype))
    if dtype.kind == "O" and dtype.metadata is None:
        dtype = _text_type(array)
    try:
        return Prepared(array, h5py.h5t.py_create(dtype, logical=True))
    except TypeError as error:
        raise UnsupportedObjectError(f"HDF5 has no type for {dtype}: {_advice(dtype)}") from error


def read_prepared(group: Any, name: str, selection: Any = ()) -> Any:
    """Return an array that was written by `Prepared.write`, or what an index selects of it.

    Raises
    ------
    DamagedError
        If it is missing, or its data is in another file.
    """
    dataset = member(group, name)
    kind = h5py.check_string_dtype(dataset.dtype)
    is_text = kind is not None and kind.length is None and kind.encoding == "utf-8"
    data = (dataset.asstr() if is_text else dataset)[selection]
    attributes = dataset.attrs
    if not len(attributes) or MASK not in attributes:
        return data
    masks = member(group, text_of(attributes[MASK]))
    mask = masks[selection] if masks.shape == dataset.shape and masks.ndim else masks[()]
    return numpy.ma.MaskedArray(data, mask, fill_value=attributes.get(FILL_VALUE))


def _text_type(array: Any) -> Any:
    """Return the type of an array of objects, all of which are str or all bytes."""
    for value in array.flat:
        if not isinstance(value, (str, bytes)):
            raise UnsupportedObjectError(
                f"HDF5 has no arrays of Python objects such as {value!r}: convert it to a dtype"
            )
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if not is_text(text):
            raise UnsupportedObjectError(
                f"HDF5 cannot hold the text {value!r}: it has a NUL or a surrogate"
            )
    kinds = {isinstance(value, bytes) for value in array.flat}
    if len(kinds) > 1:
        raise UnsupportedObjectError(
            "HDF5 has no arrays of both str and bytes: convert all to one of them"
        )
    return h5py.string_dtype("ascii" if kinds == {True} else "utf-8")


def _advice(dtype: Any) -> str:
    """Return what to write instead of an array of a type that HDF5 lacks."""
    if dtype.kind == "U":
        return "write text as objects, astype(object)"
    if dtype.kind in "mM":
        return "write the numbers, astype('int64'), and keep the unit as an attribute of the trial"
    return "convert it to another dtype, or write each field as an array of its own"


def _refuse_units(data: Any) -> None:
    attributes = getattr(data, "attrs", None)
    found = attributes.get("units") if isinstance(attributes, dict) else None
    for name in ("units", "unit"):
        found = getattr(data, name, None) if found is None else found
    if found is not None:
        raise UnsupportedObjectError(
            f"HDF5 would lose the unit {str(found)!r}: write the plain numbers, and keep the unit "
            "as an attribute of the trial"
        )
