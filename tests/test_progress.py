"""One signature for how far long work has come."""

import io

import pytest

from persist.progress import Meter, item_reporter, reporter


def test_a_function_is_called_as_it_is():
    calls = []
    reporter(lambda *call: calls.append(call))(1, 2, "x")
    assert calls == [(1, 2, "x")]


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_told_unless_it_is_asked_for(progress, capsys):
    reporter(progress)(1, 2, "x")
    item_reporter(progress)(1, 2, "D0", "x")
    assert capsys.readouterr() == ("", "")


def test_true_writes_a_line_to_standard_error_which_is_cleared_at_the_end(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    report = item_reporter(True)
    report(1, 2, "D0", "x")
    report(2, 2, "D0", "y")
    shown = [line.strip() for line in stream.getvalue().split("\r")]
    assert shown == ["", "50 % D0/x", "", "", ""]


def test_the_line_is_written_anew_for_each_percent_only(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    report = reporter(True)
    for done in range(1, 1000):
        report(done, 1000, "x")
    assert stream.getvalue().count("%") == 100


def test_names_cannot_command_the_terminal(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", stream)
    reporter(True)(1, 2, "\x1b[2J größe")
    stream.seek(0)
    assert "\x1b" not in stream.read()


def test_a_function_of_three_gets_one_name_and_one_of_four_gets_two():
    calls = []

    def three(done, total, what):
        calls.append((done, total, what))

    def four(done, total, namespace, key):
        calls.append((done, total, namespace, key))

    for function in (three, four, lambda *call: calls.append(call)):
        item_reporter(function)(1, 2, "D0", "x")
    assert calls == [(1, 2, "D0/x"), (1, 2, "D0", "x"), (1, 2, "D0", "x")]


def test_a_meter_never_tells_more_than_all():
    calls = []
    meter = Meter(lambda *call: calls.append(call), 3)
    meter.advance(2, "a")
    meter.advance(2, "b")
    assert calls == [(2, 3, "a"), (3, 3, "b")]
