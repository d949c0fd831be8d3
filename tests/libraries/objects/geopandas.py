"""Frames of geometries."""

from __future__ import annotations

from typing import Any

import geopandas
import pandas
import pyproj
import shapely
from geopandas import testing

__all__ = ["OBJECTS", "check"]

POINTS = [shapely.Point(0.1, 0.2), shapely.Point(1, 2)]


def frame(**kwargs: Any) -> Any:
    """Return a frame with a column of points."""
    return geopandas.GeoDataFrame({"a": [1, 2], "where": POINTS}, geometry="where", **kwargs)


def with_two() -> Any:
    """Return a frame with two columns of geometries, in different systems."""
    made = frame(crs="EPSG:4326")
    made["other"] = geopandas.GeoSeries([None, POINTS[0]], crs="EPSG:3857")
    made.attrs["source"] = "lab"
    return made


OBJECTS = {
    "frame": lambda: frame(crs="EPSG:4326"),
    "no system": frame,
    "two columns": with_two,
    "index": lambda: frame(crs="EPSG:4326").set_index("a"),
    "no geometry": lambda: geopandas.GeoDataFrame({"a": [1, 2]}),
    "empty": lambda: geopandas.GeoDataFrame({"a": []}, geometry=[], crs="EPSG:4326"),
    "series": lambda: geopandas.GeoSeries(POINTS, index=[5, 6], name="g", crs="EPSG:4326"),
    "missing": lambda: geopandas.GeoSeries([POINTS[0], None]),
    "array": lambda: geopandas.array.from_shapely(POINTS, crs="EPSG:4326"),
    "system": lambda: pyproj.CRS("EPSG:25832"),
    "own system": lambda: frame(crs="+proj=laea +lat_0=45 +lon_0=-100"),
    "plain frame": lambda: pandas.DataFrame({"g": geopandas.GeoSeries(POINTS)}),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as geopandas.testing does."""
    assert type(found) is type(wanted)
    match wanted:
        case geopandas.GeoDataFrame():
            if len(wanted.columns) > 1:
                testing.assert_geodataframe_equal(found, wanted, check_less_precise=False)
            assert found._geometry_column_name == wanted._geometry_column_name
            assert found.attrs == wanted.attrs
            pandas.testing.assert_index_equal(found.columns, wanted.columns)
            for name in wanted.columns:
                assert getattr(found[name], "crs", None) == getattr(wanted[name], "crs", None)
        case geopandas.GeoSeries():
            testing.assert_geoseries_equal(found, wanted)
            assert found.crs == wanted.crs
        case pandas.DataFrame():
            pandas.testing.assert_frame_equal(found, wanted)
        case geopandas.array.GeometryArray():
            pandas.testing.assert_extension_array_equal(found, wanted)
            assert found.crs == wanted.crs
        case _:
            assert found == wanted
