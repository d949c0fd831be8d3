"""A file of Parquet, Arrow or Feather: one table, named as the file is.

It is a DataFrame if pandas has written it, and otherwise a table of pyarrow.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from persist.cli.sources.source import Listed, Loaded, SourceError, stem_of
from persist.errors import MissingExtraError
from persist.files import open_regular

__all__ = ["ArrowSource"]

# What libraries keep for themselves, and what comes back in the table itself.
_OWN = (b"pandas", b"ARROW:schema")


class ArrowSource:
    """The table of a file; its metadata are attributes."""

    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> list[Listed]:
        """Return the stem of the file."""
        pyarrow = _pyarrow()
        try:
            _schema(self._path)
        except pyarrow.ArrowException as error:
            raise SourceError(f"it is damaged, or not a table: {error}") from error
        return [Listed(stem_of(self._path))]

    def load(self, names: Iterable[str]) -> Generator[Loaded, None, None]:
        """Yield the table."""
        pyarrow = _pyarrow()
        for _ in names:
            try:
                table = _table(self._path)
            except pyarrow.ArrowException as error:
                raise SourceError(f"it is damaged, or not a table: {error}") from error
            metadata = table.schema.metadata or {}
            attributes = {
                key.decode(errors="backslashreplace"): _text(value)
                for key, value in metadata.items()
                if key not in _OWN
            }
            yield Loaded(_frame(table) if b"pandas" in metadata else table, attributes)


def _frame(table: Any) -> Any:
    try:
        return table.to_pandas()
    except ImportError as error:
        raise MissingExtraError("pandas", "import") from error


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _pyarrow() -> Any:
    try:
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "import") from error
    return pyarrow


def _start_of(path: str) -> bytes:
    with open_regular(path, follow=True) as file:
        return bytes(file.read(6))


def _schema(path: str) -> Any:
    pyarrow = _pyarrow()
    start = _start_of(path)
    if start.startswith(b"PAR1"):
        return pyarrow.parquet.read_schema(path)
    if start == b"ARROW1":
        with pyarrow.memory_map(path) as file:
            return pyarrow.ipc.open_file(file).schema
    if start.startswith(b"FEA1"):
        return pyarrow.feather.read_table(path).schema
    with pyarrow.memory_map(path) as file:
        return pyarrow.ipc.open_stream(file).schema


def _table(path: str) -> Any:
    pyarrow = _pyarrow()
    start = _start_of(path)
    if start.startswith(b"PAR1"):
        # Not read_table, which takes the names of folders for columns.
        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read()
    if start == b"ARROW1":
        with pyarrow.memory_map(path) as file:
            return pyarrow.ipc.open_file(file).read_all()
    if start.startswith(b"FEA1"):
        return pyarrow.feather.read_table(path)
    with pyarrow.memory_map(path) as file:
        return pyarrow.ipc.open_stream(file).read_all()
