"""A file whose changes are made together, or not at all."""

import contextlib
import errno
import os
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.errors import ClosedError, DamagedError, NotRegularError
from persist.files import journal
from persist.files.journal import Change, Journal, Part, is_pending
from persist.files.overlay import OverlayFile, commit_overlays
from persist.files.regular import Handle
from tests.dataset.crashes import KILLED, Kill, record, run_in_child, run_killed
from tests.effort import IS_SHORT
from tests.files.failures import Faults, snapshot

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

OLD = bytes(range(50))


def journal_of(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.journal")


def recover(path):
    found = journal.recover(journal_of(path))
    Journal(journal_of(path)).remove()
    return found


class JournaledFile(OverlayFile):
    """A file with the journal beside it, as a workspace uses both."""

    def __init__(self, path):
        self.was_recovered = recover(path)
        super().__init__(path)
        self.journal = Journal(journal_of(path))

    def commit(self):
        commit_overlays(self.journal, [self])

    def close(self):
        super().close()
        if not self.journal.is_pending():
            self.journal.remove()


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that holds something."""
    (tmp_path / "file").write_bytes(OLD)
    return str(tmp_path / "file")


@contextlib.contextmanager
def opened(path):
    file = JournaledFile(path)
    try:
        yield file
    finally:
        file.close()


def write_at(file, position, data):
    file.seek(position)
    assert file.write(data) == len(data)


def change(file):
    """Write within the file, over its end, and behind it, some of it twice."""
    write_at(file, 3, b"within")
    write_at(file, 45, b"over the end")
    write_at(file, 70, b"behind")
    write_at(file, 5, b"again")
    write_at(file, 72, b"again")


def changed():
    """Return what `change` makes of the old content."""
    content = bytearray(OLD) + bytes(27)
    for position, data in (
        (3, b"within"),
        (45, b"over the end"),
        (70, b"behind"),
        (5, b"again"),
        (72, b"again"),
    ):
        content[position : position + len(data)] = data
    return bytes(content)


NEW = changed()


def content_of(path):
    return Path(path).read_bytes()


def test_the_same_places_are_changed_by_one_commit_after_the_other(tmp_path):
    path = tmp_path / "large"
    content = bytearray(os.urandom(20_000))
    path.write_bytes(content)
    with opened(str(path)) as file:
        for number in range(5):
            for position in (100 + number, 4_000 * number, 19_999):
                content[position] ^= 255
            write_at(file, 0, content[:16_000])
            write_at(file, 16_000, content[16_000:])
            assert sum(len(change.new) for change in file.part().changes) < 5_000
            file.commit()
            assert path.read_bytes() == content


def test_changes_are_read_before_they_are_made(path):
    with opened(path) as file:
        change(file)
        file.seek(0)
        assert file.read() == NEW
        assert content_of(path)[:45] == OLD[:45]


def test_a_commit_makes_all_changes(path, tmp_path):
    with opened(path) as file:
        change(file)
        file.commit()
        assert content_of(path) == NEW
        file.seek(0)
        assert file.read() == NEW
        assert not is_pending(journal_of(path))
    assert snapshot(tmp_path) == {"file": NEW}


def test_what_was_not_committed_is_forgotten(path, tmp_path):
    with opened(path) as file:
        change(file)
    assert snapshot(tmp_path) == {"file": OLD}


def test_what_follows_a_commit_is_forgotten_alone(path):
    with opened(path) as file:
        change(file)
        file.commit()
        write_at(file, 0, b"x" * 200)
    assert content_of(path) == NEW


def test_nothing_to_commit_writes_nothing(path, monkeypatch):
    with opened(path) as file:
        faults = Faults(monkeypatch)
        file.commit()
        file.flush()
        assert faults.done == []


def test_a_file_that_is_only_read_keeps_its_time(path):
    os.utime(path, (5, 5))
    with opened(path) as file:
        file.read()
        file.truncate(len(OLD))
        file.commit()
    assert os.stat(path).st_mtime == 5


def test_positions_are_those_of_a_file(path):
    with opened(path) as file:
        assert file.tell() == 0
        assert file.seek(4) == 4
        assert file.read(3) == OLD[4:7]
        assert file.seek(2, os.SEEK_CUR) == 9
        assert file.seek(-3, os.SEEK_END) == 47
        assert file.read() == OLD[47:]
        assert file.read() == b""
        write_at(file, 60, b"ab")
        assert file.seek(0, os.SEEK_END) == 62


def test_a_file_can_end_later_and_never_before_its_committed_end(path):
    with opened(path) as file:
        assert file.truncate(10) == 10
        assert file.seek(0, os.SEEK_END) == 50
        file.truncate(80)
        assert file.seek(0, os.SEEK_END) == 80
        file.seek(60)
        file.truncate()
        file.commit()
    assert content_of(path) == OLD + bytes(10)


def test_a_link_is_refused(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(NotRegularError, match="it is a symbolic link"):
        OverlayFile(str(link))
    Path(journal_of(path)).symlink_to(tmp_path / "elsewhere")
    file = OverlayFile(path)
    change(file)
    with pytest.raises(NotRegularError, match="it is a symbolic link"):
        commit_overlays(Journal(journal_of(path)), [file])
    file.close()
    assert snapshot(tmp_path)["file"] == OLD
    assert not (tmp_path / "elsewhere").exists()


def journal_with(path, *changes):
    """Return what the journal of some changes holds."""
    name = os.path.basename(path)
    return journal._packed([Part(name, -1, 0, [Change(at, data, b"") for at, data in changes])])


def former_journal_with(*changes):
    """Return what a former release left for the file that the journal is called after."""
    body = b"".join(struct.pack("<QQ", at, len(data)) + data for at, data in changes)
    return b"persist journal 1\n" + struct.pack("<QI", len(body), zlib.crc32(body)) + body


def test_a_whole_journal_is_made_true_when_the_file_is_opened(path, tmp_path):
    Path(journal_of(path)).write_bytes(journal_with(path, (3, b"new"), (4, b"er"), (60, b"end")))
    wanted = bytearray(OLD) + bytes(13)
    wanted[3:6], wanted[60:63] = b"ner", b"end"
    with opened(path) as file:
        assert file.was_recovered
        assert file.read() == wanted
    assert snapshot(tmp_path) == {"file": bytes(wanted)}
    with opened(path) as file:
        assert not file.was_recovered


def test_a_journal_can_be_made_true_again_and_again(path):
    journal = journal_with(path, (3, b"new"), (48, b"longer"))
    for _ in range(3):
        Path(journal_of(path)).write_bytes(journal)
        assert recover(path) is True
    assert content_of(path) == OLD[:3] + b"new" + OLD[6:48] + b"longer"
    assert recover(path) is False


def test_a_journal_of_a_former_release_is_replayed(path):
    content = former_journal_with((3, b"new"), (48, b"longer"))
    Path(journal_of(path)).write_bytes(content)
    assert is_pending(journal_of(path))
    assert recover(path) is True
    assert content_of(path) == OLD[:3] + b"new" + OLD[6:48] + b"longer"
    for length in range(len(content)):
        Path(path).write_bytes(OLD)
        Path(journal_of(path)).write_bytes(content[:length])
        assert recover(path) is False
        assert content_of(path) == OLD


@pytest.mark.parametrize("name", ["../victim", "/etc/victim", "", ".", "..", "a/b", "a\\b"])
def test_a_journal_that_names_what_is_not_in_its_folder_is_refused(path, tmp_path, name):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "victim").write_bytes(OLD)
    content = journal._packed([Part(name, -1, 0, [Change(0, b"evil", b"")])])
    (folder / ".x.journal").write_bytes(content)
    with pytest.raises(DamagedError, match="not a file of its folder"):
        journal.recover(str(folder / ".x.journal"))
    assert (tmp_path / "victim").read_bytes() == OLD


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_journal_changes_regular_files_only(path, tmp_path, kind):
    place = tmp_path / "place"
    if kind == "link":
        place.symlink_to(path)
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.mkdir()
    content = journal._packed([Part("place", -1, 0, [Change(0, b"evil", b"")])])
    (tmp_path / ".x.journal").write_bytes(content)
    with pytest.raises(NotRegularError):
        journal.recover(str(tmp_path / ".x.journal"))
    assert content_of(path) == OLD


def test_a_journal_for_a_file_that_is_missing_is_an_error(path, tmp_path):
    Path(journal_of(path)).write_bytes(journal_with(path, (3, b"new")))
    os.remove(path)
    with pytest.raises(DamagedError, match=r"cannot replay .* it changes file, which is missing"):
        recover(path)
    assert os.listdir(tmp_path) == [".file.journal"]


def test_several_files_are_changed_or_none(tmp_path, monkeypatch):
    for fail_at in range(6):
        paths = [tmp_path / f"{fail_at}_{name}" for name in "ab"]
        for path in paths:
            path.write_bytes(OLD)
        handles = [Handle(str(path)) for path in paths]
        parts = [
            Part(path.name, handle.number, 50, [Change(3, b"new", OLD[3:6]), Change(50, b"x", b"")])
            for path, handle in zip(paths, handles, strict=True)
        ]
        calls, real = [], os.write

        def write(handle, data, calls=calls, real=real, fail_at=fail_at):
            calls.append(handle)
            if len(calls) == fail_at + 1:
                raise OSError(errno.ENOSPC, "full")
            return real(handle, data)

        writer = Journal(str(tmp_path / ".journal"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            if fail_at < 5:
                with pytest.raises(OSError, match="full"):
                    writer.commit(parts)
            else:
                # The journal could not be cleared, and is removed.
                writer.commit(parts)
        new = OLD[:3] + b"new" + OLD[6:] + b"x"
        assert {path.read_bytes() for path in paths} == {OLD if fail_at < 5 else new}
        assert not journal.recover(str(tmp_path / ".journal"))
        writer.close()
        for handle in handles:
            handle.close()


def test_every_torn_journal_is_ignored(path, tmp_path):
    journal = journal_with(path, (3, b"new"), (48, b"longer"))
    for length in range(len(journal)):
        Path(journal_of(path)).write_bytes(journal[:length])
        assert recover(path) is False
        assert snapshot(tmp_path) == {"file": OLD}


def test_a_journal_with_any_other_byte_is_ignored(path, tmp_path):
    journal = journal_with(path, (3, b"new"), (48, b"longer"))
    for place in range(len(journal)):
        damaged = bytearray(journal)
        damaged[place] ^= 0x40
        Path(journal_of(path)).write_bytes(damaged)
        assert recover(path) is False
        assert snapshot(tmp_path) == {"file": OLD}


def test_what_follows_a_whole_journal_is_ignored(path):
    Path(journal_of(path)).write_bytes(journal_with(path, (3, b"new")) + b"\0" * 100)
    assert recover(path) is True
    assert content_of(path) == OLD[:3] + b"new" + OLD[6:]


def test_an_empty_journal_of_changes_behind_the_end_changes_nothing(path, tmp_path):
    Path(journal_of(path)).write_bytes(journal_with(path))
    assert recover(path) is False
    assert snapshot(tmp_path) == {"file": OLD}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 90), st.binary(max_size=40)),
        st.tuples(st.just("read"), st.integers(0, 120), st.integers(0, 60)),
        st.tuples(st.just("truncate"), st.integers(0, 120), st.none()),
        st.tuples(st.just("commit"), st.none(), st.none()),
        st.tuples(st.just("reopen"), st.none(), st.none()),
    ),
    max_size=20,
)


@given(st.binary(max_size=60), steps)
@settings(deadline=None, max_examples=100 if IS_SHORT else 300)
def test_it_does_what_an_array_of_bytes_does(start, steps):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        Path(path).write_bytes(start)
        committed, content = bytearray(start), bytearray(start)
        file = JournaledFile(path)
        try:
            for name, first, second in steps:
                if name == "write":
                    write_at(file, first, second)
                    if second:
                        content.extend(bytes(max(0, first + len(second) - len(content))))
                        content[first : first + len(second)] = second
                elif name == "read":
                    file.seek(first)
                    assert file.read(second) == content[first : first + second]
                elif name == "truncate":
                    file.truncate(first)
                    if first >= len(committed):
                        del content[first:]
                        content.extend(bytes(first - len(content)))
                elif name == "commit":
                    file.commit()
                    committed = bytearray(content)
                    assert content_of(path) == committed
                else:
                    file.close()
                    assert content_of(path) == committed
                    file = JournaledFile(path)
                    content = bytearray(committed)
                file.seek(0)
                assert file.read() == content
                assert content_of(path)[: len(committed)] == committed
        finally:
            file.close()
        assert content_of(path) == committed
        assert os.listdir(folder) == ["file"]


def commit_change(path):
    with opened(path) as file:
        change(file)
        file.commit()


@needs_fork
def test_a_writer_killed_at_any_call_leaves_the_state_before_or_after(path, tmp_path):
    calls, _ = record(lambda: commit_change(path), str(tmp_path))
    assert calls.count("write") >= 4
    outcomes = []
    for number, name in enumerate(calls):
        for half in (False, True) if name == "write" else (False,):
            Path(path).write_bytes(OLD)
            assert run_killed(lambda: commit_change(path), Kill(number, name, half)) == KILLED
            with opened(path) as file:
                file.seek(0)
                outcomes.append(file.read())
            # What was written behind the end is not in the way.
            assert outcomes[-1] == NEW or outcomes[-1][:50] == OLD
            assert sorted(os.listdir(tmp_path)) == ["file"]
    assert outcomes[0] == OLD
    assert outcomes[-1] == NEW


CALLS = ("fsync", "fdatasync", "open", "lseek", "write", "ftruncate", "unlink")


class Disk(Faults):
    CALLS = CALLS


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()], ids=repr)
def test_a_disk_that_fails_once_leaves_the_state_before_or_after(path, tmp_path, error):
    number = failures = 0
    while True:
        Path(path).write_bytes(OLD)
        file = JournaledFile(path)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, error)
            disk.restart(number)
            failed = False
            try:
                change(file)
                file.commit()
            except (OSError, KeyboardInterrupt):
                failed = True
                failures += 1
        file.close()
        recover(path)
        # Only an interrupt can come when all is done.
        possible = (OLD, NEW) if isinstance(error, KeyboardInterrupt) else (OLD,)
        assert content_of(path) in (possible if failed else (NEW,))
        assert sorted(os.listdir(tmp_path)) == ["file"]
        if len(disk.done) <= number:
            break
        number += 1
    assert number > 8
    assert failures > 3


def test_a_failure_of_a_write_is_kept_for_the_commit(path, monkeypatch):
    """HDF5 calls `write`, and no error passes through it."""
    file = JournaledFile(path)
    with monkeypatch.context() as patch:
        disk = Disk(patch, OSError(errno.ENOSPC, "full"))
        disk.restart(1)
        change(file)
        assert "write" in disk.done
    with pytest.raises(OSError, match="full"):
        file.commit()
    file.close()
    assert content_of(path) == OLD


def test_a_disk_that_fails_again_leaves_the_change_to_the_next_user(path, monkeypatch, tmp_path):
    file = JournaledFile(path)
    change(file)
    real = os.write

    def write(*args):
        if is_pending(journal_of(path)):
            raise OSError(errno.EIO, "broken")
        return real(*args)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="broken"):
        file.commit()
    file.close()
    assert os.path.exists(journal_of(path))
    with pytest.raises(OSError, match="broken"):
        JournaledFile(path)
    assert os.path.exists(journal_of(path))
    monkeypatch.setattr(os, "write", real)
    with opened(path) as file:
        assert file.was_recovered
        assert file.read() == NEW
    assert snapshot(tmp_path) == {"file": NEW}


def test_writes_may_be_short(path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:2]))
    commit_change(path)
    assert content_of(path) == NEW


def test_reads_may_be_short(path, monkeypatch):
    real = os.read
    monkeypatch.setattr(os, "read", lambda handle, size: real(handle, min(size, 7)))
    with opened(path) as file:
        change(file)
        file.seek(0)
        assert file.read() == NEW


def test_what_was_given_up_takes_no_more(path):
    with opened(path) as file:
        change(file)
        file.give_up()
        assert file.seek(0, os.SEEK_END) >= 50
        write_at(file, 0, b"dropped")
        file.truncate(500)
        with pytest.raises(ClosedError, match="given up"):
            file.commit()
    assert content_of(path) == OLD


def test_it_can_be_closed_twice(path):
    file = JournaledFile(path)
    assert os.fstat(file.fileno()).st_size == 50
    file.close()
    file.close()
    file.commit()
    assert content_of(path) == OLD


@needs_fork
def test_a_forked_child_reads_and_writes_nothing(path):
    file = JournaledFile(path)
    change(file)

    def use():
        file.seek(0)
        assert file.read()[:9] == NEW[:9]
        write_at(file, 0, b"child")
        write_at(file, 200, b"child")
        file.truncate(500)
        with pytest.raises(ClosedError):
            file.part()
        OverlayFile.close(file)

    assert run_in_child(use) == 0
    file.commit()
    file.close()
    assert content_of(path) == NEW


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        JournaledFile(str(tmp_path / "none"))
    assert os.listdir(tmp_path) == []
