"""Geometries of shapely."""

from __future__ import annotations

from typing import Any

import numpy
import shapely

__all__ = ["OBJECTS", "check"]

NAN = float("nan")
TEXTS = {
    "point": "POINT (0.1 0.2)",
    "point with height": "POINT Z (0.1 0.2 1e-300)",
    "line": "LINESTRING (0 0, 1.5 1e+20, 0.30000000000000004 -0)",
    "polygon with a hole": "POLYGON ((0 0, 9 0, 9 9, 0 0), (2 1, 3 1, 3 2, 2 1))",
    "several": "MULTIPOINT (0 0, 1 1)",
    "lines": "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
    "polygons": "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))",
    "collection": "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))",
    "empty": "POINT EMPTY",
    "empty with height": "LINESTRING Z EMPTY",
    "empty in a collection": "GEOMETRYCOLLECTION (POINT EMPTY)",
    "measured": "POINT M (1 2 3)",
    "measured with height": "LINESTRING ZM (1 2 3 4, 5 6 7 8)",
    "ring": "LINEARRING (0 0, 1 0, 1 1, 0 0)",
}
OBJECTS: dict[str, Any] = {
    name: lambda text=text: shapely.from_wkt(text) for name, text in TEXTS.items()
}
OBJECTS |= {
    "system": lambda: shapely.set_srid(shapely.Point(1, 2), 4326),
    "infinite": lambda: shapely.Point(float("inf"), 1),
    "not a number": lambda: shapely.LineString([(0, NAN), (1, 1)]),
    "tiny": lambda: shapely.Point(5e-324, 1.7976931348623157e308),
    "array": lambda: numpy.array([shapely.Point(1, 2), None]),
    "many digits": lambda: shapely.Point(1, 2).buffer(1.0),
    "prepared": lambda: prepared(),
    "tree": lambda: shapely.STRtree([shapely.Point(1, 2), shapely.Point(3, 4)]),
}


def prepared() -> Any:
    """Return a geometry that is prepared for many questions."""
    point = shapely.Point(1, 2)
    shapely.prepare(point)
    return point


def check(found: Any, wanted: Any) -> None:
    """Compare to the last bit of the coordinates, and the system of reference."""
    assert type(found) is type(wanted)
    if isinstance(wanted, shapely.STRtree):
        found, wanted = found.geometries, wanted.geometries
    numpy.testing.assert_array_equal(shapely.get_srid(found), shapely.get_srid(wanted))
    one, other = (shapely.to_wkb(obj, include_srid=True) for obj in (found, wanted))
    numpy.testing.assert_array_equal(one, other)
    numpy.testing.assert_array_equal(shapely.has_z(found), shapely.has_z(wanted))
