"""Data sets at URLs: read, pulled and pushed; the servers run on this machine."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import persist
from persist.cli import main
from persist.dataset.layout import MANIFEST, MARKER
from persist.dataset.manifest import Commit, encode
from persist.errors import (
    ArgumentError,
    DamagedError,
    DataSetError,
    NoAccessError,
    ReadOnlyError,
    UntrustedError,
)
from persist.exchange.cache import fetched, put_in_view
from persist.exchange.prune import Mark, choose_unused
from persist.exchange.published import HEAD, RemoteError, blob_name, decode_head
from persist.exchange.remote import Location
from persist.files.digest import digest_file, digest_pieces
from tests.effort import IS_SHORT
from tests.exchange import servers
from tests.exchange.sources import KINDS, make, make_data_set

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
pytest.importorskip("s3fs")
obstore = pytest.importorskip("obstore")
pytest.importorskip("moto.server", reason="moto is not installed: pip install 'persist[test]'")
# What botocore and moto warn of is theirs.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def endpoint():
    with servers.bucket_server() as address:
        servers.make_bucket(address, "lab")
        yield address


@pytest.fixture
def url():
    return f"s3://lab/{uuid.uuid4().hex}"


@pytest.fixture
def options(endpoint):
    return servers.options(endpoint)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERSIST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def objects(url, options):
    from persist.exchange.push import _Push

    store = _Push("", url, options, False, None)._store
    return {entry["path"]: entry["e_tag"] for page in obstore.list(store) for entry in page}


def test_a_pushed_data_set_is_read_from_the_bucket(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    done = persist.push(path, url, storage_options=options)
    assert done.changed
    with persist.open(url, storage_options=options) as results:
        local = persist.open(path)
        assert list(results) == list(local) == ["x", "größe"]
        assert (results.groups, results.info["x"]) == (["D0"], "250 Hz")
        numpy.testing.assert_array_equal(results["x"], numpy.arange(600.0))
        assert results["größe"] == {"a": [1, 2]}
        assert results.group("D0")["rate"] == 2.5
        assert results.group("D0").group("D1")["z"].shape == (400,)
        assert results.entries() == local.entries()
        assert repr(results) == f"<persist results '{url}': 2 keys, mode 'r'>"


def test_arrays_are_mapped_where_modules_may_run(tmp_path):
    path = make_data_set(tmp_path / "d")
    results = persist.open(f"file://{path}", trusted=True, mmap_mode="r")
    assert not results["x"].flags.writeable
    numpy.testing.assert_array_equal(results["x"], numpy.arange(600.0))


def test_values_are_fetched_on_first_use_and_once(tmp_path, url, endpoint, cache):
    asked = []

    def count(method, path, forward):
        asked.append((method, path))
        return forward()

    persist.push(make_data_set(tmp_path / "d"), url, storage_options=servers.options(endpoint))
    with servers.proxy(endpoint, count) as address:
        options = servers.options(address)
        results = persist.open(url, storage_options=options)
        assert not [path for _, path in asked if "/blobs/" in path][4:]
        asked.clear()
        results["x"]
        fetched = {path for method, path in asked if method == "GET" and "/blobs/" in path}
        assert len(fetched) == 2
        asked.clear()
        results["x"]
        persist.open(url, storage_options=options)["x"]
        assert not [path for _, path in asked if "/blobs/" in path]


def test_what_is_pulled_is_a_plain_data_set(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    pushed = persist.push(path, url, storage_options=options)
    done = persist.pull(url, tmp_path / "copy", storage_options=options)
    assert done.commit == pushed.commit
    report = persist.verify(tmp_path / "copy")
    assert (report.ok, report.unfinished) == (True, ())
    assert not any(vars(persist.diff(path, tmp_path / "copy")).values())
    assert sorted(os.listdir(tmp_path)) == ["cache", "copy", "d"]
    code = "import copy_ as d; print(int(d.x.sum()), d.D0.D1.z.shape)"
    os.rename(tmp_path / "copy", tmp_path / "copy_")
    command = [sys.executable, "-B", "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "179700 (400,)\n"


def test_only_what_is_new_is_sent_and_fetched(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    first = persist.push(path, url, storage_options=options)
    assert "data_x.4/array_0.npy" in first.sent or any("data_x" in name for name in first.sent)
    assert not persist.push(path, url, storage_options=options).changed
    persist.pull(url, tmp_path / "copy", storage_options=options)
    persist.open(path, "w")["new"] = 5
    dry = persist.push(path, url, storage_options=options, dry_run=True)
    assert (set(dry.sent), dry.changed) == ({"new.py", "_manifest.jsonl"}, True)
    assert persist.push(path, url, storage_options=options).sent == dry.sent
    before = persist.pull(url, tmp_path / "copy", storage_options=options, dry_run=True)
    assert before.fetched == ("new.py",)
    assert "new" not in persist.open(tmp_path / "copy")
    assert persist.pull(url, tmp_path / "copy", storage_options=options).fetched == ("new.py",)
    assert persist.open(tmp_path / "copy")["new"] == 5
    assert persist.verify(tmp_path / "copy").ok


@pytest.mark.parametrize("name", ["50 % größe", "a%20b", "a#b", "a?b", "a+b&c=d"])
def test_a_push_goes_where_readers_look(tmp_path, url, options, name):
    path = make_data_set(tmp_path / "d")
    assert persist.push(path, f"{url}/{name}/", storage_options=options).changed
    assert persist.open(f"{url}/{name}", storage_options=options)["x"].shape == (600,)
    assert {key.partition("/")[0] for key in objects(url, options)} == {name}


@pytest.mark.parametrize("rest", ["..", "a/../b", ".", "a//b"])
def test_a_push_to_a_place_that_libraries_do_not_agree_on_is_refused(tmp_path, url, options, rest):
    with pytest.raises(DataSetError, match="name the folder itself"):
        persist.push(make_data_set(tmp_path / "d"), f"{url}/{rest}", storage_options=options)


def test_a_pull_keeps_what_is_not_of_the_data_set(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    folder = tmp_path / "real"
    persist.pull(url, folder, storage_options=options)
    kept = {".git/objects/ab": b"1", "README.md": b"2", "mine.py": b"x = 1", "D0/notes/a": b"3"}
    for name, content in kept.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "link").symlink_to("README.md")
    (tmp_path / "copy").symlink_to(folder)
    with persist.open(path, "w") as results:
        results["new"] = 1
    persist.push(path, url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options)
    assert (tmp_path / "copy").is_symlink()
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert os.readlink(folder / "link") == "README.md"
    assert persist.load(folder / "new.py") == {"new": 1}


def test_a_pull_fetches_what_is_damaged_here(tmp_path, url, options):
    persist.push(make_data_set(tmp_path / "d"), url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options)
    for path in [*(tmp_path / "copy").rglob("*.npy"), tmp_path / "copy" / "x.py"]:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert not persist.verify(tmp_path / "copy").ok
    assert is_whole(url, tmp_path / "copy", options)


@pytest.mark.parametrize("name", ["client_kwargs", "client_options", "nope", "key"])
def test_options_that_make_no_sense_are_refused(tmp_path, url, options, name):
    with pytest.raises(DataSetError, match="cannot push to s3://lab/"):
        persist.push(make_data_set(tmp_path / "d"), url, storage_options={**options, name: 5})


def test_options_that_are_none_are_left_to_the_environment(tmp_path, url, options):
    persist.push(make_data_set(tmp_path / "d"), url, storage_options={**options, "token": None})
    assert persist.open(url, storage_options=options)["x"].shape == (600,)


@pytest.mark.parametrize("prune", [-1, float("nan")])
def test_a_negative_grace_period_is_refused(tmp_path, url, options, prune):
    with pytest.raises(ArgumentError, match="prune must not be negative"):
        persist.push(make_data_set(tmp_path / "d"), url, storage_options=options, prune=prune)


def test_a_password_in_the_address_of_a_bucket_is_refused_and_not_shown(tmp_path, options):
    with pytest.raises(DataSetError, match="a bucket has no password") as found:
        persist.push(
            make_data_set(tmp_path / "d"), "s3://ada:s3cret@lab/x", storage_options=options
        )
    assert "s3cret" not in str(found.value)


def test_a_pull_replaces_no_file_that_is_not_of_the_data_set(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options)
    (tmp_path / "copy" / "new.py").write_text("x = 1")
    with persist.open(path, "w") as results:
        results["new"] = 1
    persist.push(path, url, storage_options=options)
    with pytest.raises(DataSetError, match=r"new\.py is not of the data set that is there"):
        persist.pull(url, tmp_path / "copy", storage_options=options)
    assert (tmp_path / "copy" / "new.py").read_text() == "x = 1"
    persist.pull(url, tmp_path / "copy", storage_options=options, force=True)
    assert is_whole(url, tmp_path / "copy", options)


def test_nothing_is_changed_by_a_dry_run(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options, dry_run=True)
    assert objects(url, options) == {}
    persist.push(path, url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options, dry_run=True)
    assert not (tmp_path / "copy").exists()


def test_changes_of_others_are_not_overwritten(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options)
    persist.open(path, "w")["mine"] = 1
    persist.open(tmp_path / "copy", "w")["yours"] = 2
    persist.push(path, url, storage_options=options)
    with pytest.raises(DataSetError, match=r"changes that .* lacks; pull first"):
        persist.push(tmp_path / "copy", url, storage_options=options)
    with pytest.raises(DataSetError, match=r"has changes that the published .* push them first"):
        persist.pull(url, tmp_path / "copy", storage_options=options)
    assert persist.open(tmp_path / "copy")["yours"] == 2
    persist.push(tmp_path / "copy", url, storage_options=options, force=True)
    assert "mine" not in persist.open(url, storage_options=options)
    persist.pull(url, path, storage_options=options, force=True)
    assert persist.open(path)["yours"] == 2


def test_a_reader_keeps_the_version_that_it_has_opened(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    before = persist.open(url, storage_options=options)
    persist.open(path, "w")["x"] = "new"
    persist.push(path, url, storage_options=options)
    assert before["x"].shape == (600,)
    assert persist.open(url, storage_options=options)["x"] == "new"


def test_inner_data_sets_of_any_name_are_found_on_a_web_server(tmp_path):
    with persist.open(tmp_path / "web" / "d", "w") as results:
        results.group("größe")["rate"] = 250
        results.group("a").group("日本")["x"] = 1
    with servers.web_server(tmp_path / "web") as address:
        remote = persist.open(f"{address}/d")
        assert (remote.groups, remote.group("a").groups) == (["a", "größe"], ["日本"])
        persist.pull(f"{address}/d", tmp_path / "pulled")
    assert persist.open(tmp_path / "pulled").group("größe")["rate"] == 250


def test_plain_data_sets_on_the_web_are_read_and_pulled(tmp_path):
    path = make_data_set(tmp_path / "web" / "d")
    with servers.web_server(tmp_path / "web") as address:
        results = persist.open(f"{address}/d")
        assert results["x"].shape == (600,)
        assert results.group("D0")["rate"] == 2.5
        persist.pull(f"{address}/d/", tmp_path / "copy")
        assert persist.verify(tmp_path / "copy").ok
        assert not any(vars(persist.diff(path, tmp_path / "copy")).values())
        with pytest.raises(DataSetError, match="no data set was found at that address"):
            persist.open(f"{address}/nosuch")


def test_folders_of_arrays_are_not_asked_for_inner_data_sets(tmp_path):
    with persist.open(tmp_path / "web" / "d", "w", durable=False) as results:
        results.update({f"k{i}": numpy.arange(200) + i for i in range(20)})
        results.group("data_of_alice")["x"] = 1
    asked = []

    def count(method, path, forward):
        asked.append(path)
        return forward()

    with (
        servers.web_server(tmp_path / "web") as address,
        servers.proxy(address, count) as counted,
    ):
        remote = persist.open(f"{counted}/d")
        assert remote.groups == ["data_of_alice"]
        assert len(asked) < 10
        assert remote["k3"][0] == 3
        assert len(asked) < 14
        for name in ("", "nosuch", "data_k1", "data_of_alice/x"):
            with pytest.raises(KeyError):
                remote.group(name)


def test_the_root_of_a_file_system_is_named_in_errors(tmp_path):
    with pytest.raises(DataSetError, match="cannot open /: no data set was found"):
        persist.pull("/", tmp_path / "pulled")


def test_an_inner_data_set_that_cannot_be_read_is_not_left_out(tmp_path):
    make_data_set(tmp_path / "web" / "d")

    def fail(method, place, forward):
        return (500, [], b"") if place.endswith("D0/_manifest.jsonl") else forward()

    with (
        servers.web_server(tmp_path / "web") as address,
        servers.proxy(address, fail) as failing,
        pytest.raises(RemoteError, match=r"D0/_manifest\.jsonl"),
    ):
        persist.pull(f"{failing}/d", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@contextlib.contextmanager
def paged(address, is_page):
    """Yield the address of a server that answers with a page of HTML where `is_page` is true."""
    page = b"\n<!DOCTYPE html>\n<html><a href='S01/'>Sign in</a></html>"

    def answer(method, place, forward):
        status, headers, data = forward()
        if is_page(place, status):
            return 200, [("Content-Type", "text/html")], page
        return status, headers, data

    with servers.proxy(address, answer) as found:
        yield found


def test_a_plain_data_set_is_found_behind_a_server_that_has_a_page_for_any_path(tmp_path):
    path = make_data_set(tmp_path / "web" / "d")
    with (
        servers.web_server(tmp_path / "web") as address,
        paged(address, lambda place, status: status == 404) as application,
    ):
        results = persist.open(f"{application}/d")
        assert results["x"].shape == (600,)
        assert results.groups == ["D0"]
        persist.pull(f"{application}/d", tmp_path / "copy")
        assert not any(vars(persist.diff(path, tmp_path / "copy")).values())
        with pytest.raises(DataSetError, match="the server answers with a web page"):
            persist.open(f"{application}/nosuch")


def test_a_page_that_asks_for_a_password_is_named(tmp_path, capsys):
    make_data_set(tmp_path / "web" / "d")
    with (
        servers.web_server(tmp_path / "web") as address,
        paged(address, lambda place, status: True) as private,
    ):
        assert main(["pull", f"{private}/d", str(tmp_path / "copy")]) == 2
    assert capsys.readouterr().err == (
        f"persist: cannot open {private}/d: no data set was found at that address, or you may not "
        "read it (the server answers with a web page, to sign in perhaps)\n"
    )
    assert not (tmp_path / "copy").exists()


def test_a_page_in_the_place_of_a_file_is_named(tmp_path):
    make_data_set(tmp_path / "web" / "d")
    with (
        servers.web_server(tmp_path / "web") as address,
        paged(address, lambda place, status: place.endswith(".npy")) as expired,
        pytest.raises(DamagedError, match=r"array_0\.npy.*the server answers with a web page"),
    ):
        _ = persist.open(f"{expired}/d")["x"]


def test_memory_and_files_are_read_through_fsspec_too(tmp_path):
    path = make_data_set(tmp_path / "d")
    assert persist.open(f"file://{path}")["x"].shape == (600,)
    with pytest.raises(DataSetError, match="only object stores"):
        persist.push(path, f"file://{tmp_path}/out")


@pytest.mark.parametrize("pattern", ["array_0.npy", "x.py", "_manifest.jsonl"])
def test_a_file_that_was_changed_in_the_cache_is_fetched_again(tmp_path, cache, pattern):
    make_data_set(tmp_path / "web" / "d")
    with servers.web_server(tmp_path / "web") as address:
        wanted = persist.open(f"{address}/d")["x"]
        (changed,) = (cache / "views").rglob(pattern)
        content = bytearray(changed.read_bytes())
        content[-2] ^= 1
        # In place: it may have a second name among the cached files.
        changed.write_bytes(content)
        assert numpy.array_equal(persist.open(f"{address}/d")["x"], wanted)


@pytest.mark.parametrize("name", [MARKER, MANIFEST, "x.py", "data_x.5/array_0.npy"])
def test_a_folder_in_place_of_a_file_in_the_cache_is_replaced(tmp_path, cache, name):
    url = f"file://{make_data_set(tmp_path / 'd')}"
    wanted = persist.open(url)["x"]
    (changed,) = (cache / "views").glob(f"*/{name}")
    changed.unlink()
    changed.mkdir()
    (changed / "file").write_text("")
    assert numpy.array_equal(persist.open(url)["x"], wanted)


def test_a_file_that_another_reader_uses_does_not_vanish(tmp_path, cache, monkeypatch):
    path, record = str(cache / "views" / "x.py"), digest_pieces([b"x"])
    removed, unlink = [], os.unlink

    def write(file):
        # Meanwhile another reader makes the file, and reads it.
        put_in_view(path, record, lambda file: file.write(b"x"))
        monkeypatch.setattr(
            os, "unlink", lambda name, **at: (removed.append(name), unlink(name, **at))
        )
        file.write(b"x")

    put_in_view(path, record, write)
    assert path not in removed
    with open(path, "rb") as file:
        assert file.read() == b"x"
    assert os.listdir(cache / "views") == ["x.py"]


def test_a_full_disk_is_neither_asked_again_nor_taken_for_the_server(tmp_path, cache):
    attempts = []

    class Full(io.BytesIO):
        def write(self, data):
            attempts.append(len(data))
            raise OSError(errno.ENOSPC, "No space left on device")

    location = Location(f"file://{make_data_set(tmp_path / 'd')}")
    record = digest_file(tmp_path / "d" / "x.py")
    with pytest.raises(NoAccessError, match=r"cannot write to the cache .*: No space left"):
        fetched(record, lambda file: location.copy("x.py", record, Full()))
    assert attempts == [record.size]
    assert not list(cache.rglob("*.py"))


@pytest.mark.parametrize("rest", ["?token=a%20b", "/?token=a%20b#part"])
def test_the_query_of_an_address_is_that_of_each_file(tmp_path, rest):
    make_data_set(tmp_path / "web" / "d")

    def check(method, place, forward):
        return forward() if place.endswith("?token=a%20b") else (403, [], b"")

    with servers.web_server(tmp_path / "web") as address, servers.proxy(address, check) as guarded:
        assert persist.open(f"{guarded}/d{rest}")["x"].shape == (600,)
        with pytest.raises(DataSetError, match=r"or you may not read it \(403 Forbidden\)"):
            persist.open(f"{guarded}/d")


def test_a_manifest_that_is_missing_where_it_was_published_is_named(tmp_path, url, endpoint):
    persist.push(make_data_set(tmp_path / "d"), url, storage_options=servers.options(endpoint))

    def lose(method, place, forward):
        return (404, [], b"") if "blobs" in place else forward()

    missing = pytest.raises(DamagedError, match="its manifest is missing there; publish it again")
    with servers.proxy(endpoint, lose) as losing, missing:
        persist.open(url, storage_options=servers.options(losing))


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("place", "options", "error"),
    [
        ("ftp://127.0.0.1:1/x", {}, RemoteError),
        ("http://127.0.0.1:99999/x", {}, RemoteError),
        ("http://127.0.0.1:1/x", {"nope": 1}, RemoteError),
        ("http://127.0.0.1:1/x", {"client_kwargs": 1}, DataSetError),
        ("zip://x::file:///no/such.zip", {}, DataSetError),
        ("nope://x", {}, DataSetError),
    ],
)
def test_what_cannot_be_connected_to_is_not_taken_for_a_missing_data_set(place, options, error):
    with pytest.raises(error) as found:
        persist.open(place, storage_options=options)
    assert str(found.value).startswith(("cannot open ", "cannot read "))
    assert "no data set was found" not in str(found.value)


def test_a_bucket_that_has_moved_is_an_error_of_the_server(url, endpoint):
    moved = b"<Error><Code>PermanentRedirect</Code></Error>"
    failure = pytest.raises(RemoteError, match="cannot read s3://lab/")
    with servers.proxy(endpoint, lambda *_: (301, [], moved)) as proxy, failure:
        persist.open(url, storage_options=servers.options(proxy))


def test_nothing_is_run_unless_it_is_trusted(tmp_path):
    path = make_data_set(tmp_path / "web" / "d")
    marker = tmp_path / "marker"
    text = f"import os\nos.mkdir({str(marker)!r})\nx = 1\nimport sys\nsys.modules[__name__] = x\n"
    (path / "x.py").write_text(text)
    persist.accept(path, "x")
    (path / "__init__.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    with servers.web_server(tmp_path / "web") as address:
        results = persist.open(f"{address}/d")
        with pytest.raises(UntrustedError):
            results["x"]
        assert not marker.exists()
        assert persist.open(f"{address}/d", trusted=True)["x"] == 1
        assert marker.exists()


def test_infos_run_nothing_unless_they_are_trusted(tmp_path):
    folder = tmp_path / "web" / "d"
    folder.mkdir(parents=True)
    marker = tmp_path / "marker"
    text = f"import os\ninfo = os.mkdir({str(marker)!r})\n"
    line = encode(Commit(1, info={"x": None}, source={"x": text}))
    (folder / "_manifest.jsonl").write_bytes(line)
    with servers.web_server(tmp_path / "web") as address:
        results = persist.open(f"{address}/d")
        assert list(results.info) == ["x"]
        for read in (lambda: results.info["x"], lambda: repr(results.info), lambda: results["x"]):
            with contextlib.suppress(persist.PersistError):
                read()
        assert not marker.exists()
        assert persist.open(f"{address}/d", trusted=True).info["x"] is None
    assert marker.exists()


@pytest.mark.cases(3)
@pytest.mark.parametrize("name", ["x.py", "data_x.5/array_0.npy"])
@pytest.mark.parametrize("change", ["other", "longer", "gone"])
def test_what_is_not_as_published_is_refused(tmp_path, name, change):
    path = make_data_set(tmp_path / "web" / "d")
    data = (path / name).read_bytes()
    if change == "gone":
        (path / name).unlink()
    else:
        (path / name).write_bytes(data[::-1] if change == "other" else data + b"#" * 10**6)
    with servers.web_server(tmp_path / "web") as address:
        results = persist.open(f"{address}/d")
        with pytest.raises(DamagedError):
            results["x"]
        assert results["größe"] == {"a": [1, 2]}
        with pytest.raises(DamagedError):
            persist.pull(f"{address}/d", tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        # A pull goes on where it was.
        (path / name).write_bytes(data)
        done = persist.pull(f"{address}/d", tmp_path / "copy")
        assert 0 < len(done.fetched) < len(done.fetched) + done.kept
        assert persist.verify(tmp_path / "copy").ok


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "data_x/../../evil", "data_x/a\\b", "x.py/../../e"]
)
def test_names_in_a_remote_manifest_stay_in_the_folder(tmp_path, name, cache):
    folder = tmp_path / "web" / "d"
    folder.mkdir(parents=True)
    (tmp_path / "web" / "evil.py").write_bytes(b"evil")
    files = {name: [4, "4" * 64]}
    values = {"x": {"written": "", "type": "", "files": files}}
    line = encode(Commit(1, info={"x": None}, values=values))
    (folder / "_manifest.jsonl").write_bytes(line)
    package = encode(Commit(1, package={name: [4, "4" * 64]}))
    with servers.web_server(tmp_path / "web") as address:
        for text in (line, package):
            (folder / "_manifest.jsonl").write_bytes(text)
            with pytest.raises((DamagedError, persist.PersistError)):
                persist.open(f"{address}/d")
            with pytest.raises((DamagedError, persist.PersistError)):
                persist.pull(f"{address}/d", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not (cache.exists() and list(cache.rglob("evil*")))


@pytest.mark.parametrize(
    "sets",
    [
        {"../x": [0, "0" * 64]},
        {"": [0, "0" * 64], "../x": [0, "0" * 64]},
        {"": [0, "0" * 64], "a/../../x": [0, "0" * 64]},
        {"": [0, "0" * 64], "_x": [0, "0" * 64]},
        {"": [0, "0" * 64], "a/b": [0, "0" * 64]},
        {"": [0, "../../secret"]},
        {"": [-1, "0" * 64]},
        {"": [True, "0" * 64]},
        {"": "x"},
        {},
        [],
    ],
)
def test_names_in_a_head_stay_in_the_folder(sets):
    document = {"kind": "persist data set", "version": 1, "commit": "c", "sets": sets}
    with pytest.raises((DamagedError, persist.PersistError)):
        decode_head(json.dumps(document).encode(), "s3://lab/x")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"kind": 1}', b"[" * 10**5])
def test_a_damaged_head_is_an_error(data):
    with pytest.raises(DamagedError, match=r"cannot read s3://lab/x/_published\.json"):
        decode_head(data, "s3://lab/x")


def test_a_remote_data_set_is_not_written(tmp_path, url, options):
    with pytest.raises(ReadOnlyError, match="pull it, change it, and push it"):
        persist.open(url, "w", storage_options=options)
    with pytest.raises(DataSetError, match="for URLs"):
        persist.open(tmp_path, storage_options=options)


def test_passwords_are_in_no_message():
    with pytest.raises(ReadOnlyError) as found:
        persist.open("http://ada:hunter2@127.0.0.1:9/x?token=hunter2", "w")
    assert "hunter2" not in str(found.value)


def test_the_commands_push_and_pull(tmp_path, url, endpoint, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.chdir(tmp_path)
    make_data_set(tmp_path / "d")
    option = ["--option", f"endpoint_url={endpoint}"]
    assert main(["push", "d", url, *option, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would send 1")
    assert main(["push", "d", url, *option]) == 0
    assert capsys.readouterr().out.startswith("sent 1")
    assert main(["push", "d", url, *option]) == 0
    assert capsys.readouterr().out == "published already\n"
    assert main(["push", "d", url, *option, "--prune", "24"]) == 0
    assert capsys.readouterr().out == "published already; removed 0 unused files\n"
    assert main(["pull", url, "copy", *option, "--json"]) == 0
    assert "x.py" in json.loads(capsys.readouterr().out)["fetched"]
    assert persist.verify("copy").ok
    assert main(["push", "d", url, "--option", "nonsense"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS[1:])
def test_only_data_sets_are_pushed(tmp_path, url, options, kind):
    path = make(kind, tmp_path)
    with pytest.raises(DataSetError, match=r"no data set was found.*persist export --bag"):
        persist.push(path, url, storage_options=options)
    assert not objects(url, options)


# Files that no version needs any more.


def is_whole(url, folder, options):
    persist.pull(url, folder, storage_options=options)
    return persist.verify(folder).ok


def test_unused_files_are_removed_when_they_were_unused_for_the_grace_period(
    tmp_path, url, options, cache
):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    assert persist.push(path, url, storage_options=options, prune=0).pruned == ()
    first = objects(url, options)
    opened = persist.open(url, storage_options=options)
    persist.open(path, "w")["x"] = numpy.arange(700.0)
    # The first one marks what it finds.
    assert persist.push(path, url, storage_options=options, prune=3600).pruned == ()
    assert first.keys() <= objects(url, options).keys()
    assert opened["x"].shape == (600,)
    would = persist.push(path, url, storage_options=options, prune=0, dry_run=True).pruned
    assert first.keys() <= objects(url, options).keys()
    removed = persist.push(path, url, storage_options=options, prune=0).pruned
    # The manifest, the module and the array.
    assert len(removed) == 3
    assert sorted(removed) == sorted(would)
    left = objects(url, options)
    assert not [name for name in left if name.rpartition("/")[2] in removed]
    assert {name for name in first if name.rpartition("/")[2] not in removed} <= left.keys()
    assert is_whole(url, tmp_path / "copy", options)
    # What was removed is sent again when a version needs it.
    persist.open(path, "w")["x"] = numpy.arange(600.0)
    persist.push(path, url, storage_options=options, prune=3600)
    assert is_whole(url, tmp_path / "again", options)


def test_a_marked_file_is_sent_again_and_then_stays(tmp_path, url, options, monkeypatch):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    persist.open(path, "w")["x"] = numpy.arange(700.0)
    persist.push(path, url, storage_options=options, prune=3600)
    persist.open(path, "w")["x"] = numpy.arange(600.0)
    sent = persist.push(path, url, storage_options=options).sent
    assert [name for name in sent if name.endswith(".npy")]
    persist.open(path, "w")["x"] = numpy.arange(800.0)
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)
    removed = persist.push(path, url, storage_options=options, prune=3600).pruned
    # Only the version that was marked and not used again.
    assert 0 < len(removed) <= 3
    assert is_whole(url, tmp_path / "copy", options)


def test_a_prune_that_is_interrupted_loses_nothing(tmp_path, url, endpoint):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=servers.options(endpoint))
    for number in range(3):
        persist.open(path, "w")["x"] = numpy.arange(700.0) + number
        persist.push(path, url, storage_options=servers.options(endpoint))
    deleted = []

    def fail_second(method, name, forward):
        if method == "DELETE" or (method == "POST" and "delete" in name):
            deleted.append(name)
            if len(deleted) == 2:
                return 403, [], b"<Error><Code>AccessDenied</Code></Error>"
        return forward()

    with (
        servers.proxy(endpoint, fail_second) as address,
        pytest.raises(OSError, match="cannot push"),
    ):
        persist.push(path, url, storage_options=servers.options(address), prune=0)
    options = servers.options(endpoint)
    assert is_whole(url, tmp_path / "copy", options)
    assert persist.push(path, url, storage_options=options, prune=0).pruned
    assert persist.push(path, url, storage_options=options, prune=0).pruned == ()
    assert is_whole(url, tmp_path / "other", options)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("12")),
    st.sets(st.sampled_from("abcdef")),
    st.dictionaries(
        st.sampled_from("abcdef"), st.builds(Mark, st.integers(0, 9), st.sampled_from("12"))
    ),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_what_is_used_or_was_sent_again_is_never_removed(there, used, marks, now, grace):
    removed, marked = choose_unused(there, used, marks, now, grace)
    assert {*removed, *marked} == there.keys() - used
    assert not {*removed} & marked.keys()
    for name in removed:
        known = name in marks and marks[name].modified == there[name]
        assert now - (marks[name].since if known else now) >= grace


class Interrupted(BaseException):
    pass


def interrupt(done, total, name):
    if done * 2 > total:
        raise Interrupted


def test_an_interrupted_pull_leaves_the_data_set_and_goes_on(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    persist.pull(url, tmp_path / "copy", storage_options=options)
    with persist.open(path, "w") as results:
        for number in range(10):
            results[f"new_{number}"] = numpy.arange(1000) + number
    persist.push(path, url, storage_options=options)
    with pytest.raises(Interrupted):
        persist.pull(url, tmp_path / "copy", storage_options=options, progress=interrupt)
    assert persist.verify(tmp_path / "copy").ok
    assert list(persist.open(tmp_path / "copy")) == ["x", "größe"]
    done = persist.pull(url, tmp_path / "copy", storage_options=options)
    # None are left if all were on their way when it was interrupted.
    assert len(done.fetched) < 20
    assert persist.verify(tmp_path / "copy").ok
    assert persist.open(tmp_path / "copy")["new_9"][0] == 9
    assert sorted(os.listdir(tmp_path)) == ["cache", "copy", "d"]


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("name", ["", "x.py", "D0", "D0/more"])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "file", "folder"])
def test_what_else_is_where_a_pull_collects_its_files_is_removed(tmp_path, kind, name):
    path, elsewhere = make_data_set(tmp_path / "d"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "rate.py").write_text("mine")
    at = tmp_path / ".copy.pulling" / name
    at.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        at.write_text("x")
    elif kind == "folder":
        (at / "inside").mkdir(parents=True)
    else:
        at.symlink_to(elsewhere if kind == "link" else tmp_path / "nothing")
    planned = persist.pull(f"file://{path}", tmp_path / "copy", dry_run=True)
    assert os.path.lexists(at)
    assert "D0/rate.py" in planned.fetched
    assert persist.pull(f"file://{path}", tmp_path / "copy") == planned
    assert (elsewhere / "rate.py").read_text() == "mine"
    assert os.listdir(elsewhere) == ["rate.py"]
    assert not any(map(os.path.islink, [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]))
    assert not (tmp_path / "copy" / "D0" / "more").exists()
    assert persist.verify(tmp_path / "copy").ok


def test_an_interrupted_push_goes_on(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    with pytest.raises(Interrupted):
        persist.push(path, url, storage_options=options, progress=interrupt)
    with pytest.raises(DataSetError, match="no data set was found"):
        persist.open(url, storage_options=options)
    everything = persist.push(path, url + "-other", storage_options=options)
    rest = persist.push(path, url, storage_options=options)
    assert 0 < len(rest.sent) < len(everything.sent)
    assert persist.open(url, storage_options=options)["x"].shape == (600,)


def test_a_data_set_without_values_is_not_pushed_and_one_inside_is_left_out(tmp_path, url, options):
    persist.open(tmp_path / "d", "w").close()
    with pytest.raises(DataSetError, match="nothing is stored in it"):
        persist.push(tmp_path / "d", url, storage_options=options)
    persist.open(tmp_path / "d", "w")["x"] = 1
    persist.open(tmp_path / "d" / "nothing", "w").close()
    persist.push(tmp_path / "d", url, storage_options=options)
    assert is_whole(url, tmp_path / "copy", options)


@pytest.mark.cases(1)
@pytest.mark.parametrize("status", [500, 503])
def test_a_web_server_that_is_busy_is_asked_again(tmp_path, status):
    make_data_set(tmp_path / "d")
    asked = {}

    def refuse(method, place, forward):
        asked[place] = asked.get(place, 0) + 1
        return (status, [], b"") if asked[place] == 1 else forward()

    with servers.web_server(tmp_path) as address, servers.proxy(address, refuse) as busy:
        assert persist.pull(f"{busy}/d", tmp_path / "copy").fetched
    assert persist.verify(tmp_path / "copy").ok


def test_a_web_server_that_stalls_is_not_asked_again(tmp_path):
    aiohttp = pytest.importorskip("aiohttp")
    make_data_set(tmp_path / "d")
    asked, over = [], threading.Event()

    def stall(method, place, forward):
        asked.append(place)
        over.wait(30)

    options = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(sock_read=0.1)}}
    with servers.proxy("http://127.0.0.1:1", stall) as stalled:
        with pytest.raises(RemoteError, match="Timeout"):
            persist.open(f"{stalled}/d", storage_options=options)
        over.set()
    assert len(asked) == 1


def test_a_large_file_is_read_from_a_server_that_does_not_send_parts(tmp_path):
    with persist.open(tmp_path / "d", "w") as results:
        results["x"] = numpy.arange(17 << 20, dtype="u1")
    with servers.web_server(tmp_path) as address:
        assert numpy.array_equal(persist.open(f"{address}/d")["x"], results["x"])


def test_web_servers_are_reached_through_the_proxy_of_the_environment(monkeypatch):
    asked = []

    def note(method, place, forward):
        asked.append(place)
        return 403, [], b""

    with servers.proxy("http://127.0.0.1:1", note) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(DataSetError, match="403"):
            persist.open("http://lab.invalid/d")
    assert asked[0] == "http://lab.invalid/d/_published.json"


def test_a_server_that_fails_is_not_one_without_a_data_set(tmp_path, capsys, endpoint, monkeypatch):
    # Whoever has no key asks for one at an address of a machine in the cloud, again and again.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with servers.proxy(endpoint, lambda *_: (503, [], b"")) as busy:
        assert main(["pull", f"{busy}/d", str(tmp_path / "copy")]) == 2
    assert "_published.json: ClientResponseError: 503" in capsys.readouterr().err
    for options in ([], ["--option", "key=a", "--option", "secret=b"]):
        place = ["--option", "endpoint_url=http://127.0.0.1:1", *options]
        assert main(["pull", "s3://lab/d", str(tmp_path / "copy"), *place]) == 2
        assert "cannot read s3://lab/d/_published.json: " in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_named(tmp_path, url, options, monkeypatch):
    persist.push(make_data_set(tmp_path / "d"), url, storage_options=options)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERSIST_CACHE", str(tmp_path / "file"))
    with pytest.raises(PermissionError, match="the environment variable PERSIST_CACHE"):
        persist.open(url, storage_options=options)


def test_a_cache_in_no_home_directory_is_refused(tmp_path, monkeypatch):
    # Without an account and HOME, ~ stays as it is, and would be a folder here.
    path = make_data_set(tmp_path / "d")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSIST_CACHE", "~nobody of this name/cache")
    with pytest.raises(NoAccessError, match=r"home directory is unknown; .* PERSIST_CACHE"):
        persist.open(f"file://{path}")
    assert os.listdir() == ["d"]


def test_pulls_into_one_new_folder_take_turns(tmp_path, url, endpoint):
    path = tmp_path / "d"
    with persist.open(path, "w") as results:
        for number in range(20):
            results[f"x_{number}"] = number
    persist.push(path, url, storage_options=servers.options(endpoint))

    def slow(method, place, forward):
        time.sleep(0.02)
        return forward()

    with servers.proxy(endpoint, slow) as address, ThreadPoolExecutor(3) as pool:
        options = servers.options(address)
        pulls = [
            pool.submit(persist.pull, url, tmp_path / "copy", storage_options=options)
            for _ in range(3)
        ]
        reports = [pull.result() for pull in pulls]
    assert sorted(len(report.fetched) for report in reports)[:2] == [0, 0]
    assert persist.verify(tmp_path / "copy").ok
    assert sorted(os.listdir(tmp_path)) == ["cache", "copy", "d"]


def delete(url, options, digest):
    from persist.exchange.push import _Push

    obstore.delete(_Push("", url, options, False, None)._store, blob_name(digest))


def test_what_was_lost_in_the_bucket_is_sent_again(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    lost = persist.open(path).entries()["x"].files
    name, record = next((n, r) for n, r in lost.items() if n.endswith(".npy"))
    delete(url, options, record.sha256)
    with pytest.raises(DamagedError, match=f"{name} is missing there; publish it again"):
        persist.pull(url, tmp_path / "copy", storage_options=options)
    assert persist.push(path, url, storage_options=options).sent == (name,)
    assert not persist.push(path, url, storage_options=options).changed
    assert is_whole(url, tmp_path / "copy", options)


def test_a_lost_manifest_is_replaced_by_force(tmp_path, url, options):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=options)
    delete(url, options, digest_file(path / MANIFEST).sha256)
    persist.open(path, "w")["new"] = 5
    with pytest.raises(DamagedError, match=r"manifest there is missing.*--force"):
        persist.push(path, url, storage_options=options)
    assert persist.push(path, url, storage_options=options, force=True).changed
    assert is_whole(url, tmp_path / "copy", options)


def test_a_push_reads_each_published_manifest_once(tmp_path, url, endpoint):
    path = make_data_set(tmp_path / "d")
    persist.push(path, url, storage_options=servers.options(endpoint))
    published = digest_file(path / MANIFEST).sha256
    persist.open(path, "w")["new"] = 5
    manifests = {published, digest_file(path / MANIFEST).sha256}
    read = []

    def count(method, place, forward):
        if method == "GET" and place.rpartition("/")[2] in manifests:
            read.append(place.rpartition("/")[2])
        return forward()

    with servers.proxy(endpoint, count) as address:
        persist.push(path, url, storage_options=servers.options(address), prune=0)
    assert read == [published]


# Servers and networks that fail.


def test_a_put_whose_answer_was_lost_recognizes_itself(tmp_path, url, endpoint):
    lost = []

    def lose_first(method, path, forward):
        answer = forward()
        if method == "PUT" and path.partition("?")[0].endswith(HEAD) and not lost:
            lost.append(answer[0])
            return None
        return answer

    with servers.proxy(endpoint, lose_first) as address:
        done = persist.push(
            make_data_set(tmp_path / "d"), url, storage_options=servers.options(address)
        )
    assert (lost, done.changed) == ([200], True)
    assert persist.open(url, storage_options=servers.options(endpoint))["x"].shape == (600,)


@pytest.mark.cases(0)
def test_a_slow_line_is_not_taken_for_a_lost_one(tmp_path, url, endpoint):
    path = make_data_set(tmp_path / "d")
    puts = []

    def slow(method, place, forward):
        if method == "PUT" and "blobs" in place:
            puts.append(place)
            if len(puts) == 1:
                # obstore gives up after 30 s unless it is told otherwise.
                time.sleep(32)
        return forward()

    with servers.proxy(endpoint, slow) as line:
        assert persist.push(path, url, storage_options=servers.options(line)).changed
    assert len(puts) == len(set(puts))


def test_a_conflict_is_tried_again(tmp_path, url, endpoint):
    refused = []

    def conflict(method, path, forward):
        if method == "PUT" and path.partition("?")[0].endswith(HEAD) and len(refused) < 2:
            refused.append(path)
            body = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
            return 409, [("Content-Type", "application/xml")], body
        return forward()

    with servers.proxy(endpoint, conflict) as address:
        path = make_data_set(tmp_path / "d")
        assert persist.push(path, url, storage_options=servers.options(address)).changed
        assert len(refused) == 2
        refused.clear()
        persist.open(path, "w")["y"] = 1
        assert persist.push(path, url, storage_options=servers.options(address)).changed
    assert persist.open(url, storage_options=servers.options(endpoint))["y"] == 1


@pytest.mark.parametrize("ignored", ["if-none-match", "if-match"])
def test_a_server_that_ignores_conditions_is_refused(tmp_path, url, endpoint, ignored):
    path = make_data_set(tmp_path / "d")
    with (
        servers.proxy(endpoint, lambda method, path, forward: forward(), ignored) as address,
        pytest.raises(DataSetError, match="ignores the conditions of puts"),
    ):
        persist.push(path, url, storage_options=servers.options(address))
    assert objects(url, servers.options(endpoint)).keys() == set()


PUSHER = """
import os, sys, json
import persist
from tests.exchange import servers
number, endpoint, url, path = int(sys.argv[1]), *sys.argv[2:]
seen = []
def die(method, path, forward):
    seen.append(method)
    if len(seen) == number and method != "PUT":
        os._exit(9)
    answer = forward()
    if len(seen) == number:
        os._exit(9)
    return answer
