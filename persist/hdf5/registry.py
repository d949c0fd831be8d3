"""Classes of other libraries that have an encoding of their own."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from persist.errors import MissingExtraError
from persist.hdf5.content import Content

__all__ = ["Encoding", "encoding_for", "encoding_of_tag", "load_class", "register", "tags"]


class Encoding(Protocol):
    """How objects of one class are groups."""

    @property
    def tag(self) -> str:
        """The ``__type__`` of the groups."""
        ...

    def content(self, obj: Any) -> Content:
        """Return what the group of an object holds, or raise an error."""
        ...

    def read(self, group: Any) -> Any:
        """Return the object that a group stands for."""
        ...

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the summary of an object."""
        ...

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group, without reading large datasets."""
        ...


_BY_CLASS: dict[tuple[str, str], Encoding] = {}
_BY_TAG: dict[str, Encoding] = {}


def register(dotted_name: str, encoding: Encoding) -> None:
    """Let `encoding` store the objects of a class, and read the groups of its tag.

    Parameters
    ----------
    dotted_name : str
        The package and the name of the class: ``"spikelab.SpikeData"``. The class may be defined
        in any module of the package. Subclasses are not meant: they are stored as any object is.
    encoding : Encoding
        How.

    Raises
    ------
    ValueError
        If the class or the tag has an encoding.
    """
    package, _, name = dotted_name.rpartition(".")
    if (package, name) in _BY_CLASS or encoding.tag in _BY_TAG:
        raise ValueError(f"{dotted_name}, or the tag {encoding.tag!r}, has an encoding already")
    _BY_CLASS[package, name] = encoding
    _BY_TAG[encoding.tag] = encoding


def encoding_for(cls: type) -> Encoding | None:
    """Return the encoding of the objects of a class, or None."""
    package = cls.__module__.partition(".")[0]
    return _BY_CLASS.get((package, cls.__qualname__))


def encoding_of_tag(tag: str) -> Encoding | None:
    """Return the encoding that reads groups of a type, or None."""
    return _BY_TAG.get(tag)


def tags() -> list[str]:
    """Return the types of groups that registered encodings read."""
    return list(_BY_TAG)


def load_class(package: str, name: str, extra: str) -> Any:
    """Import a class that an object is to be made of.

    Raises
    ------
    MissingExtraError
        If the package is not installed; the error names the extra that installs it.
    """
    try:
        return getattr(importlib.import_module(package), name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(package, extra) from error
