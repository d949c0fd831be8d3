"""Streams that take themselves for terminals."""

import io
import sys

__all__ = ["Terminal", "terminal", "without_rich"]


class Terminal(io.StringIO):
    """A stream that is a terminal, and keeps what is printed."""

    encoding = "utf-8"

    def isatty(self):
        return True


def terminal(monkeypatch, name):
    """Put a terminal in place of a stream of sys; to be called by the test itself.

    What a fixture puts there, pytest takes away before the test runs.
    """
    stream = Terminal()
    monkeypatch.setattr(sys, name, stream)
    return stream


def without_rich(monkeypatch):
    """Let rich be not installed."""
    monkeypatch.setitem(sys.modules, "rich", None)
