"""Numbers with units: astropy with its times, coordinates and tables, pint and uncertainties.

Where a constructor does not give back the same, to the last bit, the protocol of pickle serves.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy

from persist.archive.protocol import attributes_of, reduce_by_protocol, user_attributes
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules import call_of, state_rule
from persist.errors import UnsupportedObjectError

__all__: list[str] = []

_UNITS = "astropy.units"
_COORDINATES = "astropy.coordinates"
_APPLICATION = Import("pint", "application_registry")


def _plain(array: Any) -> Any:
    """Return the numbers of an array of a subclass, in the same memory; a scalar as a number."""
    values = numpy.ndarray.view(array, numpy.ndarray)
    return values.item() if not values.ndim and values.dtype == float else values


@rule(
    "astropy.units.core.UnitBase", "astropy.units.function.core.FunctionUnitBase", subclasses=True
)
def reduce_unit(unit: Any) -> Reduced:
    """Reduce a unit to its text, where astropy reads it back as the same."""
    text = unit.to_string()
    made: Any = sys.modules[_UNITS].Unit(text)
    same = type(made) is type(unit) and made == unit and repr(made) == repr(unit)
    if not same or getattr(made, "scale", 1) != getattr(unit, "scale", 1):
        return reduce_by_protocol(unit)
    own = None if made is unit else user_attributes(unit, "si", "cgs")
    return Reduction(Import(_UNITS, "Unit"), (text,), attributes=own)


@rule("astropy.units.structured.StructuredUnit")
def reduce_structured_unit(unit: Any) -> Reduced:
    """Reduce a unit of records to the units of their fields, without what it has cached."""
    names = tuple(unit.keys())
    made = type(unit)(tuple(unit.values()), names)
    if made != unit or made.field_names != unit.field_names:
        return reduce_by_protocol(unit)
    args = (tuple(unit.values()), names)
    return Reduction(Import(_UNITS, "StructuredUnit"), args, attributes=user_attributes(unit))


@rule("astropy.units.quantity.Quantity")
@rule("astropy.units.function.core.FunctionQuantity", subclasses=True)
def reduce_quantity(quantity: Any) -> Reduced:
    """Reduce a quantity, which may be logarithmic, to its value and its unit."""
    name = type(quantity).__name__
    if getattr(sys.modules[_UNITS], name, None) is not type(quantity):
        return reduce_by_protocol(quantity)
    args = (_plain(quantity), quantity.unit)
    made = Reduction(Import(_UNITS, name), args, _numeric(quantity))
    return _described(quantity, made, "_unit", "_full_unit")


@rule(
    "astropy.coordinates.angles.core.Angle",
    "astropy.coordinates.angles.core.Latitude",
    "astropy.coordinates.angles.core.Longitude",
    "astropy.coordinates.distances.Distance",
)
def reduce_angle(angle: Any) -> Reduced:
    """Reduce an angle or a distance to its value and unit, and to where it wraps."""
    name, kwargs = type(angle).__name__, _numeric(angle)
    if name == "Longitude" and angle.wrap_angle != type(angle)._default_wrap_angle:
        kwargs["wrap_angle"] = angle.wrap_angle
    made = Reduction(Import(_COORDINATES, name), (_plain(angle), angle.unit), kwargs)
    return _described(angle, made, "_unit", "_wrap_angle")


def _numeric(quantity: Any) -> dict[str, Any]:
    kwargs: dict[str, Any] = {} if quantity.dtype.kind in "fc" else {"dtype": quantity.dtype}
    # The array may be shared, and is then to stay so.
    return {**kwargs, "copy": False} if quantity.ndim else kwargs


def _described(quantity: Any, made: Reduction, *known: str, **slots: Any) -> Reduction:
    """Return the reduction with the attributes that the constructor does not set."""
    attributes = attributes_of(quantity) or {}
    own = _with_info({k: v for k, v in attributes.items() if k not in known})
    return replace(made, attributes=own, slots=slots or None)


def _with_info(attributes: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the attributes without the description of a column that says nothing of its own."""
    info = getattr((attributes or {}).get("info"), "_attrs", None) or {}
    known = {"unit", "dtype", "indices", "parent_table"}
    if info.get("parent_table") is not None:
        known.add("name")  # The table gives it again.
    if attributes and not any(value for key, value in info.items() if key not in known):
        attributes.pop("info", None)
    return attributes or None


