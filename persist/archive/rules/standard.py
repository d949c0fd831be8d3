"""Other classes of the standard library whose protocol would write private names."""

from __future__ import annotations

import inspect
from typing import Any

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Expression, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.plain import attributes_of
from persist.errors import UnsupportedObjectError

__all__: list[str] = []


@rule(inspect.Parameter)
def reduce_parameter(parameter: inspect.Parameter) -> Reduced:
    """Reduce a parameter of a function to what it is made from."""
    kwargs = {"default": parameter.default, "annotation": parameter.annotation}
    return Reduction(inspect.Parameter, (parameter.name, parameter.kind), _without_empty(kwargs))


@rule(inspect.Signature)
def reduce_signature(signature: inspect.Signature) -> Reduced:
    """Reduce a signature to its parameters."""
    kwargs = _without_empty({"return_annotation": signature.return_annotation})
    return Reduction(inspect.Signature, (list(signature.parameters.values()),), kwargs)


def _without_empty(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if value is not inspect.Parameter.empty}


@rule("xml.etree.ElementTree.Element")
def reduce_element(element: Any) -> Reduced:
    """Reduce an element of XML to its tag, attributes, children and text."""
    args = (element.tag, dict(element.attrib)) if element.attrib else (element.tag,)
    texts = {"text": element.text, "tail": element.tail}
    return Reduction(
        type(element),
        args,
        items=list(element) or None,
        slots={name: text for name, text in texts.items() if text is not None},
    )


@rule("_ctypes._SimpleCData", subclasses=True)
def reduce_c_number(number: Any) -> Reduced:
    """Reduce a number of C to its value."""
    _check_no_pointers(number)
    cls = type(number)
    plain = cls.__module__ == "ctypes" and not vars(number)
    if plain and bytes(cls(number.value)) == bytes(number):
        return Reduction(cls, (number.value,))
    return _from_bytes(number)


@rule("_ctypes.Structure", "_ctypes.Union", "_ctypes.Array", subclasses=True)
def reduce_c_data(data: Any) -> Reduced:
    """Reduce data of C to its bytes."""
    _check_no_pointers(data)
    return _from_bytes(data)


def _check_no_pointers(data: Any) -> None:
    try:
        data.__reduce__()
    except ValueError as error:
        raise UnsupportedObjectError(f"{error}: store what the pointers lead to") from error


def _from_bytes(data: Any) -> Reduced:
    cls = type(data)
    if any("__reduce__" in vars(c) for c in cls.__mro__[:-1] if c.__module__ != "_ctypes"):
        return reduce_by_protocol(data)
    function = Attribute(_c_class(cls), "from_buffer_copy")
    return Reduction(function, (bytes(data),), attributes=attributes_of(data))


def _c_class(cls: Any) -> Any:
    """Return an array class as its items times its length: ``c_int * 2`` has no name."""
    length = getattr(cls, "_length_", None)
    if length is None or not cls.__name__.endswith(f"_Array_{length}"):
        return cls
    return Expression.of("item * length", {"item": _c_class(cls._type_), "length": length})
