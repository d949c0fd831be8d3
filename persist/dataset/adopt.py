"""Making the package of a data set our own: of a new one, or of one of an older release."""

from __future__ import annotations

import os
from typing import Any

from persist.dataset.batch import Batch
from persist.dataset.commit import Commit, decode, encode
from persist.dataset.info import info_source
from persist.dataset.item import Item, make_item
from persist.dataset.layout import MANIFEST, MARKER, PACKAGE, READY, item_file, staged_folder
from persist.dataset.manifest import Manifest, read_manifest
from persist.dataset.older import Generation, read_older
from persist.dataset.package import package_source
from persist.dataset.writer import Writer
from persist.errors import DamagedError, DataSetError
from persist.files.create import remove_path
from persist.files.digest import digest_file, digest_pieces
from persist.files.write import replace_bytes

__all__ = ["adopt", "write_package"]


def write_package(writer: Writer) -> None:
    """Write the ``__init__.py`` of a data set, if there is none or one of an earlier release."""
    text = package_source().encode()
    try:
        with open(writer.path(PACKAGE), "rb") as file:
            if file.read() == text and writer.index.number:
                return
    except FileNotFoundError:
        pass
    _switch_package(writer, text)
    commit = Commit(writer.index.number + 1, package=_package_records(text))
    writer.finish(writer.append(commit), commit)


def _package_records(text: bytes) -> dict[str, Any]:
    return {PACKAGE: digest_pieces([text]), MARKER: digest_pieces([])}


def _switch_package(writer: Writer, text: bytes) -> None:
    replace_bytes(writer.path(PACKAGE), text, durable=writer.options.durable)
    writer.sync()


def adopt(writer: Writer, *, array_threshold: float, scoped: bool) -> None:
    """Go on with a data set of an older release in the format of this one.

    Values in modules stay as they are; those of Python 2 are stored anew. The data set is the old
    one until its ``__init__.py`` is replaced.

    Raises
    ------
    DataSetError
        If a value of Python 2 cannot be read or stored; then nothing has changed.
    OSError
        If the disk fails; then nothing has changed.
    """
    text = package_source().encode()
    generation, keys = writer.index.generation, dict(writer.index.infos)
    known = _known(writer)
    if generation is Generation.PYTHON2:
        _discard_attempt(writer, known)
    commit = Commit(known.number + 1, package=_package_records(text))
    commit.namespaces = list(known.namespaces)
    for key, info in keys.items():
        source = info_source(info)
        commit.infos[key] = info if source is None else None
        if source is not None:
            commit.sources[key] = source
    batch = Batch(writer, commit)
    if generation is Generation.PYTHON2:
        _store_anew(writer, batch, commit, list(keys), array_threshold, scoped)
    else:
        _take_over(writer, commit, known)
    replace_bytes(writer.path(MANIFEST), encode(commit), durable=writer.options.durable)
    if commit.staged:
        batch.place_arrays()
        os.rename(writer.path(commit.staged), writer.path(READY))
    writer.sync()
    _switch_package(writer, text)
    writer.index.refresh()
    writer.settle()


def _known(writer: Writer) -> Manifest:
    """Return what a manifest says that an older release has written past."""
    try:
        return read_manifest(writer.folder)
    except DamagedError:
        return Manifest()


def _discard_attempt(writer: Writer, known: Manifest) -> None:
    """Remove what is left of an adoption that did not come to its end."""
    names = [READY, staged_folder(known.number), staged_folder(known.number + 1)]
    try:
        with open(writer.path(MANIFEST), "rb") as file:
            names += decode(file.read()).places
    except (FileNotFoundError, DamagedError):
        pass
    for name in [*names, MANIFEST]:
        remove_path(writer.path(name))


def _store_anew(
    writer: Writer,
    batch: Batch,
    commit: Commit,
    keys: list[str],
    array_threshold: float,
    scoped: bool,
) -> None:
    """Store all values of a data set of Python 2, in a folder."""
    try:
        for key in keys:
            if not os.path.exists(writer.path(item_file(key))):
                continue
            batch.set_value(_read_item(writer.folder, key, array_threshold, scoped))
            commit.removes += _python2_data(writer, key)
        if commit.values:
            commit.staged = batch.folder
    except BaseException:
        remove_path(writer.path(batch.folder))
        raise


def _read_item(folder: str, key: str, array_threshold: float, scoped: bool) -> Item:
    try:
        value = read_older(folder, key, Generation.PYTHON2)
        return make_item(key, value, array_threshold=array_threshold, scoped=scoped)
    except OSError:
        raise
    except Exception as error:
        raise DataSetError(
            f"{folder} is of {Generation.PYTHON2.value}, and can be written on only when all its "
            f"values can be read. {key!r} cannot: {type(error).__name__}: {error}"
        ) from error


def _python2_data(writer: Writer, key: str) -> list[str]:
    names = [f"data_{key}{extension}" for extension in ("", ".npz", ".hd5", ".hf5", ".hdf5")]
    return [name for name in names if os.path.lexists(writer.path(name))]


def _take_over(writer: Writer, commit: Commit, known: Manifest) -> None:
    """Note the files of all values in modules."""
    for key in commit.infos:
        name = item_file(key)
        if not os.path.isfile(writer.path(name)):
            continue
        data = writer.data_of(name)
        files: dict[str, Any] = {name: digest_file(writer.path(name))}
        for location in data:
            files.update(_files(writer, location))
        before = known.values.get(key, {})
        lost = before.get("data")
        if lost is not None and lost not in data and os.path.lexists(writer.path(lost)):
            commit.removes.append(lost)
        if before.get("files") == {path: list(record) for path, record in files.items()}:
            commit.values[key] = before
        else:
            commit.values[key] = {**({"data": data[0]} if len(data) == 1 else {}), "files": files}


def _files(writer: Writer, location: str) -> dict[str, Any]:
    path = writer.path(location)
    if not os.path.isdir(path):
        return {location: digest_file(path)}
    return {
        f"{location}/{name}": digest_file(os.path.join(path, name))
        for name in sorted(os.listdir(path))
    }
