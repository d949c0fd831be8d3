import io
import sys

import pytest

from persist.cli.output import print_table, print_text
from persist.display import human_size
from tests.cli.terminals import terminal, without_rich

COLUMNS, ROWS = ("key", "info"), [("a", "[mV]"), ("longer", "")]
PLAIN = "key     info\na       [mV]\nlonger\n"


def test_a_pipe_gets_aligned_text(capsys):
    print_table(COLUMNS, ROWS)
    assert capsys.readouterr().out == PLAIN


def test_a_terminal_without_rich_gets_aligned_text(monkeypatch):
    without_rich(monkeypatch)
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, ROWS)
    assert stream.getvalue() == PLAIN


def test_a_terminal_with_rich_gets_a_table(monkeypatch):
    pytest.importorskip("rich")
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, ROWS)
    assert "─" in stream.getvalue()
    # Brackets are markup in rich.
    assert "[mV]" in stream.getvalue()


def test_a_narrow_terminal_loses_nothing(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "30")
    stream = terminal(monkeypatch, "stdout")
    print_table(COLUMNS, [("x" * 60, "")])
    assert stream.getvalue().count("x") == 60


def test_no_rows_are_no_table(capsys):
    print_table(COLUMNS, [])
    assert capsys.readouterr().out == ""


def test_characters_that_the_output_lacks_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_text("µV")
    stream.flush()
    assert stream.buffer.getvalue().split() == [b"\\xb5V"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB"), (4 * 1024**3, "4.0 GiB")],
)
def test_sizes_are_short(count, text):
    assert human_size(count) == text
