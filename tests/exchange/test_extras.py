"""A library that is missing is named, with the extra that installs it."""

import sys

import pytest

import persist
from persist.cli.sources import open_source
from persist.errors import MissingExtraError
from tests.exchange.sources import make_data_set


@pytest.mark.parametrize(
    ("name", "content", "module"),
    [
        ("x.parquet", b"PAR1", "pyarrow"),
        ("x.nc", b"CDF\x01", "xarray"),
        ("x.joblib", b"", "joblib"),
    ],
)
def test_packing_names_the_extra_import(tmp_path, monkeypatch, name, content, module):
    for loaded in [other for other in sys.modules if other.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(content)
    source = open_source(str(tmp_path / name), trust_pickle=True)
    with pytest.raises(MissingExtraError, match=rf"{module} is not .*persist\[import\]"):
        list(source.load(listed.name for listed in source.names()))


def test_reading_and_pushing_name_the_extra_cloud(tmp_path, monkeypatch):
    path = make_data_set(tmp_path / "d")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    monkeypatch.setitem(sys.modules, "obstore", None)
    for work in (
        lambda: persist.open("s3://lab/x"),
        lambda: persist.pull("s3://lab/x", tmp_path / "copy"),
        lambda: persist.push(path, "s3://lab/x"),
    ):
        with pytest.raises(MissingExtraError, match=r"persist\[cloud\]"):
            work()
    assert not (tmp_path / "copy").exists()
