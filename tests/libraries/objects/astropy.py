"""Quantities, times, coordinates, tables and models of astropy."""

from __future__ import annotations

from typing import Any

import astropy.coordinates
import astropy.cosmology
import astropy.io.fits
import astropy.modeling.models
import astropy.nddata
import astropy.table
import astropy.time
import astropy.wcs
import numpy
from astropy import constants, units

__all__ = ["OBJECTS", "check"]

DEGREE = units.deg
STATE = units.StructuredUnit((units.km, units.km / units.s), ("p", "v"))


def table(cls: Any) -> Any:
    """Return a table with columns of several kinds, and what describes them."""
    made = cls({"a": [1, 2], "b": ["x", "y"], "c": [0.1, 0.2] * units.m})
    made["a"].description = "first"
    made["a"].format = "%d"
    made.meta["title"] = "t"
    return made


def masked() -> Any:
    """Return a table with missing values."""
    column = astropy.table.MaskedColumn(
        [1.5, 2.5],
        name="a",
        mask=[True, False],
        unit="m",
        description="first",
        format="%.1f",
        meta={"k": 1},
    )
    return astropy.table.Table([column, [1, 2]], names=["a", "b"], masked=True)


def masked_quantities() -> Any:
    """Return a table of quantities whose first column has missing values and a description."""
    return astropy.table.QTable(masked())


def grouped() -> Any:
    """Return a table with an index."""
    made = astropy.table.QTable({"a": [2, 1], "t": astropy.time.Time(["J2000", "J2001"])})
    made.add_index("a")
    return made


def world_coordinates(ending: str = "", **distortions: Any) -> Any:
    """Return the coordinates of an image on the sky."""
    header = astropy.io.fits.Header(distortions)
    for axis, name, value in ((1, "RA---TAN", 10.125), (2, "DEC--TAN", 20.5)):
        header[f"CTYPE{axis}"] = name + ending
        header[f"CRVAL{axis}"] = value
        header[f"CRPIX{axis}"] = 8 * axis
        header[f"CDELT{axis}"] = 0.25
    made = astropy.wcs.WCS(header)
    made.pixel_shape = (16, 32)
    return made


def described(obj: Any, **more: Any) -> Any:
    """Return an object with the description that a column of a table can have."""
    for name, value in {"description": "of the target", "meta": {"k": 1}, **more}.items():
        setattr(obj.info, name, value)
    return obj


