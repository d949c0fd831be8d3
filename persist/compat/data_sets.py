"""Data sets of older releases and of format 1: reading them, and upgrading them to format 2.

Release 3.2.1 and those before it keep the infos in ``__init__.py``; a value is a module that loads
itself. In release 0.9 a value is text of Python 2, which expects its arrays as a variable. Format 1
is that of persist 0.1.

The first write upgrades. Modules of values stay as they are; values of Python 2 are stored again.
The data set is the old one until its ``__init__.py`` is replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from typing import Any

from persist.archive.safe.arrays import read_arrays
from persist.archive.safe.policy import restore_as_trusted
from persist.compat.python2 import info_text, restore_python2
from persist.dataset.layout import (
    MANIFEST,
    PACKAGE,
    Generation,
    is_data_name,
    is_staging_name,
    item_file,
    staging_names,
)
from persist.dataset.manifest import Commit, Line, Manifest, encode, line_digest, read_manifest
from persist.dataset.upgrade import value_record
from persist.dataset.value import make_item, stored_info
from persist.dataset.writer import Change, Writer, package_records
from persist.errors import DamagedError, DataSetError, PersistError
from persist.files import open_regular
from persist.files.write import remove_path

__all__ = [
    "counted_of_format_1",
    "leftovers_of_format_1",
    "line_of_format_1",
    "older_infos",
    "python2_arrays",
    "read_python2",
    "upgrade_format_1",
    "upgrade_release",
]

READY = "_ready"
"""The folder of the modules of a committed batch of format 1 until all are in place."""

_SNAPSHOT = "_infos.json"  # of format 1
_STAGED = re.compile(r"\.[0-9]+(?:\.py)?")
_NUMBERED = re.compile(r"\.[0-9]+(?:\.py|\.data|\.data\.link)?")
_HDF5 = dict.fromkeys((".hd5", ".hf5", ".hdf5"), "hdf5")
_ARRAYS_OF_PYTHON2 = {"": "npy", ".npz": "npz", **_HDF5}


# Format 1.


def line_of_format_1(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a line of format 1 says, in the members of format 2; it follows no line.

    Its member ``begun`` is the folder for as long as which the commit has not taken place. When it
    counts, the modules are in `READY`.
    """
    done = found.pop("do", {})
    for value in found.get("values", {}).values():
        if "by" in value:
            value["by"] = str(value["by"])
    if "provenance" in done:
        done["provenance"] = {str(found["n"]): done["provenance"]}
    found = {**found, **done, "after": []}
    if (begun := found.get("staged")) is not None:
        if not _STAGED.fullmatch(begun):
            raise DamagedError(f"{begun!r} cannot be a staging folder")
        found.update(begun=begun, staged=READY)
    return found


def counted_of_format_1(folder: str, lines: list[Line]) -> list[Line]:
    """Return the lines without the last, if its commit has not taken place."""
    begun = lines[-1].content.get("begun")
    is_begun = begun is not None and os.path.lexists(f"{folder}/{begun}")
    return lines[:-1] if is_begun else lines


def leftovers_of_format_1(folder: str, torn: bytes) -> set[str]:
    """Return the names in a folder that a writer has left which is at work or died.

    `torn` is the line that does not count, as far as it was written.
    """
    found = {READY, *_places(torn)}
    with contextlib.suppress(OSError):
        found.update(filter(_NUMBERED.fullmatch, os.listdir(folder)))
    return found


def upgrade_format_1(writer: Writer) -> None:
    """Recover from a writer of format 1 that crashed, and rewrite its manifest.

    Nothing has changed if the disk fails.
    """
    index = writer.index
    if index.place().staging is not None:
        writer.apply(index.last)
    else:
        with open_regular(writer.path(MANIFEST), follow=True) as file:
            file.seek(index.end)
            torn = file.read()
        begun = staging_names(index.number + 1)
        for name in (f"{begun[0]}.data", f"{begun[0]}.data.link", *_places(torn)):
            remove_path(writer.path(name))
        writer.discard()
    writer.remove([n for n in index.last.get("removes", ()) if os.path.lexists(writer.path(n))])
    # The package reads both formats.
    writer.write_package()
    index.refresh()
    manifest = read_manifest(writer.folder)
    manifest.package = package_records()
    writer.replace_manifest(manifest)
    remove_path(writer.path(_SNAPSHOT))


