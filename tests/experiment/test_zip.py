"""A storage as a ZIP file, and back."""

import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from persist.errors import DamagedError
from persist.experiment import Storage, storage_to_zip, zip_to_storage
from tests.experiment.samples import contents, listing, make_storage


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("zip") / "experiment01"
    make_storage(root)
    return root


@pytest.fixture
def data(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "experiment01", dirs_exist_ok=True))


def test_the_hierarchy_is_under_the_name_of_the_root(data):
    name = storage_to_zip(data)
    assert name == f"{data}.zip"
    with zipfile.ZipFile(name) as archive:
        found = archive.namelist()
        assert archive.testzip() is None
    wanted = [f"experiment01/{path}" for path in listing(data) if (data / path).is_file()]
    empty = ["experiment01/p0/reach/video/empty/", "experiment01/sub-02/"]
    assert sorted(found) == sorted(wanted + empty)


@pytest.mark.parametrize("compression", [None, "deflate", "bzip2", "lzma"])
def test_what_comes_back_is_the_same(data, compression, tmp_path):
    path = storage_to_zip(data, tmp_path / "x.zip", compression=compression)
    root = zip_to_storage(path)
    assert root == str(tmp_path / "x")
    assert contents(root) == contents(data)
    storage = Storage(root)
    storage.subject_id = "p0"
    assert storage.require_task("reach").load("model")["gain"] == 3


def test_the_same_storage_gives_the_same_bytes(data, tmp_path):
    one = Path(storage_to_zip(data, tmp_path / "one.zip")).read_bytes()
    for path in data.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o755)
    again = tmp_path / "again" / "experiment01"
    shutil.copytree(data, again)
    assert Path(storage_to_zip(again, tmp_path / "two.zip")).read_bytes() == one


