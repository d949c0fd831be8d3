"""Files are refused whose strings HDF5 would read for ever, and no others."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy
import pytest

import persist
from persist.archive import Archive
from persist.errors import DamagedError
from persist.files.hdf5_heaps import check_heaps
from persist.hdf5.opening import open_hdf5
from tests.effort import IS_SHORT

ROOT = Path(__file__).parents[2]
SIZES = [0, 1, 8, 15, 16, 2**64 - 1, 2**64 - 8, 2**64 - 16, 2**64 - 24]


def heaps(data: bytes) -> list[int]:
    """Return where there are collections."""
    found, at = [], data.find(b"GCOL")
    while at >= 0:
        found.append(at)
        at = data.find(b"GCOL", at + 1)
    return found


def free_space(data: bytes, heap: int) -> int:
    """Return where the object of a collection is that tells its free space, or the last."""
    at = last = heap + 16
    end = heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
    while at + 16 <= end:
        last = at
        index, size = struct.unpack_from("<H6xQ", data, at)
        at += 16 + (size + 7) // 8 * 8 if index else end
    return last


def damage(path: Path) -> bytes:
    """Make the free space of the collections in a file empty, and return its content."""
    data = bytearray(path.read_bytes())
    for heap in heaps(data):
        at = free_space(data, heap)
        data[at : at + 16] = bytes(16)
    path.write_bytes(data)
    return bytes(data)


def write(path: Path, **options: object) -> Path:
    """Write a file with strings of variable length."""
    with h5py.File(path, "w", **options) as file:
        file["x"] = ["abc", "defgh"]
    return path


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}, {"userblock_size": 512}], ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_free_space_that_leads_no_further_is_refused(tmp_path, size, options) -> None:
    path = write(tmp_path / "x.h5", **options)
    data = bytearray(path.read_bytes())
    at = free_space(data, heaps(data)[0])
    data[at + 8 : at + 16] = size.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="for ever"):
        open_hdf5(str(path))


@pytest.mark.parametrize("size", [0, 2**64 - 1, 2**64 - 16, 2**64 - 17, 2**64 - 24])
def test_object_that_leads_no_further_is_refused(tmp_path, size) -> None:
    path = write(tmp_path / "x.h5")
    data = bytearray(path.read_bytes())
    at = heaps(data)[0] + 16
    data[at + 8 : at + 16] = size.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="for ever"):
        open_hdf5(str(path))


def text_attribute(file) -> None:
    file.create_group("a/b").attrs["text"] = "abc"


def compound_attribute(file) -> None:
    kind = numpy.dtype([("n", "i4"), ("text", h5py.string_dtype())])
    file.create_dataset("a/x", data=1.0).attrs["text"] = numpy.array([(1, "abc")], kind)


def attribute_of_a_type(file) -> None:
    file["kind"] = numpy.dtype("f8")
    file["kind"].attrs["text"] = "abc"


def compressed_strings(file) -> None:
    data = [f"{n:040}" for n in range(2000)]
    file.create_dataset("x", data=data, chunks=(100,), compression="gzip")


def lists_of_numbers(file) -> None:
    found = file.create_dataset("x", (3,), h5py.vlen_dtype("i4"))
    found[1] = [1, 2, 3]


@pytest.mark.parametrize(
    "fill",
    [
        text_attribute,
        compound_attribute,
        attribute_of_a_type,
        compressed_strings,
        lists_of_numbers,
    ],
)
def test_damaged_heap_is_found_wherever_it_is_used(tmp_path, fill) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        fill(file)
    check_heaps(str(path))
    damage(path)
    with pytest.raises(DamagedError, match="for ever"):
        check_heaps(str(path))


def test_bytes_that_look_like_a_damaged_heap_are_not_refused(tmp_path) -> None:
    damaged = damage(write(tmp_path / "damaged.h5"))
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["file"] = numpy.frombuffer(damaged, "u1")
        file["text"] = ["abc"]
        file.attrs["blob"] = numpy.void(damaged[heaps(damaged)[0] :])
    data = path.read_bytes()
    assert data.count(damaged[heaps(damaged)[0] :]) == 2
    with open_hdf5(str(path)) as file:
        assert file["file"][()].tobytes() == damaged
        assert list(file["text"].asstr()) == ["abc"]


def test_damaged_heap_that_nothing_uses_is_not_refused(tmp_path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = ["abc"]
        file.create_dataset("y", data=numpy.arange(3.0))
        del file["x"]
    assert heaps(damage(path))
    with open_hdf5(str(path)) as file:
        assert list(file["y"]) == [0, 1, 2]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_no_file_that_h5py_wrote_is_refused(tmp_path, libver) -> None:
    draw = random.Random(0)
    path = tmp_path / "x.h5"
    for _ in range(3 if IS_SHORT else 30):
        with h5py.File(path, "w", libver=libver) as file:
            for number in range(60):
                name = f"x{draw.randrange(20)}"
                if name in file:
                    del file[name]
                sizes = [0, 1, 7, 8, 9, 100, 4000, 4064, 4080, 5000, 70_000]
                texts = ["a" * draw.choice(sizes) for _ in range(draw.randrange(9))]
                file.create_dataset(name, data=texts, dtype=h5py.string_dtype(), maxshape=(None,))
                if texts and draw.random() < 0.5:
                    file[name].attrs["text"] = texts[0][:60_000]
                    file[name][draw.randrange(len(texts))] = "b" * draw.choice(sizes)
                if number % 20 == 0:
                    file.flush()
        check_heaps(str(path))


def test_large_and_empty_files_are_left_alone(tmp_path) -> None:
    path = write(tmp_path / "x.h5")
    damage(path)
    with path.open("r+b") as file:
        file.truncate((16 << 20) + 1)
    check_heaps(str(path))
    (tmp_path / "empty").touch()
    check_heaps(str(tmp_path / "empty"))


def test_file_is_checked_again_once_it_has_changed(tmp_path) -> None:
    path = write(tmp_path / "x.h5")
    open_hdf5(str(path)).close()
    damage(path)
    with pytest.raises(DamagedError, match="for ever"):
        open_hdf5(str(path))


def commands(folder: Path) -> list[list[str]]:
    """Return command lines that read, or change, files with damaged heaps."""
    workspace = persist.AnalysisWorkspace()
    workspace.store("D0", "x", {"a": 1})
    workspace.save(str(folder / "w"))
    archive = Archive(array_threshold=0)
    archive.insert(x=numpy.arange(6.0).reshape(2, 3).T)
    archive.save(folder, name="module", data_format="hdf5")
    (folder / "x.csv").write_text("a,b\n1,2\n")
    for file in [folder / "w.h5", *folder.glob("module/**/*.h*5")]:
        damage(file)
    where = str(folder / "w.h5")
    return [["ls", where], ["show", where, "D0/x"], ["verify", where], ["ls", str(folder)]]


def test_commands_end_where_heaps_are_damaged(tmp_path) -> None:
    for words in commands(tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "persist", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=600,
        )
        assert "Traceback" not in done.stderr, (words, done.stderr)
    read = "import sys, persist; persist.load(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", read, str(tmp_path / "w.h5")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )
    assert re.search("DamagedError: .* for ever", done.stderr)


CHANGED = """
import random, sys
from persist.errors import PersistError
from persist.hdf5.opening import open_hdf5
path, first, end, *heaps = sys.argv[1:]
whole = open(path, "rb").read()
for number in range(int(first), int(end)):
    print(number, flush=True)
    draw, data = random.Random(number), bytearray(whole)
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = int(draw.choice(heaps)) + draw.randrange(draw.choice([32, 800, 4096]))
        step = draw.choice([1, 2, 8])
        data[at : at + step] = draw.choice([bytes(step), b"\\xff" * step, draw.randbytes(step)])
    with open(path + ".changed", "wb") as file:
        file.write(data)
    def read(name, node):
        for attribute in node.attrs:
            try:
                node.attrs[attribute]
            except Exception:
                pass
    try:
        with open_hdf5(path + ".changed") as file:
            read("", file)
            file.visititems(read)
    except (OSError, RuntimeError, PersistError):
        pass
"""


def test_heaps_that_were_changed_at_random_are_read_or_refused(tmp_path) -> None:
    workspace = persist.AnalysisWorkspace()
    for number in range(5):
        workspace.store("D0", f"x{number}", {"a": list(range(number))})
    workspace.save(str(tmp_path / "w"))
    path = tmp_path / "w.h5"
    places = [str(heap) for heap in heaps(path.read_bytes())]
    assert places
    done = subprocess.run(
        [sys.executable, "-c", CHANGED, str(path), "0", "100" if IS_SHORT else "1000", *places],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1800,
    )
    assert not done.returncode, (done.stdout[-100:], done.stderr)
