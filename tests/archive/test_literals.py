"""Atoms as literals."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from persist.archive import Archive, restore
from persist.archive.literals import is_constant, literal

HUGE = 1 << 20_000


def back(atom: Any) -> Any:
    archive = Archive(scoped=False)
    archive.insert(x=atom)
    return restore(str(archive))["x"]


@pytest.mark.parametrize(
    "atom",
    [0, -1, HUGE, -HUGE, True, None, ..., NotImplemented, "", "a'b\"c\\", "\x00\x7f\n", "\ud800"],
    ids=lambda atom: type(atom).__name__,
)
def test_atoms_come_back_equal_and_of_their_type(atom: Any) -> None:
    assert type(back(atom)) is type(atom)
    assert back(atom) == atom


@pytest.mark.parametrize("bits", ["7ff8000000000000", "fff8000000000000", "7ff8000000000123"])
def test_the_bits_of_nan_come_back(bits: str) -> None:
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert struct.pack(">d", back(number)).hex() == bits


@pytest.mark.parametrize("real", [0.0, -0.0, 1.5, math.inf, -math.inf])
@pytest.mark.parametrize("imaginary", [0.0, -0.0, -2.5, math.inf, -math.inf])
def test_the_signs_of_complex_parts_come_back(real: float, imaginary: float) -> None:
    number = complex(real, imaginary)
    found = back([number])[0]
    assert struct.pack("dd", found.real, found.imag) == struct.pack("dd", real, imaginary)


def test_text_shows_what_was_printable_in_every_python() -> None:
    assert literal("naïve Ωµ 中文") == "'naïve Ωµ 中文'"
    assert literal("\u202e\u2028\U0001fae8") == r"'\u202e\u2028\U0001fae8'"


def test_a_tuple_of_atoms_is_a_value_unless_the_compiler_keeps_it_apart() -> None:
    assert is_constant((1, (2.5, "a"), b"", None, ...))
    assert not is_constant((1, [2]))
    assert not is_constant((math.nan,))
    assert not is_constant((NotImplemented,))
