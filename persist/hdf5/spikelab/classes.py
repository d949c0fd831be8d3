"""The classes themselves, imported when they are needed."""

from __future__ import annotations

from typing import Any

from persist.hdf5.registry import load_class

__all__ = ["spikelab_class"]


def spikelab_class(name: str) -> Any:
    """Return a class of spikelab.

    Raises
    ------
    MissingExtraError
        If spikelab is not installed.
    """
    return load_class("spikelab", name, extra="spikelab")
