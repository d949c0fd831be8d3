"""Types of the language: classes, functions, methods, sets, exceptions and annotations."""

from __future__ import annotations

import builtins
import collections.abc
import copyreg
import functools
import inspect
import itertools
import operator
import sys
import types
import typing
from typing import Any

import numpy

from persist.archive.imports import find_import, module_import
from persist.archive.protocol import is_plain_subclass, reduce_by_protocol
from persist.archive.reduction import NO_STATE, Attribute, Expression, Import, Reduced, Reduction
from persist.archive.registry import constant, registry, rule
from persist.archive.rules import made_by
from persist.errors import UnsupportedObjectError

__all__ = ["ITERATORS"]


rule(types.FunctionType)(find_import)
rule(types.ModuleType)(module_import)


@rule(types.BuiltinFunctionType, types.MethodType)
def reduce_method(method: Any) -> Reduced:
    """Reduce a method to an attribute of what it is bound to, a function to its import path."""
    owner = method.__self__
    # A function that pybind11 makes is bound to a capsule.
    if owner is None or isinstance(owner, types.ModuleType) or type(owner).__name__ == "PyCapsule":
        return find_import(method)
    # Functions of numpy.random are methods of a generator that has no name.
    if getattr(numpy.random, method.__name__, None) == method:
        return Import("numpy.random", method.__name__)
    if getattr(owner, method.__name__, None) != method:
        raise UnsupportedObjectError(
            f"the method {method.__qualname__} is not the attribute {method.__name__!r} of the "
            "object that it is bound to"
        )
    return Attribute(owner, method.__name__)


for _singleton in (None, Ellipsis, NotImplemented):
    constant("builtins", repr(_singleton), type(_singleton))


@rule(set, frozenset)
def reduce_set(members: set[Any] | frozenset[Any]) -> Reduced:
    """Reduce a set to its members."""
    return Reduction(type(members), absorb=True, members=members)


@rule(range)
def reduce_range(numbers: range) -> Reduced:
    """Reduce a range to the arguments that a person would write."""
    args: tuple[int, ...] = (numbers.start, numbers.stop, numbers.step)
    if numbers.step == 1:
        args = args[1:2] if numbers.start == 0 else args[:2]
    return Reduction(range, args)


def reduce_class(cls: type) -> Reduced:
    """Reduce a class to its import path; the class of a singleton has none that is old enough."""
    for singleton in (None, Ellipsis, NotImplemented):
        if cls is type(singleton):
            return Reduction(type, (singleton,))
    if cls.__module__ == "builtins" and cls.__name__ not in vars(builtins):
        for name, value in sorted(vars(types).items()):
            if value is cls:
                return Import("types", name)
        raise UnsupportedObjectError(
            f"the builtin class {cls.__name__!r} has no name to import it by"
        )
    return find_import(cls)


registry.register_predicate(lambda cls: issubclass(cls, type), reduce_class)


@rule(functools.partial, subclasses=True)
def reduce_partial(function: functools.partial[Any]) -> Reduced:
    """Reduce a partial function to the call that made it."""
    plain = is_plain_subclass(type(function), functools.partial, "func", "args", "keywords")
    # A partial of a partial is flattened when it is made.
    flat = not isinstance(function.func, functools.partial)
    # One that is given to itself is there before its arguments.
    given = (*function.args, *function.keywords.values())
    closed = any(part is function for part in given)
    if closed or not (plain and flat):
        return reduce_by_protocol(function)
    # Asking for its __dict__ would give it one.
    answer: Any = function.__reduce__()
    args = (function.func, *function.args)
    return Reduction(type(function), args, dict(function.keywords), attributes=answer[2][3] or None)


@rule(operator.methodcaller)
def reduce_method_caller(caller: operator.methodcaller) -> Reduced:
    """Reduce a method caller to the call that made it."""
    answer: Any = caller.__reduce__()
    function, args = answer
    if not isinstance(function, functools.partial):
        return Reduction(function, args)
    return Reduction(function.func, (*function.args, *args), function.keywords)


_ITERABLES: tuple[Any, ...] = ([], (), "", "\xe9", b"", bytearray(), range(0), range(1 << 70))
# Depending on the version of Python, str has one class of iterators or two.
ITERATORS: tuple[type, ...] = tuple(dict.fromkeys(type(iter(items)) for items in _ITERABLES))
"""The classes of iterators that know how far they are."""


@rule(*ITERATORS)
def reduce_iterator(iterator: Any) -> Reduced:
    """Reduce an iterator to what it runs over, and to how far it is."""
    function, args, *state = iterator.__reduce__()
    # That of a range has None on newer versions of Python, which says that there is no state.
    started = bool(state) and state[0] not in (None, 0)
    return Reduction(function, args, state=state[0] if started else NO_STATE)


def reduce_itertool(iterator: Any) -> Reduced:
    """Reduce an iterator of itertools where Python still can: 3.12 warns, 3.14 cannot."""
    if sys.version_info < (3, 12):
        return reduce_by_protocol(iterator)
    raise UnsupportedObjectError(
        f"an iterator of class {type(iterator).__qualname__} has no form as source on this Python: "
        "store a list of its items, or what it is made from"
    )


