"""How far two floats may be apart and yet be the same."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any

from persist.errors import DataSetError

__all__ = ["Tolerance"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are the same if identical, both NaN, or near each other.

    They are near if ``abs(old - new) <= atol + rtol * abs(new)``. Without a tolerance the zeros of
    both signs differ; with any they are the same. Complex numbers are the same if both parts are
    identical or NaN, or if the modulus of their difference is within the tolerance. An infinity is
    the same as itself only. A tolerance that is negative or NaN is a DataSetError.

    Examples
    --------
    >>> Tolerance().same(0.3, 0.1 + 0.2), Tolerance(atol=1e-9).same(0.3, 0.1 + 0.2)
    (False, True)
    """

    rtol: float = 0.0
    atol: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if not value >= 0:
                raise DataSetError(
                    f"cannot compare with {name}={value!r}: it must be a number, 0 or greater"
                )
            object.__setattr__(self, name, float(value))

    @property
    def is_exact(self) -> bool:
        """Whether nothing is tolerated."""
        return not (self.rtol or self.atol)

    def same(self, old: complex, new: complex) -> bool:
        """Return True if two floats, or two complex numbers, are the same."""
        if self._same_part(old.real, new.real) and self._same_part(old.imag, new.imag):
            return True
        return not self.is_exact and self._near(old, new)

    def same_atom(self, old: Any, new: Any) -> bool:
        """Return True if two numbers or texts of one type are the same."""
        if type(old) in (float, complex):
            return self.same(old, new)
        return bool(old == new)

    def _same_part(self, old: float, new: float) -> bool:
        if old == new:
            return not self.is_exact or math.copysign(1, old) == math.copysign(1, new)
        return old != old and new != new

    def _near(self, old: complex, new: complex) -> bool:
        if not (cmath.isfinite(old) and cmath.isfinite(new)):
            return False
        # abs() of a complex number raises where hypot() answers with infinity.
        apart = math.hypot(old.real - new.real, old.imag - new.imag)
        return apart <= self.atol + self.rtol * math.hypot(new.real, new.imag)
