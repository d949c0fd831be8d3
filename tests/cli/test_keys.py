import pytest
from hypothesis import given
from hypothesis import strategies as st

from persist.cli.keys import key_for
from persist.names import is_identifier


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("x", "x"),
        ("Größe", "Größe"),
        ("a/b", "a_b"),
        ("a -- b", "a_b"),
        ("a__b", "a__b"),
        ("spikes (ms)", "spikes_ms_"),
        ("1st", "x1st"),
        ("_x", "x_x"),
        ("__x__", "x__x__"),
        ("%", "x_"),
        ("", "x"),
        ("class", "class_"),
        ("None", "None_"),
        ("async", "async_"),
        ("ﬁt²", "fit2"),
        ("\u0308", "ẍ"),
        ("../x", "x_x"),
    ],
)
def test_names_become_keys(name, key):
    assert key_for(name) == key


@given(st.text())
def test_every_name_becomes_a_key(name):
    key = key_for(name)
    assert is_identifier(key)
    assert not key.startswith("_")
    assert key_for(key) == key


@given(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]*", fullmatch=True).filter(is_identifier))
def test_a_key_stays_as_it_is(name):
    assert key_for(name) == name
