"""`open`: data sets by paths and by URLs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from persist.dataset import open as open_local
from persist.errors import DataSetError, ReadOnlyError
from persist.urls import is_url, without_password

if TYPE_CHECKING:
    from persist.dataset import Results
    from persist.exchange.remote import RemoteResults

__all__ = ["open"]


@overload
def open(path: str | os.PathLike[str], mode: Literal["w"], **options: Any) -> Results: ...


@overload
def open(
    path: str | os.PathLike[str],
    mode: str = "r",
    *,
    storage_options: Mapping[str, Any] | None = None,
    trusted: bool | Iterable[str] | None = None,
    **options: Any,
) -> Results | RemoteResults: ...


def open(
    path: str | os.PathLike[str],
    mode: str = "r",
    *,
    storage_options: Mapping[str, Any] | None = None,
    trusted: bool | Iterable[str] | None = None,
    **options: Any,
) -> Results | RemoteResults:
    """Open a data set as a mapping from keys to values: a directory, or one at a URL.

    At a URL it is read-only. Its manifest is read first, and a value when it is used: each file is
    compared with its digest, and kept in the cache folder of the user (``PERSIST_CACHE``, or that
    of the system).

    Parameters
    ----------
    path : path
        The directory, of this or any older release; or a URL that fsspec reads: ``s3://…``,
        ``https://…``.
    mode : {'r', 'w'}, optional
        ``'r'`` reads what is there; ``'w'`` also writes, and makes the directory if it is missing.
    storage_options : mapping, optional
        Options of the file system of fsspec, for a URL.
    trusted : bool or iterable of str, optional
        Whether values may be read by running their modules: by default those of a path, and not
        those of a URL. Otherwise they are interpreted, and what would call anything but
        constructors that are known to be harmless is refused; names that may be called as well can
        be given instead of False.
    **options
        Those of `persist.dataset.open`; for a URL only ``mmap_mode``, which needs ``trusted=True``.

    Returns
    -------
    Results or RemoteResults
        The values by key, with ``info``, ``groups``, ``group(name)``, ``entries()`` and ``load``.

    Raises
    ------
    DataSetError
        If a data set is not found.
    DamagedError
        If the manifest is missing or damaged.
    ReadOnlyError
        If a URL is to be written: pull it, change it, and push it.
    MissingExtraError
        If a library for the URL is not installed: the extra ``cloud`` has them.

    Examples
    --------
    >>> import numpy, persist, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with persist.open(f"{folder.name}/results", "w") as results:
    ...     results["x"] = numpy.arange(200)
    ...     results.info["x"] = "250 Hz"
    >>> results = persist.open(f"{folder.name}/results")
    >>> int(results["x"].sum()), results.info["x"]
    (19900, '250 Hz')
    >>> folder.cleanup()
    """
    if not is_url(path):
        if storage_options is not None:
            raise DataSetError(f"cannot open {os.fspath(path)}: storage_options are for URLs")
        return open_local(path, mode, trusted=True if trusted is None else trusted, **options)
    url = str(path)
    shown = without_password(url)
    if mode != "r":
        raise ReadOnlyError(f"cannot open {shown} for writing: pull it, change it, and push it")
    if unknown := sorted(set(options) - {"mmap_mode"}):
        raise DataSetError(f"cannot open {shown}: {unknown[0]} is for paths, not for URLs")
    from persist.exchange.remote import Location, RemoteResults, Version

    return RemoteResults(
        Version(Location(url, storage_options)),
        "",
        trusted=() if trusted is None else trusted,
        mmap_mode=options.get("mmap_mode"),
    )
