"""Where a module is saved, what stands there already, and what is refused."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass

from persist.archive.arrays import STORES, Store
from persist.errors import PersistError, PersistWarning
from persist.names import check_identifier

__all__ = ["ModuleExistsError", "ModulePlace", "UnknownFormatError"]

# The lines of a saved module that name its arrays stand at its head.
_HEAD = 1 << 16
_QUOTED = re.compile(r"^ {4,}.*\bos\.path\.join\([^'\n]*'([^'\n]+)'", re.MULTILINE)


class ModuleExistsError(PersistError, ValueError):
    """There is something where a module is to be saved."""


class UnknownFormatError(PersistError, KeyError):
    """No arrays are saved in a format of that name."""

    def __str__(self) -> str:
        return f"Expected data_format in {list(STORES)}, got {self.args[0]!r}"


@dataclass(frozen=True)
class ModulePlace:
    """The files of a module.

    Parameters
    ----------
    dirname, name : str
        The folder and the name of the module.
    package : bool
        Whether the module is a folder of its own, or one file.
    arrays_name : str
        The file or folder of the arrays; for a plain module, after the name of the module.
    data_format : {'npy', 'npz', 'hdf5'}
        The format of the arrays.

    Raises
    ------
    ValueError
        If a name is not an identifier.
    UnknownFormatError
        If the format is unknown.

    Examples
    --------
    >>> place = ModulePlace("runs", "monday", False, "_arrays", "npz")
    >>> place.filename, place.arrays_path
    ('runs/monday.py', 'runs/monday_arrays.npz')
    """

    dirname: str
    name: str
    package: bool
    arrays_name: str
    data_format: str

    def __post_init__(self) -> None:
        if self.data_format not in STORES:
            raise UnknownFormatError(self.data_format)
        check_identifier(self.name, "name of a module")
        check_identifier(self.arrays_name, "arrays_name")

    @property
    def store(self) -> Store:
        """The format of the arrays."""
        return STORES[self.data_format]

    @property
    def folder(self) -> str:
        """The folder of the source and the arrays."""
        return os.path.join(self.dirname, self.name) if self.package else self.dirname

    @property
    def filename(self) -> str:
        """The file of the source."""
        name = "__init__.py" if self.package else f"{self.name}.py"
        return os.path.join(self.folder, name)

    @property
    def stem(self) -> str:
        """The name of the file or folder of the arrays, without an extension."""
        return self.arrays_name if self.package else self.name + self.arrays_name

    @property
    def arrays_path(self) -> str:
        """The first choice for the file or folder of the arrays."""
        return os.path.join(self.folder, self.stem + self.store.extension)

    def check_free(self, force: bool) -> None:
        """Raise an error if something is in the way that `force` does not put out of it.

        Raises
        ------
        ModuleExistsError
            If there is.
        """
        if os.path.isfile(self.dirname):
            raise ModuleExistsError(f"File dirname={self.dirname} exists and is not a directory.")
        if not force and self.package and os.path.isfile(self.folder):
            raise ModuleExistsError(
                f"File dirname/name={self.folder} exists and is not a directory."
            )
        self._check_file(self.filename, force)
        beside = os.path.join(self.dirname, self.name)
        if not self.package and os.path.isfile(os.path.join(beside, "__init__.py")):
            warnings.warn(
                f"{self.filename} cannot be imported while the package {beside} is beside it: "
                "remove one of them",
                PersistWarning,
                stacklevel=3,
            )

    def check_arrays_free(self, force: bool) -> None:
        """Do as `check_free`, for the arrays.

        Raises
        ------
        ModuleExistsError
            If something is where the arrays are to be.
        """
        self._check_file(self.arrays_path, force)

    def locations(self) -> set[str]:
        """Return the names of the files and folders of arrays that the saved module reads."""
        if not os.path.isfile(self.filename):
            return set()
        with open(self.filename, encoding="utf-8", errors="replace") as file:
            return set(filter(self._is_own, _QUOTED.findall(file.read(_HEAD))))

    def old_arrays(self, has_arrays: bool) -> list[str]:
        """Return the files and folders of arrays that saving makes useless.

        Those of a former version, and what is where new arrays belong.
        """
        paths = {os.path.join(self.folder, name) for name in self.locations()}
        if has_arrays:
            paths.add(self.arrays_path)
        return sorted(filter(os.path.exists, paths))

    def _check_file(self, path: str, force: bool) -> None:
        if not force and os.path.exists(path):
            raise ModuleExistsError(f"File {path} exists and force=False.")

    def _is_own(self, name: str) -> bool:
        extensions = "|".join(re.escape(store.extension) for store in STORES.values())
        return re.fullmatch(rf"{re.escape(self.stem)}(_[0-9]+)?({extensions})", name) is not None
