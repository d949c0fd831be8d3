"""Quantities of pint."""

from __future__ import annotations

from typing import Any

import numpy
import pint

__all__ = ["OBJECTS", "check"]

UNITS = pint.get_application_registry()

OBJECTS = {
    "quantity": lambda: UNITS.Quantity(1.5, "meter / second ** 2"),
    "array": lambda: UNITS.Quantity(numpy.array([0.1, 0.2]), "volt"),
    "integer": lambda: UNITS.Quantity(2, "count"),
    "dimensionless": lambda: UNITS.Quantity(0.5),
    "temperature": lambda: UNITS.Quantity(20.0, "degC"),
    "delta": lambda: UNITS.Quantity(20.0, "delta_degC"),
    "half power": lambda: UNITS.Quantity(1.0, "meter ** 0.5"),
    "unit": lambda: UNITS.Unit("kilogram * meter"),
    "measurement": lambda: UNITS.Measurement(1.0, 0.1, "meter"),
    "registry": lambda: UNITS.get(),
    "shared": lambda: [UNITS.Quantity(1, "m"), UNITS.Quantity(2, "m")],
}


def check(found: Any, wanted: Any) -> None:
    """Compare values and units, which must be of one registry."""
    assert type(found) is type(wanted)
    if isinstance(wanted, pint.UnitRegistry):
        assert found is wanted
    elif isinstance(wanted, list):
        for one, other in zip(found, wanted, strict=True):
            check(one, other)
        assert found[0] + found[1] == wanted[0] + wanted[1]
    elif isinstance(wanted, pint.Unit):
        assert found == wanted
    else:
        assert found.units == wanted.units
        assert type(found.magnitude) is type(wanted.magnitude)
        assert repr(found.magnitude) == repr(wanted.magnitude)
