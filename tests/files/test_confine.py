import os
import pickle
import socket
import stat
import threading

import pytest

from persist.errors import NotRegularError, PersistError, UnsafePathError
from persist.files import check_name, confine, open_regular
from persist.names import is_device_name

OUTSIDE = [
    *("", ".", "..", "...", ". .", " ", ".. ", "../x", "..\\x", "x/..", "x/../y", "x/../../y"),
    *("/", "/x", "//host/x", "\\x", "\\\\host\\share\\x", "\\\\?\\C:\\x", "C:", "C:x", "c:/x"),
    *("C:\\x", "x:stream", "x\0", "\0", "x/\0/y", "x//y", "x/", "./x", "x/./y", "x\\y"),
    *("nul", "NUL", "Aux.py", "con .txt", "COM1", "com\u00b9", "lpt9.x", "CONIN$", "nul:", "x/nul"),
    *("\ud800", "x" * 256, "\u00e9" * 200),
    *(None, 3, b"x", ["x"], {"x": 1}, 1.5),
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: ascii(name)[:20])
def test_name_that_leads_elsewhere_is_refused(tmp_path, name, nested):
    with pytest.raises(UnsafePathError) as caught:
        confine(tmp_path, name, nested=nested)
    assert isinstance(caught.value, PersistError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.name == name
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["x/y", "x/y/z.npy"])
def test_slash_parts_names_only_where_the_caller_says_so(tmp_path, name):
    assert confine(tmp_path, name, nested=True) == os.path.join(tmp_path, *name.split("/"))
    with pytest.raises(UnsafePathError, match="separates folders"):
        confine(tmp_path, name)


@pytest.mark.parametrize(
    "name",
    ["x", "x.py", ".persist-journal", "..x", "x..y", "a b", "console", "nulls", "\u00e9", "~"],
)
def test_ordinary_name_is_joined(tmp_path, name):
    assert confine(tmp_path, name) == os.path.join(tmp_path, name)
    assert check_name(name) == (name,)


def test_subclass_of_text_decides_nothing(tmp_path):
    class Text(str):
        def split(self, *args):
            return ["x"]

        def __contains__(self, item):
            return False

    found = confine(tmp_path, Text("x"))
    assert type(check_name(Text("x"))[0]) is str
    assert found == os.path.join(tmp_path, "x")
    with pytest.raises(UnsafePathError):
        confine(tmp_path, Text("../x"), nested=True)


@pytest.mark.skipif(os.name == "nt", reason="these are devices there")
def test_devices_of_windows_pass_where_the_caller_gave_them_out(tmp_path):
    assert confine(tmp_path, "aux.py", devices=True) == os.path.join(tmp_path, "aux.py")
    assert is_device_name("aux.py")


@pytest.mark.parametrize("nested", [False, True])
def test_link_is_refused_wherever_it_leads(tmp_path, nested):
    (tmp_path / "inside").write_text("x")
    (tmp_path / "link").symlink_to("inside")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(UnsafePathError, match="is a symbolic link"):
            confine(tmp_path, name, nested=nested)


def test_link_on_the_way_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafePathError, match="is a symbolic link"):
        confine(folder, "link/x", nested=True)


def test_link_to_the_folder_itself_is_the_callers_own(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert confine(tmp_path / "link", "x") == os.path.join(tmp_path, "link", "x")


def test_file_on_the_way_is_left_to_whoever_opens_the_path(tmp_path):
    (tmp_path / "file").write_text("x")
    assert confine(tmp_path, "file/x", nested=True) == os.path.join(tmp_path, "file", "x")


def test_regular_file_is_opened_in_each_mode(tmp_path):
    path = tmp_path / "x"
    with open_regular(path, "w", encoding="utf-8", newline="") as file:
        file.write("eins\nzwei")
    with open_regular(path) as file:
        assert file.read() == b"eins\nzwei"
    with open_regular(path, "r+", encoding="utf-8") as file:
        file.write("EINS")
    with open_regular(path, "r", encoding="utf-8") as file:
        assert file.read() == "EINS\nzwei"
    with open_regular(path, "wb") as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"
    with pytest.raises(FileExistsError):
        open_regular(path, "xb")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt", reason="umask is that of POSIX")
def test_new_file_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        open_regular(tmp_path / "x", "w", encoding="utf-8").close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", ["rb", "wb", "r+b", "ab"])
def test_link_is_not_followed(tmp_path, mode):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(NotRegularError, match="symbolic link"):
        open_regular(tmp_path / "link", mode)
    assert victim.read_text() == "kept"
    with open_regular(tmp_path / "link", follow=True) as file:
        assert file.read() == b"kept"


def test_link_is_not_followed_where_the_system_cannot_refuse_it(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_NOFOLLOW", raising=False)
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "link").symlink_to("victim")
    with pytest.raises(NotRegularError, match="symbolic link"):
        open_regular(tmp_path / "link", "wb")
    assert (tmp_path / "victim").read_text() == "kept"


def test_link_that_comes_between_check_and_opening_is_noticed(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_NOFOLLOW", raising=False)
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "x").write_text("x")
    really_open = os.open

    def swap_and_open(path, flags, mode=0o777):
        os.unlink(path)
        os.symlink("victim", path)
        return really_open(path, flags, mode)

    monkeypatch.setattr(os, "open", swap_and_open)
    with pytest.raises(NotRegularError, match="was replaced"):
        open_regular(tmp_path / "x", "wb")
    assert (tmp_path / "victim").read_text() == "kept"


def within(seconds, function):
    """Return what a call raises; it must end in time."""
    raised = []

    def target():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "waits"
    return raised[0] if raised else None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("mode", ["rb", "wb", "r+b"])
@pytest.mark.parametrize("follow", [False, True])
def test_pipe_is_refused_at_once(tmp_path, mode, follow):
    os.mkfifo(tmp_path / "pipe")
    error = within(5, lambda: open_regular(tmp_path / "pipe", mode, follow=follow))
    assert isinstance(error, NotRegularError)
    assert isinstance(error, OSError)
    assert "it is a pipe" in str(error)


def test_folders_sockets_and_devices_are_refused(tmp_path, monkeypatch):
    with pytest.raises(NotRegularError, match="it is a folder"):
        open_regular(tmp_path)
    with pytest.raises(NotRegularError, match="it is a device"):
        open_regular(os.devnull, "wb")
    if hasattr(socket, "AF_UNIX"):
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("socket")
            with pytest.raises(NotRegularError, match="it is a socket"):
                open_regular("socket")


def test_errors_survive_pickling():
    for error in (UnsafePathError("../x", "why"), NotRegularError("x", "why")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)
