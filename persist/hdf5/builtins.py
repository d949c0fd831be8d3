"""The encodings of builtin types, and the source of an archive for all others.

Numbers, texts and None are groups with nothing but attributes. Lists, tuples and sets of numbers or
of texts of exactly one type are one dataset ``data``; of any others, other software gets what numpy
makes of them, beside the source that gives back the same.

The dataset ``source`` defines the variable ``value``, and finds the arrays of the group ``arrays``
in the dictionary ``_arrays``. The attribute ``encoding-summary`` is the summary of the object as
JSON, so that a listing runs no source.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from persist.archive import Archive, reduce
from persist.archive.array_source import without_padding
from persist.archive.arrays import Array
from persist.archive.arrays.blocks import Standing, block_array, named_blocks
from persist.archive.arrays.datasets import (
    STRING,
    Encoded,
    Stored,
    are_texts,
    encode,
    is_text,
    text_of,
)
from persist.archive.arrays.handles import ArrayHandle
from persist.archive.arrays.vocabulary import ARCHIVE as EXTERNAL
from persist.archive.arrays.vocabulary import ITEM
from persist.archive.rules.numpy_types import same_dtype
from persist.archive.safe.policy import restore_as_trusted
from persist.errors import DamagedError, UnsupportedObjectError
from persist.hdf5.arrays import ARRAY, array_content
from persist.hdf5.content import Blocks, Content, Dataset
from persist.hdf5.extras import SEEN, Layout, dataset_layout, group_layout
from persist.hdf5.opening import member
from persist.hdf5.registry import Encoding, by_tag, registry
from persist.hdf5.vocabulary import (
    attribute,
    encoding_of,
    is_name,
    marked,
    read_attribute,
)

ARCHIVE = "archive"
SUMMARY = "encoding-summary"

_NAME = "value"
_SOURCE = "source"
_ARRAYS = "arrays"
_DATA = "data"
_SUBSCRIPT = re.compile(r"\['(\w+)'\]")
_STORED = dataset_layout(*EXTERNAL.names)
_MEMBERS = {_SOURCE: Layout(), _ARRAYS: Layout(rest=_STORED), _DATA: ARRAY}
ARCHIVED = group_layout([SUMMARY], _MEMBERS)

# Arrays of fewer elements are read more easily among the source.
THRESHOLD = 20


def archive_content(
    obj: Any, summary: dict[str, Any], path: str = "", found: Sequence[Standing] = ()
) -> Content:
    """Return the content for any object.

    `path` leads from the item to the object, for errors: ``['a']['b']``. `found` are arrays in the
    object, and what they stand for.

    Raises
    ------
    UnsupportedObjectError
        If an archive cannot store it.
    """
    archive = Archive(scoped=False, array_threshold=THRESHOLD)
    archive.insert_items({_NAME: obj})
    with refusals_of(obj, path):
        source = f"{archive}\n"
        blocks = named_blocks(archive.data, found)
    attributes = {**marked(ARCHIVE, ARCHIVE), SUMMARY: json.dumps(summary)}
    content = Content(
        attributes, {_SOURCE: Encoded(numpy.array(source, object), STRING)}, dated=True
    )
    if archive.data:
        arrays: dict[str, Any] = {
            name: Blocks(blocks[name]) if name in blocks else encode(array, EXTERNAL)
            for name, array in archive.data.items()
        }
        content.groups[_ARRAYS] = Content({}, arrays)
    return content


@contextmanager
def refusals_of(obj: Any, path: str) -> Iterator[None]:
    """Context manager in which the error for an object within an item says where it is."""
    try:
        yield
    except UnsupportedObjectError as error:
        where = _NAME + path + error.path.removeprefix(_NAME)
        raise UnsupportedObjectError(
            f"Cannot serialise object of type '{type(obj).__name__}' to HDF5. "
            f"{where}: {error.reason}"
        ) from error


def read_archive(group: Any) -> Any:
    """Return the object whose source a group holds; see `persist.archive.safe.policy`."""
    source = text_of(member(group, _SOURCE)[()])
    arrays = _Arrays(group)
    found = restore_as_trusted(source, {Archive.data_name: arrays})
    if _NAME not in found:
        raise DamagedError(f"{group.name} is damaged: its {_SOURCE} defines no {_NAME!r}")
    return found[_NAME]


def archive_layout(group: Any) -> Layout:
    """Return the layout of a group that holds a source, which names the arrays that are its own."""
    if _ARRAYS not in group:
        return ARCHIVED
    names = _SUBSCRIPT.findall(text_of(member(group, _SOURCE)[()]))
    own = Layout(members={name.encode(): _STORED for name in names})
    return group_layout([SUMMARY], {**_MEMBERS, _ARRAYS: own})


class _Arrays(dict[str, Array]):
    """The arrays of a group, each read when the source asks for it, and kept."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __missing__(self, name: str) -> Array:
        dataset = member(member(self._group, _ARRAYS), name)
        array = self[name] = Stored(dataset, EXTERNAL).read()
        return array


