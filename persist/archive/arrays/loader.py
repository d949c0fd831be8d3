"""The source at the head of a module that reads its arrays."""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Mapping
from pathlib import PurePath

from persist.archive.arrays.store import Array, Store, plain_arrays
from persist.names import check_identifier

__all__ = ["loader_source"]

_WIDTH = 100  # columns
_INDENT = " " * 8
# Most data sets have one format, whose source is the same each time.
_indent = functools.lru_cache(16)(functools.partial(textwrap.indent, prefix=_INDENT))

_SOURCE = """\
try:
    {name}
except NameError:

    def {name}():
{imports}

        try:
            folder = os.path.dirname(__file__) or os.curdir
        except NameError:
            folder = {fallback!r}

        def opened(filename):
            # What is in a zip, only the loader of this module can read.
            if os.path.isdir(folder) or not hasattr(__loader__, 'get_data'):
                return filename
            return io.BytesIO(__loader__.get_data(filename))

        path = {path}
{names}
{body}
    {name} = {name}()
"""


def loader_source(
    store: Store,
    arrays: Mapping[str, Array],
    *,
    location: str,
    arrays_name: str = "_arrays",
    fallback: str | os.PathLike[str] | None = None,
) -> str:
    """Return source that defines a dictionary of the arrays in a store.

    It needs numpy (h5py for HDF5), not persist, and runs on Python 3.6. It does not change with
    the content of the arrays. Where the variable exists already, it does nothing: whoever runs the
    source may hand in the arrays, mapped into memory say.

    Parameters
    ----------
    store : Store
        The format.
    arrays : mapping of str to ndarray
        What was saved; those names are loaded, and no others.
    location : str
        The file or folder of the arrays, relative to the folder of the module.
    arrays_name : str, optional
        The variable to define.
    fallback : path, optional
        The folder of the module where ``__file__`` is not defined. It stands in the source as it is
        given here. By default, the folder that is current when the source runs.

    Returns
    -------
    str
        Lines of source, with a final newline.

    Raises
    ------
    ValueError
        If `arrays_name` is not an identifier.
    """
    if arrays_name != "_arrays":
        check_identifier(arrays_name, "arrays_name")
    loader = store.loader(plain_arrays(arrays))
    standard = sorted({"io", "os", *loader.standard})
    line = "import {}".format
    imports = "\n".join([*map(line, standard), "", *map(line, loader.others)])
    names = f"names = [{', '.join(map(repr, arrays))}]"
    if len(names) + len(_INDENT) > _WIDTH:
        names = "\n".join(["names = [", *map("    {!r},".format, arrays), "]"])
    # Slashes work on every system, so the source is the same wherever it was written.
    relative = PurePath(location).as_posix()
    return _SOURCE.format(
        name=arrays_name,
        imports=_indent(imports),
        fallback=os.fspath(fallback or os.curdir),
        path="folder" if relative == os.curdir else f"os.path.join(folder, {relative!r})",
        names=_indent(names),
        body=_indent(loader.body),
    )
