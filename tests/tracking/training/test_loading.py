"""Data from files: what is a header, a number, a missing cell."""

import gzip

import numpy
import pytest

pytest.importorskip("polars")
pytest.importorskip("sklearn")
pytest.importorskip("duckdb")

import pandas
import polars
from sklearn.linear_model import Ridge

from persist.tracking import load_data, run
from persist.tracking.errors import DataError
from tests.effort import IS_SHORT

GENERATOR = numpy.random.default_rng(4)
X = GENERATOR.random((30, 6)).round(4)
Y = (X.sum(axis=1) * 10).round(3)
WAVELENGTHS = [1100 + 2 * i for i in range(6)]


def lines(rows, separator=";", decimal=".", header=None):
    """Return rows as the text of a file."""
    texts = [] if header is None else [separator.join(map(str, header))]
    for row in rows:
        cells = [str(cell) if isinstance(cell, str) else f"{cell:.10g}" for cell in row]
        texts.append(separator.join(cell.replace(".", decimal) for cell in cells))
    return "\n".join(texts) + "\n"


@pytest.mark.parametrize("separator", [";", ",", "\t", " "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize(
    "header",
    [
        None,
        WAVELENGTHS,
        WAVELENGTHS[::-1],
        [w / 2 for w in WAVELENGTHS],
        [f'"{w}"' for w in WAVELENGTHS],
        list("abcdef"),
        ["1100 nm", *WAVELENGTHS[1:]],
        [400, 401, 417, 433, 500, 501],
    ],
    ids=["none", "up", "down", "half", "quoted", "text", "units", "uneven"],
)
def test_a_folder_is_read_whatever_its_form(tmp_path, separator, decimal, header):
    if separator == decimal or (separator == " " and header and "nm" in str(header)):
        pytest.skip("no such file")
    for name, rows, columns in (
        ("Xcal", X[:20], header), ("Xval", X[20:], header),
        ("Ycal", Y[:20, None], header and ["protein"]), ("Yval", Y[20:, None], None),
    ):  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(lines(rows, separator, decimal, columns))
    [data] = load_data(tmp_path)
    numpy.testing.assert_allclose(numpy.asarray(data.X), X[:20])
    numpy.testing.assert_allclose(numpy.asarray(data.X_test), X[20:])
    numpy.testing.assert_allclose(data.y, Y[:20])
    numpy.testing.assert_allclose(data.y_test, Y[20:])
    if header is None:
        assert data.feature_names is None
    elif header != list("abcdef"):
        numbers = [float(str(w).strip('"').removesuffix(" nm")) for w in header]
        assert data.wavelengths.tolist() == numbers
    if header is not None:
        assert data.target_names == ("protein",)


def test_what_cannot_be_found_out_can_be_given(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(lines(X[:5, :3], header=[3, 1, 2]))
    assert load_data(path)[0].X.shape == (6, 2)
    assert load_data(path, header=True)[0].X.shape == (5, 2)
    path.write_text(lines(X[:5, :3], separator="|"))
    assert load_data(path, separator="|")[0].X.shape == (5, 2)
    # One column of decimal commas looks like two columns.
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "X.csv").write_text(lines(X, decimal=","))
    (folder / "y.csv").write_text(lines(Y[:, None], decimal=","))
    numpy.testing.assert_allclose(load_data(folder)[0].y, Y)


def test_rows_of_samples_are_never_taken_for_a_header(tmp_path):
    for number in range(40 if IS_SHORT else 200):
        rows = numpy.random.default_rng(number).random((8, 5)) * 10.0 ** (number % 4)
        path = tmp_path / "data.csv"
        numpy.savetxt(path, rows, delimiter=";")
        assert load_data(path)[0].X.shape == (8, 4)
        rows.sort(axis=1)
        numpy.savetxt(path, rows, delimiter=";")
        assert load_data(path)[0].X.shape == (8, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", ";\n").encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: ("\ufeff" + text).encode(),
        lambda text: text.replace("a;", "\u00b5a;", 1).encode("cp1252"),
    ],
    ids=["utf-16", "separator at the end", "carriage return", "mark", "code page"],
)
def test_files_of_spreadsheets_are_read(tmp_path, change):
    path = tmp_path / "data.csv"
    path.write_bytes(change(lines(numpy.c_[X, Y], ";", ",", [*"abcdef", "y"])))
    [data] = load_data(path)
    numpy.testing.assert_allclose(numpy.asarray(data.X), X)
    numpy.testing.assert_allclose(data.y, Y)
    assert data.target_names == ("y",)


def test_labels_and_missing_cells_may_stand_between_blanks(tmp_path):
    labels = ["hard" if y > Y.mean() else "soft" for y in Y]
    rows = [[*map(str, row), label] for row, label in zip(X, labels, strict=True)]
    rows[2][3] = rows[-1][0] = "NA"
    (tmp_path / "data.txt").write_text("\n".join("  ".join(row) for row in rows))
    [data] = load_data(tmp_path / "data.txt")
    found = numpy.asarray(data.X, float)
    assert list(map(tuple, numpy.argwhere(numpy.isnan(found)))) == [(2, 3), (29, 0)]
    numpy.testing.assert_allclose(found[3:29], X[3:29])
    assert data.y.tolist() == labels


def test_quoted_numbers_may_have_a_decimal_comma_between_commas(tmp_path):
    rows = [[f'"{cell:.4f}"'.replace(".", ",") for cell in row] for row in numpy.c_[X, Y]]
    (tmp_path / "data.csv").write_text("\n".join(map(",".join, rows)))
    [data] = load_data(tmp_path / "data.csv")
    numpy.testing.assert_allclose(numpy.asarray(data.X), X)
    numpy.testing.assert_allclose(data.y, Y)


def test_columns_are_chosen_by_name(tmp_path):
    frame = pandas.DataFrame(X, columns=list(map(str, WAVELENGTHS)))
    frame.insert(0, "sample", [f"s{i}" for i in range(30)])
    frame["site"], frame["w"] = list("abc") * 10, numpy.linspace(1, 2, 30)
    frame["protein"], frame["fat"] = Y, 2 * Y
    frame.to_csv(tmp_path / "all.csv", index=False, sep=";", decimal=",")
    for source in (tmp_path / "all.csv", frame):
        [data] = load_data(
            source, ["protein", "fat"], index="sample", groups="site", sample_weight="w"
        )
        assert data.feature_names == list(map(str, WAVELENGTHS))
        assert data.wavelengths.tolist() == WAVELENGTHS
        assert data.ids[:2].tolist() == ["s0", "s1"]
        assert data.groups[:3].tolist() == ["a", "b", "c"]
        numpy.testing.assert_allclose(data.y, numpy.column_stack([Y, 2 * Y]))
        text = data.preview()
        for shown in ("30 samples, 6 features", "1100 to 1110", "protein, fat", "s0", "a, b, c"):
            assert shown in text
    with pytest.raises(ValueError, match="no column 'sugar'"):
        load_data(frame, "sugar")
    with pytest.raises(ValueError, match="no names of columns"):
        load_data((X, Y), groups="site")


def test_frames_of_any_library_are_data():
    import polars
    import pyarrow

    frame = polars.DataFrame({f"x{i}": X[:, i] for i in range(6)} | {"y": Y})
    sources = [
        frame, frame.lazy(), frame.to_arrow(), frame.to_pandas(),
        (frame.drop("y").lazy(), frame["y"]), {"X": frame.lazy()},
        {"X": frame.drop("y"), "y": frame.select("y")},
    ]  # fmt: skip
    assert isinstance(sources[2], pyarrow.Table)
    for source in sources:
        [data] = load_data(source)
        assert data.feature_names == [f"x{i}" for i in range(6)]
        assert data.wavelengths is None
        numpy.testing.assert_array_equal(data.y, Y)
        assert data.ids is None


def test_cells_without_a_value_and_labels(tmp_path):
    text = "a,b,class\n1,,low\nNA,2,high\n3, 4 ,low\n"
    with gzip.open(tmp_path / "data.csv.gz", "wt", encoding="latin-1") as file:
        file.write(text.replace("a,", "a\xb5,", 1))
    [data] = load_data(tmp_path / "data.csv.gz")
    assert data.feature_names == ["a\xb5", "b"]
    assert data.y.tolist() == ["low", "high", "low"]
    assert numpy.isnan(numpy.asarray(data.X, float)).sum() == 2
    (tmp_path / "labels").mkdir()
    numpy.savetxt(tmp_path / "labels" / "X.csv", X[:4], delimiter=",")
    for header in ("", "class\n"):
        (tmp_path / "labels" / "y.csv").write_text(f"{header}low\nhigh\nlow\nmid\n")
        assert load_data(tmp_path / "labels")[0].y.tolist() == ["low", "high", "low", "mid"]


@pytest.mark.parametrize(
    ("text", "error"), [("", "empty"), ("a;b\n", "no samples"), ("1;2\n3\n", "row 2 has 1 cells")]
)
def test_a_file_that_is_no_table_is_told(tmp_path, text, error):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=error) as caught:
        load_data(tmp_path / "bad.csv")
    assert "bad.csv" in str(caught.value)