@state_rule("astropy.utils.data_info.DataInfo", subclasses=True)
def info_state(info: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Sort what a table knows of a column by name: that has the order of a set."""
    return dict(sorted(state.items()))


@rule("astropy.units.quantity.Quantity", subclasses=True)
def reduce_quantity_subclass(quantity: Any) -> Reduced:
    """Reduce a quantity of a subclass to the view of an array, and what the class adds."""
    cls = type(quantity)
    base = sys.modules[_UNITS].Quantity
    if cls.__reduce__ is not base.__reduce__ or cls.__setstate__ is not base.__setstate__:
        return reduce_by_protocol(quantity)
    plain = numpy.ndarray.view(quantity, numpy.ndarray)
    return Reduction(Attribute(plain, "view"), (cls,), attributes=attributes_of(quantity))


@rule("astropy.constants.constant.Constant", subclasses=True)
def reduce_constant(constant: Any) -> Reduced:
    """Reduce a constant to its name, one of another system by the protocol."""
    constants: Any = sys.modules["astropy.constants"]
    for name in (constant.abbrev, f"{constant.abbrev}_{constant.system}"):
        if getattr(constants, str(name), None) is constant:
            return Import("astropy.constants", name)
    return reduce_quantity_subclass(constant)


@rule("astropy.coordinates.earth.EarthLocation")
def reduce_place(place: Any) -> Reduced:
    """Reduce a place on Earth to its three coordinates."""
    function = Attribute(Import(_COORDINATES, "EarthLocation"), "from_geocentric")
    values = [_plain(getattr(place, axis)) for axis in "xyz"]
    slots = {} if place.ellipsoid == "WGS84" else {"ellipsoid": place.ellipsoid}
    own = _with_info(user_attributes(place))
    return Reduction(function, (*values, place.unit), slots=slots or None, attributes=own)


@rule("astropy.utils.masked.core.MaskedNDArray", "astropy.utils.masked.core.MaskedQuantity")
def reduce_masked(array: Any) -> Reduced:
    """Reduce an array or quantity with a mask of astropy to both."""
    function = Import("astropy.utils.masked", "Masked")
    kwargs = {"mask": numpy.array(array.mask)}
    return Reduction(function, (array.unmasked,), kwargs, attributes=user_attributes(array, "info"))


@rule("astropy.time.core.Time", "astropy.time.core.TimeDelta")
def reduce_time(time: Any) -> Reduced:
    """Reduce a time to its two numbers of days, which hold every bit of it."""
    kwargs: dict[str, Any] = {"format": "jd", "scale": time.scale}
    defaults = {"precision": 3, "in_subfmt": "*", "out_subfmt": "*", "location": None}
    for name, default in defaults.items():
        if getattr(time, name, default) != default:
            kwargs[name] = getattr(time, name)
    if type(time).__name__ == "Time" and "location" in kwargs and time.ndim:
        return reduce_by_protocol(time)
    days = tuple(
        float(number) if isinstance(number, numpy.floating) else number
        for number in (time.jd1, time.jd2)
    )
    slots = {} if time.format == "jd" else {"format": time.format}
    made = type(time)(*days, **kwargs)
    made.format = time.format
    known = {"_time", "_format", "_location", "SCALES", "cache", "info", "_id_cache"}
    same = all(
        numpy.array_equal(numpy.asarray(getattr(made, n)), numpy.asarray(getattr(time, n)))
        for n in ("jd1", "jd2")
    )
    if not same or not set(vars(time)) <= known or repr(made) != repr(time):
        return reduce_by_protocol(time)
    function = Import("astropy.time", type(time).__name__)
    return _described(time, Reduction(function, days, kwargs), *known - {"info"}, **slots)


@rule("astropy.coordinates.representation.base.BaseRepresentationOrDifferential", subclasses=True)
def reduce_representation(representation: Any) -> Reduced:
    """Reduce a point in some coordinates to these, and to its velocities."""
    cls = type(representation)
    if getattr(sys.modules[_COORDINATES], cls.__name__, None) is not cls:
        return reduce_by_protocol(representation)
    kwargs = {name: getattr(representation, name) for name in representation.components}
    if getattr(representation, "differentials", None):
        kwargs["differentials"] = dict(representation.differentials)
    kwargs["copy"] = False
    own = _with_info(user_attributes(representation))
    return Reduction(Import(_COORDINATES, cls.__name__), (), kwargs, attributes=own)


@rule("astropy.coordinates.baseframe.BaseCoordinateFrame", subclasses=True)
def reduce_frame(frame: Any) -> Reduced:
    """Reduce coordinates in a frame to a representation, and to what is particular to the frame."""
    cls = type(frame)
    if getattr(sys.modules[_COORDINATES], cls.__name__, None) is not cls:
        return reduce_by_protocol(frame)
    kwargs = {
        name: getattr(frame, name)
        for name in frame.frame_attributes
        if not frame.is_frame_attr_default(name)
    }
    args = (frame.data,) if frame.has_data else ()
    made = cls(*args, **kwargs)
    if made.representation_type is not frame.representation_type:
        kwargs["representation_type"] = frame.representation_type
    if repr(cls(*args, **kwargs)) != repr(frame):
        return reduce_by_protocol(frame)
    own = _with_info(user_attributes(frame, "representation_info", "cache"))
    return Reduction(Import(_COORDINATES, cls.__name__), args, kwargs, attributes=own)


@rule("astropy.coordinates.sky_coordinate.SkyCoord")
def reduce_sky(sky: Any) -> Reduced:
    """Reduce coordinates on the sky to those in their frame, and to what this does not have."""
    coordinates: Any = sys.modules[_COORDINATES]
    frame = sky.frame
    kwargs = {
        name: getattr(sky, name)
        for name in sorted(set(coordinates.frame_transform_graph.frame_attributes))
        if name not in frame.frame_attributes and getattr(sky, name) is not None
    }
    made = type(sky)(frame, **kwargs)
    if repr(made) != repr(sky):
        return reduce_by_protocol(sky)
    own = _with_info(user_attributes(sky, "cache"))
    return Reduction(Import(_COORDINATES, "SkyCoord"), (frame,), kwargs, attributes=own)


_CARD = 80  # characters


@rule("astropy.io.fits.header.Header")
def reduce_header(header: Any) -> Reduced:
    """Reduce a FITS header to its lines, unless these round a number."""
    # A card is parsed when it is first looked at.
    read = header.copy()
    cards = read.tostring(endcard=False, padding=False)
    text = "\n".join(cards[i : i + _CARD].rstrip() for i in range(0, len(cards), _CARD))
    made = type(header).fromstring(text, sep="\n")
    one, other = (
        [(card.keyword, card.value, card.comment) for card in h.cards] for h in (made, read)
    )
    if repr(one) != repr(other):
        return reduce_by_protocol(header)
    function = Attribute(Import("astropy.io.fits", "Header"), "fromstring")
    return Reduction(function, (text,), {"sep": "\n"}, attributes=user_attributes(header))


@rule("astropy.wcs.wcs.WCS")
def reduce_world_coordinates(wcs: Any) -> Reduced:
    """Reduce the coordinates of the pixels of an image to the FITS header that describes them."""
    header = wcs.to_header(relax=True)
    # Its numbers are those of numpy where there are distortions.
    header = type(header).fromstring(header.tostring())
    kwargs = {} if wcs.wcs.alt == " " else {"key": wcs.wcs.alt}
    made = type(wcs)(header, **kwargs)
    slots = {n: getattr(wcs, n) for n in ("pixel_shape", "pixel_bounds") if getattr(wcs, n)}
    for name, value in slots.items():
        setattr(made, name, value)
    added = {
        name: value
        for name, value in vars(wcs).items()
        if name not in vars(made) and not name.endswith("_cache")
    }
    same = (
        repr({name: vars(wcs).get(name) for name in vars(made)}) == repr(vars(made))
        and repr(made.to_header(relax=True)) == repr(header)
        and len(wcs.to_fits(relax=True)) == 1
    )
    if not same:
        return reduce_by_protocol(wcs)
    function = Import("astropy.wcs", "WCS")
    return Reduction(function, (header,), kwargs, slots=slots or None, attributes=added or None)


_COLUMN = ("unit", "format", "description", "meta")


@rule("astropy.table.column.Column", "astropy.table.column.MaskedColumn")
def reduce_column(column: Any) -> Reduced:
    """Reduce a column to its values, its name, and what describes it."""
    if column.info.indices:
        return reduce_by_protocol(column)
    kwargs: dict[str, Any] = {} if column.name is None else {"name": column.name}
    values = column.data
    if type(column).__name__ == "MaskedColumn":
        kwargs["mask"] = numpy.ma.getmaskarray(column).view(numpy.ndarray)
        if column._fill_value is not None:
            kwargs["fill_value"] = column.fill_value
        values = numpy.ndarray.view(column.data, numpy.ndarray)
    for name in _COLUMN:
        if (value := getattr(column, name)) is not None and value != {}:
            kwargs[name] = value
    return Reduction(Import("astropy.table", type(column).__name__), (values,), kwargs)


@rule("astropy.table.table.Table", "astropy.table.table.QTable")
def reduce_table(table: Any) -> Reduced:
    """Reduce a table to its columns, and what describes them."""
    col_copy: Any = sys.modules["astropy.table.column"].col_copy
    if table.indices:
        return reduce_by_protocol(table)
    columns = {
        name: column if hasattr(column, "parent_table") else col_copy(column)
        for name, column in table.columns.items()
    }
    kwargs: dict[str, Any] = {"meta": dict(table.meta)} if table.meta else {}
    if table.masked:
        kwargs["masked"] = True
    args = (columns,) if columns else ()
    made = type(table)(*args, copy=False, **kwargs)
    if list(map(type, made.columns.values())) != list(map(type, table.columns.values())):
        return reduce_by_protocol(table)
    kwargs = {**kwargs, "copy": False} if columns else kwargs
    return Reduction(Import("astropy.table", type(table).__name__), args, kwargs)


@rule("astropy.cosmology._src.core.Cosmology", subclasses=True)
def reduce_cosmology(cosmology: Any) -> Reduced:
    """Reduce a cosmology to its name, if astropy offers it; else by the protocol."""
    offered: Any = sys.modules["astropy.cosmology"]
    name = str(cosmology.name)
    if getattr(offered, name, None) is cosmology:
        return Import("astropy.cosmology", name)
    return reduce_by_protocol(cosmology)


@rule("astropy.modeling.core.Model", subclasses=True)
def reduce_model(model: Any) -> Reduced:
    """Reduce a model to its state, whose array of parameters is filled only when it is asked."""
    if model.param_names:
        model.parameters  # noqa: B018
    return reduce_by_protocol(model)


@rule("uncertainties.core.Variable")
def reduce_variable(number: Any) -> Reduced:
    """Reduce an independent number to its value, its standard deviation and its tag."""
    args = (number.nominal_value, number.std_dev)
    tag = () if number.tag is None else (number.tag,)
    # ufloat takes a number without uncertainty, and then warns.
    name = "ufloat" if number.std_dev else "core.Variable"
    return call_of("uncertainties", name, *args, *tag)


@rule("uncertainties.core.AffineScalarFunc")
def reduce_dependent(number: Any) -> Reduced:
    """Reduce a number to its value and its derivatives by those that it depends on."""
    combination = Import("uncertainties.core", "LinearCombination")
    linear = Reduction(combination, (dict(number.derivatives),))
    return Reduction(Import("uncertainties", "UFloat"), (number.nominal_value, linear))


@rule("pint.facets.plain.quantity.PlainQuantity", subclasses=True)
def reduce_pint_quantity(quantity: Any) -> Reduced:
    """Reduce a quantity to its value and the text of its unit, in the registry that is used.

    As with pickle, this is the application's registry, whichever it was.
    """
    # Making a measurement anew would cut its number from others that it depends on.
    if type(quantity).__name__ == "Measurement":
        return reduce_by_protocol(quantity)
    text = _pint_text(quantity.units)
    args = (quantity.magnitude, text) if text else (quantity.magnitude,)
    return Reduction(Attribute(_APPLICATION, "Quantity"), args)


@rule("pint.facets.plain.unit.PlainUnit", subclasses=True)
def reduce_pint_unit(unit: Any) -> Reduced:
    """Reduce a unit to its text."""
    return Reduction(Attribute(_APPLICATION, "Unit"), (_pint_text(unit),))


def _pint_text(unit: Any) -> str:
    """Return the text of a unit; ValueError if the application's registry reads it as another."""
    text = format(unit, "D").replace("Δ", "delta_")
    if text == "dimensionless":
        text = ""
    if _factors(sys.modules["pint"].Unit(text)) != _factors(unit):
        raise ValueError(text)
    return text


def _factors(unit: Any) -> dict[str, Any]:
    """Return the exponents of the units that a product of units is made of, by name."""
    return dict((1 * unit).unit_items())


@rule("pint.facets.plain.registry.GenericPlainRegistry", subclasses=True)
def reduce_registry(registry: Any) -> Reduced:
    """Reduce the application's registry to its name; no other has a form as source."""
    pint: Any = sys.modules["pint"]
    if registry is not pint.get_application_registry().get():
        raise UnsupportedObjectError(
            "a registry of units has no form as source: store quantities, or make it the "
            "application's with pint.set_application_registry()"
        )
    return Reduction(Attribute(_APPLICATION, "get"))


rule("pint.registry.ApplicationRegistry")(lambda _: _APPLICATION)
