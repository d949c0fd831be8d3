import os

import pytest

from persist.files import backup, keep_backup
from tests.files.failures import Faults, snapshot


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("old")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "arrays"
    path.mkdir()
    (path / "a.npy").write_text("old")
    return path


def no_links(*args, **kwargs):
    raise PermissionError("this file system has no links")


def test_the_file_is_moved_to_its_backup_and_kept(file):
    with backup(file) as name:
        assert name == f"{file}.bak"
        assert not file.exists()
        file.write_text("new")
    assert snapshot(file.parent) == {"x.py": b"new", "x.py.bak": b"old"}


def test_a_folder_is_moved_to_its_backup_and_kept(folder):
    with backup(folder) as name:
        assert name == f"{folder}.bak"
        assert not folder.exists()
        folder.mkdir()
    assert snapshot(folder.parent) == {"arrays.bak/a.npy": b"old"}


def test_nothing_to_back_up_gives_no_name(tmp_path):
    with backup(tmp_path / "x") as name:
        assert name is None
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_taken_names_are_counted_up(request, kind):
    path = request.getfixturevalue(kind)
    names = []
    for _ in range(3):
        with backup(path) as name:
            path.write_text("new") if kind == "file" else path.mkdir()
        names.append(name)
    assert names == [f"{path}.bak", f"{path}_1.bak", f"{path}_2.bak"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_backup_that_is_not_kept_is_removed(request, kind):
    path = request.getfixturevalue(kind)
    with backup(path, keep=False) as name:
        path.write_text("new")
        assert os.path.exists(name)
    assert snapshot(path.parent) == {path.name: b"new"}


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_before_writing_puts_a_copy_back(request, kind, keep):
    path = request.getfixturevalue(kind)
    before = snapshot(path.parent)
    with pytest.raises(KeyboardInterrupt), backup(path, keep) as name:
        raise KeyboardInterrupt
    after = {key: value for key, value in snapshot(path.parent).items() if ".bak" not in key}
    assert after == before
    assert os.path.exists(name)


def test_a_failure_after_writing_leaves_both(file):
    def fail_halfway():
        with backup(file, keep=False):
            file.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert snapshot(file.parent) == {"x.py": b"half", "x.py.bak": b"old"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_block_that_writes_nothing_loses_nothing(request, kind):
    path = request.getfixturevalue(kind)
    before = snapshot(path.parent)
    with backup(path, keep=False):
        pass
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_keeping_a_backup_leaves_the_original_in_place(request, kind):
    path = request.getfixturevalue(kind)
    name = keep_backup(str(path))
    assert name == f"{path}.bak"
    contents = list(snapshot(path.parent).values())
    assert contents == [b"old", b"old"]
    assert keep_backup(str(path)) == f"{path}_1.bak"


def test_keeping_a_backup_of_nothing_gives_no_name(tmp_path):
    assert keep_backup(str(tmp_path / "x")) is None


def test_a_backup_is_a_copy_where_there_are_no_links(file, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    file.chmod(0o640)
    name = keep_backup(str(file))
    assert not os.path.samefile(name, file)
    assert snapshot(file.parent) == {"x.py": b"old", "x.py.bak": b"old"}
    assert os.stat(name).st_mode == file.stat().st_mode
    assert keep_backup(str(file)) == f"{file}_1.bak"


def test_a_backup_of_a_link_is_a_backup_of_the_file(file):
    link = file.parent / "link"
    link.symlink_to(file.name)
    name = keep_backup(str(link))
    assert not os.path.islink(name)
    assert os.path.samefile(name, file)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_at_any_step_of_a_backup_loses_nothing(request, monkeypatch, kind, links):
    path = request.getfixturevalue(kind)
    before = snapshot(path.parent)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    # An OSError of link is no failure: a copy is made then.
    faults = Faults(monkeypatch, KeyboardInterrupt())
    keep_backup(str(path))
    steps = len(faults.done)
    assert steps
    kept = snapshot(path.parent)
    for number in range(steps):
        faults.restart(fail_at=number)
        with pytest.raises(KeyboardInterrupt):
            keep_backup(str(path))
        faults.restart()
        assert snapshot(path.parent) == kept
    assert before.items() <= kept.items()
