"""Pipelines to be used again, kept as templates in folders."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from persist.errors import DamagedError
from persist.files import FolderLock, replace_folder, settle_folders, unsettled, write_text
from persist.tracking.optional import import_yaml
from persist.tracking.template_names import checked_category, safe_name

__all__ = ["PipelineLibrary"]

_Path = str | os.PathLike[str]
_CONFIG, _METADATA, _README = "pipeline.json", "metadata.json", "README.md"
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
            raise FileNotFoundError(f"There is no workspace at {self.workspace_path}")
        self.library_path = self.workspace_path / "library"
        self.library_path.mkdir(exist_ok=True)

    def save_template(
        self,
        pipeline_config: Any,
        name: str,
        category: str = "general",
        description: str = "",
        tags: Iterable[str] | None = None,
        metrics: Mapping[str, Any] | None = None,
        notes: str = "",
        overwrite: bool = False,
    ) -> Path:
        """Keep a configuration as a template.

        Parameters
        ----------
        pipeline_config : object
            Anything that JSON can write; the rest of it becomes text.
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
        """
        folder = self._folder(name, category)
        now = datetime.now().isoformat()
        metadata = {
            "name": name,
            "category": category,
            "description": description,
            "tags": list(tags or ()),
            "metrics": dict(metrics or {}),
            "notes": notes,
            "created_at": now,
            "modified_at": now,
            "version": _VERSION,
        }
        files = {
            _CONFIG: json.dumps(pipeline_config, indent=2, default=str),
            _METADATA: json.dumps(metadata, indent=2, default=str),
            _README: _readme(metadata),
        }
        with self._locked():
            _check_free(folder, name, category, overwrite)

            with _replaced(folder) as new:
                os.mkdir(new)
                for file, text in files.items():
                    write_text(os.path.join(new, file), text)
        return folder

    def load_template(self, name: str, category: str | None = None) -> Any:
        """Return the configuration of a template.

        Raises
        ------
        FileNotFoundError
            If there is none, in this category or in any.
        """
        return _read(self._find(name, category) / _CONFIG)

    def get_template_metadata(self, name: str, category: str | None = None) -> dict[str, Any]:
        """Return what is known of a template; see `load_template`."""
        found: dict[str, Any] = _read(self._find(name, category) / _METADATA)
        return found

    def list_templates(
        self, category: str | None = None, tags: Iterable[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return what is known of each template, by category and name.

        Parameters
        ----------
        category : str, optional
            Only those of it.
        tags : iterable of str, optional
            Only those that have one of these.
        """
        wanted = None if tags is None else set(tags)
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
        tags: Iterable[str] | None = None,
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
            If there is no such file.
        """
        folder = Path(pipeline_dir)
        if not (folder / _CONFIG).is_file():
            raise FileNotFoundError(f"There is no {_CONFIG} in {folder}")
        metrics: Any = {}
        manifest = folder / "manifest.yaml"
        if extract_metrics and manifest.is_file():
            content = import_yaml().safe_load(manifest.read_text(encoding="utf-8"))
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
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self._find(name, category), target)
        return target

    def import_template(
        self, import_path: _Path, category: str = "general", overwrite: bool = False
    ) -> Path:
        """Copy a folder into the library as a template of the name that its metadata tell.

        Raises
        ------
        FileNotFoundError
            If it has no ``metadata.json``.
        FileExistsError
            If there is a template of this name already.
        ValueError
            If no folder can have the name, or it holds links.
        """
        source = Path(import_path)
        if not (source / _METADATA).is_file():
            raise FileNotFoundError(f"There is no {_METADATA} in {source}")
        metadata = _read(source / _METADATA)
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if any(path.is_symlink() for path in source.rglob("*")):
            raise ValueError(f"{source} holds symbolic links: copy what they lead to, or leave it")
        folder = self._folder(name, category)
        with self._locked():
            _check_free(folder, str(name), category, overwrite)
            with _replaced(folder) as new:
                shutil.copytree(source, new)
        return folder

    def _folder(self, name: Any, category: Any) -> Path:
        return self.library_path / checked_category(category) / safe_name(name)

    def _folders(self, category: str | None) -> Iterator[Path]:
        chosen = None if category is None else checked_category(category)
        if any(unsettled(str(folder)) for folder in self._categories()):
            with self._locked():
                pass
        for folder in self._categories():
            if chosen in (None, folder.name):
                for template in sorted(folder.iterdir()):
                    if template.is_dir() and template.name[0] != ".":
                        yield template

    def _find(self, name: str, category: str | None) -> Path:
        safe = safe_name(name)
        for folder in self._folders(category):
            if folder.name == safe:
                return folder
        where = "" if category is None else f" in category '{category}'"
        raise FileNotFoundError(f"Template '{name}' not found{where}")

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


def _check_free(folder: Path, name: str, category: str, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise FileExistsError(
            f"Template '{name}' already exists in category '{category}'. "
            "Use overwrite=True to replace."
        )


def _replaced(folder: Path) -> AbstractContextManager[str]:
    """Put a folder in place that the block makes; the caller holds the lock."""
    folder.parent.mkdir(exist_ok=True)
    return replace_folder(str(folder))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path} is no JSON: {error}") from error


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
