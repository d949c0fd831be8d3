import pytest

from persist.cli.sources.arrow import ArrowSource

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

TABLE = pyarrow.table(
    {"n": pyarrow.array([1, None, 3]), "kind": ["go", "stop", None], "list": [[1], [], [2, 3]]}
)


def loaded(path):
    source = ArrowSource(str(path))
    assert [listed.name for listed in source.names()] == ["x"]
    return source.load("x")


@pytest.fixture(params=["parquet", "pq", "arrow", "stream", "feather"])
def write(request, tmp_path):
    def write(table):
        path = tmp_path / f"x.{request.param.replace('stream', 'arrow')}"
        if request.param in ("parquet", "pq"):
            parquet.write_table(table, path)
        elif request.param == "feather":
            feather.write_feather(table, str(path))
        else:
            new = pyarrow.ipc.new_stream if request.param == "stream" else pyarrow.ipc.new_file
            with pyarrow.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
                writer.write_table(table)
        return path

    return write


def test_a_table_is_read_as_it_was(write):
    found = loaded(write(TABLE))
    assert found.value.equals(TABLE)
    assert found.attributes == {}


def test_a_frame_comes_back_as_one_with_its_index(write):
    frame = pandas.DataFrame(
        {"rate": [1.5, 2.5], "kind": pandas.Categorical(["go", "stop"])},
        index=pandas.Index([3, 4], name="trial"),
    )
    pandas.testing.assert_frame_equal(loaded(write(pyarrow.Table.from_pandas(frame))).value, frame)


def test_metadata_are_attributes(write):
    table = TABLE.replace_schema_metadata({"unit": "mV", b"raw": b"\xff"})
    assert loaded(write(table)).attributes == {"unit": "mV", "raw": b"\xff"}


def test_folders_that_look_like_partitions_add_no_columns(tmp_path):
    (tmp_path / "year=2020").mkdir()
    parquet.write_table(TABLE, tmp_path / "year=2020" / "x.parquet")
    assert loaded(tmp_path / "year=2020" / "x.parquet").value.column_names == TABLE.column_names


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.feather"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1\0\0", b"FEA1", b"no table at all"])
def test_a_file_that_is_no_table_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        ArrowSource(str(tmp_path / name)).names()
