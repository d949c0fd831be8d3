"""The interface of objects that describe themselves, with zope.interface or without it.

A class takes part by defining ``get_persistent_rep``; declaring it to implement `IArchivable` is
for programs that already speak zope.interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    _Class = TypeVar("_Class", bound=type)

__all__ = ["IArchivable", "Interface", "classImplements", "implementer"]

try:
    from zope.interface import Interface, classImplements, implementer
except ImportError:

    class Interface:  # type: ignore[no-redef]
        """Stand in for ``zope.interface.Interface``: nothing provides it."""

        @classmethod
        def providedBy(cls, obj: object) -> bool:  # noqa: N802 - zope's spelling
            """Return False."""
            return False

        @classmethod
        def implementedBy(cls, other: type) -> bool:  # noqa: N802 - zope's spelling
            """Return False."""
            return False

    def classImplements(cls: type, *interfaces: type) -> None:  # noqa: N802 - zope's spelling
        """Do nothing."""

    def implementer(*interfaces: type) -> Callable[[_Class], _Class]:
        """Return a decorator that leaves the class as it is."""
        return lambda cls: cls


class IArchivable(Interface):  # type: ignore[misc]
    """An object that says by which expression it is made again."""

    # An interface of zope declares its methods without self.
    def get_persistent_rep(env: Mapping[str, Any] | None = None) -> Any:  # noqa: N805
        """Return ``(rep, args, imports)``.

        Parameters
        ----------
        env : mapping, optional
            The names that expressions may use besides builtins.

        Returns
        -------
        rep : str
            An expression that makes the object.
        args : dict
            The names in `rep` that stand for objects, and these objects.
        imports : list of tuple
            ``(module, name, as_name)`` for each other name in `rep`; a `name` of None imports the
            module itself.
        """