def test_a_file_trains_and_tells_its_samples(tmp_path):
    frame = pandas.DataFrame(X, columns=WAVELENGTHS).assign(protein=Y)
    frame.to_csv(tmp_path / "data.csv", index=False)
    result = run([Ridge()], tmp_path / "data.csv", workspace_path=tmp_path / "ws", verbose=0)
    again = result.store.rerun(result.run_id, tmp_path / "data.csv", verbose=0)
    assert again.best_score == result.best_score
    by_array = run([Ridge()], (X, Y), workspace_path=tmp_path / "ws", verbose=0)
    assert by_array.best_score == pytest.approx(result.best_score)


@pytest.mark.parametrize("what", ["y", "groups", "sample_weight"])
def test_values_of_samples_in_another_order_are_refused(what):
    names = [f"s{i}" for i in range(30)]
    frame = pandas.DataFrame(X, columns=list("abcdef"), index=names)
    values = pandas.Series(Y, index=names)
    given = {"X": frame, "y": values, "groups": values, "sample_weight": values}
    assert len(load_data(given)) == 1
    with pytest.raises(ValueError, match=f"cannot pair X and {what} of dataset"):
        load_data({**given, what: values[::-1]})
    if what != "y":
        with pytest.raises(ValueError, match=f"cannot pair the frame and {what}"):
            load_data(frame, **{what: values[::-1]})


