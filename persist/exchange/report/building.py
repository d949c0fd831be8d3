"""`report` and `write_diff`: find what a path is, collect what its page shows, write the page."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from persist.display import harmless
from persist.errors import MissingExtraError, PersistError
from persist.exchange.kinds import Kind, kind_of, why_refused
from persist.files import replace_file
from persist.progress import Progress
from persist.urls import is_url, without_password

if TYPE_CHECKING:
    from persist.dataset import DataSetDiff

__all__ = ["ReportError", "report", "write_diff"]

_Path = str | os.PathLike[str]
_TEMPLATES = os.path.join(os.path.dirname(__file__), "templates")
_PAGES = {
    Kind.DATA_SET: "datasets",
    Kind.WORKSPACE: "workspaces",
    Kind.STORAGE: "experiments",
    Kind.STORE: "stores",
}


class ReportError(PersistError, ValueError):
    """A path has nothing that a report can show."""


def report(
    path: _Path,
    output: _Path = "report.html",
    *,
    title: str | None = None,
    progress: Progress = None,
) -> str:
    r"""Write one HTML page about a data set, a workspace, an experiment or a store of runs.

    The page needs no network and no other file, and opens in any browser. Nothing of what it shows
    is run: types come from the manifest, source is text, arrays are sampled in their files, and the
    few values that have to be loaded are interpreted.

    Parameters
    ----------
    path : path
        The folder of a data set, of an experiment or of a store; the HDF5 file of a workspace or an
        experiment; or the URL of a store in PostgreSQL.
    output : path, optional
        The page. A file there is replaced.
    title : str, optional
        Its heading, by default the last part of the path.
    progress : bool or callable, optional
        Called after each key, task or pipeline with how many are done, of how many, and its name;
        True writes a line to standard error.

    Returns
    -------
    str
        The path of the page.

    Raises
    ------
    ReportError
        If there is nothing at the path that a report can show.
    MissingExtraError
        If jinja2 is not installed.

    Examples
    --------
    >>> import numpy, persist, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with persist.open(f"{folder.name}/results", "w") as results:
    ...     results["x"] = numpy.arange(200)
    >>> page = persist.report(results.path, f"{folder.name}/report.html")
    >>> with open(page, encoding="utf-8") as file:
    ...     file.readline()
    '<!doctype html>\n'
    >>> folder.cleanup()
    """
    # The path is looked at first: that it is wrong matters more than that jinja2 is missing.
    text = os.fspath(path)
    found = kind_of(text)
    kind = _PAGES.get(found)  # type: ignore[arg-type]
    if kind is None:
        if is_url(text):
            raise ReportError(
                f"cannot report on {without_password(text)}: it is not the URL of a PostgreSQL "
                "database; pull the data set, and report on the copy"
            )
        reason = why_refused(text)
        # Other reasons already say what to do.
        advice = "" if found or "; " in reason else "; name the folder or file of one"
        raise ReportError(f"cannot report on {text}: {reason}{advice}")
    last = text.partition("?")[0].rstrip("/") if is_url(text) else os.path.abspath(text)
    environment = _environment()
    collect = importlib.import_module(f"persist.exchange.report.{kind}")
    # The path is shown as it was given: a page that is sent to others need not name its folders.
    page = {
        "title": title or os.path.basename(last),
        "path": without_password(text),
        **collect.collect(text, progress),
    }
    return _write(environment, f"{kind}.html.jinja", page, output)


def write_diff(found: DataSetDiff, a: _Path, b: _Path, output: _Path = "diff.html") -> str:
    """Write one HTML page about what `persist.diff` found.

    Parameters
    ----------
    found : DataSetDiff
        The difference.
    a, b : path
        What to call the data sets that were compared.
    output : path, optional
        The page. A file there is replaced.

    Returns
    -------
    str
        The path of the page.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    kinds = {"added": found.added, "removed": found.removed, "changed": tuple(found.changed)}
    old, new = (os.path.basename(os.path.abspath(path)) for path in (a, b))
    page = {
        "title": f"{old} → {new}",
        "path": f"{os.fspath(a)} → {os.fspath(b)}",
        "kind": "difference",
        "facts": [(name, len(keys)) for name, keys in kinds.items()],
        "found": found,
    }
    return _write(_environment(), "diff.html.jinja", page, output)


def _environment() -> Any:
    try:
        import jinja2
        import markupsafe
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "report") from error
    from persist.display import cell, human_size
    from persist.exchange.report.highlighting import highlighted

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=cell,
        size=human_size,
        source=lambda text: markupsafe.Markup(highlighted(text)),
        html=markupsafe.Markup,
    )
    return environment


def _write(environment: Any, template: str, page: dict[str, Any], output: _Path) -> str:
    from persist import __version__

    target = os.fspath(output)
    if not target or os.path.isdir(target):
        raise ReportError(f"cannot write {target!r}: it is a folder; name the file of the page")
    # Names and labels may hold control characters, which HTML does not allow.
    text = harmless(environment.get_template(template).render(page, version=__version__))
    os.makedirs(os.path.dirname(target) or os.curdir, exist_ok=True)
    with replace_file(target, "wb") as file:
        file.write(text.encode("utf-8", "replace"))
    return target
