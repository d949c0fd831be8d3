import pytest

from persist.cli.sources import Listed
from persist.cli.sources.json_file import JsonSource


@pytest.fixture
def source(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "session 1.json"
        path.write_text(text, encoding=encoding)
        return JsonSource(str(path))

    return write


def test_the_keys_of_an_object_are_the_names(source):
    found = source('{"rate": 250, "blocks": [{"n": null}, true], "ä": 0.5}')
    assert found.names() == [Listed("rate"), Listed("blocks"), Listed("ä")]
    values = [found.load(name).value for name in ("blocks", "rate", "ä")]
    assert values == [[{"n": None}, True], 250, 0.5]
    assert type(values[1]) is int


@pytest.mark.parametrize(("text", "value"), [("[1, 2]", [1, 2]), ("7", 7), ('"x"', "x")])
def test_what_is_no_object_is_named_as_the_file(source, text, value):
    found = source(text)
    assert found.names() == [Listed("session 1")]
    assert found.load("session 1").value == value


def test_a_byte_order_mark_is_no_part_of_the_document(source):
    assert source('{"a": 1}', "utf-8-sig").names() == [Listed("a")]


def test_an_empty_object_has_no_names(source):
    assert source("{}").names() == []


def test_a_key_that_is_repeated_is_found_among_many(source):
    text = "{" + "".join(f'"k{number}": 1, ' for number in range(200_000)) + '"k199999": 2}'
    with pytest.raises(ValueError, match="the key 'k199999' more than once"):
        source(text).names()


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": 0, "a": 1, "a": 1}]'])
def test_a_repeated_key_is_an_error(source, text):
    with pytest.raises(ValueError, match="the key 'a' more than once"):
        source(text).names()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_no_json_is_an_error(source, text):
    with pytest.raises(ValueError, match=r"Expecting|nested too deeply|it is empty"):
        source(text).names()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_ends_where_json_has_it_end(tmp_path, end):
    path = tmp_path / "runs.jsonl"
    path.write_text(f'"\u2028"{end}"\x85"{end}{end}{{}}{end}', encoding="utf-8", newline="")
    assert JsonSource(str(path)).load("runs").value == ["\u2028", "\x85", {}]


def test_one_line_is_a_list_too_where_the_extension_says_lines(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"a": 1}\n')
    assert JsonSource(str(path)).load("runs").value == [{"a": 1}]
