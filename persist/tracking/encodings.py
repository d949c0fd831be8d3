"""Objects as the bytes of an artifact, and back."""

from __future__ import annotations

import io
import pickle
from typing import Any

from persist.archive import Archive, restore
from persist.tracking.errors import StoreError
from persist.tracking.optional import import_optional

__all__ = ["EXTENSIONS", "FILE", "ITEM", "OBJECT_FORMATS", "decode", "encode"]

EXTENSIONS = {"joblib": "joblib", "pickle": "pkl", "cloudpickle": "pkl", "archive": "py"}
"""The extensions of the files of each format; those of others are called ``bin``."""

OBJECT_FORMATS = tuple(EXTENSIONS)
"""What objects can be stored as; older stores call some others, which are pickles."""

ITEM = "item"
"""The variable of the object in an artifact that is an archive."""

FILE = "file"
"""The format of bytes that are kept as they are."""


class _Pieces(list[bytes]):
    """A file for a pickler, which hands over large bytes as they are."""

    def write(self, data: Any) -> int:
        self.append(bytes(data))
        return len(data)


def encode(obj: Any, format: str) -> list[bytes]:
    """Return an object as bytes, in pieces.

    The format is ``joblib``, compressed; ``archive``, readable source that needs no persist;
    ``file``, the bytes that the object is; anything else is a pickle.

    Raises
    ------
    ArchiveError, pickle.PicklingError, TypeError
        If the object has no such form.
    StoreError
        If it should be bytes, and is not.
    """
    if format == FILE:
        if not isinstance(obj, bytes):
            raise StoreError(
                f"cannot store a {type(obj).__name__} as a file: it is not bytes; read the file, "
                "or choose another format"
            )
        return [obj]
    if format == "joblib":
        file = io.BytesIO()
        import_optional("joblib").dump(obj, file, compress=3)
        return [file.getvalue()]
    if format == "archive":
        archive = Archive(scoped=False)
        archive.insert_items({ITEM: obj})
        return [f"{archive}\n".encode()]
    pieces = _Pieces()
    pickle.dump(obj, pieces, protocol=pickle.HIGHEST_PROTOCOL)
    return pieces


def decode(data: bytes, format: str) -> Any:
    """Return the object of bytes: all formats but ``file`` run what the bytes say.

    Raises
    ------
    StoreError
        If a class or function that it needs is not there.
    Exception
        Whatever the classes of the object raise.
    """
    try:
        if format == FILE:
            return data
        if format == "joblib":
            return import_optional("joblib").load(io.BytesIO(data))
        if format == "archive":
            return restore(data.decode())[ITEM]
        return pickle.loads(data)
    except (AttributeError, ImportError) as error:
        main = "__main__" in str(error)
        where = "the script that trained it" if main else "a module of this name"
        raise StoreError(
            f"cannot load an artifact: {error}; it needs a class or function of {where}: import "
            "or define that first"
        ) from error
