import pickle

import pytest

from persist import errors
from persist.errors import (
    ArchiveError,
    ClosedError,
    CycleError,
    DamagedError,
    DataSetError,
    DuplicateError,
    InvalidKeyError,
    LockTimeout,
    MissingExtraError,
    PersistError,
    PersistWarning,
    PortabilityWarning,
    ReadOnlyError,
    UnknownKeyError,
    UnsupportedObjectError,
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
    UnknownKeyError("x", "results"),
    LockTimeout("results", 4711, "lab3", 60.0),
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
        (InvalidKeyError, ValueError),
        (LockTimeout, TimeoutError),
        (LockTimeout, OSError),
        (ReadOnlyError, ValueError),
        (UnknownKeyError, KeyError),
        (CycleError, ArchiveError),
        (DuplicateError, ArchiveError),
        (UnsupportedObjectError, ArchiveError),
        (UnsupportedObjectError, TypeError),
        (MissingExtraError, ImportError),
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
