"""An archive: named objects, and the source that builds them again."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy

from persist.archive.arrays import ArrayManager, get_data_format, load_arrays
from persist.archive.external import ExternalArrays
from persist.archive.load import restore
from persist.archive.module import ModulePlace, save_module
from persist.archive.text import SourceOptions, archive_text
from persist.archive.view import archive_view
from persist.errors import ArchiveError, DuplicateError
from persist.names import UniqueNames, check_identifier, is_identifier

__all__ = ["Archive"]

_Path = str | os.PathLike[str]

# What the last lines of every source use.
_RESERVED = frozenset(["__builtins__", "NameError"])


class Archive:
    """A set of named objects, with all that they refer to, as executable Python source.

    Parameters
    ----------
    check_on_insert : bool, optional
        Raise errors of objects that cannot be stored when they are inserted, not when the source is
        made.
    array_threshold : float, optional
        Arrays with more elements than this are kept in `data`. By default, none is.
    backup_data : bool, optional
        Whether `save` and `save_data` keep files that they replace as ``.bak``.
    single_item_mode : bool, optional
        Take exactly one object; the module that `save` writes is then that object.
    allowed_names : list of str, optional
        Names that may start with an underscore.
    gname_prefix : str, optional
        The beginning of the names of temporary objects.
    scoped : bool, optional
        Write the expressions of objects into functions; otherwise, flat source for people to read.
    datafile : path, optional
        The file or folder where ``str(archive)`` writes the arrays in `data`.
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
        The format of `datafile`, by default what its extension tells.
    *older, **older_options
        Arguments of older releases, see `persist.compat.archive`.

    Attributes
    ----------
    arch : list of (str, object, dict)
        The names, objects, and environments inserted.
    data : dict of str to numpy.ndarray
        The external arrays. The source expects them in a dictionary named `data_name`.

    Examples
    --------
    >>> block = ["warm-up", "rest"]
    >>> archive = Archive(scoped=False)
    >>> archive.insert(subject=7, blocks=[block, block])
    >>> print(archive)
    subject = 7
    _g1 = ['warm-up', 'rest']
    blocks = [_g1, _g1]
    del _g1
    try: del __builtins__, _arrays
    except NameError: pass
    """

    data_name = "_arrays"

    def __init__(
        self,
        *older: Any,
        check_on_insert: bool = False,
        array_threshold: float | None = None,
        backup_data: bool = True,
        single_item_mode: bool = False,
        allowed_names: list[str] | None = None,
        gname_prefix: str = "_g",
        scoped: bool = True,
        datafile: _Path | None = None,
        data_format: str | None = None,
        **older_options: Any,
    ) -> None:
        self.check_on_insert = check_on_insert
        self.array_threshold = math.inf if array_threshold is None else array_threshold
        self.backup_data = backup_data
        self.single_item_mode = single_item_mode
        self.allowed_names = [] if allowed_names is None else allowed_names
        self.gname_prefix = gname_prefix
        self.scoped = scoped
        if older or older_options:
            from persist.compat.archive import set_older_options

            data_format = set_older_options(self, older, older_options) or data_format
        if not is_identifier(self.gname_prefix):
            check_identifier(self.gname_prefix, "gname_prefix")
        self.datafile = datafile
        self.data_format = data_format or ("npy" if datafile is None else get_data_format(datafile))
        self.arch: list[tuple[str, Any, Mapping[str, Any] | None]] = []
        self.data: dict[str, numpy.ndarray[Any, Any]] = {}
        self.ids: dict[str, int] = {}
        self.imports: list[tuple[str, str | None, str]] = []
        self._held: dict[str, Any] = {}
        self._envs: dict[str, Mapping[str, Any]] = {}
        self._taken: UniqueNames | None = None
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._placed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        from persist.compat.archive import older_option

        return older_option(name)

    def insert(self, /, *objects: Any, env: Mapping[str, Any] | None = None, **items: Any) -> None:
        """Add objects under the names of the keywords.

        Parameters
        ----------
        env : mapping of str to object, optional
            What names may stand for that `get_persistent_rep` uses without saying so.
        **items : object
            The objects.

        Raises
        ------
        ArchiveError
            If an object has no name, or its name is not an identifier, is a keyword, or starts with
            an underscore and is not in `allowed_names`.
        DuplicateError
            If a name has another object already.
        """
        if objects:
            from persist.compat.archive import environment_of

            env = environment_of(objects, env)
        self.insert_items(items, env)

    def insert_items(self, items: Mapping[str, Any], env: Mapping[str, Any] | None = None) -> None:
        """Add the objects of a mapping: as `insert`, for any names."""
        added = {}
        for name, obj in items.items():
            if not is_identifier(name):
                check_identifier(name)
            if name.startswith("_") and name not in self.allowed_names:
                raise ArchiveError("name must not start with '_'")
            if name in _RESERVED or name == self.data_name:
                raise ArchiveError(
                    f"name must not be {name!r}, which the source of an archive uses"
                )
            if name not in self._held:
                added[name] = obj
            elif self._held[name] is not obj:
                raise DuplicateError(name)
        if self.single_item_mode:
            self._check_single(items)
        if self.check_on_insert:
            envs = {} if env is None else dict.fromkeys(added, env)
            archive_text(added.items(), SourceOptions(self.scoped, envs=envs))
        for name, obj in added.items():
            self.arch.append((name, obj, env))
            self.ids[name] = self.get_id(obj)
            if env is not None:
                self._envs[name] = env
        self._held.update(added)

    def names(self) -> list[str]:
        """Return the names, in the order in which they were inserted."""
        return [name for name, _, _ in self.arch]

    def unique_name(self, name: str) -> str:
        """Return `name`, or if it is taken, its stem with the next number; reserve nothing."""
        if self._taken is None:
            self._taken = UniqueNames()
        for added, _, _ in self.arch[len(self._taken.names) :]:
            self._taken.add(added)
        return self._taken.unique(name)

    def get_id(self, obj: Any) -> int:
        """Return a small number for an object: they count in the order of first request."""
        # The object is kept, so that its id does not become that of another.
        return self._numbers.setdefault(id(obj), (len(self._numbers), obj))[0]

    def get_persistent_rep(
        self, obj: Any, env: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str | None, str]]]:
        """Return an expression for `obj`, what its names stand for, and its imports."""
        from persist.compat.expressions import persistent_rep

        return persistent_rep(obj, env)

    def make_persistent(
        self,
    ) -> tuple[list[tuple[str, str | None, str]], list[tuple[str, str]]]:
        """Return the imports and the definitions of the flat source.

        Returns
        -------
        imports : list of (module, name, as_name)
            The name is None where the module itself is imported.
        definitions : list of (name, expression)
            In the order of evaluation. The name is empty for a statement that fills an object.
        """
        from persist.compat.archive import flat_definitions

        options = self._options(scoped=False)
        self.imports, definitions = flat_definitions(self._held.items(), options)
        return self.imports, definitions

    def __str__(self) -> str:
        return self._text(self.scoped)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return archive_view(self).html()

    def scoped__str__(self) -> str:
        """Return the source in the scoped format."""
        return self._text(scoped=True)

    def unscoped_str(self) -> str:
        """Return the source in the flat format."""
        return self._text(scoped=False)

    def eval(
        self,
        s: str,
        d: dict[str, Any] | None = None,
        datafile: _Path | None = None,
        data_name: str | None = None,
        mmap_mode: str | None = None,
    ) -> dict[str, Any]:
        """Run the source of an archive, with its external arrays.

        Parameters
        ----------
        s : str
            The source. It is a program: run only what you trust.
        d : dict, optional
            Where to run it.
        datafile, data_name : path, str, optional
            Where the arrays are and the variable for them, by default those of this archive.
        mmap_mode : {None, 'r', 'c', 'r+'}, optional
            Map the arrays, so that none is read before it is used.

        Returns
        -------
        dict of str to object
            `d`, with the objects.
        """
        given: dict[str, Any] = {} if d is None else d
        name = self.data_name if data_name is None else data_name
        arrays = self._load_arrays(s, name, datafile, mmap_mode)
        found = restore(s, given if arrays is None else {**given, name: arrays})
        found.pop(name, None)
        given.pop(name, None)
        given.update(found)
        return given

    def save_data(
        self,
        datafile: _Path | None = None,
        filename: str | None = None,
        data_format: str | None = None,
    ) -> tuple[str | None, list[str]]:
        """Write the external arrays.

        Parameters
        ----------
        datafile : path, optional
            The file, or folder of npy files, by default that of the archive. With `filename`, the
            folder of that file.
        filename : str, optional
            The file in the folder `datafile`.
        data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
            The format: by default npy, and for the file of the archive that of the archive.

        Returns
        -------
        rep : str or None
            Source that loads the arrays; None if there are none.
        files : list of str
            The files that were written.
        """
        if not self.data:
            return None, []
        if datafile is None:
            datafile, data_format = self.datafile, data_format or self.data_format
        if datafile is None:
            warnings.warn(
                f"Data arrays {sorted(self.data)} exist but no datafile specified. "
                f"Save data manually and populate in {self.data_name} dict.",
                UserWarning,
                stacklevel=2,
            )
            return None, []
        dirname = os.fspath(datafile)
        data_format = data_format or "npy"
        if filename is None and data_format != "npy":
            dirname, filename = os.path.split(dirname)
        return ArrayManager.save_arrays(
            self.data,
            dirname or ".",
            filename,
            keep=self.backup_data,
            data_format=data_format,
            arrays_name=self.data_name,
        )

    def save(
        self,
        dirname: _Path,
        name: str | None = None,
        package: bool = True,
        arrays_name: str = "_arrays",
        data_format: str = "npy",
        force: bool = False,
        clear_on_reload: bool = True,
    ) -> None:
        """Save the archive as a module that can be imported without persist.

        New files are written first, and the module is then switched to them by one atomic rename:
        if that fails, what was there is whole.

        Parameters
        ----------
        dirname : path
            The folder for the module; made if it is missing.
        name : str, optional
            The name of the module. In single item mode, by default that of the item.
        package : bool, optional
            Write a folder with ``__init__.py``, otherwise one file beside those of the arrays.
        arrays_name : str, optional
            The file or folder of the arrays; for a plain module, after the name of the module.
        data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
            The format of the arrays.
        force : bool, optional
            Replace what is there.
        clear_on_reload : bool, optional
            Let ``importlib.reload`` of the module forget items that replaced submodules.

        Raises
        ------
        ValueError
            If the name is missing or not an identifier, or a file is there and `force` is false.
        KeyError
            If the format is unknown.
        OSError
            If the disk fails; what was there is whole.
        """
        item = self._single_name() if self.single_item_mode else None
        name = item if name is None else name
        if name is None:
            raise ArchiveError("Must provide name unless single_item_mode=True")
        place = ModulePlace(os.fspath(dirname), name, package, arrays_name, data_format)
        place.check_free(force)
        save_module(
            place,
            archive_text(self._held.items(), self._options(self.scoped)) + "\n",
            self.data,
            item=item,
            data_name=self.data_name,
            force=force,
            clear_on_reload=clear_on_reload,
            keep=self.backup_data,
        )

    def _single_name(self) -> str:
        if not self.arch:
            raise ArchiveError("Nothing to save: insert one object in single_item_mode=True")
        return self.names()[0]

    def _load_arrays(
        self, source: str, name: str, datafile: _Path | None, mmap_mode: str | None
    ) -> dict[str, Any] | None:
        """Return the arrays for a source, or None where none are known."""
        if datafile is not None:
            return load_arrays(datafile, mmap_mode=mmap_mode)
        if self.datafile is None:
            return None
        told = get_data_format(self.datafile)
        data_format = None if self.data_format == told else self.data_format
        try:
            return load_arrays(self.datafile, data_format=data_format, mmap_mode=mmap_mode)
        except (FileNotFoundError, ValueError):
            # Nothing is written for an archive without external arrays.
            if f"{name}[" in source:
                raise
            return None

    def _text(self, scoped: bool) -> str:
        """Return the source, and write the arrays if the archive has a file for them."""
        if self.datafile is None:
            return archive_text(self._held.items(), self._options(scoped))
        # Such source leaves the arrays where they were loaded.
        text = archive_text(self._held.items(), self._options(scoped, closing="__builtins__"))
        self.save_data()
        return text

    def _options(self, scoped: bool, closing: str | None = None) -> SourceOptions:
        for name in self._placed:
            self.data.pop(name, None)
        self._placed = []
        external = None
        if self.array_threshold != math.inf:
            external = ExternalArrays(self.data, self.data_name, self.array_threshold)
            self._placed = external.names
        return SourceOptions(
            scoped=scoped,
            external=external,
            envs=self._envs,
            prefix=self.gname_prefix,
            data_name=self.data_name,
            closing=closing or f"__builtins__, {self.data_name}",
        )

    def _check_single(self, items: Mapping[str, Any]) -> None:
        if len(items) != 1:
            raise ArchiveError(f"Can't insert {len(items)} items when single_item_mode=True")
        (name,) = items
        if self.arch and name not in self._held:
            raise ArchiveError(
                f"Can't insert {name!r} into single_item_mode=True archive with "
                f"{self._single_name()!r}."
            )
