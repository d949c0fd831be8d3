"""Expressions split at their free names."""

from __future__ import annotations

import pytest

from persist.archive.template import parse_template
from persist.errors import ArchiveError


def test_names_in_text_and_attributes_are_not_names() -> None:
    template = parse_template("make('x', x.y, y=x)  # x")
    assert template.names == ("make", "x", "x")
    assert template.pieces == ("", "('x', ", ".y, y=", ")  # x")


def test_names_bound_inside_are_not_free() -> None:
    assert parse_template("[i + n for i in items]").names == ("n", "items")
    assert parse_template("lambda a, *b: a + c").names == ("c",)


def test_names_are_found_behind_text_that_is_not_ascii() -> None:
    template = parse_template("f('é中', n)")
    assert template.pieces == ("", "('é中', ", ")")


def test_a_call_of_names_is_told_apart() -> None:
    assert parse_template("Point(x=x, y=b)").call == ("Point", (("x", "x"), ("y", "b")))
    assert parse_template("Point(1, y=b)").call is None


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ArchiveError, match="not an expression"):
        parse_template("<object>")
