import zipfile

import numpy
import pytest

from persist.cli.sources import Listed
from persist.cli.sources.npz import NpzSource
from tests.calls import counted_calls


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.npz")


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
def test_arrays_come_under_their_names(path, save):
    save(path, **{"a": numpy.arange(3), "b/c": numpy.array(2.5), "empty": numpy.empty((0, 2))})
    source = NpzSource(path)
    assert source.names() == [Listed("a"), Listed("b/c"), Listed("empty")]
    one, two = map(source.load, ["b/c", "a"])
    assert (one.value.shape, one.value[()]) == ((), 2.5)
    assert two.value.tolist() == [0, 1, 2]


def test_arrays_are_loaded_one_at_a_time(path, monkeypatch):
    numpy.savez(path, a=numpy.arange(3), b=numpy.arange(4))
    read = []
    opened = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda zip, name, *rest: read.append(name) or opened(zip, name)
    )
    NpzSource(path).load("a")
    assert read == ["a.npy"]


def test_the_list_of_arrays_is_read_once_for_all(path):
    numpy.savez(path, **{f"a{number}": numpy.arange(3) for number in range(20)})
    source = NpzSource(path)
    with counted_calls() as calls:
        for listed in source.names():
            assert source.load(listed.name).value.tolist() == [0, 1, 2]
    assert calls["_RealGetContents"] == 2
    source.close()


def test_objects_are_refused_by_name(path):
    numpy.savez(path, a=numpy.arange(3), b=numpy.array([{}], object))
    fine, refused = NpzSource(path).names()
    assert (fine.refusal, refused.name) == ("", "b")
    assert "pickle of Python objects" in refused.refusal


def test_other_members_are_refused_by_name(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no array")
    assert NpzSource(path).names() == [Listed("readme.txt", "it is not an npy file")]


def test_a_file_that_is_no_zip_is_an_error(path):
    with open(path, "wb") as file:
        file.write(b"no zip")
    with pytest.raises(ValueError, match="no npz file"):
        NpzSource(path).names()


@pytest.mark.parametrize(
    ("place", "value", "reason"), [(8, 1, "encrypted"), (10, 99, "compression method")]
)
def test_what_cannot_be_unpacked_is_an_error(path, place, value, reason):
    numpy.savez(path, a=numpy.arange(3))
    with open(path, "rb+") as file:
        file.seek(file.read().index(b"PK\x01\x02") + place)
        file.write(bytes([value]))
    with pytest.raises(ValueError, match=f"cannot be unpacked: .*{reason}"):
        NpzSource(path).names()


def test_a_damaged_array_is_an_error(path):
    numpy.savez(path, a=numpy.arange(1000))
    with open(path, "rb+") as file:
        file.seek(4000)
        file.write(b"\xff" * 8)
    with pytest.raises(ValueError, match="damaged"):
        NpzSource(path).load("a")
