import csv

import pytest

from persist.cli.sources import Listed
from persist.cli.sources.delimited import DelimitedSource


@pytest.fixture
def source(tmp_path):
    def write(text, name="x.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding, newline="")
        return DelimitedSource(str(path))

    return write


def columns(source):
    names = [listed.name for listed in source.names()]
    values = [source.load(name).value for name in names]
    return {name: list(value) for name, value in zip(names, values, strict=True)}


def test_each_column_is_an_array_named_by_the_header(source):
    found = source("time, unit\n0.5,mV\n1,\n")
    assert found.names() == [Listed("time"), Listed("unit")]
    assert columns(found) == {"time": [0.5, 1.0], "unit": ["mV", ""]}


@pytest.mark.parametrize(
    ("name", "delimiter"), [("x.csv", ","), ("x.csv", ";"), ("x.csv", "\t"), ("x.TSV", "\t")]
)
def test_the_delimiter_is_found_in_the_header(source, name, delimiter):
    text = "a,b\n1,2\n".replace(",", delimiter)
    assert columns(source(text, name)) == {"a": [1], "b": [2]}


def test_a_tsv_is_delimited_by_tabs_only(source):
    assert columns(source("a,b\n1\n", "x.tsv")) == {"a,b": [1]}


def test_quoted_cells_hold_anything(source):
    found = columns(source('a,"b,c"\r\n"x""y","line\nline"\r\n'))
    assert found == {"a": ['x"y'], "b,c": ["line\nline"]}


def test_a_byte_order_mark_is_no_part_of_the_header(source):
    assert columns(source("a\n1\n", encoding="utf-8-sig")) == {"a": [1]}


def test_blank_lines_are_no_rows(source):
    assert columns(source("\na,b\n\n1,2\n\n")) == {"a": [1], "b": [2]}


def test_the_delimiter_is_found_behind_blank_lines(source):
    assert columns(source("\n\r\na;b\n1;2\n")) == {"a": [1], "b": [2]}


def test_the_last_line_needs_no_end(source):
    assert columns(source("a\n1")) == {"a": [1]}


def test_a_header_alone_makes_empty_columns(source):
    assert columns(source("a,b\n")) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header is missing"),
        ("\n\n", "header is missing"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,b, a\n1,2,3\n", "'a' more than once"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, and the header has 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells, and the header has 2"),
        ('a,b\n"1\n",2\n3\n', "line 4 has 1 cells"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
    ],
)
def test_what_is_no_table_is_an_error(source, text, message):
    with pytest.raises(ValueError, match=message):
        source(text).names()


def test_another_encoding_is_an_error(source):
    with pytest.raises(ValueError, match="utf-8"):
        source("größe\n1\n", encoding="latin-1").names()


def test_one_long_cell_does_not_make_all_others_as_long(source):
    cells = ["a" * 200_000, *["b"] * 5_000]
    found = source("text\n" + "\n".join(cells)).load("text").value
    assert found == cells


def test_a_cell_may_be_as_long_as_it_is(source):
    limit = csv.field_size_limit()
    assert columns(source(f"a,b\n{'x' * 200_000},1\n")) == {"a": ["x" * 200_000], "b": [1]}
    assert csv.field_size_limit() == limit
