"""Journals that a writer who died has left."""

import pytest

from persist.errors import DamagedError
from persist.experiment import TaskReader
from persist.experiment.appended_file import Change
from persist.experiment.handle import Handle
from persist.experiment.journal import JOURNAL, Journal, Part, has_journal, recover


def left_behind(folder, monkeypatch):
    """Write a journal, and die before its changes are made."""
    (folder / "trials.csv").write_bytes(b"a\n1\n")
    handle = Handle(str(folder / "trials.csv"))
    part = Part("trials.csv", handle.number, 4, [Change(4, b"2\n", b"")])
    journal = Journal(str(folder), durable=False)

    class DiedError(BaseException):
        pass

    def die(*_):
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_apply", die)
        patch.setattr(Journal, "_clear", lambda *_: None)
        with pytest.raises(DiedError):
            journal.commit([part])
    journal.close()
    handle.close()


def test_a_reader_finishes_what_was_committed(tmp_path, monkeypatch):
    left_behind(tmp_path, monkeypatch)
    assert has_journal(str(tmp_path))
    assert TaskReader(tmp_path).columns == {"a": [1, 2]}
    assert not has_journal(str(tmp_path))
    assert (tmp_path / "trials.csv").read_bytes() == b"a\n1\n2\n"


def test_half_a_journal_counts_for_nothing(tmp_path, monkeypatch):
    left_behind(tmp_path, monkeypatch)
    whole = (tmp_path / JOURNAL).read_bytes()
    for size in range(len(whole)):
        (tmp_path / JOURNAL).write_bytes(whole[:size])
        assert TaskReader(tmp_path).columns == {"a": [1]}
    spoiled = bytearray(whole)
    spoiled[-1] ^= 1
    (tmp_path / JOURNAL).write_bytes(spoiled)
    assert TaskReader(tmp_path).columns == {"a": [1]}


def test_a_journal_for_a_file_that_is_gone_is_an_error(tmp_path, monkeypatch):
    left_behind(tmp_path, monkeypatch)
    (tmp_path / "trials.csv").unlink()
    with pytest.raises(DamagedError, match=r"has a journal .* for trials\.csv, which is gone"):
        recover(str(tmp_path))
