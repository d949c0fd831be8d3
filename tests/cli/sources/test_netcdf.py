import h5py
import numpy
import pytest

from persist.cli.sources.netcdf import NetcdfSource

xarray = pytest.importorskip("xarray")
pytest.importorskip("scipy")

DATA = xarray.Dataset(
    {"t2m": (("time", "x"), numpy.arange(6.0).reshape(3, 2), {"units": "K"})},
    coords={"time": numpy.array(["2020-01-01", "2020-01-02", "2020-01-03"], "M8[ns]"), "x": [1, 2]},
    attrs={"title": "Two points"},
)


def load(path):
    source = NetcdfSource(str(path))
    names = [listed.name for listed in source.names()]
    return {name: source.load(name).value for name in names}


@pytest.fixture(params=["scipy", "h5netcdf"])
def engine(request):
    return pytest.importorskip(request.param) and request.param


def test_a_file_is_the_dataset_that_xarray_makes_of_it(tmp_path, engine):
    DATA.to_netcdf(tmp_path / "air.nc", engine=engine)
    (name, found), *others = load(tmp_path / "air.nc").items()
    assert (name, others) == ("air", [])
    with xarray.open_dataset(tmp_path / "air.nc", engine=engine) as oracle:
        xarray.testing.assert_identical(found, oracle)
    xarray.testing.assert_equal(found, DATA)
    assert found.t2m.attrs == {"units": "K"}
    assert isinstance(found.t2m.variable._data, numpy.ndarray)


def test_groups_come_under_their_paths(tmp_path):
    pytest.importorskip("h5netcdf")
    path = tmp_path / "air.nc"
    DATA.to_netcdf(path, engine="h5netcdf")
    DATA[["t2m"]].to_netcdf(path, mode="a", group="model/run1", engine="h5netcdf")
    found = load(path)
    assert list(found) == ["air", "model/run1"]
    xarray.testing.assert_equal(found["model/run1"], DATA)


@pytest.mark.parametrize("content", [b"", b"no netCDF", b"CDF\x01", b"\x89HDF\r\n\x1a\n"])
def test_a_file_that_is_no_netcdf_is_an_error(tmp_path, content):
    pytest.importorskip("h5netcdf")
    (tmp_path / "x.nc").write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        load(tmp_path / "x.nc")


def test_what_leads_to_another_file_is_refused(tmp_path):
    pytest.importorskip("h5netcdf")
    (tmp_path / "secret").write_bytes(b"12345678")
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file.create_dataset("x", (1,), "i8", external=[(str(tmp_path / "secret"), 0, 8)])
    with pytest.raises(ValueError, match="another file"):
        load(tmp_path / "x.nc")
    with h5py.File(tmp_path / "y.nc", "w") as file:
        file["y"] = h5py.ExternalLink(str(tmp_path / "x.nc"), "x")
    with pytest.raises(ValueError, match="leads to"):
        load(tmp_path / "y.nc")
