"""Names in a data set: of its files, and of keys.

A key is an identifier that does not start with an underscore, so that no file of the package itself
can be one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import unicodedata
import warnings
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from enum import Enum
from keyword import iskeyword
from typing import Any

from persist.errors import (
    DamagedError,
    DataSetError,
    InvalidKeyError,
    NoAccessError,
    NotRegularError,
    PortabilityWarning,
    UnreadableError,
)
from persist.files import open_regular
from persist.names import LONGEST_KEY, USED, is_device_name, is_identifier

__all__ = [
    "ASIDE",
    "ATTRIBUTES",
    "HELD",
    "LOCK",
    "MANIFEST",
    "MARKER",
    "PACKAGE",
    "PACKAGE_FILES",
    "SNAPSHOT",
    "TIP",
    "Generation",
    "Place",
    "check_access",
    "check_data_set",
    "check_key",
    "check_portable",
    "decomposed",
    "file_names",
    "generation_of",
    "has_attributes",
    "has_conflict_markers",
    "has_staging",
    "is_data_name",
    "is_data_set",
    "is_group",
    "is_key",
    "is_staging_name",
    "is_system_file",
    "item_file",
    "key_of_file",
    "lacks_marker",
    "misspelled",
    "module_in",
    "package_files",
    "package_of",
    "plain_key",
    "staging_names",
    "unreadable",
    "value_files",
]

MARKER = "_this_dir_is_a_DataSet"
PACKAGE = "__init__.py"
MANIFEST = "_manifest.jsonl"
SNAPSHOT = "_snapshot.json"
TIP = "_tip"
"""The number and the digest of the last line that changed an info or deleted a key.

