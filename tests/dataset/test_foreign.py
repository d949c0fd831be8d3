"""What is no data set, what is of a later one, what is damaged, and links to the outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.dataset import index, writer
from persist.dataset.manifest import is_cut
from persist.errors import DamagedError, DataSetError, PersistError, PersistWarning
from tests.dataset.bare import INTERPRETERS, run_bare, snapshot
from tests.effort import IS_SHORT
from tests.same import assert_same

MANIFEST = "_manifest.jsonl"
VALUES = {"x": numpy.arange(20), "y": [1, (2,)], "z": {"a": numpy.arange(12)}}
INFOS = {"x": "A large array", "y": (1, "tuple"), "only": {"rate": 2.5}}


def make(folder: Path, **options: Any) -> persist.DataSet:
    """Make a data set of values and infos of both kinds, with another inside."""
    ds = persist.DataSet("results", "w", folder, array_threshold=5, durable=False, **options)
    ds.x = numpy.arange(10)
    for key, info in INFOS.items():
        ds[key] = info
    for key, value in VALUES.items():
        setattr(ds, key, value)
    ds._namespace("D0").z = numpy.arange(15)
    return ds


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Return all that is in a folder: files, links and folders."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def make_nothing(folder: Path) -> None:
    folder.mkdir()


def make_package(folder: Path) -> None:
    folder.mkdir()
    (folder / "__init__.py").write_text("x = 1\n")


def make_folder_as_mark(folder: Path) -> None:
    (folder / "_this_dir_is_a_DataSet").mkdir(parents=True)


def make_file(folder: Path) -> None:
    folder.write_text("results")


def make_dangling_link(folder: Path) -> None:
    folder.symlink_to(folder.parent / "nowhere")


def make_dangling_mark(folder: Path) -> None:
    folder.mkdir()
    (folder / "_this_dir_is_a_DataSet").symlink_to("nowhere")


@pytest.mark.parametrize("mode", ["r", "w", "a"])
@pytest.mark.parametrize(
    "make_other",
    [
        make_nothing,
        make_package,
        make_folder_as_mark,
        make_file,
        make_dangling_link,
        make_dangling_mark,
    ],
)
def test_what_is_no_data_set_is_refused_and_left_alone(
    tmp_path: Path, make_other: Any, mode: str
) -> None:
    make_other(tmp_path / "results")
    before = tree(tmp_path)
    with pytest.raises(DataSetError, match=r"cannot open .*: it is (not a data set|a file)"):
        persist.DataSet("results", mode, tmp_path)
    with pytest.raises(DataSetError, match=r"cannot verify .*: it is (not a data set|a file)"):
        persist.verify(tmp_path / "results")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("number", ["3", "10", "1.5", "1a", ""])
@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_later_format_is_refused_with_what_to_do(tmp_path: Path, number: str, mode: str) -> None:
    ds = make(tmp_path)
    package = tmp_path / "results" / "__init__.py"
    _, _, rest = package.read_text().partition("\n")
    package.write_text(f"# A persist data set, format {number}.\n{rest}")
    before = tree(tmp_path)
    wanted = f"has format {number}, and this release of persist knows formats up to 2; use a newer"
    with pytest.raises(DataSetError, match=wanted):
        persist.DataSet("results", mode, tmp_path)
    with pytest.raises(DataSetError, match=wanted):
        persist.verify(tmp_path / "results")
    # One that was open goes no further.
    with pytest.raises(DataSetError, match=wanted):
        ds.x = 1
    assert tree(tmp_path) == before


def test_an_inner_data_set_of_a_later_format_leaves_the_outer_one_usable(tmp_path: Path) -> None:
    make(tmp_path)
    package = tmp_path / "results" / "D0" / "__init__.py"
    package.write_text(package.read_text().replace("format 2", "format 3", 1))
    ds = persist.DataSet("results", "w", tmp_path)
    ds.y = "new"
    assert ds.y == "new"
    with pytest.raises(DataSetError, match="format 3"):
        _ = ds.D0


NO_INFOS = {
    "empty": "",
    "other": "x = 1\n",
    "infos that are none": "_info_dict = 5\n",
}
FAILING = {
    "syntax error": "_info_dict = {\n",
    "error": "_info_dict = {}[1]\n",
    "octets": "_info_dict = {'a': '\udcff'}\n",
    "nul": "_info_dict = {}\0\n",
    "python 2": "_info_dict = {'a': 1L}\nprint 'x'\n",
}


def make_older(folder: Path, package: str) -> None:
    """Make a data set with a package that this release did not write."""
    folder.mkdir()
    (folder / "_this_dir_is_a_DataSet").touch()
    (folder / "__init__.py").write_bytes(package.encode("utf-8", "surrogateescape"))
    (folder / "a.py").write_text("import sys\nsys.modules[__name__] = 1\n")


@pytest.mark.parametrize("mode", ["r", "w"])
@pytest.mark.parametrize("package", NO_INFOS.values(), ids=NO_INFOS)
def test_a_package_that_defines_no_infos_is_damage_and_is_left_alone(
    tmp_path: Path, package: str, mode: str
) -> None:
    make_older(tmp_path / "results", package)
    before = tree(tmp_path)
    with pytest.raises(DamagedError, match=r"__init__\.py: it does not define"):
        persist.DataSet("results", mode, tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mode", ["r", "w"])
@pytest.mark.parametrize("package", FAILING.values(), ids=FAILING)
def test_a_package_that_does_not_run_is_not_opened_and_left_alone(
    tmp_path: Path, package: str, mode: str
) -> None:
    make_older(tmp_path / "results", package)
    before = tree(tmp_path)
    with pytest.raises(Exception):  # noqa: B017, PT011 - what the package itself raises
        persist.DataSet("results", mode, tmp_path)
    assert tree(tmp_path) == before


def test_a_package_that_was_lost_is_written_again(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "results" / "__init__.py").unlink()
    assert persist.verify(tmp_path / "results").missing == ("__init__.py",)
    with pytest.warns(PersistWarning, match=r"__init__\.py is missing"):
        ds = persist.DataSet("results", "w", tmp_path)
    assert_same({key: getattr(ds, key) for key in VALUES}, VALUES)
    ds.new = 1
    report = persist.verify(tmp_path / "results")
    assert report.ok, report
    program = """
        import results
        assert results._load('new') == 1 and results._load('y') == [1, (2,)]
        assert results._info_dict['y'] == (1, 'tuple')
    """
    for interpreter in INTERPRETERS:
        run_bare(interpreter, tmp_path, program)


ITEMS = {
    "empty": "",
    "other": "x = 1\n",
    "python 2": "x = 1L\n",
    "error": "raise RuntimeError('no')\n",
    "octets": b"x = '\xff'\n",
}


@pytest.mark.parametrize("text", ITEMS.values(), ids=ITEMS)
def test_a_module_that_leaves_no_value_is_an_error_and_harms_no_other(
    tmp_path: Path, text: str | bytes
) -> None:
    ds = make(tmp_path)
    path = tmp_path / "results" / "x.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((PersistError, SyntaxError, RuntimeError, UnicodeDecodeError)):
        _ = ds.x
    with pytest.raises((PersistError, SyntaxError, RuntimeError, UnicodeDecodeError)):
        ds._load("x", "r")
    assert "x.py" in persist.verify(tmp_path / "results").differs
    assert ds.y == VALUES["y"]
    ds.x = VALUES["x"]
    assert_same(persist.DataSet("results", path=tmp_path).x, VALUES["x"])
    assert "x.py" not in persist.verify(tmp_path / "results").differs


def check_values(folder: Path) -> str:
    """Fail if a value is wrong; say what became of the data set."""
    try:
        ds = persist.DataSet("results", path=folder)
    except DamagedError:
        return "refused"
    for key in ds:
        if key in VALUES:
            assert_same(getattr(ds, key), VALUES[key])
            mapped = None
            # What the manifest says of the module may be missing, or not hold.
            with contextlib.suppress(ValueError, KeyError, OSError):
                mapped = ds._load(key, "c")
            if mapped is not None:
                assert_same(plain(mapped), VALUES[key])
    return "opened"


def plain(value: Any) -> Any:
    """Return what was mapped, read into memory."""
    if isinstance(value, numpy.ndarray):
        return numpy.array(value)
    return {key: plain(item) for key, item in value.items()} if type(value) is dict else value


def changes(data: bytes, step: int) -> Iterator[tuple[int, bytes]]:
    """Yield contents with one byte changed, and where that is."""
    others = [b"0", b"\xff", b"\n", b'"', b"\t", b"}", b" ", b"\0"]
    for position in range(0, len(data), step):
        for other in (bytes([data[position] ^ 1]), others[position // step % len(others)]):
            if other != data[position : position + 1]:
                yield position, data[:position] + other + data[position + 1 :]


# An info may be changed without a word until verify is asked: opening a data set checks no digests.
def test_a_changed_byte_in_the_manifest_makes_no_wrong_value_and_verify_names_it(
    tmp_path: Path,
) -> None:
    make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    found = set()
    for position, data in changes(path.read_bytes(), 23 if IS_SHORT else 7):
        path.write_bytes(data)
        found.add(check_values(tmp_path))
        report = persist.verify(tmp_path / "results")
        assert MANIFEST in report.differs, (position, data[position - 10 : position + 10])
    assert found == {"refused"}


# Members of the line that stores a value and, in `values`, of its record.
OTHER_TYPES = [
    *(("n", other) for other in ("5", None)),
    *(("after", other) for other in (None, {"a": 1}, [["a"]], [1], [])),
    *((name, other) for name in ("info", "source", "values", "package") for other in ("x", ["x"])),
    *(("source", {"x": other}) for other in (1, None)),
    *((name, other) for name in ("delete", "removes") for other in ("x", {"x": 1}, [["x"]], [1])),
    *(("values", {"x": {"files": {}, name: []}}) for name in ("by", "written", "type", "data")),
    *(("values", {"x": {"files": {"x.py": other}}}) for other in (None, ["1", "2"], [1], [1, 2])),
    ("values", {"x": {"files": {}, "shape": 3}}),
    ("package", {"__init__.py": ["1", "2"]}),
    ("provenance", ["x"]),
    ("staged", [".5"]),
]


@pytest.mark.cases(15)
@pytest.mark.parametrize(("member", "value"), OTHER_TYPES, ids=repr)
def test_a_sound_line_with_a_member_of_another_type_is_damage(
    tmp_path: Path, member: str, value: object
) -> None:
    make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    *lines, last = path.read_bytes().splitlines(keepends=True)
    content = {**json.loads(last), member: value}
    del content["crc"]
    path.write_bytes(b"".join([*lines, sealed(json.dumps(content)[:-1])]))
    with pytest.raises(DamagedError):
        persist.open(tmp_path / "results")
    assert persist.verify(tmp_path / "results").damaged[:1] == (MANIFEST,)
    persist.repair(tmp_path / "results")
    assert set(persist.open(tmp_path / "results")) >= set(VALUES)


def sealed(text: str) -> bytes:
    """Return a line of a manifest that is as sound as one of persist."""
    return f'{text}, "crc": "{zlib.crc32(text.encode()):08x}"}}\n'.encode()


@pytest.mark.parametrize(
    "text", ['"n": "5"', '"n": 7, "after": [["a"]], "values": ["x"]', '"a": 1']
)
def test_a_sound_line_that_says_nothing_known_is_no_package(tmp_path: Path, text: str) -> None:
    make(tmp_path)
    with (tmp_path / "results" / MANIFEST).open("ab") as file:
        file.write(sealed(f"{{{text}"))
    program = """
        try:
            import results
        except ImportError as error:
            assert "repair" in str(error), error
        else:
            raise AssertionError("it was imported")
    """
    run_bare(INTERPRETERS[-1], tmp_path, program)


def test_a_manifest_cut_anywhere_makes_no_wrong_value_and_verify_is_not_content(
    tmp_path: Path,
) -> None:
    ds = make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    good = path.read_bytes()
    for length in range(0, len(good), 29 if IS_SHORT else 11):
        path.write_bytes(good[:length])
        # Infos that nothing but a line tells of may be lost with it.
        if check_values(tmp_path) == "opened":
            assert length > good.index(b'"lone"')
        report = persist.verify(tmp_path / "results")
        assert not report.ok or length > good.index(b'"lone"'), length
    path.write_bytes(good)
    assert_same({key: getattr(ds, key) for key in VALUES}, VALUES)
    assert persist.verify(tmp_path / "results").ok


def test_a_line_that_is_completed_while_it_is_read_was_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    before = path.read_bytes()
    reader = persist.open(tmp_path / "results")
    assert set(reader) >= set(VALUES)
    ds.late = 5
    after = path.read_bytes()
    assert after.startswith(before)
    seen = []

    def complete_first(torn: bytes, number: int, folder: str) -> bool:
        # By now the writer has ended the line and removed its staging directory.
        path.write_bytes(after)
        seen.append(is_cut(torn, number, folder))
        return seen[-1]

    monkeypatch.setattr(index, "is_cut", complete_first)
    path.write_bytes(after[:-20])
    assert reader["late"] == 5
    assert seen == [True, False]


BROKEN = {
    "no JSON": b"what is this\n",
    "empty": b"\n",
    "half": b'{"info": {\t"x": "wro\n',
    "list": b"[1, 2]\n",
    "number": b"5\n",
    "null": b"null\n",
    "special": b'{"do": {"delete": ["x"\n',
    "unsound": b'{"info": {\t"y": 1\t}, "n": 3, "crc": "00000000"}\n',
    "tabs": b"\t\t\t\n",
    "octets": b"\xff\xfe\0\n",
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.cases(15)
def test_a_line_that_is_none_makes_no_wrong_value_and_verify_names_the_manifest(
    tmp_path: Path, line: bytes, place: str
) -> None:
    make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert({"first": 0, "middle": len(lines) // 2, "last": len(lines)}[place], line)
    path.write_bytes(b"".join(lines))
    check_values(tmp_path)
    report = persist.verify(tmp_path / "results")
    assert MANIFEST in report.differs
    assert not report.extra or place == "last"


@pytest.mark.cases(4)
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_bare_import_of_a_damaged_manifest_makes_no_wrong_value(
    tmp_path: Path, line: bytes
) -> None:
    make(tmp_path)
    path = tmp_path / "results" / MANIFEST
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], line, *lines[5:]]))
    program = """
        try:
            import results
        except ValueError:
            pass
        else:
            if 'y' in results._info_dict:
                assert results._load('y') == [1, (2,)]
    """
    run_bare(INTERPRETERS[-1], tmp_path, program)


def test_a_changed_byte_in_the_snapshot_of_infos_changes_nothing_and_verify_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SNAPSHOT_AFTER", 3)
    ds = make(tmp_path)
    path = tmp_path / "results" / "_snapshot.json"
    wanted = ds._info_dict
    for position, data in changes(path.read_bytes(), 11 if IS_SHORT else 3):
        path.write_bytes(data)
        found = persist.DataSet("results", path=tmp_path)
        assert found._info_dict == wanted
        assert list(found) == list(wanted)
        assert found._namespaces() == ["D0"]
        assert persist.verify(tmp_path / "results").differs == ("_snapshot.json",), position


# A tail of another length would be that of another manifest.
OTHER_SNAPSHOTS = [
    *(
        (name, other)
        for name in ("n", "end", "lines", "tip", "tail", "records")
        for other in ([], None)
    ),
    *((name, other) for name in ("info", "source", "last") for other in ("ab", ["ab"])),
    ("source", {"x": 1}),
    ("records", "1 2 x"),
    ("tail", "\u00e9"),
    ("last", {"values": "x"}),
]


@pytest.mark.cases(10)
@pytest.mark.parametrize(("member", "value"), OTHER_SNAPSHOTS, ids=repr)
def test_a_sound_snapshot_with_a_member_of_another_type_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str, value: object
) -> None:
    monkeypatch.setattr(writer, "SNAPSHOT_AFTER", 3)
    wanted = make(tmp_path)._info_dict
    folder = tmp_path / "results"
    path = folder / "_snapshot.json"
    content = {**json.loads(path.read_bytes()), member: value}
    del content["crc"]
    path.write_bytes(sealed(json.dumps(content)[:-1]))
    with pytest.raises(DamagedError, match=r"_snapshot\.json"):
        persist.open(folder)
    assert persist.verify(folder).damaged == ("_snapshot.json",)
    persist.repair(folder)
    assert persist.open(folder).info == wanted


# DATA is where the arrays of x are.
LINKS = {
    "x.py": "file",
    "DATA": "folder",
    "DATA/array_0.npy": "file",
    MANIFEST: "file",
    "__init__.py": "file",
    ".lock": "file",
    "D0": "folder",
    "_snapshot.json": "file",
    "_this_dir_is_a_DataSet": "file",
    # What is not there yet, and would be written.
    "_ready": "folder",
    "_locked": "file",
    ".lock-owner": "file",
    "new.py": "file",
    "data_new": "folder",
    "data_x": "folder",
    "_infos.json.new": "file",
    f"{MANIFEST}.new": "file",
    "__init__.py.new": "file",
    "x.py.bak": "file",
    "DATA.bak": "folder",
    "D1": "folder",
}


def put_link(folder: Path, name: str, kind: str) -> Path:
    """Put a link in place of a file or folder, which goes to the outside; return where."""
    path, outside = folder / "results" / name, folder / "outside"
    outside.mkdir()
    if os.path.lexists(path):
        shutil.move(path, outside / "it")
    elif kind == "file":
        (outside / "it").write_text("what was there")
    else:
        (outside / "it").mkdir()
        (outside / "it" / "array_0.npy").write_text("what was there")
    path.symlink_to(outside / "it")
    return outside


def write_all(folder: Path, **options: Any) -> None:
    """Try each kind of change. Each may be refused."""

    def batch(ds: persist.DataSet) -> None:
        with ds._batch():
            ds.x = numpy.arange(40)
            ds.q = numpy.arange(30)
            ds["x"] = (1, 2)

    steps: list[Any] = [
        lambda ds: setattr(ds, "x", numpy.arange(30)),
        lambda ds: setattr(ds, "new", numpy.arange(30)),
        lambda ds: setattr(ds, "x", numpy.arange(20)),
        lambda ds: ds.__setitem__("x", "info"),
        batch,
        lambda ds: setattr(ds._namespace("D0"), "z", numpy.arange(50)),
        lambda ds: setattr(ds._namespace("D1"), "z", numpy.arange(50)),
        lambda ds: ds._rename("y", "renamed"),
        lambda ds: ds._delete("z"),
        lambda ds: ds._delete("x"),
    ]
    for step in steps:
        with contextlib.suppress(PersistError, OSError):
            step(persist.DataSet("results", "w", folder, array_threshold=5, timeout=1, **options))
    with (
        contextlib.suppress(PersistError, OSError),
        persist.DataSet("results", "w", folder, synchronize=False, timeout=1) as ds,
    ):
        ds.last = 1


@pytest.mark.parametrize("backup_data", [False, True], ids=["", "backup"])
@pytest.mark.parametrize("name", LINKS)
@pytest.mark.cases(7)
def test_writing_changes_nothing_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, backup_data: bool
) -> None:
    monkeypatch.setattr(writer, "SNAPSHOT_AFTER", 3)
    make(tmp_path)
    data = next((tmp_path / "results").glob("data_x*")).name
    outside = put_link(tmp_path, name.replace("DATA", data), LINKS[name])
    before = tree(outside)
    write_all(tmp_path, backup_data=backup_data)
    assert tree(outside) == before


@pytest.mark.parametrize("staged", [".{}.py", ".{}.data", ".{}"])
def test_writing_changes_nothing_behind_a_link_that_looks_like_an_open_commit(
    tmp_path: Path, staged: str
) -> None:
    ds = make(tmp_path)
    name = staged.format(ds._results._index.number + 1)
    outside = put_link(tmp_path, name, "file" if name.endswith(".py") else "folder")
    before = tree(outside)
    write_all(tmp_path)
    assert tree(outside) == before
    assert persist.DataSet("results", path=tmp_path).last == 1


@pytest.mark.cases(7)
@pytest.mark.parametrize("generation", ["dataset-3.2.1", "dataset-0.9"])
@pytest.mark.parametrize(
    "name", ["__init__.py", "x.py", "x_data", "data_x", MANIFEST, f"{MANIFEST}.new", "data_x.1"]
)
def test_going_on_with_an_older_data_set_changes_nothing_behind_a_link(
    tmp_path: Path, name: str, generation: str
) -> None:
    source = Path(__file__).parents[1] / "data" / generation / "ds_npy_flat"
    shutil.copytree(source, tmp_path / "results")
    kind = "file" if name.endswith(".py") or MANIFEST in name else "folder"
    outside = put_link(tmp_path, name, kind)
    before = tree(outside)
    write_all(tmp_path)
    assert tree(outside) == before


def test_reading_through_links_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    put_link(tmp_path, "x.py", "file")
    before = snapshot(tmp_path)
    assert_same(persist.DataSet("results", path=tmp_path).x, VALUES["x"])
    assert persist.verify(tmp_path / "results").differs == ("x.py",)
    assert snapshot(tmp_path) == before


def test_a_data_set_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    make(tmp_path / "real")
    (tmp_path / "results").symlink_to(tmp_path / "real" / "results")
    ds = persist.DataSet("results", "w", tmp_path)
    ds.new = numpy.arange(200)
    assert_same(persist.DataSet("results", path=tmp_path / "real").new, numpy.arange(200))
    assert persist.verify(tmp_path / "results").ok
    assert (tmp_path / "results").is_symlink()
    run_bare(INTERPRETERS[-1], tmp_path, "import results\nassert results._load('y') == [1, (2,)]")