@pytest.mark.parametrize("given", ["experiment01", "experiment01/", "./experiment01//"])
def test_a_relative_path_gives_a_file_in_the_current_folder(data, monkeypatch, given):
    monkeypatch.chdir(data.parent)
    assert storage_to_zip(given) == "experiment01.zip"
    assert (data.parent / "experiment01.zip").is_file()
    with zipfile.ZipFile("experiment01.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"experiment01"}


def test_the_current_folder_gives_a_file_beside_it(data, monkeypatch):
    monkeypatch.chdir(data)
    assert storage_to_zip(".") == f"{data}.zip"


def test_the_file_can_be_named_and_is_returned_as_named(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    assert storage_to_zip("experiment01", outfile="dataset.zip") == "dataset.zip"
    assert os.path.isfile("dataset.zip")
    storage = Storage("experiment01")
    assert storage.to_zip("other.zip") is None
    assert os.path.isfile("other.zip")


@pytest.mark.parametrize("target", ["x.zip", "p0/x.zip", "p0/reach/../x.zip"])
def test_a_target_inside_the_source_is_refused(data, target):
    before = listing(data)
    with pytest.raises(ValueError, match=r"is inside .*, which it is to hold"):
        storage_to_zip(data, data / target)
    assert listing(data) == before


def test_a_link_into_the_source_is_refused(data, tmp_path):
    os.symlink(data / "p0", tmp_path / "link")
    with pytest.raises(ValueError, match="is inside"):
        storage_to_zip(data, tmp_path / "link" / "x.zip")


def test_a_link_to_a_folder_above_is_an_error(data, tmp_path):
    os.symlink(data, data / "p0" / "loop")
    with pytest.raises(OSError, match="folder that it is in"):
        storage_to_zip(data, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_links_are_followed(data, tmp_path):
    os.symlink(data / "p0" / "consent.bin", data / "link.bin")
    os.symlink(data / "sub-01", data / "sub-03")
    root = zip_to_storage(storage_to_zip(data, tmp_path / "x.zip"))
    assert Path(root, "link.bin").read_bytes() == bytes(range(256))
    assert contents(Path(root, "sub-03")) == contents(data / "sub-01")


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        storage_to_zip(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        storage_to_zip(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_for_the_file_and_an_unknown_compression_are_errors(data, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage_to_zip(data, tmp_path / "none" / "x.zip")
    with pytest.raises(ValueError, match="compression must be one of None, 'deflate'"):
        storage_to_zip(data, compression="rar")


def test_progress_tells_the_bytes_up_to_all_of_them(data, tmp_path):
    calls = []
    path = storage_to_zip(data, tmp_path / "x.zip", progress=lambda *call: calls.append(call))
    total = sum(
        file.stat().st_size for file in data.rglob("*") if file.is_file() and file.name[0] != "."
    )
    assert calls[-1][0] == total
    assert {call[1] for call in calls} == {total}
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    assert "p0/reach/emg.hdf5" in [call[2] for call in calls]
    calls.clear()
    zip_to_storage(path, progress=lambda *call: calls.append(call))
    assert calls[-1][:2] == (total, total)


def test_what_cannot_be_read_again_is_not_put_in_place(data, tmp_path, monkeypatch):
    target = tmp_path / "x.zip"
    target.write_bytes(b"former")
    real = zipfile.ZipFile.close

    def close_and_spoil(archive):
        is_open = archive.fp is not None
        real(archive)
        if is_open and archive.mode == "w":
            with open(archive.filename, "r+b") as file:
                file.seek(60)
                file.write(b"spoiled")

    monkeypatch.setattr(zipfile.ZipFile, "close", close_and_spoil)
    with pytest.raises(DamagedError):
        storage_to_zip(data, target)
    assert target.read_bytes() == b"former"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["experiment01", "x.zip"]


def test_what_writers_keep_for_themselves_is_left_out(data, tmp_path):
    (data / "p0" / "reach" / ".lock").touch()
    (data / "p0" / ".reach.replacing").mkdir()
    (data / "p0" / ".hidden").write_text("kept")
    root = zip_to_storage(storage_to_zip(data, tmp_path / "x.zip"))
    names = [path.name for path in Path(root).rglob(".*")]
    assert names == [".hidden"]


BAD = {
    "parent": "../x",
    "parent inside": "data/../../x",
    "parent of the top": "data/..",
    "absolute": "/tmp/x",
    "backslashes": "data\\..\\x",
    "dot": "data/./x",
    "empty": "data//x",
}


@pytest.mark.parametrize("name", BAD)
def test_an_entry_that_would_leave_the_target_is_refused(tmp_path, name):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/p0/t/trials.csv", "a\n")
        archive.writestr(BAD[name], "evil")
    with pytest.raises(DamagedError, match="leads out of the folder"):
        zip_to_storage(path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_link_in_a_zip_file_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    info = zipfile.ZipInfo("data/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(DamagedError, match="holds a link"):
        zip_to_storage(path)


def test_a_file_that_is_a_folder_too_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/a", "")
        archive.writestr("data/a/b", "")
    with pytest.raises(DamagedError, match="as a file and as a folder"):
        zip_to_storage(path)


def test_nothing_that_is_there_is_replaced(data):
    path = storage_to_zip(data)
    with pytest.raises(FileExistsError):
        zip_to_storage(path)


@pytest.mark.parametrize("size", [0, 100, -30])
def test_half_a_zip_file_is_an_error_and_leaves_nothing(data, tmp_path, size):
    path = tmp_path / "x.zip"
    storage_to_zip(data, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedError, match="cannot be read as a ZIP file"):
        zip_to_storage(path)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["experiment01", "x.zip"]


def test_a_zip_file_of_files_without_a_top_folder_is_taken_as_it_is(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p0/t/trials.csv", "a\n1\n")
        archive.writestr("p1/t/trials.csv", "a\n2\n")
    root = zip_to_storage(path, tmp_path / "out")
    assert listing(root) == ["p0", "p0/t", "p0/t/trials.csv", "p1", "p1/t", "p1/t/trials.csv"]


def test_files_beyond_the_limits_of_the_first_zip_format_are_written(data, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 300)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    path = storage_to_zip(data, tmp_path / "x.zip")
    assert zipfile.stringEndArchive64 in Path(path).read_bytes()
    assert contents(zip_to_storage(path)) == contents(data)
