"""`load`: everything that persist writes, read without running any of it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from persist.archive.safe.load import (
    ITEM,
    read_source,
    safe_load_item,
    safe_load_module,
    safe_load_source,
)
from persist.archive.safe.policy import checked_trust, reading
from persist.archive.safe.scan import untrusted_in_source
from persist.dataset.index import Index
from persist.dataset.layout import (
    Generation,
    Place,
    file_names,
    generation_of,
    has_staging,
    is_data_set,
    item_file,
    key_of_file,
)
from persist.errors import DamagedError, MissingFileError, MissingPathError, PersistError
from persist.files import check_path, confine, open_regular
from persist.names import is_identifier

__all__ = ["load", "untrusted_names"]

# "Format Signature and Superblock" of the HDF5 file format specification.
_HDF5 = b"\x89HDF\r\n\x1a\n"
# APPNOTE.TXT 4.3.7: the signature of the first member.
_ZIP = b"PK\x03\x04"
_MAX_DEPTH = 50  # data sets inside each other
_Source = str | os.PathLike[str]


def load(
    path_or_source: _Source,
    *,
    trusted: Iterable[str] | bool = (),
    renames: Mapping[str, str] | None = None,
    missing: str = "error",
) -> dict[str, Any]:
    r"""Return the objects of an archive, by interpreting its source: nothing in it is executed.

    Builtins, the value types of the standard library, and the data of numpy, scipy.sparse and
    pandas need no trust. Any other class or function must be named in `trusted`; what a file needs,
    `untrusted_names` tells before it is loaded.

    Parameters
    ----------
    path_or_source : path or str
        The source of an archive; or the path of a saved module or package, of a data set, of the
        loader module of one of its keys, of a workspace in HDF5 or as a package, or of a bundle,
        of which the artifacts that are archives are read. Text is taken for source if it has
        several lines, or an ``=``.
    trusted : iterable of str, or True, optional
        Dotted names of classes and functions. Trusting a class covers calling it, its ``__new__``
        and restoring its state; a classmethod or function of a module is a name of its own. A name
        that ends in a dot, ``"sklearn."``, stands for all classes that are defined below it. True
        **executes the source**: it does then whatever it says.
    renames : mapping of str to str, optional
        The present dotted names of classes and functions, by those in the source.
    missing : {'error', 'placeholder'}, optional
        What a class or function that cannot be imported gives: an error, or `persist.Missing`
        objects, which hold what the source says of them.

    Returns
    -------
    dict of str to object
        The objects, by their names or keys; of a workspace or of data sets inside each other, a
        dict of such for each namespace.

    Raises
    ------
    UntrustedError
        If a name in the source is not trusted, or the source is not what persist writes.
    ArchiveError
        If a trusted class or function raises, or is not found.
    MissingPathError
        If the file does not exist; a FileNotFoundError.
    NoAccessError
        If the user may not read it; a PermissionError.

    See Also
    --------
    persist.restore : executes the source.

    Examples
    --------
    >>> load("from fractions import Fraction\nx = [Fraction(1, 3)]")
    {'x': [Fraction(1, 3)]}
    >>> source = "from argparse import Namespace\nx = Namespace(a=1)"
    >>> untrusted_names(source)
    ['argparse.Namespace']
    >>> load(source, trusted=untrusted_names(source))
    {'x': Namespace(a=1)}
    """
    trusted = checked_trust(trusted)
    options: dict[str, Any] = {"trusted": trusted, "renames": renames, "missing": missing}
    path = _path(path_or_source)
    if path is None:
        return safe_load_source(str(path_or_source), **options)
    if _starts_with(path, _HDF5) or _is_package(path):
        return _workspace(path, **options)
    items = _items(path)
    if items is None:
        found = safe_load_module(_module(path), **options)
        found.pop(ITEM, None)
        return found
    return _loaded(items, **options)


def untrusted_names(path_or_source: _Source) -> list[str]:
    """Return the dotted names that have to be trusted to load a file or source, sorted.

    Nothing is imported, built or executed.

    Parameters
    ----------
    path_or_source : path or str
        As for `load`.

    Returns
    -------
    list of str
        Names for the argument `trusted` of `load`.

    Raises
    ------
    UntrustedError
        If the source is not Python.
    """
    path = _path(path_or_source)
    if path is None:
        texts: Iterable[str] = [str(path_or_source)]
    elif _starts_with(path, _HDF5):
        with _damage_of(path):
            texts = list(_workspace_sources(path))
    else:
        items = _items(path)
        texts = [read_source(_module(path))] if items is None else _texts(items)
    return sorted({name for text in texts for name in untrusted_in_source(text)})


def _path(path_or_source: _Source) -> str | None:
    """Return the path that is meant; None for source."""
    if isinstance(path_or_source, str):
        has_sign = "=" in path_or_source and not os.path.exists(path_or_source)
        if has_sign or "\n" in path_or_source:
            return None
    path = check_path(path_or_source, "what is to be loaded")
    # A workspace has two files, and was saved under what their names have in common.
    stem = path.removesuffix(".json")
    if (stem != path or not os.path.exists(path)) and os.path.isfile(f"{stem}.h5"):
        return f"{stem}.h5"
    return path


def _module(path: str) -> str:
    """Return the file of a saved module or package; MissingPathError if there is none."""
    file = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
    if not os.path.exists(file):
        reason = "it has no __init__.py" if os.path.isdir(path) else "there is nothing at that path"
        raise MissingPathError(
            errno.ENOENT,
            f"cannot load {path}: {reason}; give the path of what persist has saved, or source of "
            "an archive, which has an '=' in it",
            path,
        )
    return file


def _is_package(path: str) -> bool:
    """Return True if a workspace was saved as a package."""
    if not (os.path.isdir(path) and is_data_set(path)):
        return False
    from persist.workspace.package import is_workspace_package

    return is_workspace_package(path)


def _starts_with(path: str, signature: bytes) -> bool:
    """Return True if a path is a file with this signature."""
    if os.path.isdir(path) or not os.path.exists(path):
        return False
    with open_regular(path, follow=True) as file:
        return bool(file.read(len(signature)) == signature)


@contextlib.contextmanager
def _damage_of(path: str) -> Iterator[None]:
    """Context manager that turns the errors which HDF5 has for damage into DamagedError."""
    try:
        yield
    except PersistError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise DamagedError(f"cannot read {path}: {error}") from error


def _workspace(path: str, **options: Any) -> dict[str, Any]:
    """Return the objects of a workspace, by namespace and key."""
    from persist.workspace import AnalysisWorkspace

    with reading(**options), _damage_of(path):
        found = AnalysisWorkspace.load(path)
    return {
        namespace: {key: found.get(namespace, key) for key in found.list_keys(namespace)}
        for namespace in found.list_namespaces()
    }


def _workspace_sources(path: str) -> Iterator[str]:
    """Yield the source of each item of a workspace that is kept as source."""
    import h5py

    from persist.hdf5.opening import member, member_names, open_hdf5

    with open_hdf5(path) as file:
        waiting = [file]
        seen = set()
        while waiting:
            group = waiting.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in member_names(group):
                item = member(group, name)
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                elif name == "source" and h5py.check_string_dtype(item.dtype) and not item.shape:
                    yield item.asstr()[()]
            for value in group.attrs.values():
                if isinstance(value, str) and "value = " in value:
                    yield value


class _Item(NamedTuple):
    """A value that is kept as source: its text, and what interprets that."""

    text: str
    load: Callable[..., Any]


_Tree: TypeAlias = "dict[str, _Item | _Tree]"


def _items(path: str) -> _Tree | None:
    """Return the values of a data set or bundle, those of inner data sets by their names.

    None for a path that is neither.
    """
    if _starts_with(path, _ZIP):
        return dict(_artifacts(path))
    if os.path.isdir(path) and is_data_set(path):
        return _data_set(path, 0)
    folder, key = os.path.split(path)
    key = key.removesuffix(".py")
    if is_identifier(key) and is_data_set(folder or os.curdir) and not os.path.isdir(path):
        return {key: _value(_place(folder or os.curdir), key)}
    return None


def _loaded(tree: _Tree, **options: Any) -> dict[str, Any]:
    return {
        name: item.load(**options) if isinstance(item, _Item) else _loaded(item, **options)
        for name, item in tree.items()
    }


def _texts(tree: _Tree) -> Iterator[str]:
    for item in tree.values():
        if isinstance(item, _Item):
            yield item.text
        else:
            yield from _texts(item)


def _data_set(folder: str, depth: int) -> _Tree:
    if depth > _MAX_DEPTH:
        raise DamagedError(f"cannot read {folder}: data sets are inside each other too deeply")
    found: _Tree = {}
    place = _place(folder)
    with os.scandir(folder) as entries:
        inner = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    for entry in inner:
        if is_identifier(entry.name) and entry.name[0] != "_" and is_data_set(entry.path):
            found[entry.name] = _data_set(entry.path, depth + 1)
    keys = map(key_of_file, file_names(folder))
    for key in place.present([key for key in keys if key is not None]):
        found[key] = _value(place, key)
    return dict(sorted(found.items()))


def _place(folder: str) -> Place:
    """Return where loader modules are: in a data set without a manifest, in their places."""
    index = Index(folder, trusted=(), allow_unlisted=True)
    # The manifest takes longer to read the more keys there are.
    if generation_of(folder) is Generation.OWN and has_staging(folder):
        with contextlib.suppress(PersistError):
            index.refresh()
    return index.place()


def _value(place: Place, key: str) -> _Item:
    folder = place.folder
    file = confine(folder, item_file(key), devices=True)
    if generation_of(folder) is Generation.PYTHON2:
        from persist.compat.data_sets import python2_arrays
        from persist.compat.python2 import python3_text

        with open_regular(file) as opened:
            text = python3_text(opened.read(), file)
        arrays = partial(python2_arrays, folder, key)
        return _Item(text, lambda **o: _only(safe_load_source(text, arrays=arrays(), **o), file))
    if key not in place.present([key]):
        raise MissingFileError(errno.ENOENT, os.strerror(errno.ENOENT), file)
    try:
        text = read_source(
            confine(folder, place.current(item_file(key)), nested=True, devices=True)
        )
    except FileNotFoundError:
        # A writer has moved it meanwhile.
        text = read_source(file)
    return _Item(text, partial(safe_load_item, file, source=text))


def _only(found: dict[str, Any], path: str) -> Any:
    """Return what a source is for, which it leaves as its only variable."""
    if len(found) != 1:
        raise DamagedError(f"cannot read {path}: it leaves {len(found)} variables")
    return next(iter(found.values()))


def _artifacts(path: str) -> Iterator[tuple[str, _Item]]:
    """Yield the names of the artifacts of a bundle that are archives, and what they hold."""
    from persist.tracking.bundle_members import BundleMembers

    members = BundleMembers(path)
    for name in members.artifacts():
        if name.endswith(".py"):
            try:
                text = members.read(name).decode()
            except UnicodeDecodeError as error:
                raise DamagedError(f"cannot read {name} in {path}: {error}") from error

            def load(text: str = text, name: str = name, **options: Any) -> Any:
                return _only(safe_load_source(text, **options), f"{name} in {path}")

            yield os.path.splitext(os.path.basename(name))[0], _Item(text, load)