No file but the manifest changes then, and nothing else would show that the line was removed. After
a merge of two histories, it has the lines of both.
"""
ATTRIBUTES = ".gitattributes"
LOCK = ".lock"
HELD = "_locked"
"""Exists while an object holds the lock for its whole life, for older releases to see."""
ASIDE = "_set_aside"
"""Where `repair` moves what it cannot read."""
PACKAGE_FILES = (PACKAGE, "_rare.py")
"""The files of the package that are the same in all data sets."""

_FORMAT = 2
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_MARK = "# A persist data set, format "
_ATTRIBUTES = b"""\
* -text
_manifest.jsonl merge=union
_snapshot.json merge=union -diff
_tip merge=union -diff
"""

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FLAGS |= getattr(os, "O_NONBLOCK", 0)
_PIECE = 1 << 15  # bytes
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_DATA = re.compile(r"(?:data_\w+(?:\.[0-9]+)?|\w+_data)(?:\.npz|\.hd5|\.hf5|\.hdf5|\.zarr\.zip)?")
_STAGING = re.compile(r"^\.[0-9]+(?:\.py)?$", re.MULTILINE)
_CLOSING = b"sys.modules[__name__] = "
# What operating systems, file servers and editors leave in any folder.
_SYSTEM = re.compile(
    r"\.DS_Store|\._.*|\.nfs[0-9a-fA-F]+|\.fuse_hidden.*|\.Trash.*|\.smbdelete.*|\.directory"
    r"|\.git|\.gitignore|\.gitattributes|\.gitkeep|\.ipynb_checkpoints|\.hg|\.svn|\.stfolder"
    r"|Thumbs\.db|ehthumbs\.db|desktop\.ini|lost\+found|\$RECYCLE\.BIN|System Volume Information"
    r"|\.dropbox(?:\..*)?|\.stversions|\.stignore|\.syncthing\..*|~syncthing~.*|\.owncloudsync.*"
    r"|\.sync_.*|Icon\r|\.idea|\.vscode|\.~lock\..*#|\.goutputstream-.*|4913"
    r"|@eaDir|.*~|\..*\.sw[a-p]|#.*#|\.#.*|(?:README|LICENSE|CITATION)(?:\.\w+)?",
    re.IGNORECASE,
)


class Generation(Enum):
    """The releases that wrote a data set."""

    OWN = "persist 0.1 and later"
    MODULES = "release 1.0 to 3.2.1"
    PYTHON2 = "release 0.9, of Python 2"


def generation_of(folder: str) -> Generation:
    """Return which release wrote a data set; a later one than this is a DataSetError."""
    return package_of(folder)[0]


def package_of(folder: str) -> tuple[Generation, bool]:
    """Return which release wrote a data set, and whether its package can be imported."""
    path = f"{folder}/{PACKAGE}"
    try:
        with open_regular(path, "r", follow=True, encoding="utf-8-sig", errors="replace") as file:
            first = file.readline(200)
            if first.startswith(_MARK):
                number = first[len(_MARK) :].strip(" .\n")
                if number not in map(str, range(1, _FORMAT + 1)):
                    raise DataSetError(
                        f"cannot open {folder}: it has format {number}, and this release of "
                        f"persist knows formats up to {_FORMAT}; use a newer release"
                    )
                return Generation.OWN, True
            text = first + file.read()
    except (FileNotFoundError, NotRegularError):
        return Generation.OWN, False
    except OSError as error:
        raise unreadable(error, f"cannot read {folder}: its {PACKAGE} cannot be read") from error
    # Git left its conflict markers in it, or it was emptied: the values do not need it.
    is_ours = any(os.path.isfile(f"{folder}/{name}") for name in (MANIFEST, *PACKAGE_FILES[1:]))
    if is_ours and (_MARK in text or "_info_dict" not in text):
        return Generation.OWN, False
    is_python2 = "\n    def _load(name):\n" in text
    return (Generation.PYTHON2 if is_python2 else Generation.MODULES), True


def unreadable(error: OSError, text: str) -> UnreadableError:
    """Return the error of a file that is there and cannot be read, with what to do about it."""
    number = error.errno if isinstance(error.errno, int) else errno.EIO
    remedy = "try again, or restore it from a copy"
    if number in _NO_ACCESS:
        remedy = "ask its owner for access"
    elif number in (errno.EMFILE, errno.ENFILE):
        remedy = "close files that are open, and try again"
    return UnreadableError(number, f"{text} ({error.strerror or error}); {remedy}", error.filename)


def file_names(folder: str) -> list[str]:
    """Return the names in a folder; UnreadableError if the user may not list them."""
    try:
        return os.listdir(folder)
    except PermissionError as error:
        raise unreadable(error, f"cannot read {folder}: its files cannot be listed") from error


def is_data_set(folder: str) -> bool:
    """Return True if a folder is marked as a data set."""
    return os.path.isfile(f"{folder}/{MARKER}")


def check_data_set(folder: str, verb: str) -> None:
    """Raise DataSetError, which says that one cannot `verb` it, if a folder is not a data set."""
    try:
        if stat.S_ISREG(os.stat(f"{folder}/{MARKER}").st_mode):
            return
    except PermissionError as error:
        raise DataSetError(
            f"cannot {verb} {folder}: you may not look into it; ask its owner for access"
        ) from error
    except (FileNotFoundError, NotADirectoryError):
        pass
    reason = f"it is not a data set: it lacks the file {MARKER}"
    if not os.path.lexists(folder):
        hint = "; give mode 'w' to create it" if verb == "open" else ""
        reason = f"the folder does not exist{hint}"
    elif os.path.isfile(folder):
        reason = "it is a file, not the folder of a data set"
    elif lacks_marker(folder):
        reason += f"; bring that empty file back, or run: persist repair {folder}"
    raise DataSetError(f"cannot {verb} {folder}: {reason}")


def check_access(folder: str, error: OSError) -> None:
    """Raise an error that names the remedy, if an OSError is about a file of a data set.

    NoAccessError for lack of permission, DamagedError where a link or a folder is in its place.
    """
    inside = os.path.join(os.path.abspath(folder), "")
    if not os.path.abspath(str(error.filename)).startswith(inside):
        return
    if error.errno in _NO_ACCESS:
        raise NoAccessError(
            error.errno,
            f"cannot write to {folder}: you may not change its files; ask its owner for "
            "access, or write to a copy",
            error.filename,
        ) from error
    if isinstance(error, NotRegularError):
        raise DamagedError(
            f"cannot write to {folder}: {os.path.basename(error.path)} must be a file, but "
            f"{error.reason}; run: persist repair {folder}"
        ) from error


def lacks_marker(folder: str) -> bool:
    """Return True if a folder is a data set of which the marker was lost.

    The marker is an empty file, which some programs that copy folders leave out. The manifest or
    the package shows what the folder is.
    """
    if is_data_set(folder) or os.path.isfile(f"{folder}/{MANIFEST}"):
        return not is_data_set(folder)
    path = f"{folder}/{PACKAGE}"
    try:
        with open_regular(path, "r", follow=True, encoding="utf-8-sig", errors="replace") as file:
            return bool(file.readline(200).startswith(_MARK))
    except PermissionError:
        # It may be one; whoever opens it is told that it cannot be looked into.
        return not is_data_name(os.path.basename(folder))
    except (FileNotFoundError, NotADirectoryError, NotRegularError):
        return False


def is_group(folder: str) -> bool:
    """Return True if a folder inside a data set is one too, and hides a module of its name."""
    is_folder = os.path.isdir(folder) and not os.path.islink(folder)
    # What a repair has set aside looks like a data set without a marker.
    is_folder = is_folder and os.path.basename(folder) != ASIDE
    return is_folder and (is_data_set(folder) or lacks_marker(folder))


def package_files() -> dict[str, bytes]:
    """Return the files that are the same in all data sets, by name."""
    folder = os.path.join(os.path.dirname(__file__), "package")
    found = {MARKER: b"", ATTRIBUTES: _ATTRIBUTES}
    for name in PACKAGE_FILES:
        with open_regular(os.path.join(folder, name), follow=True) as file:
            found[name] = file.read().replace(b"\r\n", b"\n")
    return found


def has_attributes(path: str) -> bool:
    """Return True if a ``.gitattributes`` file has our lines; users may add others."""
    with open_regular(path, follow=True) as file:
        return set(_ATTRIBUTES.splitlines()) <= set(file.read().splitlines())


def item_file(key: str) -> str:
    """Return the name of the loader module of a key."""
    return f"{key}.py"


def key_of_file(name: str) -> str | None:
    """Return the key whose loader module has a name; None if no key has it."""
    key = name.removesuffix(".py")
    return key if key != name and is_key(key) else None


def is_data_name(name: object) -> bool:
    """Return True if arrays of a key, of this or an older release, can have a name."""
    return isinstance(name, str) and _DATA.fullmatch(name) is not None


def staging_names(number: int) -> tuple[str, str]:
    """Return the folder of the loader modules of a commit, and the file of the only one."""
    return f".{number}", f".{number}.py"


def is_staging_name(name: str) -> bool:
    """Return True if a commit may stage its modules under a name."""
    return name[:1] == "." and name[1:].removesuffix(".py").isdecimal()


def has_staging(folder: str) -> bool:
    """Return True if there may be modules that are not in their places."""
    return _STAGING.search("\n".join(file_names(folder))) is not None


def module_in(staging: str, key: str) -> str:
    """Return where the loader module of a key is made."""
    return staging if staging.endswith(".py") else f"{staging}/{key}.py"


@dataclass(frozen=True)
class Place:
    """Where loader modules are: in the data set, and first where its last commit stages them.

    The modules of `staged` keys are there, at `staged_in`, while that exists, and those of others
    that were `deleted` have none any more.
    """

    folder: str
    staged_in: str | None
    staged: Collection[str]
    deleted: Collection[str]

    @classmethod
    def after(cls, line: Mapping[str, Any], folder: str) -> Place:
        """Return where loader modules are after the commit of a line of the manifest."""
        deleted = frozenset(line.get("delete", ()))
        return cls(folder, line.get("staged"), line.get("values", ()), deleted)

    @property
    def staging(self) -> str | None:
        """Where modules are staged, if that exists."""
        is_there = self.staged_in and os.path.lexists(f"{self.folder}/{self.staged_in}")
        return self.staged_in if is_there else None

    def current(self, name: str) -> str:
        """Return the name that a file of the data set has now: loader modules may be staged."""
        key = name.removesuffix(".py")
        if self.staged_in is None or key == name or key not in self.staged:
            return name
        staged = module_in(self.staged_in, key)
        return staged if os.path.lexists(f"{self.folder}/{staged}") else name

    def present(self, keys: Collection[str]) -> set[str]:
        """Return the keys that have a loader module, given those that have a file."""
        if self.staging is None:
            return set(keys)
        return {*set(keys).difference(self.deleted), *self.staged}

    def find(self, key: str) -> str | None:
        """Return the text of the loader module of a key; None if it has none."""
        name = item_file(key)
        if self.staged_in is not None and key in self.staged:
            # It may have come to its place in the meantime.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return _read_text(f"{self.folder}/{module_in(self.staged_in, key)}")
        elif key in self.deleted and self.staging is not None:
            return None
        try:
            return _read_text(f"{self.folder}/{name}")
        except FileNotFoundError:
            return None


def _read_text(path: str) -> str:
    # A file object would take as long again as the reading of a short text.
    handle = os.open(path, _FLAGS)
    try:
        pieces = []
        while piece := os.read(handle, _PIECE):
            pieces.append(piece)
    finally:
        os.close(handle)
    try:
        # Editors of Windows put a mark of UTF-8 there.
        return b"".join(pieces).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedError(f"cannot read {path}: it is not text in UTF-8: {error}") from error


def value_files(folder: str, known: Container[str] = ()) -> list[str]:
    """Return the keys of the loader modules in a folder, apart from those known, sorted."""
    keys = {key for name in file_names(folder) if (key := key_of_file(name)) is not None}
    found = sorted(key for key in keys if key not in known)
    return [key for key in found if is_loader(os.path.join(folder, item_file(key)))]


def decomposed(folder: str) -> dict[str, str]:
    """Return the names of files in decomposed Unicode, by their composed form.

    Those whose composed name is there, too, are left out.
    """
    found = {unicodedata.normalize("NFC", name): name for name in file_names(folder)}
    return {
        name: other
        for name, other in found.items()
        if name != other and not os.path.lexists(f"{folder}/{name}")
    }


def misspelled(folder: str) -> str:
    """Return what a message says of a file with a decomposed name."""
    return (
        "it is there under a name in decomposed Unicode, as macOS writes it; run: persist repair "
        f"{folder}"
    )


def is_loader(path: str) -> bool:
    """Return True if a file ends as a loader module does, has lost its content, or is closed."""
    if not os.path.isfile(path):
        # A pipe or a device might never end.
        return False
    try:
        with open_regular(path, follow=True) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 1000))
            end = file.read()
            # A power failure, or a program that keeps files in a cloud, leaves it empty or null.
            return _CLOSING in end or not end.strip(b"\0")
    except OSError:
        return True


def has_conflict_markers(path: str) -> bool:
    """Return True if git left both sides of a conflict in a file."""
    with open_regular(path, follow=True) as file:
        return any(line.startswith(b"<<<<<<< ") for line in file)


def is_system_file(name: str) -> bool:
    """Return True if operating systems, version control or people leave a file in any folder."""
    return _SYSTEM.fullmatch(name) is not None


def is_key(key: object) -> bool:
    """Return True if a value can be stored under a key, on some system."""
    return isinstance(key, str) and key[:1] != "_" and is_identifier(key) and key not in USED


def check_key(key: object) -> str:
    """Return `key` if a value can be stored under it; InvalidKeyError with the reason if not."""
    # Most keys are plain, and need no further look.
    if type(key) is str and _PLAIN.fullmatch(key) and key not in USED and not iskeyword(key):
        return key
    if not isinstance(key, str):
        raise InvalidKeyError(key, f"it is {type(key).__name__}, not text")
    key = str.__str__(key)
    if not is_identifier(key):
        folded = unicodedata.normalize("NFKC", key)
        if folded != key and is_identifier(folded):
            raise InvalidKeyError(key, f"Python reads it as {folded!r}: use that")
        raise InvalidKeyError(
            key,
            "it is not a Python identifier, or is a keyword: "
            "choose letters, digits and underscores, not starting with a digit",
        )
    if key.startswith("_"):
        raise InvalidKeyError(key, "names that start with an underscore are reserved")
    if key in USED:
        raise InvalidKeyError(key, "the source of every value uses that name")
    if len(os.fsencode(key)) > LONGEST_KEY:
        raise InvalidKeyError(
            key, f"it has more than {LONGEST_KEY} bytes, too many for a file name"
        )
    return key


def plain_key(key: Any) -> Any:
    """Return a string of a subclass, as numpy and enumerations have, as one of str itself."""
    return str.__str__(key) if isinstance(key, str) else key


def check_portable(key: str, *, is_alone: bool, tells_case: bool) -> None:
    """Refuse a new key, or warn of it, if a file system takes its file for another.

    It is alone if no other key differs from it only by capital and small letters. If the file
    system here confuses them that is an InvalidKeyError, if others do a PortabilityWarning.
    """
    if not is_alone:
        reason = "it differs from another key only by capital and small letters"
        if not tells_case:
            raise InvalidKeyError(key, f"{reason}, which this file system does not tell apart")
        _warn(key, f"{reason}, which not all file systems tell apart")
    if is_device_name(key):
        if os.name == "nt":
            raise InvalidKeyError(key, "Windows has a device of this name")
        _warn(key, "Windows has a device of this name and cannot hold its file")


def _warn(key: str, reason: str) -> None:
    warnings.warn(f"Key {key!r} is not portable: {reason}", PortabilityWarning, stacklevel=8)