def archive_summary(group: Any) -> dict[str, Any]:
    """Return the summary of the object that a group holds."""
    text = text_of(attribute(group, SUMMARY))
    try:
        summary: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DamagedError(f"{group.name} is damaged: {SUMMARY} is not JSON: {error}") from error
    return summary


VALUE = "__scalar_value__"
KIND = "__scalar_kind__"
NUMPY_VALUE = "encoding-value"
NUMPY = "numpy-scalar"

_INT64 = numpy.iinfo(numpy.int64)

LIST = "list"
TAGS: dict[type, str] = {list: "ndarray", tuple: "tuple", set: "set", frozenset: "frozenset"}

_DTYPES = {int: "<i8", float: "<f8", bool: "?"}
_NUMERIC = (bool, int, float, complex, str, numpy.number, numpy.bool_)
_DEEPEST_LIST = 32


class _Plain:
    """What the encodings of builtin types share: a summary is the name of the class."""

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the name of the class."""
        return {"type": type(obj).__name__}

    def read_summary(self: Encoding, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        return self.summarize(self.read(group))


class NumberEncoding(_Plain):
    """Numbers; one of numpy is marked, and ``encoding-value`` is the number in its own type."""

    tag = "scalar"
    layout = group_layout([VALUE, KIND, NUMPY_VALUE])

    def content(self, obj: Any) -> Content | None:
        """Return what the group of a number holds, or None if it does not fit."""
        if isinstance(obj, numpy.generic):
            dtype = obj.dtype
            # Types of one size and kind, long and long long, are one type to HDF5.
            is_exact = type(obj) is dtype.type and same_dtype(numpy.dtype(dtype.str), dtype)
            if dtype.kind not in "biuf" or not is_exact:
                return None
            value = _portable(obj.item() if dtype.kind != "f" else float(obj))
            extra = {NUMPY_VALUE: without_padding(numpy.array(obj))}
            mark = {**marked(self.tag, NUMPY), **extra}
        else:
            value, mark = _portable(obj), marked(self.tag)
        if value is None:
            return None
        return Content({**mark, VALUE: value, KIND: type(obj).__name__})

    def read(self, group: Any) -> Any:
        """Return the number that a group represents."""
        if encoding_of(group) == NUMPY:
            return attribute(group, NUMPY_VALUE)
        return _python_type(group)(attribute(group, VALUE))


class TextEncoding(_Plain):
    """Text, of Python or of numpy."""

    tag = "scalar_str"
    layout = group_layout([VALUE])

    def content(self, obj: Any) -> Content | None:
        """Return what the group of a text holds, or None if HDF5 would cut it."""
        mark = marked(self.tag, None if type(obj) is str else NUMPY)
        return Content({**mark, VALUE: str(obj)}) if is_text(obj) else None

    def read(self, group: Any) -> str:
        """Return the text that a group represents."""
        text = text_of(attribute(group, VALUE))
        return numpy.str_(text) if encoding_of(group) == NUMPY else text


class NoneEncoding(_Plain):
    """None."""

    tag = "none"
    layout = group_layout()

    def content(self, obj: None) -> Content:
        """Return what the group of None holds."""
        return Content(marked(self.tag))

    def read(self, group: Any) -> None:
        """Return None."""


class DictEncoding(_Plain):
    """Dicts with names as keys: a group for each value. They are read by `persist.hdf5.reading`."""

    tag = "dict"
    layout = group_layout(rest=SEEN)

    def content(self, obj: dict[Any, Any]) -> Content | None:
        """Return what the group of a dict holds, or None if HDF5 has no such names."""
        if not all(map(is_name, obj)):
            return None
        return Content(marked(self.tag), dated=True, ordered=True, values=obj)

    def read(self, group: Any) -> dict[str, Any]:
        """Return a dict to be filled."""
        return {}


class ArrayEncoding:
    """Arrays, and maps of files; also the lists that have the same tag."""

    tag = "ndarray"
    layout = group_layout(members={_DATA: ARRAY})

    def content(self, obj: Any) -> Content | None:
        """Return what the group of an array holds, or None if HDF5 lacks its type."""
        if isinstance(obj, numpy.memmap):
            reduced: Any = reduce(obj)  # warns that it comes back as a plain array
            return array_content(reduced.array)
        return array_content(obj)

    def read(self, group: Any) -> Any:
        """Return the array or the list that a group represents."""
        array = Stored(member(group, "data")).read()
        return array.tolist() if encoding_of(group) == LIST else array

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return shape and dtype."""
        return {"type": self.tag, "shape": list(obj.shape), "dtype": str(obj.dtype)}

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group."""
        if encoding_of(group) == LIST:
            return {"type": LIST}
        return {"type": self.tag, **Stored(member(group, "data")).summary()}


class BlockEncoding(ArrayEncoding):
    """Arrays of dask and zarr, of h5py, and in files; they come back as those of numpy."""

    def content(self, obj: Any) -> Content | None:
        """Return what the group of an array holds, or None if HDF5 lacks its type."""
        blocks = block_array(obj)
        if blocks is None or blocks.dtype.kind in "US":
            return None
        if math.prod(blocks.shape) <= THRESHOLD:
            return array_content(numpy.asarray(blocks.source))
        content = array_content(blocks.placeholder())
        if content is not None:
            numbers: Any = content.datasets["data"]
            content.datasets["data"] = Blocks(blocks, numbers.attributes)
            content.array = None
        return content

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return shape and dtype."""
        return {"type": type(obj).__name__} if block_array(obj) is None else super().summarize(obj)


