"""The command line: ``persist``, or ``python -m persist``."""

from __future__ import annotations

import sys

from persist.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
