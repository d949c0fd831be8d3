"""Attributes of trials as CSV and back: each value, and the types of columns."""

import csv
import datetime
import io
import math

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist.errors import DamagedError
from persist.experiment import TaskReader, TrialWriter
from persist.experiment.columns import Kind, Table, frame_of, kind_of
from persist.experiment.csv_text import parse_csv

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
LOOKALIKES = st.sampled_from(["", "007", "True", "nan", "NA", "1e5", ",", '"', "\n", "\r\n", " x "])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, LOOKALIKES)
NAMES = TEXTS.filter(lambda name: name and not name.startswith("\ufeff"))


def same(one, other):
    return type(one) is type(other) and (one == other or (one != one and other != other))


@settings(deadline=None)
@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), max_size=5))
def test_what_is_written_row_by_row_is_read_with_its_types(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("task") / "trials.csv"
    with_rows = TrialWriter(path, durable=False)
    for row in rows:
        with_rows.write(row)
    with_rows.close()
    found = TaskReader(path.parent).columns
    names = list(dict.fromkeys(name for row in rows for name in row))
    assert list(found) == names
    for name in names:
        wanted = [row.get(name) for row in rows]
        assert len(found[name]) == len(wanted)
        assert all(map(same, found[name], wanted)), (found[name], wanted)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_a_table_gives_back_its_bytes(rows):
    one, two = map(list, zip(*rows, strict=True))
    data = Table({"a": one, "b": two}, len(rows)).to_bytes()
    assert Table.of_csv(parse_csv(data)).to_bytes() == data


@given(st.lists(st.lists(st.one_of(LOOKALIKES, TEXTS), min_size=2, max_size=2), max_size=4))
def test_quotes_are_those_of_the_csv_module(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    read = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    rows_found = parse_csv(out.getvalue().encode()).rows
    assert [[field.text for field in row] for row in rows_found] == read[1:]


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([True, False], Kind.BOOL, "bool"),
        ([True, None], Kind.BOOL, "boolean"),
        ([1, 2], Kind.INT, "int64"),
        ([1, None], Kind.INT, "Int64"),
        ([0.5, None], Kind.FLOAT, "float64"),
        ([1, 0.5], Kind.FLOAT, "float64"),
        ([1, math.nan], Kind.FLOAT, "float64"),
        ([2**53 + 1, 0.5], Kind.MIXED, "object"),
        ([2**70, 1], Kind.MIXED, "object"),
        ([True, 1], Kind.MIXED, "object"),
        (["x", 1], Kind.MIXED, "object"),
        ([None, None], Kind.EMPTY, "float64"),
    ],
    ids=str,
)
def test_a_frame_has_the_types_that_were_written(values, kind, dtype):
    pytest.importorskip("pandas")
    assert kind_of(values) == kind
    column = frame_of(Table({"x": values}, len(values)))["x"]
    assert str(column.dtype) == dtype
    assert [
        None if missing else value for value, missing in zip(column, column.isna(), strict=True)
    ] == [None if value is None or value != value else value for value in values]


def test_text_is_what_pandas_makes_of_text():
    pandas = pytest.importorskip("pandas")
    column = frame_of(Table({"x": ["007", None]}, 2))["x"]
    assert column.dtype == pandas.Series(["007", None]).dtype
    assert column[0] == "007"
    assert column.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (numpy.bool_(True), True),
        (numpy.int8(3), 3),
        (numpy.float32(0.1), float(numpy.float32(0.1))),
        (numpy.str_("a"), "a"),
        (numpy.array(5), 5),
        (numpy.datetime64("NaT", "s"), None),
        ([1, "a"], "[1, 'a']"),
        (numpy.arange(3), "[0, 1, 2]"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.timedelta(seconds=1), "0:00:01"),
        (1 + 2j, "(1+2j)"),
    ],
    ids=repr,
)
def test_other_values_become_those_that_csv_has(tmp_path, value, found):
    TrialWriter(tmp_path / "trials.csv").write({"x": value})
    values = TaskReader(tmp_path).columns["x"]
    assert same(values[0], found), values


def test_pandas_missing_values_are_missing(tmp_path):
    pandas = pytest.importorskip("pandas")
    writer = TrialWriter(tmp_path / "trials.csv")
    writer.write({"x": pandas.NA, "y": pandas.NaT, "z": 1})
    assert writer.data == {"x": [None], "y": [None], "z": [1]}


