"""The one lookup: what an object reduces to.

1. `get_persistent_rep` on the class of the object, the protocol of users' own classes;
2. the registry: exact type, then bases, then predicates;
3. `copyreg.dispatch_table`, then `__reduce_ex__`, the protocol that pickle and copy share;
4. an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from persist.archive import rules
from persist.archive.own import own_method, reduce_by_own
from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced
from persist.archive.registry import registry

__all__ = ["reduce"]

rules.load()


def reduce(obj: Any, env: Mapping[str, Any] | None = None) -> Reduced:
    """Return what `obj` reduces to.

    Parameters
    ----------
    obj : object
        Any object. Numbers, text, lists, tuples and dicts are for the writers to write as they are.
    env : mapping, optional
        Handed to `get_persistent_rep`.

    Returns
    -------
    Import, Attribute, Expression, Data or Reduction

    Raises
    ------
    UnsupportedObjectError
        If the object has no form as source.
    """
    cls: Any = type(obj)
    own = own_method(cls)
    if own is not None:
        answer = reduce_by_own(obj, own, env)
        if answer is not None:
            return answer
    rule = registry.find(cls)
    return reduce_by_protocol(obj) if rule is None else rule(obj)
