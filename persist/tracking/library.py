"""Pipelines to be used again, kept as templates in folders."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from persist import errors
from persist.archive.safe import safe_load_source
from persist.archive.safe.scan import untrusted_in_source
from persist.errors import DamagedError
from persist.files import FolderLock, replace_folder, settle_folders, unsettled, write_text
from persist.names import is_device_name
from persist.tracking.encodings import decode, encode
from persist.tracking.errors import (
    ArgumentError,
    DataNotFoundError,
    TakenError,
    TemplateNotFoundError,
    UntrustedError,
)
from persist.tracking.optional import import_optional
from persist.tracking.training.plan import described

__all__ = ["PipelineLibrary"]

_REMOVED = '<>:"/\\|?*'


_Path = str | os.PathLike[str]
_CONFIG, _METADATA, _README = "pipeline.json", "metadata.json", "README.md"
_SOURCE = "pipeline.py"
_VERSION = "1.0"


class PipelineLibrary:
    """Templates of pipelines, by category.

    A template is a folder ``library/<category>/<name>`` with the configuration, what is known of
    it, and a page for people. Names are found whatever their case and blanks.

    Parameters
    ----------
    workspace_path : path
        The folder of a workspace, which exists.

    Raises
    ------
    FileNotFoundError
        If it does not.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> library = PipelineLibrary(folder.name)
    >>> path = library.save_template({"steps": ["pls"]}, "Best PLS", category="regression")
    >>> path.name, library.load_template("best pls")
    ('best_pls', {'steps': ['pls']})
    >>> folder.cleanup()
    """

    def __init__(self, workspace_path: _Path) -> None:
        self.workspace_path = Path(workspace_path)
        if not self.workspace_path.is_dir():
            raise DataNotFoundError(
                f"cannot open the library of {self.workspace_path}: no workspace was found there"
            )
        self.library_path = self.workspace_path / "library"
        self.library_path.mkdir(exist_ok=True)

    def save_template(
        self,
        pipeline_config: Any,
        name: str,
        category: str = "general",
        description: str = "",
        tags: Iterable[str] | str | None = None,
        metrics: Mapping[str, Any] | None = None,
        notes: str = "",
        overwrite: bool = False,
    ) -> Path:
        """Keep a configuration as a template.

        Parameters
        ----------
        pipeline_config : object
            Anything that JSON can write, or anything that has a form as source, such as steps of
            estimators, which is kept beside the JSON.
        name, category : str
            Where to keep it.
        description, tags, metrics, notes
            What to know of it.
        overwrite : bool, optional
            Replace a template that is there.

        Returns
        -------
        pathlib.Path
            The folder of the template.

        Raises
        ------
        ValueError
            If no folder can have the name, or the category.
        FileExistsError
            If there is one already.
        ArchiveError
            If an object in the configuration has no form as source.
        """
        now = datetime.now(timezone.utc).isoformat()
        metadata = {
            "name": name,
            "category": category,
            "description": description,
            "tags": _tags(tags),
            "metrics": dict(metrics or {}),
            "notes": notes,
            "created_at": now,
            "modified_at": now,
            "version": _VERSION,
        }
        files = {
            _CONFIG: json.dumps(described(pipeline_config), indent=2, default=str),
            _METADATA: json.dumps(metadata, indent=2, default=str),
            _README: _readme(metadata),
        }
        if not _is_json(pipeline_config):
            files[_SOURCE] = b"".join(encode(pipeline_config, "archive")).decode()
        folder = self._folder(name, category)
        with self._written(folder, name, overwrite) as new:
            os.mkdir(new)
            for file, text in files.items():
                write_text(os.path.join(new, file), text)
        return folder

    def load_template(self, name: str, category: str | None = None) -> Any:
        """Return the configuration of a template, with its estimators if it has some.

        This runs the source in the library: a template of somebody else is checked on import.

        Raises
        ------
        FileNotFoundError
            If there is none, in this category or in any.
        """
        folder = self._find(name, category)
        if not (folder / _SOURCE).is_file():
            return _read(folder / _CONFIG)
        return decode((folder / _SOURCE).read_bytes(), "archive")

    def get_template_metadata(self, name: str, category: str | None = None) -> dict[str, Any]:
        """Return what is known of a template; see `load_template`."""
        found: dict[str, Any] = _read(self._find(name, category) / _METADATA)
        return found

    def list_templates(
        self, category: str | None = None, tags: Iterable[str] | str | None = None
    ) -> list[dict[str, Any]]:
        """Return what is known of each template, by category and name.

        Parameters
        ----------
        category : str, optional
            Only those of it.
        tags : iterable of str, optional
            Only those that have one of these.
        """
        wanted = None if tags is None else set(_tags(tags))
        found = []
        for folder in self._folders(category):
            try:
                metadata = _read(folder / _METADATA)
                # Imported ones may tell another category.
                metadata = {**metadata, "category": folder.parent.name}
                if wanted is None or wanted & set(metadata.get("tags") or ()):
                    found.append(metadata)
            except (OSError, ValueError, TypeError):
                continue
        return found

    def delete_template(self, name: str, category: str | None = None) -> None:
        """Remove a template; see `load_template`."""
        with self._locked():
            folder = self._find(name, category)
            gone = folder.with_name(f".{folder.name}.deleted")
            shutil.rmtree(gone, ignore_errors=True)
            os.rename(folder, gone)
            shutil.rmtree(gone)

    def copy_from_pipeline(
        self,
        pipeline_dir: _Path,
        name: str,
        category: str = "general",
        description: str = "",
        tags: Iterable[str] | str | None = None,
        extract_metrics: bool = True,
    ) -> Path:
        """Keep the ``pipeline.json`` of a folder as a template.

        Parameters
        ----------
        pipeline_dir : path
            The folder.
        name, category, description, tags
            As for `save_template`.
        extract_metrics : bool, optional
            Whether to take the metrics of its ``manifest.yaml``, if there is one.

        Raises
        ------
        FileNotFoundError
            If the file is unknown.
        """
        folder = Path(pipeline_dir)
        if not (folder / _CONFIG).is_file():
            raise DataNotFoundError(f"There is no {_CONFIG} in {folder}")
        metrics: Any = {}
        manifest = folder / "manifest.yaml"
        if extract_metrics and manifest.is_file():
            yaml = import_optional("yaml")
            try:
                content = yaml.safe_load(manifest.read_bytes())
            except yaml.YAMLError as error:
                raise DamagedError(
                    f"{manifest} is not YAML: {error}; repair it, or give extract_metrics=False"
                ) from error
            metrics = content.get("metrics") if isinstance(content, dict) else None
        config = _read(folder / _CONFIG)
        known = metrics if isinstance(metrics, dict) else None
        return self.save_template(config, name, category, description, tags, known)

    def export_template(self, name: str, export_path: _Path, category: str | None = None) -> Path:
        """Copy the folder of a template to a path that is free; see `load_template`.

        Raises
        ------
        FileExistsError
            If there is something at the path.
        """
        target = Path(export_path)
        if target.exists():
            raise TakenError(f"cannot export to {target}: it exists; name a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self._find(name, category), target)
        return target

    def import_template(
        self,
        import_path: _Path,
        category: str = "general",
        overwrite: bool = False,
        *,
        trusted: Iterable[str] | bool = (),
    ) -> Path:
        """Copy a folder into the library as a template of the name that its metadata tell.

        Parameters
        ----------
        import_path : path
            The folder.
        category : str, optional
            Where to keep it.
        overwrite : bool, optional
            Replace a template that is there.
        trusted : iterable of str, or True, optional
            Dotted names that its source may call besides the classes of scikit-learn; True takes
            any source.

        Raises
        ------
        FileNotFoundError
            If it has no ``metadata.json``.
        FileExistsError
            If there is a template of this name already.
        ValueError
            If no folder can have the name, or it holds links.
        UntrustedError
            If its source calls anything else.
        """
        source = Path(import_path)
        if not (source / _METADATA).is_file():
            raise DataNotFoundError(f"There is no {_METADATA} in {source}")
        metadata = _read(source / _METADATA)
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if any(path.is_symlink() for path in source.rglob("*")):
            raise ArgumentError(
                f"{source} holds symbolic links: copy what they lead to, or leave it"
            )
        if (source / _SOURCE).is_file() and trusted is not True:
            text = (source / _SOURCE).read_text(encoding="utf-8")
            known = filter(_is_class_of_sklearn, untrusted_in_source(text))
            try:
                safe_load_source(text, trusted=[*known, *(trusted or ())])
            except errors.UntrustedError as error:
                raise UntrustedError(*error.args) from error
        folder = self._folder(name, category)
        with self._written(folder, name, overwrite) as new:
            shutil.copytree(source, new)
        return folder

    def _folder(self, name: Any, category: Any) -> Path:
        return self.library_path / _checked_category(category) / _safe_name(name)

    @contextmanager
    def _written(self, folder: Path, name: Any, overwrite: bool) -> Iterator[str]:
        """Context manager that yields a path to fill, which becomes the folder of a template."""
        with self._locked():
            if folder.exists() and not overwrite:
                raise TakenError(
                    f"Template '{name}' already exists in category '{folder.parent.name}'. "
                    "Use overwrite=True to replace."
                )
            folder.parent.mkdir(exist_ok=True)
            with replace_folder(str(folder)) as new:
                yield new

    def _settled(self, category: str | None) -> list[Path]:
        """Return the folder of a category, or of all, once what a dead writer left is settled."""
        chosen = None if category is None else _checked_category(category)
        if any(unsettled(str(folder)) for folder in self._categories()):
            with self._locked():
                pass
        return [folder for folder in self._categories() if chosen in (None, folder.name)]

    def _folders(self, category: str | None) -> Iterator[Path]:
        for folder in self._settled(category):
            yield from filter(_is_template, sorted(folder.iterdir()))

    def _find(self, name: str, category: str | None) -> Path:
        safe = _safe_name(name)
        for folder in self._settled(category):
            if _is_template(folder / safe):
                return folder / safe
        where = "" if category is None else f" in category '{category}'"
        raise TemplateNotFoundError(f"Template '{name}' not found{where}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from writing, after what a writer that died has begun is settled."""
        with FolderLock(self.library_path):
            for folder in self._categories():
                settle_folders(str(folder))
            yield

    def _categories(self) -> list[Path]:
        found = self.library_path.iterdir()
        return sorted(folder for folder in found if folder.is_dir() and folder.name[0] != ".")


