"""Arrays as datasets that plain h5py reads, with their masks beside them.

A masked array has the attribute ``mask``, which names the dataset of its mask, and ``fill_value``
if the user has chosen one. Text is variable-length UTF-8, and bytes are variable-length ASCII.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import h5py
import numpy

from persist.archive.arrays.datasets import TIMELESS, Encoded, encode, is_text, new_dataset, text_of
from persist.archive.arrays.handles import ArrayHandle
from persist.archive.arrays.vocabulary import TRIAL
from persist.errors import UnsupportedObjectError
from persist.files.overlay import OverlayFile
from persist.hdf5.opening import damage_in, dataset_in

MASK_ENDING = ".mask"
_LINKS = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_LINKS.set_create_intermediate_group(True)
_LINKS.set_char_encoding(h5py.h5t.CSET_UTF8)
_EARLY = TIMELESS.copy()
_EARLY.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
_EARLY.set_fill_time(h5py.h5d.FILL_TIME_NEVER)


def write_prepared(prepared: Encoded, file: Any, overlay: OverlayFile, name: str) -> None:
    """Write an array, and its mask beside it, to the open file of an overlay.

    Raises
    ------
    ValueError
        If there is a dataset of that name.
    OSError
        If the disk fails.
    """
    data, has_texts = prepared.data(), prepared.dtype.hasobject
    properties = TIMELESS if has_texts else _EARLY
    dataset = new_dataset(file, name, prepared.dtype, data.shape, properties, _LINKS)
    if has_texts:
        h5py.Dataset(dataset)[...] = data
    elif data.nbytes:
        # Past HDF5, which would hand it on in pieces.
        overlay.write_behind(data.reshape(-1).view("u1").data, dataset.get_offset())
    if prepared.mask is not None:
        write_prepared(prepared.mask, file, overlay, name + MASK_ENDING)
        attributes = h5py.Dataset(dataset).attrs
        attributes[TRIAL.mask] = name.rpartition("/")[2] + MASK_ENDING
        attributes.update(prepared.attributes)


def prepare_array(data: Any) -> Encoded:
    """Return an array as it is to be written, in C order.

    Raises
    ------
    TypeError
        If it is None, has a unit, or HDF5 has no such type.
    """
    if data is None:
        raise UnsupportedObjectError("the array was never filled: stack something, or leave it out")
    if isinstance(data, ArrayHandle):
        data = data[...]  # numpy would not ask for its mask
    if type(data) is not numpy.ndarray:
        _refuse_units(data)
    if isinstance(data, numpy.ma.MaskedArray):
        plain = prepare_array(data.data)
        mask = numpy.False_ if data.mask is numpy.ma.nomask else data.mask
        # numpy tells only by this attribute whether the user has chosen one.
        is_chosen = getattr(data, "_fill_value", None) is not None and not plain.dtype.hasobject
        fill_value = {TRIAL.fill_value: data.fill_value} if is_chosen else {}
        return dataclasses.replace(plain, mask=prepare_array(mask), attributes=fill_value)
    try:
        array = numpy.asarray(data, order="C")
    except ValueError as error:
        raise UnsupportedObjectError(
            "its parts differ in shape, and numpy makes no array of them: write each as an array "
            "of its own, or one masked array that has all of them"
        ) from error
    found = encode(array, TRIAL)
    if found is None:
        raise UnsupportedObjectError(_refusal(array))
    return found


def read_prepared(group: Any, name: str, selection: Any = ()) -> Any:
    """Return an array that was written by `write_prepared`, or what an index selects of it.

    A dataset that HDF5 calls empty, without any axis, is an array without elements.

    Raises
    ------
    DamagedError
        If it is missing, or its data is in another file.
    """
    dataset = dataset_in(group, name)
    if dataset.shape is None:
        return numpy.empty(0, dataset.dtype)[selection]
    kind = h5py.check_string_dtype(dataset.dtype)
    is_text = kind is not None and kind.length is None and kind.encoding == "utf-8"
    data = (dataset.asstr() if is_text else dataset)[selection]
    attributes = dataset.attrs
    if not len(attributes) or TRIAL.mask not in attributes:
        return data
    with damage_in(dataset):
        masks = dataset_in(group, text_of(attributes[TRIAL.mask]))
        mask = masks[selection] if masks.shape == dataset.shape and masks.ndim else masks[()]
        return numpy.ma.MaskedArray(data, mask, fill_value=attributes.get(TRIAL.fill_value))


def _refusal(array: Any) -> str:
    """Return why an array cannot be written, and what to write instead."""
    dtype = array.dtype
    if dtype.kind == "O":
        for value in array.flat:
            if not isinstance(value, (str, bytes)):
                found = f"Python objects such as {value!r}"
                return f"HDF5 has no arrays of {found}: convert it to a dtype"
            if not is_text(value.decode("latin-1") if isinstance(value, bytes) else value):
                return f"HDF5 cannot hold the text {value!r}: it has a NUL or a surrogate"
        return "HDF5 has no arrays of both str and bytes: convert all to one of them"
    advice = "convert it to another dtype, or write each field as an array of its own"
    if dtype.kind == "U":
        advice = "write text as objects, astype(object)"
    if dtype.kind in "mM":
        unit = "keep the unit as an attribute of the trial"
        advice = f"write the numbers, astype('int64'), and {unit}"
    return f"HDF5 has no type for {dtype}: {advice}"


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
