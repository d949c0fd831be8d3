"""Figures of matplotlib."""

from __future__ import annotations

from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.colors
import matplotlib.path
import matplotlib.pyplot as plt
import matplotlib.transforms
import numpy
from matplotlib.figure import Figure

__all__ = ["OBJECTS", "check"]


def lines() -> Any:
    """Return a figure with lines, a legend and labels."""
    figure = Figure(figsize=(2, 2), dpi=50)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0.5, 0.1, 2.0], label="a", marker="o")
    axes.set(title="t", xlabel="x", ylabel="y")
    axes.legend()
    return figure


def panels() -> Any:
    """Return a figure with two panels."""
    figure = Figure(figsize=(4, 4), dpi=50, layout="constrained")
    one, other = figure.subplots(2, 1, sharex=True)
    one.hist([1, 2, 2, 3])
    image = other.imshow(numpy.arange(4.0).reshape(2, 2), cmap="gray")
    figure.colorbar(image, ax=other)
    return figure


def shown() -> Any:
    """Return a figure of pyplot."""
    figure = plt.figure(figsize=(1, 1))
    figure.gca().scatter([1, 2], [3, 4])
    return figure


OBJECTS = {
    "lines": lines,
    "panels": panels,
    "pyplot": shown,
    "colormap": lambda: matplotlib.colormaps["viridis"],
    "own colormap": lambda: matplotlib.colors.ListedColormap(["red", "#00ff00"], name="own"),
    "norm": lambda: matplotlib.colors.LogNorm(1, 10),
    "path": lambda: matplotlib.path.Path([[0, 0], [1, 1]], [1, 2]),
    "transform": lambda: matplotlib.transforms.Affine2D().scale(2).translate(1, 0),
}


def check(found: Any, wanted: Any) -> None:
    """Compare figures by what they draw, colours by what they map."""
    assert type(found) is type(wanted)
    match wanted:
        case Figure():
            numpy.testing.assert_array_equal(pixels(found), pixels(wanted))
        case matplotlib.colors.Colormap():
            assert found == wanted
            assert found.name == wanted.name
        case matplotlib.colors.Normalize():
            assert found([2.0, 5.0]).tolist() == wanted([2.0, 5.0]).tolist()
        case matplotlib.path.Path():
            numpy.testing.assert_array_equal(found.vertices, wanted.vertices)
            numpy.testing.assert_array_equal(found.codes, wanted.codes)
        case _:
            numpy.testing.assert_array_equal(found.get_matrix(), wanted.get_matrix())


def pixels(figure: Any) -> Any:
    """Return the figure as it is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return numpy.asarray(canvas.buffer_rgba())
