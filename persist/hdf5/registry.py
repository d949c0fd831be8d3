"""Which encoding stores objects of which type, and reads groups of which tag."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from persist.archive.registry import Registry
from persist.errors import ArgumentError, MissingExtraError
from persist.hdf5.content import Content
from persist.hdf5.extras import Layout


class Encoding(Protocol):
    """How objects of one class are groups."""

    @property
    def tag(self) -> str:
        """The ``__type__`` of the groups."""
        ...

    @property
    def layout(self) -> Layout:
        """What `read` reads of a group; all else that one holds is copied as it is."""
        ...

    def content(self, obj: Any) -> Content | None:
        """Return what the group of an object holds, or None if an archive is to hold the object.

        Raises
        ------
        UnsupportedObjectError
            If the format cannot hold what the object has, nor anything else.
        """
        ...

    def read(self, group: Any) -> Any:
        """Return the object that a group represents."""
        ...

    def summarize(self, obj: Any) -> dict[str, Any]:
        """Return the summary of an object."""
        ...

    def read_summary(self, group: Any) -> dict[str, Any]:
        """Return the same from a group, without reading large datasets."""
        ...


def public_name(cls: type) -> str:
    """Return the name of a class in its package, in whichever module that defines it."""
    return f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"


registry: Registry[Encoding] = Registry(public_name)
"""Encodings by class. A subclass has none: it is stored as any object is."""

by_tag: dict[str, Encoding] = {}


def register(owner: type | str, encoding: Encoding) -> None:
    """Let `encoding` store the objects of a class, and read the groups of its tag.

    Parameters
    ----------
    owner : type or str
        The class, or the package and the name of the class: ``"spikelab.SpikeData"``. The class may
        be defined in any module of the package.
    encoding : Encoding
        How.

    Raises
    ------
    ValueError
        If the class or the tag has an encoding.
    """
    try:
        if encoding.tag in by_tag:
            raise ArgumentError(f"groups of the type {encoding.tag!r} are read by another")
        registry.register(owner, encoding)
    except ValueError as error:
        raise ArgumentError(f"cannot register {owner}: it has an encoding already") from error
    by_tag[encoding.tag] = encoding


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