def test_a_list_of_frames_is_several_data_sets_unless_they_are_features_and_targets():
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    first, second = load_data([frame, 2 * frame])
    numpy.testing.assert_array_equal(second.y, 2 * first.y)
    [data] = load_data([frame, pandas.DataFrame({"y": Y})])
    numpy.testing.assert_array_equal(data.y, Y)
    assert [data.target_names for data in load_data([frame, frame[["b", "a"]]], "a")] == [
        ("a",)
    ] * 2
    lazy = polars.from_pandas(frame).lazy()
    for others in ([lazy, lazy], [lazy.collect().to_arrow(), frame]):
        assert [data.name for data in load_data(others)] == ["dataset", "dataset_2"]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"separator": "xx"}, "separator='xx': give one character"),
        ({"separator": ""}, "one character"),
        ({"separator": 5}, "one character"),
        ({"separator": "§"}, "one character"),
        ({"decimal": ";"}, "decimal=';': give '.' or ','"),
        ({"header": "yes"}, "header='yes': give True or False"),
        ({"missing": "NA"}, "missing='NA': give a list"),
        ({"missing": [1]}, "give a list"),
        ({"target": []}, "give one column or more"),
        ({"target": ["y", 2]}, "give one column or more, each once"),
    ],
)
def test_options_of_another_form_are_refused(tmp_path, option, reason):
    path = tmp_path / "data.csv"
    path.write_text("a;b;y\n1;2;3\n4;5;6\n")
    with pytest.raises(DataError, match=reason):
        load_data(path, **option)
    with pytest.raises(DataError, match=reason):
        run([Ridge()], path, workspace_path=tmp_path / "w", **option)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("header", "targets"), [("", "1\n2\n3\n4\n"), ("", "y\n1\n2\n"), ("a;b\n", "y\n1\n2\n")]
)
def test_a_row_that_is_missing_in_one_file_is_told(tmp_path, header, targets):
    (tmp_path / "Xcal.csv").write_text(f"{header}0.1;0.5\n0.3;0.4\n0.5;0.7\n")
    (tmp_path / "Ycal.csv").write_text(targets)
    with pytest.raises(DataError, match="y must have 3 rows, as X has"):
        load_data(tmp_path)


