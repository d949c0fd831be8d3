import collections
import gzip
import pickle
import warnings

import numpy
import pytest

from persist.cli.sources.pickle_file import PickleSource

joblib = pytest.importorskip("joblib")


def value(path):
    loaded = PickleSource(str(path)).load("x")
    return loaded.value


GRAPH = {"a": [1, 2.5, None], "b": numpy.arange(300), "c": collections.Counter("aab")}


def check(found):
    assert found["a"] == GRAPH["a"]
    assert found["c"] == GRAPH["c"]
    assert type(found["c"]) is collections.Counter
    numpy.testing.assert_array_equal(found["b"], GRAPH["b"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_read(tmp_path, protocol):
    path = tmp_path / "run 1.pkl"
    path.write_bytes(pickle.dumps(GRAPH, protocol))
    assert [listed.name for listed in PickleSource(str(path)).names()] == ["run 1"]
    check(value(path))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("zlib", 3)])
@pytest.mark.parametrize("name", ["x.joblib", "x.pkl"])
def test_what_joblib_wrote_is_read_under_either_extension(tmp_path, compress, name):
    joblib.dump(GRAPH, tmp_path / name, compress=compress)
    check(value(tmp_path / name))


def test_a_compressed_pickle_is_read(tmp_path):
    path = tmp_path / "x.pkl.gz"
    with gzip.open(path, "wb") as file:
        pickle.dump(GRAPH, file)
    assert [listed.name for listed in PickleSource(str(path)).names()] == ["x"]
    check(value(path))


@pytest.mark.parametrize("name", ["x.pkl", "x.pkl.gz", "x.pkl.xz"])
def test_a_frame_that_pandas_wrote_is_read(tmp_path, name):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"rate": [1.5, 2.5], "kind": ["go", "stop"]}, index=[3, 4])
    frame.to_pickle(tmp_path / name)
    pandas.testing.assert_frame_equal(value(tmp_path / name), frame)


def test_several_pickles_in_a_file_are_a_list(tmp_path):
    with open(tmp_path / "x.pkl", "wb") as file:
        for number in range(3):
            pickle.dump(number, file)
    assert value(tmp_path / "x.pkl") == [0, 1, 2]


def test_arrays_that_python_2_pickled_are_read(tmp_path):
    # pickle.dumps(numpy.array([-1.5]), 2) of Python 2.7
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
        b"U\x01b\x87Rq\x03(K\x01K\x01\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03"
        b"U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x00\x00\x00\x00"
        b"\xf8\xbftb."
    )
    (tmp_path / "x.pkl").write_bytes(data)
    with warnings.catch_warnings():
        # numpy has moved what the pickle names.
        warnings.simplefilter("ignore", DeprecationWarning)
        assert value(tmp_path / "x.pkl").tolist() == [-1.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "EOFError"),
        (b"no pickle", "UnpicklingError"),
        (b"cnosuchmodule\nThing\n.", "ModuleNotFoundError.*importable here"),
        (b"ccollections\nThing\n.", "AttributeError.*importable here"),
        (b"cbuiltins\nint\n(S'x'\ntR.", "invalid literal"),
        (pickle.dumps(GRAPH)[:-20], "UnpicklingError|EOFError"),
    ],
)
def test_whatever_a_pickle_raises_is_a_value_error(tmp_path, content, message):
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        value(tmp_path / "x.pkl")