@dataclass(frozen=True)
class SequenceEncoding(_Plain):
    """Lists, tuples and sets of numbers or texts of exactly one type: one dataset."""

    cls: type
    layout: ClassVar[Layout] = group_layout(members={_DATA: ARRAY})

    @property
    def tag(self) -> str:
        """The type of the groups."""
        return TAGS[self.cls]

    def content(self, obj: Any) -> Content | None:
        """Return what the group of a sequence holds, or None if its items are of several types."""
        data = _sequence_data(obj)
        if data is None:
            return None
        mark = marked(self.tag, LIST if self.cls is list else None)
        return Content(mark, {"data": data}, dated=self.cls is list)

    def read(self, group: Any) -> Any:
        """Return the sequence that a group represents."""
        return self.cls(Stored(member(group, "data")).read().tolist())

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the name of the class."""
        return {"type": self.tag}


def _portable(number: Any) -> Any:
    """Return a number as every file has it: bool, int64 or float64; None if it does not fit."""
    if type(number) is int:
        return numpy.int64(number) if _INT64.min <= number <= _INT64.max else None
    return number


def _python_type(group: Any) -> type:
    found = read_attribute(group, KIND)
    kind = "float" if found is None else text_of(found)
    if "int" in kind:
        return int
    return bool if kind in ("bool", "bool_") else float


def _sequence_data(obj: Any) -> Dataset | None:
    kinds = set(map(type, obj))
    if not kinds:
        return Encoded(numpy.zeros(0))
    kind = kinds.pop()
    if kinds or kind not in (str, *_DTYPES):
        return None
    items = sorted(obj) if isinstance(obj, (set, frozenset)) else obj
    if kind is str:
        texts = numpy.array(items, object)
        return Encoded(texts, STRING, {ITEM.text: True}) if are_texts(items) else None
    try:
        return Encoded(numpy.array(items, _DTYPES[kind]))
    except OverflowError:
        return None


def portable_data(obj: Any) -> Dataset | None:
    """Return the dataset that other software reads of any list, tuple or set, or None if none can.

    It is what numpy makes of the items: a table of lists of equal length, one type for all.
    """
    try:
        items = sorted(obj) if isinstance(obj, (set, frozenset)) else obj
        array = numpy.array(items) if _holds_numbers(items) else None
    except (TypeError, ValueError, OverflowError):  # without order, ragged, beyond any type
        return None
    if array is None or array.dtype.kind not in "biufcU":
        return None
    if array.dtype.kind != "U":
        return Encoded(array)
    texts = array.astype(object)
    return Encoded(texts, STRING, {ITEM.text: True}) if are_texts(texts.flat) else None


def _holds_numbers(items: Any) -> bool:
    """Return True if nested lists hold only numbers and texts, and no list occurs twice."""
    level = [items]
    for _ in range(_DEEPEST_LIST):
        level = [item for part in level for item in part]
        inner = [item for item in level if type(item) in (list, tuple)]
        if not inner:
            return all(isinstance(item, _NUMERIC) for item in level)
        if len(set(map(id, inner))) < len(level):
            return False
        level = inner
    return False


_ENCODINGS: list[tuple[tuple[type, ...], Encoding]] = [
    ((dict,), DictEncoding()),
    ((bool, int, float), NumberEncoding()),
    ((str, numpy.str_), TextEncoding()),
    ((type(None),), NoneEncoding()),
    ((numpy.ndarray, numpy.memmap), ArrayEncoding()),
    *(((cls,), SequenceEncoding(cls)) for cls in TAGS),
]
for _classes, _encoding in _ENCODINGS:
    for _cls in _classes:
        registry.register(_cls, _encoding)
    # A list has the tag of an array.
    by_tag.setdefault(_encoding.tag, _encoding)
for _owner in ("dask.Array", "zarr.Array", "h5py.Dataset", ArrayHandle):
    registry.register(_owner, BlockEncoding())
registry.register_predicate(lambda cls: issubclass(cls, numpy.generic), by_tag[NumberEncoding.tag])
