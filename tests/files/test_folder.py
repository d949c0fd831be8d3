"""Folders that take the place of others when they are whole."""

import os

import pytest

from persist.files import replace_folder, settle_folder, unsettled
from persist.files.folder import begin_folder, commit_folder


def make(path, text):
    """Make a folder with one file."""
    os.mkdir(path)
    with open(os.path.join(path, "file"), "w") as file:
        file.write(text)


def text_of(path):
    return (path / "file").read_text()


@pytest.fixture
def path(tmp_path):
    make(tmp_path / "results", "old")
    return tmp_path / "results"


def test_a_new_folder_takes_the_place_of_the_old_one(path):
    with replace_folder(str(path)) as new:
        assert os.path.basename(new) == "results"
        make(new, "new")
        assert text_of(path) == "old"
    assert text_of(path) == "new"
    assert os.listdir(path.parent) == ["results"]


def test_a_folder_is_put_where_nothing_was(tmp_path):
    with replace_folder(str(tmp_path / "results")) as new:
        make(new, "new")
    assert text_of(tmp_path / "results") == "new"
    assert os.listdir(tmp_path) == ["results"]


def test_a_block_that_fails_leaves_the_old_folder(path):
    def fail(new):
        make(new, "new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), replace_folder(str(path)) as new:
        fail(new)
    assert text_of(path) == "old"
    assert os.listdir(path.parent) == ["results"]


def test_a_disk_that_fails_at_the_second_rename_leaves_the_old_folder(path, monkeypatch):
    real, calls = os.rename, []

    def rename(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise OSError("no disk")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="no disk"), replace_folder(str(path)) as new:
        make(new, "new")
    assert text_of(path) == "old"
    assert os.listdir(path.parent) == ["results"]


def test_the_old_folder_comes_back_where_a_writer_died_between_the_renames(path):
    new = begin_folder(str(path))
    os.rename(path, path.parent / ".results.replaced")
    assert unsettled(str(path.parent)) == [str(path)]
    settle_folder(str(path))
    assert text_of(path) == "old"
    assert unsettled(str(path.parent)) == []
    # Whoever has begun may go on.
    (path.parent / new / "file").write_text("new")
    commit_folder(str(path))
    assert text_of(path) == "new"
    assert os.listdir(path.parent) == ["results"]


def test_what_is_left_of_the_old_folder_goes(path):
    make(path.parent / ".results.replaced", "older")
    settle_folder(str(path))
    settle_folder(str(path))
    assert text_of(path) == "old"
    assert os.listdir(path.parent) == ["results"]