OBJECTS = {
    "quantity": lambda: 1.5 * units.m / units.s,
    "array": lambda: numpy.array([0.1, 0.2]) * units.kpc,
    "integers": lambda: units.Quantity([1, 2], units.m, dtype="i4"),
    "unit": lambda: units.Unit("km / s2"),
    "base unit": lambda: units.m,
    "prefixed": lambda: units.mJy,
    "dimensionless": lambda: units.dimensionless_unscaled,
    "scaled unit": lambda: units.Unit(1000 * units.m),
    "half power": lambda: units.m**0.5,
    "fraction power": lambda: units.m ** (1 / 3),
    "logarithmic": lambda: units.Magnitude(2.5, units.mag(units.ct / units.s)),
    "logarithmic unit": lambda: units.dex(units.cm / units.s**2),
    "unit of records": lambda: STATE,
    "unit of nested records": lambda: units.StructuredUnit((STATE, units.s), ("state", "t")),
    "records": lambda: units.Quantity([(1.0, 2.0), (3.0, 4.5)], STATE),
    "constant": lambda: constants.c,
    "angle": lambda: astropy.coordinates.Angle([10.5, 20.5], "deg"),
    "longitude": lambda: astropy.coordinates.Longitude(370, "deg", wrap_angle=180 * DEGREE),
    "time": lambda: astropy.time.Time("2020-01-01T00:00:00.123", scale="utc"),
    "times": lambda: astropy.time.Time([2451545.0, 2451545.5], [1e-12, 0], format="jd", scale="tt"),
    "masked time": lambda: astropy.time.Time(
        numpy.ma.array([2451545.0, 2451546.0], mask=[False, True]), format="jd"
    ),
    "span": lambda: astropy.time.TimeDelta(0.5, format="sec"),
    "sky": lambda: astropy.coordinates.SkyCoord(10.5, -20.5, unit="deg"),
    "skies": lambda: astropy.coordinates.SkyCoord([1, 2], [3, 4], unit="deg", frame="galactic"),
    "far sky": lambda: astropy.coordinates.SkyCoord(
        1 * DEGREE, 2 * DEGREE, 3 * units.pc, obstime="J2001", frame="fk5"
    ),
    "frame": lambda: astropy.coordinates.ICRS(1 * DEGREE, 2 * DEGREE),
    "place": lambda: astropy.coordinates.EarthLocation.from_geodetic(10, 50, 100),
    "described sky": lambda: described(astropy.coordinates.SkyCoord([1, 2], [3, 4], unit="deg")),
    "described frame": lambda: described(astropy.coordinates.ICRS(1 * DEGREE, 2 * DEGREE)),
    "described points": lambda: described(
        astropy.coordinates.CartesianRepresentation([1, 2], [3, 4], [5, 6], unit="m")
    ),
    "named place": lambda: described(
        astropy.coordinates.EarthLocation.from_geodetic(10, 50, 100), name="Keck"
    ),
    "named quantity": lambda: described([1.0, 2.0] * units.m, name="width", meta={}),
    "table": lambda: table(astropy.table.Table),
    "quantity table": lambda: table(astropy.table.QTable),
    "masked table": masked,
    "masked quantity table": masked_quantities,
    "indexed table": grouped,
    "column": lambda: astropy.table.Column([1, 2], name="a", unit="m", description="first"),
    "column of no words": lambda: astropy.table.Column([1, 2], name="a", description=""),
    "masked quantity": lambda: astropy.utils.masked.Masked([1.0, 2.0] * units.m, [True, False]),
    "model": lambda: astropy.modeling.models.Gaussian1D(1.0, 0.5, stddev=2.0),
    "data": lambda: astropy.nddata.NDData(numpy.ones(2), unit="m", meta={"a": 1}),
    "cosmology": lambda: astropy.cosmology.Planck18,
    "header": lambda: astropy.io.fits.Header([("A", 1, "first"), ("B", "x")]),
    "long header": lambda: astropy.io.fits.Header(
        [("LONG", "y" * 100, "second"), ("F", 1.5e-300), ("U", None), ("COMMENT", "free text")]
    ),
    "world coordinates": world_coordinates,
    "distorted coordinates": lambda: world_coordinates("-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e-5),
}


def check(found: Any, wanted: Any) -> None:
    """Compare values, units and what describes them."""
    assert type(found) is type(wanted)
    if "info" in getattr(wanted, "__dict__", {}) and not isinstance(wanted, astropy.table.Table):
        for name in ("name", "description", "meta"):
            assert getattr(found.info, name) == getattr(wanted.info, name), name
    if isinstance(wanted, astropy.wcs.WCS):
        assert found.pixel_shape == wanted.pixel_shape
        assert found.pixel_to_world_values(3, 4) == wanted.pixel_to_world_values(3, 4)
    elif isinstance(wanted, astropy.table.Table):
        assert found.colnames == wanted.colnames
        assert found.meta == wanted.meta
        assert found.masked == wanted.masked
        assert repr(found) == repr(wanted)
        assert str(found.info) == str(wanted.info)
        assert [index.columns[0].info.name for index in found.indices] == [
            index.columns[0].info.name for index in wanted.indices
        ]
        for name in wanted.colnames:
            check_column(found[name], wanted[name])
    elif isinstance(wanted, astropy.time.TimeBase):
        assert (found.scale, found.format) == (wanted.scale, wanted.format)
        numpy.testing.assert_array_equal(found.jd1, wanted.jd1)
        numpy.testing.assert_array_equal(found.jd2, wanted.jd2)
        assert repr(found) == repr(wanted)
    elif isinstance(wanted, astropy.table.Column):
        check_column(found, wanted)
    elif isinstance(wanted, units.UnitBase):
        assert found == wanted
        assert repr(found) == repr(wanted)
    elif isinstance(wanted, units.Quantity):
        assert found.unit == wanted.unit
        assert found.dtype == wanted.dtype
        assert repr(found) == repr(wanted)
        numpy.testing.assert_array_equal(found.value, wanted.value)
        assert getattr(found, "wrap_angle", None) == getattr(wanted, "wrap_angle", None)
    elif isinstance(wanted, astropy.modeling.Model):
        numpy.testing.assert_array_equal(found(numpy.arange(3.0)), wanted(numpy.arange(3.0)))
        numpy.testing.assert_array_equal(found.parameters, wanted.parameters)
    else:
        assert repr(found) == repr(wanted)


def check_column(found: Any, wanted: Any) -> None:
    """Compare a column, its type, and what describes it."""
    assert type(found) is type(wanted)
    assert repr(found) == repr(wanted)
    for name in ("name", "dtype", "unit", "description", "format", "meta"):
        assert getattr(found.info, name) == getattr(wanted.info, name), name
