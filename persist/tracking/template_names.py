"""The folders of templates: names that lead nowhere else, on any system."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["checked_category", "safe_name"]

_REMOVED = '<>:"/\\|?*'
# Windows takes these for devices, in any folder and with any extension.
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


def safe_name(name: Any) -> str:
    """Return the folder of a template; names that differ in case and blanks have the same.

    Raises
    ------
    ValueError
        If no folder can have the name.
    """
    if not isinstance(name, str):
        raise ValueError(f"Invalid template name: {name!r}; it must be text")
    safe = "".join(c for c in name.strip().replace(" ", "_") if c not in _REMOVED).lower()
    safe = unicodedata.normalize("NFC", safe)
    _check_folder(safe, "template name", name)
    return safe


def checked_category(category: Any) -> str:
    """Return a category, which is the name of its folder, or raise ValueError if none can be."""
    if not isinstance(category, str) or any(c in _REMOVED for c in category):
        raise ValueError(
            f"Invalid category: {category!r}; choose text without any of {' '.join(_REMOVED)}"
        )
    _check_folder(category, "category", category)
    return category


def _check_folder(folder: str, what: str, given: str) -> None:
    """Refuse what would not be one folder inside the library."""
    if (
        not folder
        or folder[0] == "."
        or folder[-1] in ". "
        or not all(c.isprintable() for c in folder)
        or folder.partition(".")[0].lower() in _DEVICES
        or len(folder.encode("utf-8", "surrogatepass")) > 200
    ):
        raise ValueError(
            f"Invalid {what}: {given!r}; choose printable text that does not begin with a dot, "
            "does not end with one, and is no device of Windows"
        )
