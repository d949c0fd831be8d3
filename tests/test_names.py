import ast
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.names import UniqueNames, check_identifier, is_identifier, unique_list


@pytest.mark.parametrize("name", ["x", "_x", "x1", "match", "type", "é", "变量", "print"])
def test_identifiers_are_accepted(name):
    assert is_identifier(name)
    assert check_identifier(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1",
        "x.y",
        "../x",
        "a b",
        "x\n",
        "class",
        "None",
        "async",
        "await",
        "ﬁ",
        "a\0",
        1,
        None,
        b"x",
    ],
)
def test_others_are_refused(name):
    assert not is_identifier(name)
    with pytest.raises(ValueError, match="what it is must be a Python identifier"):
        check_identifier(name, "what it is")


def is_variable(name):
    """Tell whether the parser takes `name` for a variable of exactly that name."""
    try:
        (statement,) = ast.parse(f"{name} = 1").body
        return statement.targets[0].id == name
    except (SyntaxError, ValueError, AttributeError):
        return False


@given(st.text(max_size=5) | st.text("ab_1.Ωﬁé ", max_size=4))
def test_an_identifier_is_a_variable_of_that_name(name):
    assert is_identifier(name) == (is_variable(name) and name not in ("async", "await"))


def test_no_keyword_is_an_identifier():
    assert not any(map(is_identifier, keyword.kwlist))


def test_what_the_compiler_does_not_assign_to_is_no_identifier():
    assert not is_identifier("__debug__")


def test_a_list_is_made_distinct():
    assert unique_list([3, 1, 3, 2, 1]) == [3, 1, 2]
    assert unique_list([3, 1, 3, 2, 1], preserve_order=False) == [1, 2, 3]
    assert unique_list(iter("abab")) == ["a", "b"]
    assert unique_list([]) == []


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("x", "x_8"),
        ("x_3", "x_8"),
        ("x_7", "x_8"),
        ("x_8", "x_8"),
        ("x_9", "x_9"),
        ("y", "y_0"),
        ("z", "z"),
        ("z_4", "z_4"),
        ("x_y", "x_y"),
        ("_1", "_1"),
    ],
)
def test_a_free_name_is_numbered_above_all(name, free):
    names = UniqueNames(["x", "x_1", "x_7", "y"])
    assert names.unique(name) == names.unique(name) == free


def test_a_name_can_be_taken():
    names = UniqueNames()
    assert [names.take("x") for _ in range(3)] == ["x", "x_0", "x_1"]
    assert "x_1" in names
    assert "x_2" not in names
    assert names.names == {"x", "x_0", "x_1"}


@given(st.lists(st.from_regex(r"[xy](_[0-9]{1,2})?", fullmatch=True)))
def test_taken_names_never_clash(wanted):
    names = UniqueNames()
    taken = [names.take(name) for name in wanted]
    assert len(set(taken)) == len(taken)
