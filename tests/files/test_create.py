import os

import pytest

from persist.files import create_file, create_folder, remove_path
from tests.files.failures import record_synced


def test_a_new_file_is_written(tmp_path):
    path = str(tmp_path / "x")
    with create_file(path) as same, open(same, "w") as file:
        file.write("x")
    assert (tmp_path / "x").read_text() == "x"


def test_a_new_folder_is_filled(tmp_path):
    with create_folder(str(tmp_path / "x")) as path, open(os.path.join(path, "y"), "w"):
        pass
    assert os.listdir(tmp_path / "x") == ["y"]


@pytest.mark.parametrize("create", [create_file, create_folder])
def test_what_is_new_is_synced_and_then_its_folder(tmp_path, monkeypatch, create):
    synced = record_synced(monkeypatch)
    with create(str(tmp_path / "x")):
        assert synced == []
    assert synced == [(tmp_path / "x").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("create", [create_file, create_folder])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_is_left_alone(tmp_path, create, kind):
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("old")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError), create(str(path)):
        pass
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_removes_the_file(tmp_path, error):
    with pytest.raises(error), create_file(str(tmp_path / "x")):
        raise error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_removes_the_folder_and_its_files(tmp_path, error):
    def fail_halfway():
        with create_folder(str(tmp_path / "x")):
            (tmp_path / "x" / "y").write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert os.listdir(tmp_path) == []


def test_removing_a_link_leaves_what_it_leads_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove_path(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["folder"]


def test_removing_nothing_is_fine(tmp_path):
    remove_path(str(tmp_path / "nothing"))
