"""A pickle, as pickle, joblib or pandas write it: one object, named as the file is.

Reading one runs the code that it names: `open_source` asks for trust before.
"""

from __future__ import annotations

import mmap
import os
import pickle
from typing import Any

from persist.cli.sources.source import COMPRESSED, Loaded, Source, SourceError, imported
from persist.errors import MissingExtraError
from persist.files import open_regular

__all__ = ["PickleSource", "unpickled"]

# The module of the objects by which joblib writes arrays beside the pickle.
_JOBLIB = b"joblib.numpy_pickle"
_COMPRESSIONS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x78", b"\x04\x22\x4d\x18")


class PickleSource(Source):
    """The object of a file; a list, if several were written one after the other."""

    def load(self, name: str) -> Loaded:
        """Return the object."""
        return Loaded(unpickled(self._path, _load))


def unpickled(what: Any, load: Any) -> Any:
    """Return what `load` makes of a pickle, with any error of the code in it as a ValueError."""
    try:
        return load(what)
    except (MemoryError, MissingExtraError):
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, (ImportError, AttributeError)):
            text += "; its class must be importable here: install its package, or set PYTHONPATH"
        raise SourceError(text) from error


def _load(path: str) -> Any:
    if _is_of_joblib(path):
        return imported("joblib").load(path)
    try:
        return _load_all(path, "ASCII")
    except UnicodeDecodeError:
        # Arrays and times that Python 2 has pickled hold bytes.
        return _load_all(path, "latin1")


def _load_all(path: str, encoding: str) -> Any:
    found: list[Any] = []
    with open_regular(path, follow=True) as file:
        size = os.fstat(file.fileno()).st_size
        while not found or file.tell() < size:
            found.append(pickle.load(file, encoding=encoding))
    return found[0] if len(found) == 1 else found


def _is_of_joblib(path: str) -> bool:
    if path.lower().endswith((".joblib", *COMPRESSED)):
        return True
    with open_regular(path, follow=True) as file:
        if file.read(6).startswith(_COMPRESSIONS):
            return True
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_JOBLIB) >= 0
