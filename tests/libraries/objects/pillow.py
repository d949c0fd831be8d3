"""Images of Pillow."""

from __future__ import annotations

from typing import Any

import PIL.Image

__all__ = ["OBJECTS", "check"]

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16")


def image(mode: str, size: tuple[int, int] = (3, 2)) -> Any:
    """Return an image whose pixels differ."""
    made = PIL.Image.new(mode, size)
    bands = len(made.getbands())
    for i in range(size[0] * size[1]):
        value: Any = (
            (i * 40) % 256 if bands == 1 else tuple((i * 40 + b) % 256 for b in range(bands))
        )
        made.putpixel((i % size[0], i // size[0]), value)
    return made


def with_palette() -> Any:
    """Return an image of indexed colours, and what a file says of it."""
    made = image("P")
    made.putpalette([255, 0, 0, 0, 255, 0])
    made.info["dpi"] = (72, 72)
    return made


OBJECTS: dict[str, Any] = {mode: lambda mode=mode: image(mode) for mode in MODES}
OBJECTS |= {
    "palette": with_palette,
    "large": lambda: image("RGB", (40, 30)),
    "empty": lambda: PIL.Image.new("RGB", (0, 0)),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as Pillow does: mode, size, palette, info and pixels."""
    assert type(found) is type(wanted)
    assert found == wanted
    assert found.getpalette() == wanted.getpalette()
