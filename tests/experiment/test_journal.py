"""Journals that a writer who died has left."""

import pytest

from persist.errors import DamagedError
from persist.experiment import TaskReader
from persist.files.journal import Change, Part, _packed, is_pending

JOURNAL = ".persist-journal"


def left_behind(folder):
    """Write a journal, and die before its changes are made."""
    (folder / "trials.csv").write_bytes(b"a\n1\n")
    part = Part("trials.csv", -1, 4, [Change(4, b"2\n", b"")])
    (folder / JOURNAL).write_bytes(_packed([part]))


def test_a_reader_finishes_what_was_committed(tmp_path):
    left_behind(tmp_path)
    assert is_pending(str(tmp_path / JOURNAL))
    assert TaskReader(tmp_path).columns == {"a": [1, 2]}
    assert not is_pending(str(tmp_path / JOURNAL))
    assert (tmp_path / "trials.csv").read_bytes() == b"a\n1\n2\n"


def test_half_a_journal_counts_for_nothing(tmp_path):
    left_behind(tmp_path)
    whole = (tmp_path / JOURNAL).read_bytes()
    for size in range(len(whole)):
        (tmp_path / JOURNAL).write_bytes(whole[:size])
        assert TaskReader(tmp_path).columns == {"a": [1]}
    spoiled = bytearray(whole)
    spoiled[-1] ^= 1
    (tmp_path / JOURNAL).write_bytes(spoiled)
    assert TaskReader(tmp_path).columns == {"a": [1]}


def test_a_journal_for_a_file_that_is_gone_is_an_error(tmp_path):
    left_behind(tmp_path)
    (tmp_path / "trials.csv").unlink()
    with pytest.raises(DamagedError, match=r"it changes trials\.csv, which is missing"):
        TaskReader(tmp_path).columns  # noqa: B018
