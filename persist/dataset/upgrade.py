"""Creating a data set, and beginning its package and manifest."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Any

from persist.dataset.index import Index
from persist.dataset.layout import MARKER, Generation, is_data_set, item_file
from persist.dataset.manifest import Commit
from persist.dataset.value import data_of_source
from persist.dataset.writer import Options, Writer, package_records
from persist.errors import DamagedError, DataSetError, DiskError, NoAccessError
from persist.files import open_regular
from persist.files.digest import digest_file
from persist.files.replace import temporary_name
from persist.files.write import claim_file, remove_path, set_mode, sync_folder, write_bytes

__all__ = ["create_data_set", "make_group", "upgrade", "value_record"]


def create_data_set(folder: str, *, durable: bool) -> None:
    """Make an empty data set where nothing is; one that another process makes meanwhile will do.

    DataSetError if it would hide a key of the data set that its folder is in.
    """
    parent = os.path.dirname(folder)
    if os.path.lexists(f"{folder}.py") and is_data_set(parent or os.curdir):
        raise DataSetError(
            f"cannot make {folder}: its name is a key of the data set {parent or os.curdir}; "
            "choose another"
        )
    temporary = temporary_name(folder)
    try:
        os.makedirs(parent or os.curdir, exist_ok=True)
        os.mkdir(temporary)
        claim_file(os.path.join(temporary, MARKER))
        os.rename(temporary, folder)
    except OSError as error:
        # Another process may have made it at the same time.
        is_taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
        if not (is_taken and is_data_set(folder)):
            kind = NoAccessError if isinstance(error, PermissionError) else DiskError
            reason = f"cannot create {folder}: {error.strerror}; choose another place"
            raise kind(error.errno, reason, error.filename) from error
    finally:
        with contextlib.suppress(OSError):
            remove_path(temporary)
    if durable:
        sync_folder(parent)


def make_group(folder: str, options: Options) -> None:
    """Make a data set inside another one, in a folder that is not there yet.

    Raises
    ------
    OSError
        If the disk fails; what was made is left for the caller to remove.
    """
    os.mkdir(folder)
    set_mode(folder, stat.S_IMODE(os.stat(os.path.dirname(folder)).st_mode))
    index = Index(folder)
    writer = Writer(folder, index, options)
    write_bytes(writer.path(MARKER), b"", durable=False, mode=writer.file_mode())
    index.refresh()
    upgrade(writer)
    if options.durable:
        sync_folder(folder)


def upgrade(writer: Writer) -> None:
    """Make the package and the manifest those of this release, if they are not.

    Nothing has changed if that fails: a value of Python 2 cannot be stored, or the disk fails.
    """
    index = writer.index
    if index.generation is not Generation.OWN:
        from persist.compat.data_sets import upgrade_release

        upgrade_release(writer)
    elif index.format == 1:
        from persist.compat.data_sets import upgrade_format_1

        upgrade_format_1(writer)
    else:
        writer.recover()
        writer.write_package()
        index.refresh()
        writer.commit(Commit(index.number + 1, package=package_records()))


def value_record(folder: str, key: str, module: str | None = None) -> dict[str, Any]:
    """Return what the manifest is to say of a value whose files are there.

    Its loader module may be another file than the one of its name.

    OSError if one cannot be read, DamagedError if its module is not text.
    """
    name, location = item_file(key), module or item_file(key)
    path = os.path.join(folder, location)
    files: dict[str, Any] = {name: digest_file(path)}
    try:
        with open_regular(path, "r", follow=True, encoding="utf-8") as file:
            found = data_of_source(file.read())
    except UnicodeDecodeError as error:
        raise DamagedError(f"cannot read {path}: it is not text ({error})") from error
    data = [name for name in found if os.path.lexists(os.path.join(folder, name))]
    for location in data:
        place = os.path.join(folder, location)
        if not os.path.isdir(place):
            files[location] = digest_file(place)
            continue
        for inner in sorted(os.listdir(place)):
            files[f"{location}/{inner}"] = digest_file(os.path.join(place, inner))
    return {**({"data": data[0]} if len(data) == 1 else {}), "files": files}
