"""Scientific results as readable Python source."""

__version__ = "0.1.0"
