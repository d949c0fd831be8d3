import errno
import pickle
import subprocess
import sys

import pytest

from persist import errors
from persist.errors import (
    ArchiveError,
    ArgumentError,
    ArgumentTypeError,
    ClosedError,
    CycleError,
    DamagedError,
    DataSetError,
    DiskError,
    DuplicateError,
    FileInUseError,
    InvalidKeyError,
    InvalidNameError,
    IsAFolderError,
    LockNotHeldError,
    LockTimeout,
    LostLockError,
    MissingExtraError,
    MissingFileError,
    MissingPathError,
    NoAccessError,
    NoRoomError,
    NotAFolderError,
    NotRegularError,
    PathExistsError,
    PersistError,
    PersistWarning,
    PortabilityWarning,
    ReadOnlyError,
    UnknownKeyError,
    UnreadableError,
    UnsafePathError,
    UnsupportedObjectError,
    UntrustedError,
)

EXAMPLES = [
    PersistError("a"),
    ArchiveError("a"),
    CycleError(),
    DuplicateError("x"),
    UnsupportedObjectError("it is open", "x.b[3]"),
    UnsupportedObjectError("it is open"),
    MissingExtraError("h5py", "hdf5"),
    PersistWarning("a"),
    PortabilityWarning("a"),
    ClosedError("a"),
    DamagedError("a"),
    DataSetError("a"),
    ReadOnlyError("a"),
    InvalidKeyError("a b", "it is no identifier"),
    InvalidNameError("a"),
    UnknownKeyError("x", "results"),
    UnsafePathError("../x", "'..' leads out of its folder"),
    NotRegularError("x", "it is a pipe"),
    UnreadableError("x cannot be read"),
    ArgumentError("a"),
    ArgumentTypeError("a"),
    LockNotHeldError("a"),
    LostLockError("a"),
    IsAFolderError(errno.EISDIR, "a file is to be written here", "x"),
    MissingPathError(errno.ENOENT, "nothing was saved here", "x"),
    NoAccessError(errno.EACCES, "you may not write there", "x"),
    NoRoomError(errno.ENOSPC, "the disk is full", "x"),
    NotAFolderError(errno.ENOTDIR, "a storage is a folder", "x"),
    PathExistsError(errno.EEXIST, "a workspace was saved here", "x"),
    UntrustedError("cannot load lab.Fit: it is not trusted", "lab.Fit", 3),
    LockTimeout("results", 4711, "lab3", 60.0),
    FileInUseError("emg.hdf5", 10.0),
    ArgumentError("a"),
    DiskError(28, "No space left on device", "x.py"),
    MissingFileError(2, "No such file or directory", "x.py"),
    LockNotHeldError("a"),
    LostLockError("Lost lock on x!"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_can_be_pickled(error):
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert vars(found) == vars(error)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (ArchiveError, ValueError),
        (ClosedError, OSError),
        (DamagedError, ValueError),
        (DataSetError, ValueError),
        (ArgumentError, ValueError),
        (DiskError, OSError),
        (MissingFileError, FileNotFoundError),
        (LockNotHeldError, RuntimeError),
        (LostLockError, OSError),
        (InvalidKeyError, ValueError),
        (LockTimeout, TimeoutError),
        (LockTimeout, OSError),
        (ReadOnlyError, ValueError),
        (UnknownKeyError, KeyError),
        (UnsafePathError, ValueError),
        (NotRegularError, OSError),
        (UntrustedError, ArchiveError),
        (CycleError, ArchiveError),
        (DuplicateError, ArchiveError),
        (UnsupportedObjectError, ArchiveError),
        (UnsupportedObjectError, TypeError),
        (MissingExtraError, ImportError),
        (ArgumentTypeError, TypeError),
        (ArgumentTypeError, ValueError),
        (IsAFolderError, IsADirectoryError),
        (MissingPathError, FileNotFoundError),
        (NoAccessError, PermissionError),
        (NoRoomError, OSError),
        (NotAFolderError, NotADirectoryError),
        (PathExistsError, FileExistsError),
    ],
)
def test_an_error_is_one_that_a_caller_would_catch(kind, builtin):
    assert issubclass(kind, PersistError)
    assert issubclass(kind, builtin)


def test_a_warning_is_a_user_warning():
    assert issubclass(PersistWarning, UserWarning)


def test_all_kinds_have_an_example():
    assert {type(error).__name__ for error in EXAMPLES} == set(errors.__all__)


def test_messages_say_what_was_found():
    assert str(CycleError()) == "Archive contains cyclic dependencies."
    assert str(CycleError("x is in x")) == "x is in x"
    assert str(DuplicateError("x")) == "Object with name 'x' already exists in archive."
    assert str(UnsupportedObjectError("it is open", "x.b[3]")) == "Cannot store x.b[3]: it is open"
    assert str(UnsupportedObjectError("it is open")) == "it is open"
    assert str(MissingExtraError("h5py", "hdf5")) == (
        "h5py is not installed. Install it with: pip install 'persist[hdf5]'"
    )


def test_errors_carry_their_data():
    assert DuplicateError("x").name == "x"
    error = UnsupportedObjectError("it is open", "x.b[3]")
    assert (error.reason, error.path) == ("it is open", "x.b[3]")
    missing = MissingExtraError("h5py", "hdf5")
    assert (missing.package, missing.extra) == ("h5py", "hdf5")


def test_errors_are_pickled_where_tblib_has_taken_over_exceptions():
    pytest.importorskip("tblib")
    script = """
import pickle, tblib.pickling_support
tblib.pickling_support.install()
from persist.errors import LockTimeout, UnknownKeyError, UnreadableError
for error in (UnknownKeyError("x", "results"), UnreadableError("x"), LockTimeout("a", 1, "b", 2.0)):
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found)) == (type(error), str(error))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
