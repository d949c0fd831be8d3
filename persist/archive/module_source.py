"""What stands in a saved module after the source of its archive."""

from __future__ import annotations

__all__ = ["closing_source"]

# On reload, an item that took the place of its module in sys.modules would never be read again.
# Items may be called as builtins are, so those that are used here are imported.
_FORGET = """
def _forget_items():
    # An item took the place of its module: importlib.reload lets it be read again.
    import sys
    import types
    from builtins import globals, isinstance, list

    namespace = globals()
    for name in list(namespace):
        full_name = __name__ + '.' + name
        if not isinstance(sys.modules.get(full_name, sys), types.ModuleType):
            del sys.modules[full_name]
            del namespace[name]


_forget_items()
del _forget_items
"""


def closing_source(item: str | None, clear_on_reload: bool = True) -> str:
    """Return the last lines of a module.

    Parameters
    ----------
    item : str or None
        The name whose object takes the place of the module when it is imported.
    clear_on_reload : bool, optional
        Without an item, let ``importlib.reload`` of the module forget items that replaced
        submodules.
    """
    if item is None:
        return _FORGET if clear_on_reload else ""
    if item == "sys":
        return "import sys as _sys\n_sys.modules[__name__] = sys"
    return f"import sys\nsys.modules[__name__] = {item}"
