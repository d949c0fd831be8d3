"""The members of a bundle: a zip file that is read in memory, and never unpacked."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persist.errors import DamagedError
from persist.files.digest import digest_pieces
from persist.tracking.errors import BundleError

__all__ = ["ARTIFACTS", "DIGESTS", "MANIFEST", "BundleMembers"]

MANIFEST = "manifest.json"
ARTIFACTS = "artifacts/"
DIGESTS = "member_digests"
"""The key of a manifest with the SHA-256 of each other member, in files that persist writes."""

_LEAVES = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\x00")


class BundleMembers:
    """The members of a bundle, each checked when it is read.

    Parameters
    ----------
    path : path
        The file.

    Attributes
    ----------
    names : list of str
        The names of the members.
    manifest : dict
        What the bundle says of itself.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    BundleError
        If it is no zip file, has no manifest, or has members that would leave the folder that it is
        unpacked to.
    DamagedError
        If a member is not what was written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            # At once: what is checked is what is used, whoever writes the file meanwhile.
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(f"Bundle not found: {self.path}") from None
        try:
            self._file = zipfile.ZipFile(io.BytesIO(content))
            self.names = self._file.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BundleError(f"Invalid bundle format: {self.path} ({error})") from error
        for name in self.names:
            if _LEAVES.search(name):
                raise BundleError(
                    f"Invalid bundle format: {self.path} has a member {name!r}, which would be "
                    "written outside of the folder that the bundle is unpacked to"
                )
        if len(set(self.names)) != len(self.names):
            raise BundleError(f"Invalid bundle format: {self.path} has two members of one name")
        if MANIFEST not in self.names:
            raise BundleError(f"Bundle missing manifest.json: {self.path}")
        self.manifest: dict[str, Any] = {}
        self.manifest = self.json(MANIFEST)

    def read(self, name: str) -> bytes:
        """Return a member, once it is clear that it is what was written."""
        try:
            data = self._file.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise DamagedError(f"{self.path} is damaged, in {name}: {error}") from error
        wanted = self._digests().get(name)
        if wanted is not None and digest_pieces([data]).sha256 != wanted:
            raise DamagedError(f"{self.path} is damaged: {name} is not what was written")
        return data

    def json(self, name: str) -> dict[str, Any]:
        """Return the object of a member; an empty one if there is no such member."""
        if name not in self.names:
            return {}
        try:
            found = json.loads(self.read(name))
        except ValueError as error:
            if isinstance(error, DamagedError):
                raise
            raise BundleError(f"{name} in {self.path} is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise BundleError(f"{name} in {self.path} must be an object, got {found!r:.80}")
        return found

    def artifacts(self) -> list[str]:
        """Return the names of the members that are artifacts."""
        return [n for n in self.names if n.startswith(ARTIFACTS) and not n.endswith("/")]

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each member but the manifest, as it is now."""
        return {
            name: digest_pieces([self.read(name)]).sha256 for name in self.names if name != MANIFEST
        }

    def _digests(self) -> Mapping[str, str]:
        found = self.manifest.get(DIGESTS)
        return found if isinstance(found, dict) else {}