with servers.proxy(endpoint, die) as address:
    persist.push(path, url, storage_options=servers.options(address))
print(len(seen))
"""


def test_a_pusher_that_is_killed_leaves_the_version_before(tmp_path, url, endpoint):
    options = servers.options(endpoint)
    path = tmp_path / "d"
    with persist.open(path, "w", durable=False) as results:
        results["x"] = "before"
        persist.push(path, url, storage_options=options)
        results["x"] = numpy.arange(300)
        results["y"] = "after"
    number, ended = 0, False
    while not ended:
        number += 4 if IS_SHORT else 1
        command = [sys.executable, "-c", PUSHER, str(number), endpoint, url, str(path)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        ended = run.returncode == 0
        assert ended or run.returncode == 9, run.stderr
        found = persist.open(url, storage_options=options)
        values = dict(found)
        if "y" in values:
            assert (values["x"].shape, values["y"]) == ((300,), "after")
        else:
            assert values == {"x": "before"}
    assert number > 5
    assert persist.open(url, storage_options=options)["y"] == "after"


WRITER = """
import sys
import persist
from tests.exchange import servers
name, endpoint, url, path = sys.argv[1:]
results = persist.open(path, "w", durable=False)
for number in range(4):
    results[f"{name}_{number}"] = [name, number]
    persist.push(path, url, storage_options=servers.options(endpoint))
"""
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.mark.cases(0)
def test_three_pushers_at_once_lose_nothing(tmp_path, url, endpoint):
    """They share a data set, so that each push has all that was pushed before, or more."""
    options = servers.options(endpoint)
    path = tmp_path / "d"
    persist.open(path, "w")["first"] = 0
    persist.push(path, url, storage_options=options)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, endpoint, url, str(path)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    seen = 0
    with contextlib.ExitStack() as stack:
        for pusher in running:
            stack.enter_context(pusher)
        while any(pusher.poll() is None for pusher in running):
            found = persist.open(url, storage_options=options)
            assert len(found) >= seen
            seen = len(found)
            for key in found:
                assert found[key] == (0 if key == "first" else [key[0], int(key[2:])])
        errors = [pusher.communicate(timeout=120)[1] for pusher in running]
    assert [pusher.returncode for pusher in running] == [0, 0, 0], errors
    assert set(persist.open(url, storage_options=options)) == {
        "first",
        *(f"{name}_{number}" for name in "abc" for number in range(4)),
    }
