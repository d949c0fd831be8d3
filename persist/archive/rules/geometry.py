"""Geometries of shapely as text with all digits, and the frames of geopandas around them."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.pandas import reduce_frame, reduce_series

__all__: list[str] = []

_NUMBER = re.compile(r"[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf(?:inity)?)\b", re.IGNORECASE)


@rule("shapely.geometry.base.BaseGeometry", subclasses=True)
def reduce_geometry(geometry: Any) -> Reduced:
    """Reduce a geometry to well-known text, or to bytes where that does not say all."""
    shapely: Any = sys.modules["shapely"]
    if not type(geometry).__module__.startswith("shapely."):
        return reduce_by_protocol(geometry)
    made = _from_text(geometry)
    if made is None:
        made = Reduction(Import("shapely", "from_wkb"), (shapely.to_wkb(geometry),))
    system = shapely.get_srid(geometry)
    if system:
        made = Reduction(Import("shapely", "set_srid"), (made, int(system)))
    return made


def _from_text(geometry: Any) -> Reduction | None:
    """Return the reduction of a geometry to text that has every bit of it, or None."""
    shapely: Any = sys.modules["shapely"]
    measured = bool(getattr(geometry, "has_m", False))
    kwargs = {"include_m": True} if measured else {}
    numbers = shapely.get_coordinates(geometry, include_z=geometry.has_z, **kwargs)
    left = iter(numbers.ravel().tolist())
    try:
        text = shapely.to_wkt(geometry, rounding_precision=-1, output_dimension=3 + measured)
        # Very large and very small numbers have all their digits only in repr.
        text = _NUMBER.sub(lambda match: _digits(match[0], next(left)), text)
        made = shapely.from_wkt(text)
    except (shapely.errors.GEOSException, StopIteration):
        return None
    same = type(made) is type(geometry) and made.has_z == geometry.has_z
    # In bytes, a ring is the line around it.
    same = same and shapely.to_wkb(made) == shapely.to_wkb(geometry)
    return Reduction(Import("shapely", "from_wkt"), (text,)) if same else None


def _digits(text: str, number: float) -> str:
    return text if repr(float(text)) == repr(number) else repr(number)


@rule("geopandas.array.GeometryArray")
def reduce_array(array: Any) -> Reduced:
    """Reduce a column of geometries to these, and to their system of reference."""
    import numpy

    kwargs = {} if array.crs is None else {"crs": array.crs}
    values = numpy.array(array, dtype=object)
    return Reduction(Import("geopandas.array", "from_shapely"), (values,), kwargs)


@rule("geopandas.geoseries.GeoSeries")
def reduce_geometries(series: Any) -> Reduced:
    """Reduce a series of geometries to a column of them, an index and a name."""
    reduced: Any = reduce_series(series)
    return _as("GeoSeries", reduced)


@rule("geopandas.geodataframe.GeoDataFrame")
def reduce_geometry_frame(frame: Any) -> Reduced:
    """Reduce a frame with geometries to a plain one, and to which column is its geometry."""
    import pandas

    geopandas: Any = sys.modules["geopandas"]
    plain = pandas.DataFrame(frame)
    name = frame.active_geometry_name
    kwargs = {} if name is None else {"geometry": name}
    made = geopandas.GeoDataFrame(plain, **kwargs)
    if made.active_geometry_name != name or not frame.flags.allows_duplicate_labels:
        return reduce_by_protocol(frame)
    plain.attrs = {}
    slots = {"attrs": frame.attrs} if frame.attrs else None
    return Reduction(
        Import("geopandas", "GeoDataFrame"), (reduce_frame(plain),), kwargs, slots=slots
    )


def _as(name: str, reduced: Reduction) -> Reduction:
    """Return the same call of a class of geopandas in place of that of pandas."""
    if isinstance(reduced.function, Attribute):
        owner = reduced.function.owner
        if isinstance(owner, Reduction):
            inner = Attribute(_as(name, owner), reduced.function.name)
            return dataclasses.replace(reduced, function=inner)
    return dataclasses.replace(reduced, function=Import("geopandas", name))


@rule("pyproj.crs.crs.CRS")
def reduce_system(system: Any) -> Reduced:
    """Reduce a system of reference to what it was made from."""
    made = type(system)(system.srs)
    if made.to_wkt() != system.to_wkt():
        return reduce_by_protocol(system)
    return Reduction(Import("pyproj", "CRS"), (system.srs,))