def _places(line: bytes) -> list[str]:
    """Return the arrays that an open commit of format 1 may have put in place."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        return list(filter(is_data_name, json.loads(line).get("places", [])))
    return []


# Releases 0.9 to 3.2.1.


def older_infos(folder: str, generation: Generation) -> dict[str, Any]:
    """Return the infos of a data set of an older release; DamagedError if it defines none."""
    path = os.path.join(folder, PACKAGE)
    with open_regular(path, follow=True) as file:
        text = file.read()
    if generation is Generation.PYTHON2:
        found = restore_python2(info_text(text), filename=path)
    else:
        try:
            source = text.decode()
        except UnicodeDecodeError as error:
            raise DamagedError(f"cannot read {path}: it is not UTF-8 ({error})") from error
        found = restore_as_trusted(source, {"__file__": path})
    infos = found.get("_info_dict")
    if not isinstance(infos, dict):
        raise DamagedError(f"cannot read {path}: it does not define the dict _info_dict")
    return dict(infos)


def read_python2(folder: str, key: str, **options: Any) -> Any:
    """Return a value from a data set of release 0.9, whole; None if the key has none."""
    for option in [name for name, given in options.items() if given is not None]:
        raise DataSetError(
            f"cannot load {key!r} in {folder} with {option}: an older release wrote it "
            f"({Generation.PYTHON2.value}); load it without {option}, or store it again"
        )
    path = os.path.join(folder, item_file(key))
    try:
        with open_regular(path, follow=True) as file:
            text = file.read()
    except FileNotFoundError:
        return None
    return restore_python2(text, python2_arrays(folder, key), filename=path)[key]


def python2_arrays(folder: str, key: str) -> dict[str, Any]:
    """Return the arrays that a value in a data set of release 0.9 expects, from regular files."""
    for extension, data_format in _ARRAYS_OF_PYTHON2.items():
        data = os.path.join(folder, f"data_{key}{extension}")
        if os.path.exists(data):
            return read_arrays(data, data_format)
    return {}


def upgrade_release(writer: Writer) -> None:
    """Make a data set of an older release one of format 2.

    Nothing has changed if the disk fails, or a value of Python 2 cannot be read or stored
    (DataSetError).
    """
    generation, infos = writer.index.generation, writer.index.infos
    manifest = Manifest()
    change: Change | None = None
    for key, info in infos.items():
        manifest.infos[key] = stored_info(info)
    if generation is Generation.PYTHON2:
        # An upgrade that did not come to its end has left these.
        for name in (READY, MANIFEST):
            remove_path(writer.path(name))
        writer.discard_staged(list(filter(is_staging_name, os.listdir(writer.folder))))
        change = Change(writer)
        change.commit.number = len(infos) + 2
        _store_again(change, infos, writer)
        manifest.values = change.commit.values
        names = (f"data_{key}{ending}" for key in infos for ending in _ARRAYS_OF_PYTHON2)
        removes = [name for name in names if os.path.lexists(writer.path(name))]
    else:
        removes = _take_over(writer, manifest)
    manifest.package = package_records()
    lines = list(manifest.lines())
    staged = change.commit.staged if change is not None else None
    last = Commit(len(lines) + 1, [line_digest(lines[-1][:-1])], staged=staged, removes=removes)
    last.values = manifest.values if staged else {}
    lines.append(encode(last))
    if writer.options.durable and change is not None:
        writer.sync_files(change.commit)
    writer.rewrite(lines)
    remove_path(writer.path(_SNAPSHOT))
    writer.write_package()
    writer.index.refresh()
    writer.recover()


def _store_again(change: Change, keys: Iterable[str], writer: Writer) -> None:
    """Store all values of a data set of Python 2 again."""
    folder, options = writer.folder, writer.options
    try:
        for key in keys:
            if not os.path.exists(os.path.join(folder, item_file(key))):
                continue
            try:
                value = read_python2(folder, key)
                item = make_item(
                    key, value, array_threshold=options.array_threshold, scoped=options.scoped
                )
            except OSError:
                raise
            except Exception as error:
                raise DataSetError(
                    f"cannot write to {folder}: it is of {Generation.PYTHON2.value}, and is stored "
                    f"anew only when all its values can be read, but {key!r} cannot: "
                    f"{type(error).__name__}: {error}"
                ) from error
            change.set_value(item)
    except BaseException:
        change.abandon()
        raise


def _take_over(writer: Writer, manifest: Manifest) -> list[str]:
    """Note the files of all values in modules; return arrays that are not used any more."""
    known = Manifest()
    with contextlib.suppress(PersistError, OSError):
        # An older release may have written past a manifest.
        known = read_manifest(writer.folder)
    removes = []
    for key in manifest.infos:
        if not os.path.isfile(writer.path(item_file(key))):
            continue
        value = value_record(writer.folder, key)
        before = known.values.get(key, {})
        if before.get("files") == {path: list(found) for path, found in value["files"].items()}:
            value = before
        lost = before.get("data")
        if lost is not None and lost not in {path.partition("/")[0] for path in value["files"]}:
            removes += [lost] * os.path.lexists(writer.path(lost))
        manifest.values[key] = value
    return removes