def _tags(tags: Iterable[str] | str | None) -> list[str]:
    """Return tags as a list; text is one of them, and not its letters."""
    return [tags] if isinstance(tags, str) else list(tags or ())


def _is_json(config: Any) -> bool:
    """Return True if JSON holds a configuration as it is, and not as something that is equal."""
    if type(config) is dict:
        return all(type(key) is str for key in config) and all(map(_is_json, config.values()))
    if type(config) is list:
        return all(map(_is_json, config))
    is_finite = type(config) is float and math.isfinite(config)
    return config is None or is_finite or type(config) in (bool, int, str)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path} is not JSON: {error}") from error


def _readme(metadata: Mapping[str, Any]) -> str:
    parts = [f"# {metadata['name']}", metadata["description"]]
    if metadata["tags"]:
        parts.append(f"Tags: {', '.join(map(str, metadata['tags']))}")
    if metadata["metrics"]:
        lines = [f"- {name}: {value}" for name, value in metadata["metrics"].items()]
        parts += ["## Metrics", "\n".join(lines)]
    load = f"config = library.load_template({metadata['name']!r}, {metadata['category']!r})"
    parts += ["## Usage", f"```python\n{load}\n```"]
    if metadata["notes"]:
        parts += ["## Notes", metadata["notes"]]
    parts.append(f"Created {metadata['created_at']}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_class_of_sklearn(name: str) -> bool:
    """Return True if a dotted name is that of a class of scikit-learn."""
    if not name.startswith("sklearn."):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        return isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except ImportError:
        return False


def _is_template(folder: Path) -> bool:
    return folder.is_dir() and folder.name[0] != "."


def _safe_name(name: Any) -> str:
    """Return the folder of a template; names that differ in case and blanks have the same.

    Raises
    ------
    ValueError
        If no folder can have the name.
    """
    if not isinstance(name, str):
        raise ArgumentError(f"Invalid template name: {name!r}; it must be text")
    safe = "".join(c for c in name.strip().replace(" ", "_") if c not in _REMOVED).lower()
    safe = unicodedata.normalize("NFC", safe)
    _check_folder(safe, "template name", name)
    return safe


def _checked_category(category: Any) -> str:
    """Return a category, which is the name of its folder, or raise ValueError if none can be."""
    if not isinstance(category, str) or any(c in _REMOVED for c in category):
        raise ArgumentError(
            f"Invalid category: {category!r}; choose text without any of {' '.join(_REMOVED)}"
        )
    _check_folder(category, "category", category)
    return category


def _check_folder(folder: str, what: str, given: str) -> None:
    """Refuse what would not be one folder inside the library."""
    if (
        not folder
        or folder[0] == "."
        or folder[-1] in ". "
        or not all(c.isprintable() for c in folder)
        or is_device_name(folder)
        or len(folder.encode("utf-8", "surrogatepass")) > 200
    ):
        raise ArgumentError(
            f"Invalid {what}: {given!r}; choose printable text that does not begin with a dot, "
            "does not end with one, and is not a device of Windows"
        )