def test_the_text_of_an_array_is_whole(tmp_path):
    writer = TrialWriter(tmp_path / "trials.csv")
    writer.write({"x": numpy.arange(5000)})
    assert eval(writer.data["x"][0]) == list(range(5000))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_csv_file_holds_is_refused(tmp_path, text):
    writer = TrialWriter(tmp_path / "trials.csv")
    with pytest.raises(ValueError, match=r"^x (holds|is not)"):
        writer.write({"x": text})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b\n1,x\n007,y\n", {"a": [1, 7], "b": ["x", "y"]}),
        ("a\n1\nx\n", {"a": ["1", "x"]}),
        ("a,b\nTrue,\nFalse,NA\n", {"a": [True, False], "b": [None, None]}),
        ("a,b\r\n1.5,\r\n2,inf\r\n", {"a": [1.5, 2], "b": [None, math.inf]}),
        ("\ufeffa,b\n1,2", {"a": [1], "b": [2]}),
        ("a,a,b\n1,2,\n", {"a": [1], "a.1": [2], "b": [None]}),
        ("a,a,a.1\n1,2,3\n", {"a": [1], "a.2": [2], "a.1": [3]}),
        ("\n\r\na,b\n1,2", {"a": [1], "b": [2]}),
        ("\n\n", {}),
        ("a,b\n1,2\n3", {"a": [1], "b": [2]}),
        ('a,b\n1,2\n3,"x\n', {"a": [1], "b": [2]}),
        ("", {}),
        ("a,b", {}),
    ],
)
def test_what_other_software_writes_is_read_as_pandas_does(tmp_path, text, columns):
    (tmp_path / "trials.csv").write_text(text, newline="")
    reader = TaskReader(tmp_path)
    assert reader.columns == columns


def test_half_a_character_at_the_end_is_dropped_and_said(tmp_path, caplog):
    (tmp_path / "trials.csv").write_bytes("a,b\n1,2\n3,é".encode()[:-1])
    reader = TaskReader(tmp_path)
    assert reader.columns == {"a": [1], "b": [2]}
    assert reader.dropped == ["row 1: not whole: '3,\ufffd'"]
    assert "left out a row that is not whole" in caplog.text


@pytest.mark.parametrize("data", [b"a\n1,2\n", b"a\n\xff\n"])
def test_what_is_no_csv_is_an_error_that_names_the_file(tmp_path, data):
    (tmp_path / "trials.csv").write_bytes(data)
    with pytest.raises(DamagedError, match=r"cannot read .*trials\.csv"):
        _ = TaskReader(tmp_path).columns


def test_the_line_that_names_the_separator_for_excel_is_refused(tmp_path):
    (tmp_path / "trials.csv").write_text("sep=;\r\nblock;trial\r\n0;0\r\n")
    with pytest.raises(DamagedError, match=r"first line names the separator.*remove"):
        _ = TaskReader(tmp_path).columns


def test_a_column_may_be_called_like_that_line(tmp_path):
    with TrialWriter(tmp_path / "trials.csv") as trials:
        trials.write({"sep=": 1, "x": 2})
        assert trials.data == {"sep=": [1], "x": [2]}


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n", b"\xef\xbb\xbf\r\n"])
def test_a_file_without_columns_gets_those_of_the_first_row(tmp_path, data):
    path = tmp_path / "trials.csv"
    path.write_bytes(data)
    with TrialWriter(path) as trials:
        trials.write({"x": 1})
        assert trials.data == {"x": [1]}


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf\n", b"\xef\xbb\xbf\r\n\r\n", b"\n"])
def test_a_new_column_is_added_to_the_first_line_that_is_not_empty(tmp_path, start):
    path = tmp_path / "trials.csv"
    path.write_bytes(start + b"a,b\n1,2\n")
    with TrialWriter(path) as trials:
        trials.write({"a": 3, "x": 4})
        assert trials.data == {"a": [1, 3], "b": [2, None], "x": [None, 4]}
    assert path.read_bytes() == start + b"a,b,x\n1,2,\n3,,4\n"


def test_a_value_goes_into_the_first_of_two_columns_of_one_name(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("block,trial,block\n0,0,5\n")
    with TrialWriter(path) as trials:
        trials.write({"block": 7, "trial": 1})
        found = trials.data
    assert found == {"block": [0, 7], "trial": [0, 1], "block.1": [5, None]}
    assert pandas.read_csv(path)["block"].tolist() == [0, 7]
