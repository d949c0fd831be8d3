"""The examples of the text that this library started from."""

import os

import numpy as np
import pytest

from persist.archive import Archive, load_arrays, restore


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def objects():
    y = [1, 2, 3]
    x = np.arange(2)
    return {"a": 1, "x": x, "b": [x, y, y]}


def check(found):
    assert found["a"] == 1
    assert found["x"].tolist() == [0, 1]
    assert found["b"][0] is found["x"]
    assert found["b"][1] == [1, 2, 3]
    assert found["b"][1] is found["b"][2]
    assert set(found) == {"a", "x", "b"}


def test_flat_format():
    archive = Archive(scoped=False)
    archive.insert(**objects())
    s = str(archive)
    assert s == (
        "import numpy as _numpy\n"
        "a = 1\n"
        f"x = _numpy.array([0, 1], dtype='{np.arange(2).dtype.str}')\n"
        "_g1 = [1, 2, 3]\n"
        "b = [x, _g1, _g1]\n"
        "del _numpy\n"
        "del _g1\n"
        "try: del __builtins__, _arrays\n"
        "except NameError: pass"
    )
    d = {}
    exec(s, d)
    check(d)


def test_scoped_format():
    archive = Archive(scoped=True)
    archive.insert(**objects())
    s = str(archive)
    assert "def _numpy():" in s
    assert Archive().scoped
    d = {}
    exec(s, d)
    check(d)


def external():
    """Return an archive with its source, of an array that is kept in a file, and others."""
    archive = Archive(scoped=False, datafile="tmpdata", array_threshold=3)
    x = np.arange(10)
    archive.insert(a=1, x=x, b=objects()["b"])
    return archive, str(archive)


def test_external_data_is_a_name_in_the_source():
    archive, s = external()
    assert "x = _arrays['array_0']\n" in s
    assert s.endswith("try: del __builtins__\nexcept NameError: pass")
    assert archive.data["array_0"].tolist() == list(range(10))


def test_external_data_is_in_a_file():
    archive, _ = external()
    assert archive.datafile == "tmpdata"
    assert os.listdir(archive.datafile) == ["array_0.npy"]


def test_arrays_are_loaded_for_the_source():
    archive, s = external()
    d = {archive.data_name: load_arrays(archive.datafile)}
    exec(s, d)
    assert set(d) == {"_arrays", "a", "b", "x"}
    assert list(d["_arrays"]) == ["array_0"]
    assert d["x"] is d["_arrays"]["array_0"]
    assert d["x"].tolist() == list(range(10))
    assert d["b"][0].tolist() == [0, 1]


def test_eval_does_both():
    _, s = external()
    a = Archive(datafile="tmpdata")
    found = a.eval(s)
    assert set(found) == {"a", "b", "x"}
    assert found["x"].tolist() == list(range(10))
    assert found["b"][1] is found["b"][2]


def test_a_format_is_chosen_by_name_or_extension():
    for number, options in enumerate([{"data_format": "npz"}, {}, {"data_format": "hdf5"}]):
        datafile = f"data{number}" + ("" if options else ".hf5")
        archive = Archive(datafile=datafile, array_threshold=3, **options)
        archive.insert(x=np.arange(10))
        source = str(archive)
        assert archive.eval(source)["x"].tolist() == list(range(10))
    assert sorted(os.listdir()) == ["data0.npz", "data1.hf5", "data2.hd5"]


LISTING = """\
import numpy as _numpy
a = 1
_g3 = [a, 2, 3]
x = _numpy.frombuffer(b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00', dtype='<i8').reshape((2,))
b = [x, _g3, _g3]
del _numpy
del _g3
try: del __builtins__
except NameError: pass
"""  # noqa: E501


def test_the_listing_is_restored():
    # Its fromstring is the frombuffer of today.
    check(restore(LISTING))


SCOPED_LISTING = """\
_g5 = 3
_g4 = 2
a = 1

def _g3(_l_0=a,_l_1=_g4,_l_2=_g5):
    return [_l_0, _l_1, _l_2]
_g3 = _g3()

def x():
    import numpy as numpy
    return numpy.frombuffer(b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00', dtype='<i8').reshape((2,))
x = x()

def b(_l_0=x,_l_1=_g3,_l_2=_g3):
    return [_l_0, _l_1, _l_2]
b = b()
del _g5, _g4, _g3
try: del __builtins__
except NameError: pass
"""  # noqa: E501


def test_the_scoped_listing_is_restored():
    check(restore(SCOPED_LISTING))