@pytest.mark.parametrize("head", [None, "", "id"])
def test_samples_of_two_files_are_paired_by_their_names(tmp_path, head):
    heads = ["", ""] if head is None else [f"{head};a;b\n", f"{head};y\n"]
    (tmp_path / "Xcal.csv").write_text(f"{heads[0]}s1;0.1;0.5\ns2;0.3;0.4\ns3;0.5;0.7\n")
    options = {"index": "id"} if head == "id" else {}
    for order in ((1, 2, 3), (3, 1, 2), (1, 2, 4)):
        for targets in ([10, 20, 30], ["low", "high", "low"]):
            rows = "".join(f"s{n};{y}\n" for n, y in zip(order, targets, strict=True))
            (tmp_path / "Ycal.csv").write_text(heads[1] + rows)
            if order == (1, 2, 3):
                [data] = load_data(tmp_path, **options)
                assert data.y.tolist() == targets
                assert list(data.ids) == ["s1", "s2", "s3"]
            elif order == (3, 1, 2) or targets[0] == 10:
                with pytest.raises(DataError, match="sort the rows alike"):
                    load_data(tmp_path, **options)


def test_an_index_that_pandas_has_written_is_no_feature(tmp_path):
    frame = pandas.DataFrame(X[:9], columns=list("abcdef"), index=range(1, 10))
    frame.to_csv(tmp_path / "Xcal.csv")
    pandas.Series(Y[:9], frame.index, name="y").to_csv(tmp_path / "Ycal.csv")
    [data] = load_data(tmp_path)
    assert data.feature_names == list("abcdef")
    numpy.testing.assert_array_equal(data.y, Y[:9])
    assert list(data.ids) == list(range(1, 10))


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x85\u2028")
def test_only_line_feeds_end_lines(tmp_path, character):
    path = tmp_path / "d.csv"
    path.write_text(f"name,x,y\na{character}b,1,2\nc,3,5\nd,2,4\n", encoding="utf-8")
    [data] = load_data(path)
    assert data.X["name"].to_list() == [f"a{character}b", "c", "d"]
    assert data.y.tolist() == [2, 5, 4]


@pytest.mark.parametrize("header", ["a;b;a;y", "a;b; a;y", "1100;1102;1100;y", ";;b;y"])
def test_files_in_which_two_columns_have_one_name_are_refused(tmp_path, header):
    path = tmp_path / "data.csv"
    path.write_text(f"{header}\n1;2;3;4\n5;6;7;9\n")
    with pytest.raises(DataError, match="more than one column is called"):
        load_data(path)


def test_what_is_no_text_is_told_and_gzip_is_known_by_its_bytes(tmp_path):
    text = b"a;b;y\n1;2;3\n4;5;6\n"
    for name, content in (
        ("DATA.GZ", gzip.compress(text)), ("data.csv.gz", text), ("sep.csv", b"sep=;\n" + text),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert load_data(tmp_path / name)[0].y.tolist() == [3, 6]
    for content, reason in (
        (gzip.compress(text)[:20], "it is damaged"),
        (b"PAR1" + bytes(20), "it is not a text file"),
        (b'a,"b\nc",y\n1,2,3\n', "row 2 has|row 3 has"),
    ):
        (tmp_path / "data").write_bytes(content)
        with pytest.raises(DataError, match=reason):
            load_data(tmp_path / "data")


def test_integers_that_numpy_does_not_have_are_floats(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a;b;y\n12345678901234567890;2;1\n4;5;2\n")
    assert load_data(path)[0].X["a"].tolist() == [12345678901234567890.0, 4.0]
