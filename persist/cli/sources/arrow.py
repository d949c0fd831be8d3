"""A file of Parquet, Arrow or Feather: one table, named as the file is.

It is a DataFrame if pandas has written it, and otherwise a table of pyarrow.
"""

from __future__ import annotations

from typing import Any

from persist.cli.sources.source import Listed, Loaded, Source, SourceError, decoded, imported
from persist.files import open_regular

__all__ = ["ArrowSource"]

# What libraries keep for themselves, and what comes back in the table itself.
_OWN = (b"pandas", b"ARROW:schema")


class ArrowSource(Source):
    """The table of a file; its metadata are attributes."""

    def names(self) -> list[Listed]:
        """Return the stem of the file."""
        _read(self._path, only_schema=True)
        return super().names()

    def load(self, name: str) -> Loaded:
        """Return the table."""
        table = _read(self._path)
        metadata = table.schema.metadata or {}
        attributes = {
            key.decode(errors="backslashreplace"): decoded(value)
            for key, value in metadata.items()
            if key not in _OWN
        }
        if b"pandas" in metadata:
            imported("pandas")
            table = table.to_pandas()
        return Loaded(table, attributes)


def _read(path: str, *, only_schema: bool = False) -> Any:
    """Return the table of a file, or its schema."""
    pyarrow, parquet, feather = map(imported, ("pyarrow", "pyarrow.parquet", "pyarrow.feather"))
    with open_regular(path, follow=True) as file:
        start = file.read(6)
    try:
        if start.startswith(b"PAR1"):
            # Not read_table, which takes the names of folders for columns.
            with parquet.ParquetFile(path) as table:
                return table.schema_arrow if only_schema else table.read()
        if start.startswith(b"FEA1"):
            return feather.read_table(path)
        with pyarrow.memory_map(path) as file:
            open_reader = pyarrow.ipc.open_file if start == b"ARROW1" else pyarrow.ipc.open_stream
            reader = open_reader(file)
            return reader.schema if only_schema else reader.read_all()
    except pyarrow.ArrowException as error:
        raise SourceError(f"it is damaged, or not a table: {error}") from error
