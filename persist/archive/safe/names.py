"""What the names that a source imports stand for: a table, what the caller trusts, or nothing."""

from __future__ import annotations

import enum
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from typing import Any

import numpy

from persist.archive.reduction import Import
from persist.archive.registry import dotted_name
from persist.archive.safe.missing import Missing, called
from persist.archive.safe.table import (
    ENTRIES,
    Entry,
    Load,
    Token,
    can_be_called,
    describe,
    is_dunder,
    is_ufunc,
    untrusted,
)
from persist.errors import ArchiveError, ArgumentTypeError, UntrustedError

__all__ = ["Names"]

_LONGEST_CTYPE = 150  # characters; ctypes cuts the names of arrays of arrays at 200
_METHODS = (types.MethodType, types.BuiltinMethodType)


class Names:
    """Finds what tokens stand for.

    Parameters
    ----------
    trusted : iterable of str
        Dotted names, and prefixes that end in a dot.
    renames, missing
        See `persist.load`.
    load : Load
        What the load may take, and what was made by calling trusted names.
    """

    def __init__(
        self,
        trusted: Iterable[str],
        renames: Mapping[str, str] | None,
        missing: str,
        load: Load,
    ) -> None:
        if missing not in ("error", "placeholder"):
            raise ArchiveError(f"missing must be 'error' or 'placeholder', got {missing!r}")
        if not isinstance(renames, Mapping | None):
            raise ArgumentTypeError(f"renames must be a mapping of dotted names, got {renames!r}")
        names = [trusted] if isinstance(trusted, str) else list(trusted)
        self._exact = frozenset(name for name in names if not name.endswith("."))
        self._prefixes = tuple(name for name in names if name.endswith("."))
        self._renames = dict(renames or {})
        self._has_placeholders = missing == "placeholder"
        self.load = load
        self._values: dict[Token, Any] = {}
        self._tokens: dict[int, Token] = {}
        self._plans: dict[Token, tuple[str, Entry | None, Any]] = {}

    def value(self, token: Token) -> Any:
        """Return the object that a name stands for, as part of what is read.

        Raises UntrustedError if it is a module, or is neither in the table nor trusted;
        ArchiveError if it is trusted and not found.
        """
        if token in self._values:
            return self._values[token]
        value = self._value(token)
        if not isinstance(value, _METHODS):
            self._values[token] = value
            self._tokens[id(value)] = token
        return value

    def once(self, token: Token) -> Any:
        """Return the method for which a token stands, which is another each time; else the token.

        A method that is given a variable is one object wherever that variable stands.
        """
        value = self.value(token)
        return value if isinstance(value, _METHODS) else token

    def is_named(self, cls: type) -> bool:
        """Return True if a class itself is trusted, not only what it is in."""
        token = self._tokens.get(id(cls))
        return dotted_name(cls) in self._exact or (token is not None and self._is_exact(token))

    def token_of(self, value: Any) -> Token:
        """Return the name by which a class or function was found; UntrustedError if it was not."""
        if id(value) not in self._tokens:
            raise UntrustedError("an object is made of what is not a class that was imported")
        return self._tokens[id(value)]

    def call(self, token: Token, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what a call of a name gives: of the table as far as that goes, else trusted."""
        try:
            return self._call(token, args, kwargs)
        except ArchiveError:
            # What cannot be made of an object that is missing is missing too.
            is_free = can_be_called(self._renamed(token).dotted) or self._is_trusted(token)
            if not (is_free and any(isinstance(v, Missing) for v in (*args, *kwargs.values()))):
                raise
            return called(_gap(token), args, kwargs)

    def _call(self, token: Token, args: list[Any], kwargs: dict[str, Any]) -> Any:
        plan = self._plans.get(token)
        if plan is None:
            plan = self._plans[token] = self._plan(token)
        dotted, entry, function = plan
        if function is not None:
            return self.run(function, dotted, args, kwargs)
        if entry is not None and entry.call is not None:
            try:
                return entry.call(self.load, *args, **kwargs)
            except Exception as error:
                # What is trusted by its own name takes other arguments too.
                if not self._is_exact(token):
                    if isinstance(error, ArchiveError):
                        raise
                    raise UntrustedError(f"cannot build {dotted}: {describe(error)}") from error
        if token.path[-1:] == ("__new__",):
            return self.new(Token(token.module, token.path[:-1]), args, kwargs)
        function = self.value(token)
        if isinstance(function, Missing):
            return called(function, args, kwargs)
        if not self._is_callable(token, function):
            raise untrusted(dotted)
        return self.run(function, dotted, args, kwargs)

    def _plan(self, token: Token) -> tuple[str, Entry | None, Any]:
        """Return the name of a token, its entry, and the function if it is trusted and no more."""
        dotted = self._renamed(token).dotted
        entry = ENTRIES.get(dotted)
        is_special = token.path[-1:] == ("__new__",)
        if entry is not None or is_special or not self._is_trusted(token):
            return dotted, entry, None
        function = self.value(token)
        if isinstance(function, (Missing, *_METHODS)) or not self._is_callable(token, function):
            function = None
        return dotted, None, function

    def new(self, token: Token, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return a new object of a trusted class, without calling its ``__init__``."""
        cls = self.value(token)
        if not args or args[0] is not cls:
            raise UntrustedError(f"{token.dotted}.__new__ must be called with its own class")
        if isinstance(cls, Missing):
            return called(cls, args[1:], kwargs, how="new")
        if not self._is_trusted(token):
            raise untrusted(token.dotted)
        if not isinstance(cls, type):
            raise UntrustedError(f"{token.dotted} is not a class, and has no __new__")
        return self.run(cls.__new__, token.dotted, args, kwargs)

    def run(self, function: Any, dotted: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what a trusted function returns; ArchiveError if it raises."""
        try:
            return self.load.add(function(*args, **kwargs))
        except ArchiveError:
            raise
        except (Exception, SystemExit) as error:
            raise ArchiveError(f"cannot build {dotted}: {describe(error)}") from error

    def item(self, token: Token, key: Any) -> Any:
        """Return what ``token[key]`` stands for: a member of an enumeration, or a type."""
        owner = self.value(token)
        if isinstance(owner, Missing):
            return called(owner, [key], {}, how="item")
        if isinstance(owner, type) and issubclass(owner, enum.Enum) and type(key) is str:
            if key in owner.__members__:
                return owner.__members__[key]
            raise ArchiveError(f"{token.dotted} has no member {key!r}")
        if isinstance(owner, type) and not self._is_trusted(token):
            return types.GenericAlias(owner, key)
        # An alias of a generic type is no class, but an object of typing.
        is_generic = isinstance(owner, type) or type(owner).__module__ == "typing"
        if self._is_trusted(token) and is_generic:
            return self.run(lambda: owner[key], token.dotted, [], {})
        raise UntrustedError(f"{token.dotted} cannot be subscripted")

    def array_class(self, cls: type, length: int) -> Any:
        """Return the class of arrays of a trusted class of ctypes."""
        if not (self.load.has_made_class(cls) or id(cls) in self._tokens):
            raise UntrustedError(f"{cls.__qualname__} is not a class that was imported")
        size = importlib.import_module("ctypes").sizeof(cls)
        if len(cls.__name__) > _LONGEST_CTYPE:
            raise UntrustedError("arrays of ctypes are within each other too deeply")
        if length < 0:
            raise UntrustedError("an array has no negative length")
        self.load.budget.take(length * size)
        made: Any = cls
        return self.load.add(made * length)

    def _value(self, token: Token) -> Any:
        renamed = self._renamed(token)
        dotted = renamed.dotted
        if not token.path:
            raise UntrustedError(f"the module {dotted} cannot be part of what is read")
        entry = ENTRIES.get(dotted)
        if (entry is not None and entry.is_value) or is_ufunc(dotted):
            return _find(renamed)
        if any(map(is_dunder, dotted.split("."))):
            raise UntrustedError(f"{dotted} is not read, trusted or not")
        if not self._is_trusted(token):
            return self._untrusted(token, renamed)
        if _executes(renamed.module) and not self._is_exact(token):
            raise untrusted(dotted)
        try:
            found = _find(renamed, None if self._is_exact(token) else self._prefixes)
        except (ImportError, AttributeError) as error:
            if self._has_placeholders:
                return _gap(token)
            raise ArchiveError(
                f"cannot find {dotted}: {describe(error)}; give its present name as "
                f"renames={{{token.dotted!r}: ...}}, or missing='placeholder' to see its data"
            ) from error
        except UntrustedError:
            raise
        except (Exception, SystemExit) as error:
            raise ArchiveError(f"cannot import {dotted}: {describe(error)}") from error
        if isinstance(found, types.ModuleType):
            raise UntrustedError(f"the module {dotted} cannot be part of what is read")
        return found

    def _untrusted(self, token: Token, renamed: Token) -> Any:
        """Return what needs no trust after all: a member of a trusted enumeration, a gap."""
        owner = Token(token.module, token.path[:-1])
        if owner.path and self._is_trusted(owner):
            cls = self.value(owner)
            if isinstance(cls, Missing):
                return _gap(token)
            if isinstance(cls, type) and issubclass(cls, enum.Enum):
                member = cls.__members__.get(token.path[-1])
                if member is not None:
                    return member
        if self._has_placeholders and _is_gone(renamed):
            return _gap(token)
        raise untrusted(token.dotted)

    def _is_callable(self, token: Token, function: Any) -> bool:
        """Return True if a name may be called: a prefix stands for classes, not for functions."""
        return self._is_exact(token) or (isinstance(function, type) and self._is_trusted(token))

    def _is_exact(self, token: Token) -> bool:
        return not self._exact.isdisjoint((token.dotted, self._renamed(token).dotted))

    def _is_trusted(self, token: Token) -> bool:
        names = (token.dotted, self._renamed(token).dotted)
        return self._is_exact(token) or any(name.startswith(self._prefixes) for name in names)

    def _renamed(self, token: Token) -> Token:
        """Return the token under its present name; that of a class renames what is in it."""
        if not self._renames:
            return token
        for end in range(len(token.path), -1, -1):
            new = self._renames.get(Token(token.module, token.path[:end]).dotted)
            if new is not None:
                module, _, name = new.rpartition(".")
                return Token(module, (name, *token.path[end:])) if module else Token(name)
        return token


def _gap(token: Token) -> Missing:
    return Missing(Import(token.module, ".".join(token.path)))


def _executes(module: str) -> bool:
    """Return True for modules of persist that execute source, unpickle or write.

    No prefix stands for what is in them. The classes of `persist.objects` do not.
    """
    return module.partition(".")[0] == "persist" and module != "persist.objects"


def _find(token: Token, prefixes: tuple[str, ...] | None = None) -> Any:
    """Return the object of a token, each part of it defined below one of the `prefixes`, if given.

    Modules import others, and what they import is not theirs.
    """
    found: Any = _import_part(token.module)
    parts = token.dotted.split(".")[len(found.__name__.split(".")) :]
    for part in parts:
        if prefixes is not None:
            _check_home(found, token, prefixes, is_last=False)
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, types.ModuleType):
                raise
            found = importlib.import_module(f"{found.__name__}.{part}")
    if prefixes is not None:
        _check_home(found, token, prefixes, is_last=True)
    return found


def _import_part(name: str) -> types.ModuleType:
    """Return a module; where the name leads to a class in the end, the module that has it."""
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except ImportError:
        outer, dot, _ = name.rpartition(".")
        if not dot:
            raise
        found = _import_part(outer)
        if hasattr(found, "__path__") and not hasattr(found, name.rpartition(".")[2]):
            raise
        return found


def _check_home(found: Any, token: Token, prefixes: tuple[str, ...], *, is_last: bool) -> None:
    home: Any = None
    if isinstance(found, types.ModuleType):
        home = found.__name__
    elif is_last and isinstance(found, numpy.ufunc):
        return
    else:
        home = getattr(found, "__module__", None)
    is_here = isinstance(home, str) and f"{home}.".startswith(prefixes)
    if not is_here:
        raise UntrustedError(
            f"cannot load {token.dotted}: it is defined in {home}, and only names of that begin "
            f"with {' or '.join(prefixes)} are trusted; if you trust it, give its whole name: "
            f"trusted=[{token.dotted!r}]",
            token.dotted,
        )


def _is_gone(token: Token) -> bool:
    """Return True if a name cannot be imported, as far as can be told without importing it."""
    module = sys.modules.get(token.module)
    if module is not None:
        return not hasattr(module, "__getattr__") and token.path[0] not in vars(module)
    names = token.module.split(".")
    try:
        spec = importlib.util.find_spec(names[0])
        for end in range(2, len(names) + 1):
            if spec is None or spec.submodule_search_locations is None:
                return True
            name = ".".join(names[:end])
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    except (ImportError, ValueError):
        return False
    return spec is None
