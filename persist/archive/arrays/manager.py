"""Arrays on disk together with the source that loads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from persist.archive.arrays.formats import get_ext, get_store
from persist.archive.arrays.loader import loader_source
from persist.archive.arrays.save import replace_arrays
from persist.archive.arrays.store import Array, Store

__all__ = ["ArrayManager"]


class ArrayManager:
    """Saves arrays, and writes the source that loads them without persist.

    Examples
    --------
    >>> import numpy, os, tempfile
    >>> manager = ArrayManager()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rep, files = manager.save_arrays({"x": numpy.arange(3)}, folder, "data")
    ...     [os.path.relpath(file, folder) for file in files], manager.load_arrays(rep)
    (['data/x.npy'], {'x': array([0, 1, 2])})
    """

    def save_arrays(
        self,
        arrays: Mapping[str, Array],
        dirname: str | os.PathLike[str] = ".",
        filename: str | None = None,
        keep: bool = False,
        data_format: str = "npy",
        arrays_name: str = "_arrays",
    ) -> tuple[str, list[str]]:
        """Write arrays, in place of older ones of the same file name.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What to save.
        dirname : path, optional
            The folder of the module that will hold the source; made if it is missing.
        filename : str, optional
            The file in that folder, or the folder of npy files. The extension is added if it is
            missing. Only npy can do without a name.
        keep : bool, optional
            Whether to keep older files as ``<file>.bak``, ``<file>_1.bak``…
        data_format : {'npy', 'npz', 'hdf5'}, optional
            The format.
        arrays_name : str, optional
            The variable that the source defines.

        Returns
        -------
        rep : str
            Source that loads the arrays: from beside its own module or, if it runs outside of one,
            from `dirname` as it was given here.
        files : list of str
            What was written.

        Raises
        ------
        NotImplementedError
            If the format is unknown.
        ValueError
            If `filename` is missing, or a name cannot be used.
        UnsupportedObjectError
            If array files cannot hold the arrays.
        OSError
            If the disk fails; older files are whole.
        """
        store = get_store(data_format)
        location = _location(store, filename)
        rep = loader_source(
            store, arrays, location=location, arrays_name=arrays_name, fallback=dirname
        )
        path = os.fspath(dirname) if location == "." else os.path.join(dirname, location)
        os.makedirs(path if store.is_folder else os.path.dirname(path) or ".", exist_ok=True)
        return rep, replace_arrays(store, path, arrays, keep=keep)

    def load_arrays(self, rep: str, arrays_name: str = "_arrays") -> dict[str, Array]:
        """Execute the source from `save_arrays` and return the arrays.

        Raises
        ------
        OSError
            If a file is not where the source looks for it.
        """
        env: dict[str, Any] = {}
        exec(compile(rep, "<arrays>", "exec", dont_inherit=True), env)
        arrays: dict[str, Array] = env[arrays_name]
        return arrays

    @staticmethod
    def get_ext(filename: str | os.PathLike[str]) -> str:
        """Return the extension of a file name, in lower case and without the dot."""
        return get_ext(filename)


def _location(store: Store, filename: str | None) -> str:
    """Return where the arrays are, relative to the module."""
    if store.is_folder:
        return filename or os.curdir
    if not filename:
        raise ValueError(f"Must specify filename for data_format={store.data_format!r}")
    named = f".{get_ext(filename)}" in store.extensions
    return filename if named else filename + store.extension
