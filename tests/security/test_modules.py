"""Saved modules, packages and data sets, read without leaving their folder."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest

import persist
from persist.archive import Archive
from persist.errors import (
    ArgumentError,
    ArgumentTypeError,
    DiskError,
    MissingPathError,
    PersistError,
)
from tests.classes import Plain
from tests.gallery import GALLERY
from tests.same import assert_same

DATA = Path(__file__).parents[1] / "data"
FORMATS = ["npy", "npz", "hdf5"]
ARRAYS = {
    "numbers": numpy.arange(10.0),
    "columns": numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4)),
    "times": numpy.arange(9).astype("M8[s]"),
    "records": numpy.zeros(5, [("a", "<i4"), ("b", "S3")]),
    "texts": numpy.array(["a", "\xe9", "ccc", "d"]),
    "swapped": numpy.arange(7, dtype=">i2"),
    "scalar": numpy.array(3.0),
}


def saved(folder: Path, data_format: str, *, package: bool = True, **options: Any) -> Path:
    """Save arrays as a module, and return its path."""
    archive = Archive(array_threshold=0, scoped=False, **options)
    archive.insert(**ARRAYS)
    archive.save(folder, name="module", package=package, data_format=data_format)
    return folder / ("module" if package else "module.py")


@pytest.mark.parametrize("package", [True, False])
@pytest.mark.parametrize("data_format", FORMATS)
def test_saved_module_is_read_with_its_arrays(tmp_path, data_format, package) -> None:
    path = saved(tmp_path, data_format, package=package)
    assert persist.untrusted_names(path) == []
    assert_same(persist.load(path), ARRAYS)
    assert_same(persist.load(str(path)), ARRAYS)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("names", [["scalar"], ["columns"], ["times"], ["swapped"], ["texts"]])
def test_each_form_of_loader_is_known(tmp_path, data_format, names) -> None:
    archive = Archive(array_threshold=0)
    archive.insert(**{name: ARRAYS[name] for name in names})
    archive.save(tmp_path, name="module", data_format=data_format)
    assert_same(persist.load(tmp_path / "module"), {name: ARRAYS[name] for name in names})


def test_module_of_one_item_is_read(tmp_path) -> None:
    archive = Archive(single_item_mode=True)
    archive.insert(x=[1, 2])
    archive.save(tmp_path, name="module", package=False)
    assert persist.load(tmp_path / "module.py") == {"x": [1, 2]}


@pytest.mark.parametrize("name", GALLERY)
def test_data_set_is_read_key_by_key(tmp_path, name) -> None:
    wanted = GALLERY[name]()
    with persist.DataSet("data", path=str(tmp_path), mode="w") as dataset:
        for key, value in wanted.items():
            setattr(dataset, key, value)
    folder = tmp_path / "data"
    trusted = persist.untrusted_names(folder)
    found = persist.load(folder, trusted=trusted)
    assert set(found) == set(wanted)
    for key, value in wanted.items():
        assert_same(found[key], value)
        assert_same(persist.load(folder / key, trusted=trusted)[key], value)
        assert_same(persist.load(folder / f"{key}.py", trusted=trusted)[key], value)


@pytest.mark.parametrize(
    "folder", sorted((DATA / "dataset-3.2.1").iterdir()), ids=lambda folder: folder.name
)
def test_data_set_of_release_3_2_1_is_read(folder) -> None:
    found = persist.load(folder, trusted=persist.untrusted_names(folder))
    with persist.DataSet(str(folder)) as dataset:
        assert set(found) <= set(dataset)
        for key, value in found.items():
            # h5py spells native types in its own way.
            if "hdf5" not in folder.name:
                assert_same(value, getattr(dataset, key))
            assert repr(value) == repr(getattr(dataset, key))
    assert len(found) >= 5


@pytest.mark.parametrize("release", ["dataset-0.1.0", "dataset-0.9"])
@pytest.mark.parametrize("form", ["npy_flat", "npz_scoped", "hdf5_flat"])
def test_data_set_of_another_release_is_read(release: str, form: str) -> None:
    prefix = "ds_" if release == "dataset-0.9" else ""
    folder = DATA / release / f"{prefix}{form}"
    names = persist.untrusted_names(folder)
    found = persist.load(folder, trusted=names)
    assert len(found) >= 5
    with persist.DataSet(str(folder)) as dataset:
        for key in set(dataset) & set(found):
            if (folder / f"{key}.py").exists():
                assert repr(found[key]) == repr(getattr(dataset, key))
                assert repr(persist.load(folder / key, trusted=names)[key]) == repr(found[key])


def test_data_sets_inside_each_other_are_read(tmp_path) -> None:
    with persist.DataSet("data", path=str(tmp_path), mode="w") as dataset:
        dataset.x = 1
    for folder in (tmp_path / "data", tmp_path / "data" / "inner"):
        with persist.DataSet("inner", path=str(folder), mode="w") as dataset:
            dataset.y = [2]
    wanted = {"x": 1, "inner": {"y": [2], "inner": {"y": [2]}}}
    assert persist.load(tmp_path / "data") == wanted


def test_folder_that_leads_to_itself_is_not_descended(tmp_path) -> None:
    with persist.DataSet("data", path=str(tmp_path), mode="w") as dataset:
        dataset.x = 1
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    assert persist.load(tmp_path / "data") == {"x": 1}


@pytest.mark.parametrize("format", ["hdf5", "package"])
def test_workspace_is_read_by_any_of_its_names(tmp_path, format) -> None:
    pytest.importorskip("h5py")
    workspace = persist.AnalysisWorkspace()
    workspace.store("D 0", "x.y", {1: Plain(a=1)})
    workspace.save(tmp_path / "saved", format=format)
    for name in ["saved"] if format == "package" else ["saved", "saved.h5", "saved.json"]:
        assert persist.untrusted_names(tmp_path / name) == ["tests.classes.Plain"]
        with pytest.raises(persist.UntrustedError):
            persist.load(tmp_path / name)
        found = persist.load(tmp_path / name, trusted=["tests.classes.Plain"])
        assert found["D 0"]["x.y"][1].a == 1


@pytest.mark.parametrize("name", ["item.py", "my_module.py", "my_archive"])
def test_module_of_release_3_2_1_is_read(name) -> None:
    path = DATA / "archive-3.2.1" / name
    assert persist.load(path, trusted=persist.untrusted_names(path))


def test_text_without_its_file_has_no_arrays(tmp_path) -> None:
    path = saved(tmp_path, "npy")
    with pytest.raises(persist.UntrustedError, match="load the file"):
        persist.load((path / "__init__.py").read_text())


@pytest.mark.parametrize(
    "location",
    [
        *("../outside", "/etc", "..", "a/../../outside", "_arrays/../../outside", "C:", "nul"),
        *("\\outside", "_arrays\\..\\..\\outside"),
    ],
)
def test_arrays_outside_of_the_folder_are_not_read(tmp_path, location) -> None:
    path = saved(tmp_path, "npy")
    shutil.copytree(path / "_arrays", tmp_path / "outside")
    file = path / "__init__.py"
    file.write_text(file.read_text().replace("'_arrays'", repr(location)))
    with pytest.raises(PersistError):
        persist.load(path)


@pytest.mark.parametrize("name", ["../outside/x", "/etc/x", "..", "a/b", ""])
def test_names_of_arrays_stay_in_their_folder(tmp_path, name) -> None:
    path = saved(tmp_path, "npy")
    (tmp_path / "outside").mkdir()
    shutil.copy(path / "_arrays" / "array_0.npy", tmp_path / "outside" / "x.npy")
    file = path / "__init__.py"
    file.write_text(file.read_text().replace("'array_0'", repr(name)))
    with pytest.raises(PersistError):
        persist.load(path)


def array_files(path: Path) -> list[Path]:
    """Return the files of arrays of a saved module."""
    return sorted(file for file in path.rglob("*") if file.is_file() and file.suffix != ".py")


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_read(tmp_path, data_format, kind) -> None:
    path = saved(tmp_path, data_format)
    file = array_files(path)[0]
    file.rename(tmp_path / "outside")
    if kind == "link":
        file.symlink_to(tmp_path / "outside")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes with names")
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises(PersistError):
        persist.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_module_that_is_a_pipe_is_refused_at_once(tmp_path) -> None:
    os.mkfifo(tmp_path / "module.py")
    with pytest.raises(persist.errors.NotRegularError):
        persist.load(tmp_path / "module.py")


def test_pickled_arrays_are_refused(tmp_path) -> None:
    path = saved(tmp_path, "npy")
    numpy.save(array_files(path)[0], numpy.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(PersistError):
        persist.load(path)


def test_array_is_no_larger_than_its_file(tmp_path) -> None:
    path = saved(tmp_path, "npy")
    header = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    numpy.lib.format.write_array_header_1_0(header, described)
    array_files(path)[0].write_bytes(header.getvalue())
    with pytest.raises(PersistError, match="is said to be in"):
        persist.load(path)


def test_zip_is_not_expanded_beyond_measure(tmp_path) -> None:
    path = saved(tmp_path, "npz")
    (file,) = array_files(path)
    content = io.BytesIO()
    numpy.save(content, numpy.zeros(10**8 // 2, "u1"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(len(ARRAYS)):
            archive.writestr(f"array_{number}.npy", content.getvalue())
    with pytest.raises(persist.UntrustedError, match="more memory"):
        persist.load(path)


@pytest.mark.parametrize("kind", ["external", "virtual", "soft", "link", "objects", "sparse"])
def test_hdf5_gives_only_what_the_file_holds(tmp_path, kind) -> None:
    h5py = pytest.importorskip("h5py")
    path = saved(tmp_path, "hdf5")
    (file,) = array_files(path)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret!!" * 10)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = numpy.arange(10.0)
    with h5py.File(file, "a") as opened:
        del opened["array_0"]
        if kind == "external":
            storage = [(str(secret), 0, 80)]
            opened.create_dataset("array_0", (10,), "<f8", external=storage)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((10,), "<f8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (10,))
            opened.create_virtual_dataset("array_0", layout)
        elif kind == "soft":
            opened["array_0"] = h5py.SoftLink("/array_1")
        elif kind == "link":
            opened["array_0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        elif kind == "objects":
            opened.create_dataset("array_0", data=["a"], dtype=h5py.string_dtype())
        else:
            opened.create_dataset("array_0", (2**40,), "<f8", chunks=(2**20,))
    with pytest.raises(PersistError):
        persist.load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x = 1\x00", b"", b"\xef\xbb\xbfx = 1\n"])
def test_file_that_is_not_source_ends_in_an_own_error(tmp_path, content) -> None:
    (tmp_path / "module.py").write_bytes(content)
    with contextlib.suppress(PersistError):
        assert persist.load(tmp_path / "module.py") in ({}, {"x": 1})


def test_missing_file_is_told(tmp_path) -> None:
    for path in (tmp_path / "none.py", str(tmp_path / "none.py"), tmp_path / "none"):
        with pytest.raises(FileNotFoundError):
            persist.load(path)


def test_experiment_is_not_unpacked_beyond_measure(tmp_path) -> None:
    from persist.experiment import zip_to_storage

    content = b"\0" * (1 << 20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p0/reach/trials.csv", content)
        for number in range(2000):
            # Each names the data of the first as its own.
            info = zipfile.ZipInfo(f"p0/reach/{number}.bin")
            first = archive.infolist()[0]
            info.header_offset, info.CRC = first.header_offset, first.CRC
            info.compress_size, info.file_size = first.compress_size, first.file_size
            info.compress_type = first.compress_type
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
    with pytest.raises(PersistError, match="more than its size can explain"):
        zip_to_storage(tmp_path / "x.zip")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("data_format", ["npy", "npz", "hdf5"])
def test_reading_a_value_takes_as_many_calls_beside_many_others(
    data_format: str, tmp_path: Path
) -> None:
    def count(*_: Any) -> None:
        calls[-1] += 1

    calls = []
    for keys in (1, 2, 40):
        with persist.DataSet(
            f"ds{keys}", "w", path=str(tmp_path), data_format=data_format, durable=False
        ) as dataset:
            for key in range(keys):
                setattr(dataset, f"x{key}", [numpy.arange(1000.0)])
        calls.append(0)
        gc.disable()  # finalizers of other tests' objects are no calls of reading
        sys.setprofile(count)
        try:
            found = persist.load(tmp_path / f"ds{keys}" / "x0.py")
        finally:
            sys.setprofile(None)
            gc.enable()
        assert len(found["x0"][0]) == 1000
    # The first has imports to do.
    assert calls[2] <= calls[1]


@pytest.mark.cases(0)
def test_reading_the_same_arrays_often_takes_memory_each_time(tmp_path: Path) -> None:
    archive = Archive(scoped=False, array_threshold=10)
    archive.insert(x=numpy.zeros(1 << 20))
    archive.save(tmp_path, name="m")
    path = tmp_path / "m" / "__init__.py"
    text = path.read_text("utf-8")
    assert persist.load(path)["x"].nbytes == 8 << 20
    loader = text[text.index("try:") : text.index("x =")]
    again = [re.sub(r"\b_arrays\b(?!')", f"_arrays{i}", loader) for i in range(100)]
    path.write_text("".join(again) + text)
    with pytest.raises(persist.UntrustedError, match="more memory"):
        persist.load(path)


@pytest.mark.parametrize("read", [persist.load, persist.untrusted_names])
def test_what_cannot_be_found_is_named_with_what_to_give(tmp_path, read) -> None:
    (tmp_path / "empty").mkdir()
    for path, reason in (
        (tmp_path / "nothing.py", "there is nothing at that path"),
        (tmp_path / "empty", "it has no __init__.py"),
    ):
        with pytest.raises(MissingPathError, match=f"cannot load .*: {reason}; give the path of"):
            read(path)
    with pytest.raises(DiskError, match="what is to be loaded: it is too long for this file"):
        read(tmp_path / ("x" * 300))


@pytest.mark.parametrize("read", [persist.load, persist.untrusted_names])
@pytest.mark.parametrize("path", ["", "a\0b", "a\ud800b", None, 3, b"x.py"])
def test_what_cannot_be_a_path_is_refused(read, path) -> None:
    with pytest.raises(ArgumentError, match="path of what is to be loaded"):
        read(path)


def test_renames_that_are_not_a_mapping_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="renames must be a mapping of dotted names, got 5"):
        persist.load("x = 1", renames=5)
