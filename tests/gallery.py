"""What the golden files in ``tests/data`` hold, each for both formats of source.

The files import the classes of this module: change neither their names nor what they are made of.
"""

from __future__ import annotations

import datetime
import enum
import importlib.metadata
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy

__all__ = ["GALLERY", "is_available"]


class Condition(enum.Enum):
    """What a subject was asked to do."""

    REST = "rest"
    TASK = "task"


@dataclass(frozen=True)
class Channel:
    """Where a signal was measured."""

    name: str
    unit: str = "uV"
    gain: float = 1.0


@dataclass
class Recording:
    """Signals of some channels."""

    subject: str
    condition: Condition
    start: datetime.datetime
    channels: list[Channel]
    samples: numpy.ndarray  # (n_samples, n_channels)
    notes: dict[str, Any] = field(default_factory=dict)


class LineFit:
    """A straight line through measurements, by least squares."""

    def __init__(self, weights: str = "equal") -> None:
        self.weights = weights
        self.coefficients: Any = None

    def predict(self, x: float) -> float:
        """Return the value of the line."""
        return float(self.coefficients(x))


class Prior:
    """What was believed of a parameter before the fit; it says itself how it is written."""

    def __init__(self, mean: float, width: float) -> None:
        self.mean = mean
        self.width = width

    def get_persistent_rep(
        self, env: Any = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str, str]]]:
        """Return the expression, its arguments and its imports."""
        imports = [(__name__, "Prior", "Prior")]
        return "Prior(mean, width)", {"mean": self.mean, "width": self.width}, imports


class Region:
    """A part of an anatomy, which knows of what it is a part."""

    def __init__(self, name: str, parent: Region | None = None) -> None:
        self.name = name
        self.parent = parent
        self.parts: list[Region] = []
        if parent is not None:
            parent.parts.append(self)


def table() -> dict[str, Any]:
    """Return results as records and as columns."""
    columns = ["subject", "condition", "trials", "accuracy", "note"]
    rows = [
        ("S01", "rest", 40, 0.725, None),
        ("S01", "task", 38, 0.8157894736842105, "two trials lost"),
        ("S02", "rest", 40, 0.5, None),
        ("S02", "task", 0, float("nan"), "file damaged; don't use"),
    ]
    return {
        "columns": columns,
        "records": [dict(zip(columns, row, strict=True)) for row in rows],
        "accuracy": numpy.array([[0.725, 0.8157894736842105], [0.5, numpy.nan]]),
        "trials": numpy.array([[40, 38], [40, 0]], "i8"),
        "reaction_times": [round(0.25 + 0.0125 * (i * i % 41), 4) for i in range(40)],
    }


def recording() -> dict[str, Any]:
    """Return objects that share a calibration, channels and memory of arrays."""
    channels = [Channel("Fz"), Channel("Cz", gain=2.5), Channel("EOG", unit="mV")]
    samples = numpy.array(
        [[0.5, -1.25, 3.0], [0.75, numpy.nan, 3.5], [-0.1, 1.0, 2.0], [1e-7, 0.0, -0.0]], "f4"
    )
    calibration = {"date": datetime.date(2024, 2, 29), "factors": numpy.array([1.0, 0.98, 1.01])}
    utc = datetime.timezone.utc
    rest = Recording(
        subject="S01",
        condition=Condition.REST,
        start=datetime.datetime(2024, 3, 1, 9, 30, tzinfo=utc),
        channels=channels,
        samples=samples,
        notes={"calibration": calibration, "electrodes": {"Fz": "ok", "Cz": "ok"}},
    )
    task = Recording(
        subject="S01",
        condition=Condition.TASK,
        start=datetime.datetime(2024, 3, 1, 9, 45, tzinfo=utc),
        channels=channels,
        samples=samples[::-1].copy(),
        notes={"calibration": calibration, "artefacts": [(0, 2), (3, 4)]},
    )
    return {
        "recordings": [rest, task],
        "eog": samples[:, 2],
        "first_half": samples[:2],
        "events": numpy.array(
            [(0, b"cue", 0.5), (2, b"key", 1.75)],
            [("sample", "<u4"), ("label", "S4"), ("seconds", "<f8")],
        ),
    }


def model() -> dict[str, Any]:
    """Return a fit, with its parameters and what they were fitted to."""
    fit = LineFit(weights="1/variance")
    fit.coefficients = numpy.polynomial.Polynomial([0.25, 1.5], domain=[0, 4], window=[0, 4])
    fit.covariance = numpy.array([[0.04, -0.01], [-0.01, 0.005]])
    fit.residuals = numpy.array([0.125, -0.25, 0.0, 0.25, -0.125])
    fit.kept = numpy.array([True, True, False, True, True])
    fit.priors = [Prior(0.0, 1.0), Prior(1.5, 0.5)]
    fit.options = OrderedDict(tolerance=1e-10, max_iterations=100, bounds=(-numpy.inf, numpy.inf))
    x = numpy.arange(5.0)
    return {"fit": fit, "x": x, "y": 0.25 + 1.5 * x, "chi_squared": numpy.float64(2.34375)}


def cycle() -> dict[str, Any]:
    """Return a tree whose nodes know their parents, and ways to find its nodes."""
    brain = Region("brain")
    cortex, stem = Region("cortex", brain), Region("brain stem", brain)
    frontal, occipital = Region("frontal", cortex), Region("occipital", cortex)
    by_lobe: defaultdict[str, set[Region]] = defaultdict(set)
    by_lobe["frontal"].add(frontal)
    by_lobe["other"].update([occipital, stem])
    history: list[Any] = ["imported"]
    history.append({"undo": history, "names": {"V1", "M1", "A1"}})
    return {"brain": brain, "by_lobe": by_lobe, "history": history}


def estimator() -> dict[str, Any]:
    """Return a classifier as if fitted, with numbers that no solver has a say in."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=0.5)
    fitted.classes_ = numpy.array(["rest", "task"])
    fitted.coef_ = numpy.array([[1.5, -0.25]])
    fitted.intercept_ = numpy.array([0.125])
    fitted.n_iter_ = numpy.array([7], "i4")
    fitted.n_features_in_ = 2
    return {"fitted": fitted}


GALLERY: dict[str, Callable[[], dict[str, Any]]] = {
    "table": table,
    "recording": recording,
    "model": model,
    "cycle": cycle,
    "estimator": estimator,
}
"""The name of each pair of files, and what makes their content."""

# The state of an estimator is that of one release of scikit-learn, which it names.
NEEDED = {"estimator": ("scikit-learn", "1.9.1")}


def is_available(name: str) -> bool:
    """Tell whether what makes this item is here, in the release that the files know."""
    if name not in NEEDED:
        return True
    package, version = NEEDED[name]
    try:
        return importlib.metadata.version(package) == version
    except importlib.metadata.PackageNotFoundError:
        return False
