import pytest

from persist.cli.progress import progress
from tests.cli.terminals import terminal, without_rich


def test_nothing_is_shown_where_there_is_no_terminal(capsys):
    with progress(2) as advance:
        advance("a")
    assert capsys.readouterr() == ("", "")


def test_steps_are_shown_on_one_line_which_is_cleared(monkeypatch):
    without_rich(monkeypatch)
    stream = terminal(monkeypatch, "stderr")
    with progress(2) as advance:
        advance("a")
        advance("b")
    assert stream.getvalue().split("\r") == ["", "\x1b[K[1/2] a", "\x1b[K[2/2] b", "\x1b[K"]


def test_the_line_is_cleared_after_a_failure(monkeypatch):
    without_rich(monkeypatch)
    stream = terminal(monkeypatch, "stderr")

    def fail_halfway():
        with progress(2) as advance:
            advance("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_rich_shows_a_bar(monkeypatch):
    pytest.importorskip("rich")
    stream = terminal(monkeypatch, "stderr")
    with progress(2) as advance:
        advance("trial [1]")
        advance("b")
    assert "50%" in stream.getvalue()
