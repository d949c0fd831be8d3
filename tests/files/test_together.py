import os

import pytest

from persist.files import replace_files
from tests.files.failures import Faults, record_synced, snapshot

NAMES = ["a", "b", "c"]


@pytest.fixture
def paths(tmp_path):
    """Return three paths, of which the last is new."""
    (tmp_path / "a").write_text("old a")
    (tmp_path / "b").write_text("old b")
    return [str(tmp_path / name) for name in NAMES]


OLD = {"a": b"old a", "b": b"old b"}
NEW = {"a": b"new a", "b": b"new b", "c": b"new c"}


def write_new(paths, keep=False):
    with replace_files(paths, keep) as temporaries:
        for path, temporary in temporaries.items():
            with open(temporary, "w") as file:
                file.write(f"new {os.path.basename(path)}")


def test_all_files_are_replaced(paths, tmp_path):
    write_new(paths)
    assert snapshot(tmp_path) == NEW


def test_old_files_are_kept_as_backups(paths, tmp_path):
    write_new(paths, keep=True)
    assert snapshot(tmp_path) == {**NEW, "a.bak": b"old a", "b.bak": b"old b"}


def test_files_are_synced_and_in_the_end_their_folder(paths, tmp_path, monkeypatch):
    synced = record_synced(monkeypatch)
    write_new(paths)
    inodes = [os.stat(path).st_ino for path in [*paths, tmp_path]]
    assert synced == inodes


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_block_changes_nothing(paths, tmp_path, error):
    def fail_halfway():
        with replace_files(paths) as temporaries:
            open(temporaries[paths[0]], "w").close()
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert snapshot(tmp_path) == OLD


@pytest.mark.parametrize("keep", [True, False])
def test_a_failure_at_any_step_changes_nothing(paths, tmp_path, monkeypatch, keep):
    faults = Faults(monkeypatch, KeyboardInterrupt())
    write_new(paths, keep)
    steps = list(faults.done)
    assert {"fsync", "replace", "link"} <= set(steps)
    for number in range(len(steps)):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, content in OLD.items():
            (tmp_path / name).write_bytes(content)
        faults.restart(fail_at=number)
        with pytest.raises(KeyboardInterrupt):
            write_new(paths, keep)
        faults.restart()
        assert snapshot(tmp_path) == OLD, steps[: number + 1]


def test_a_folder_in_the_way_changes_nothing(paths, tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(IsADirectoryError):
        write_new(paths)
    assert snapshot(tmp_path) == OLD


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "a").write_text("old a")
    (tmp_path / "link").symlink_to("a")
    write_new([str(tmp_path / "link")])
    assert (tmp_path / "link").is_symlink()
    assert snapshot(tmp_path) == {"a": b"new link", "link": b"new link"}


def test_no_files_are_replaced_by_none(tmp_path):
    with replace_files([]) as temporaries:
        assert temporaries == {}
