import os
import stat

import pytest

from persist.errors import IsAFolderError, NotRegularError
from persist.files import replace_file, replace_files, temporary_beside, write_text
from tests.files.failures import Faults


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("old")
    return path


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_new_text_replaces_the_old(old):
    with replace_file(old) as file:
        file.write("new")
    assert old.read_text() == "new"
    assert os.listdir(old.parent) == ["x.py"]


def test_bytes_are_written_as_they_are(tmp_path):
    with replace_file(tmp_path / "x", "wb") as file:
        file.write(b"\r\n\0")
    assert (tmp_path / "x").read_bytes() == b"\r\n\0"


def test_text_is_utf8_and_keeps_its_line_ends(tmp_path):
    write_text(tmp_path / "x", "é\r\n\n")
    assert (tmp_path / "x").read_bytes() == b"\xc3\xa9\r\n\n"


def test_other_modes_are_refused(old):
    with (
        pytest.raises(ValueError, match="mode must be 'w' or 'wb', got 'a'"),
        replace_file(old, "a"),
    ):
        pass
    assert old.read_text() == "old"


def test_the_temporary_is_hidden_in_the_same_folder_and_only_one_of_its_name(old):
    with replace_file(old) as first, replace_file(old) as second:
        names = {os.path.basename(first.name), os.path.basename(second.name)}
        assert names | {"x.py"} == set(os.listdir(old.parent))
        assert len(names) == 2
        assert all(name.startswith(".") for name in names)


def test_the_old_file_is_there_until_the_new_one_is_whole(old):
    with replace_file(old) as file:
        file.write("half")
        file.flush()
        assert old.read_text() == "old"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(old, error):
    def fail_halfway():
        with replace_file(old) as file:
            file.write("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert old.read_text() == "old"
    assert os.listdir(old.parent) == ["x.py"]


@pytest.mark.parametrize("error", [OSError("broken"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_a_whole_file_and_nothing_else(old, monkeypatch, error):
    faults = Faults(monkeypatch, error)
    write_text(old, "old")
    steps = list(faults.done)
    assert {"fsync", "replace"} <= set(steps)
    switched = steps.index("replace")
    for number in range(len(steps)):
        faults.restart(fail_at=number)
        with pytest.raises(type(error)):
            write_text(old, "new")
        faults.restart()
        # The last steps sync the folder: by then the new file is in place, whole.
        assert old.read_text() == ("old" if number <= switched else "new"), steps[number]
        assert os.listdir(old.parent) == ["x.py"]
        write_text(old, "old")


def test_the_content_is_synced_before_the_rename_and_the_folder_after(old, monkeypatch):
    faults = Faults(monkeypatch)
    write_text(old, "new")
    order = [name for name in faults.done if name in ("fsync", "replace")]
    assert order == ["fsync", "replace", "fsync"]


def test_text_that_cannot_be_encoded_leaves_the_old_file(old):
    with pytest.raises(UnicodeEncodeError):
        write_text(old, "\udc80")
    assert old.read_text() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o444])
def test_permissions_of_the_old_file_are_kept(old, mode):
    old.chmod(mode)
    write_text(old, "new")
    assert permissions(old) == mode


def test_a_new_file_honours_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "new")
    finally:
        os.umask(before)
    assert permissions(tmp_path / "x") == 0o640


def test_a_link_stays_a_link(old):
    link = old.parent / "link"
    link.symlink_to(old.name)
    write_text(link, "new")
    assert link.is_symlink()
    assert old.read_text() == "new"


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("pipe", tmp_path / "link")
    (tmp_path / "folder").mkdir()
    for name, error in (
        ("pipe", NotRegularError),
        ("link", NotRegularError),
        ("folder", IsAFolderError),
    ):
        path = tmp_path / name
        with pytest.raises(error), replace_file(path):
            pytest.fail("the block is not entered")
        with pytest.raises(error), replace_files([str(path)]):
            pytest.fail("the block is not entered")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "pipe"]


def test_other_names_of_the_old_file_keep_its_content(old):
    other = old.parent / "other"
    os.link(old, other)
    write_text(old, "new")
    assert other.read_text() == "old"


def test_a_path_in_the_current_folder_is_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text("x", "new")
    assert os.listdir() == ["x"]


@pytest.mark.parametrize("name", ["é" * 120, "x" * 250])
def test_long_names_are_replaced(tmp_path, name):
    write_text(tmp_path / name, "new")
    assert (tmp_path / name).read_text() == "new"


def test_writers_that_want_a_path_get_an_empty_file(old):
    with temporary_beside(old) as temporary:
        assert os.path.getsize(temporary) == 0
        with open(temporary, "w") as file:
            file.write("new")
    assert old.read_text() == "new"
