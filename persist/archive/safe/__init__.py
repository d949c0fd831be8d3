"""Source read without being run: a closed grammar, interpreted.

`load.restore` executes the source of an archive. This package builds the same objects from the same
source, and executes nothing of it: the parser of Python gives a tree, `interpreter` walks it, and
every name and operation in it is looked up in a table, or in what the caller trusts.
"""

from persist.archive.safe.load import safe_load_source
from persist.archive.safe.missing import Missing

__all__ = ["Missing", "safe_load_source"]