registry.register_predicate(lambda cls: cls.__module__ == itertools.__name__, reduce_itertool)


@rule(BaseException, subclasses=True)
def reduce_exception(error: BaseException) -> Reduced:
    """Reduce an exception to its arguments and attributes.

    An ``__init__`` written in Python often makes `args` from other arguments, so it is not called
    with them; pickle calls it, and restores such an exception wrongly or not at all.
    """
    cls = type(error)
    if not _reduces_plainly(cls):
        return reduce_by_protocol(error)
    answer: Any = error.__reduce__()
    function, args, *rest = answer
    attributes, slots = _split(error, rest[0] if rest else None)
    new = isinstance(cls.__init__, types.FunctionType) and _is_small(cls)
    if not new and function is not cls:
        return reduce_by_protocol(error)
    has_own_init = not new and isinstance(cls.__init__, types.FunctionType)
    if has_own_init and made_by(inspect.signature(cls).bind, *args) is None:
        if cls in copyreg.dispatch_table:
            return reduce_by_protocol(error)
        raise UnsupportedObjectError(
            f"the constructor of {cls.__qualname__} does not take the args of the exception, so "
            "pickle cannot load it; add a __reduce__ method to the class"
        )
    made = Reduction(cls, args, new=new, absorb=new, attributes=attributes, slots=slots)
    # A group, which Python has since 3.11, copies its members into a tuple.
    made.copies = issubclass(cls, getattr(builtins, "BaseExceptionGroup", ()))
    return made


def _reduces_plainly(cls: type[BaseException]) -> bool:
    return (
        cls.__reduce_ex__ is object.__reduce_ex__
        and not isinstance(cls.__reduce__, types.FunctionType)
        and not isinstance(cls.__new__, types.FunctionType)
        and cls.__setstate__ is BaseException.__setstate__
        and not isinstance(getattr(cls, "__getstate__", None), types.FunctionType)
    )


def _is_small(cls: type[BaseException]) -> bool:
    """Return True if the builtin base holds nothing but `args`, which its ``__new__`` sets."""
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    return builtin.__basicsize__ == BaseException.__basicsize__


def _split(error: BaseException, state: Any) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what of the state stands in ``__dict__``, and what only ``setattr`` reaches."""
    own = vars(error)
    attributes = {name: value for name, value in (state or {}).items() if name in own}
    slots = {name: value for name, value in (state or {}).items() if name not in own}
    return attributes or None, slots or None


def _subscript(origin: Any, args: tuple[Any, ...]) -> Expression:
    names = {f"arg{i}": arg for i, arg in enumerate(args)}
    return Expression.of(f"origin[{', '.join(names) or '()'}]", {"origin": origin, **names})


@rule(types.GenericAlias)
def reduce_generic(alias: Any) -> Reduced:
    """Reduce a generic type to its subscription: ``list[int]``."""
    origin, args = alias.__origin__, alias.__args__
    # A class may have any __class_getitem__, or none.
    made = made_by(operator.getitem, origin, args[0] if len(args) == 1 else args)
    if type(made) is not types.GenericAlias or made != alias:
        return reduce_by_protocol(alias)
    return _subscript(origin, args)


@rule(type(collections.abc.Callable[[], None]))
def reduce_callable(alias: Any) -> Reduced:
    """Reduce the type of a function to its subscription: ``Callable[[int], str]``."""
    _, (origin, args) = alias.__reduce__()
    return _subscript(origin, args)


@rule(types.UnionType)
def reduce_union(union: Any) -> Reduced:
    """Reduce a union to its alternatives: ``int | None``."""
    parts = [None if part is type(None) else part for part in union.__args__]
    if any(isinstance(part, str | typing.ForwardRef) for part in parts):
        return reduce_by_protocol(union)
    args = {f"part{i}": part for i, part in enumerate(parts)}
    return Expression.of(" | ".join(args), args)


@rule(typing.ParamSpecArgs, typing.ParamSpecKwargs)
def reduce_parameters(parameters: Any) -> Reduced:
    """Reduce the arguments of a parameter specification to an attribute of it."""
    return Attribute(parameters.__origin__, type(parameters).__name__[len("ParamSpec") :].lower())


@rule(typing.ForwardRef)
def reduce_forward_reference(reference: Any) -> Reduced:
    """Reduce a reference to a type that is defined later to its text."""
    module = getattr(reference, "__forward_module__", None)
    kwargs = {} if module is None else {"module": module}
    return Reduction(typing.ForwardRef, (reference.__forward_arg__,), kwargs)


def reduce_form(form: Any) -> Reduced:
    """Reduce a form of typing with its arguments to the subscription that makes it."""
    reduced = reduce_by_protocol(form)
    if isinstance(reduced, Expression):
        key = reduced.args["key"]
        return _subscript(reduced.args["owner"], key if type(key) is tuple else (key,))
    return reduced


registry.register_predicate(
    lambda cls: cls.__module__ == "typing" and hasattr(cls, "__getitem__"), reduce_form
)
