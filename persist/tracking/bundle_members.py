"""The members of a bundle: a zip file that is read in memory, and never unpacked."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import re
import secrets
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persist.errors import DamagedError
from persist.files import check_path, create_file, open_regular
from persist.files.digest import digest_pieces
from persist.tracking.errors import BundleError, DataNotFoundError

__all__ = ["ARTIFACTS", "DIGESTS", "MANIFEST", "SIGNATURE", "BundleMembers", "is_own", "sign"]

MANIFEST = "manifest.json"
ARTIFACTS = "artifacts/"
DIGESTS = "member_digests"
"""The key of a manifest with the SHA-256 of each other member, in files that persist writes."""

# What a member may expand to: most are pickles and text, which zlib makes a few times shorter.
_FREE = 128 << 20
_EXPANSION = 64
_LEAVES = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\x00")


class BundleMembers:
    """The members of a bundle, by their names and each checked when it is read, and its manifest.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    BundleError
        If it is not a zip file, has no manifest, or has members that would leave the folder that it
        is unpacked to.
    DamagedError
        If a member is not what was written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(check_path(path, "a bundle"))
        try:
            # At once: what is checked is what is used, whoever writes the file meanwhile.
            with open_regular(self.path, follow=True) as file:
                content = file.read()
        except FileNotFoundError:
            raise DataNotFoundError(f"Bundle not found: {self.path}") from None
        try:
            self._largest = _FREE + _EXPANSION * len(content)
            self._file = zipfile.ZipFile(io.BytesIO(content))
            self.names = self._file.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, IndexError) as error:
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
        if self._file.getinfo(name).file_size > self._largest:
            raise BundleError(
                f"Invalid bundle format: {self.path} has a member {name!r} of "
                f"{self._file.getinfo(name).file_size} bytes, more than its size can explain"
            )
        try:
            data = self._file.read(name)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            raise DamagedError(f"{self.path} is damaged, in {name}: {error}") from error
        digests = self.manifest.get(DIGESTS)
        wanted = digests.get(name) if isinstance(digests, dict) else None
        if wanted is not None and digest_pieces([data]).sha256 != wanted:
            raise DamagedError(f"{self.path} is damaged: {name} is not what was written")
        return data

    def json(self, name: str) -> dict[str, Any]:
        """Return the object of a member; an empty one if it is missing."""
        if name not in self.names:
            return {}
        try:
            found = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            if isinstance(error, (DamagedError, BundleError)):
                raise
            raise BundleError(f"{name} in {self.path} is not JSON: {error}") from error
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


SIGNATURE = "persist_signature"
"""The key of a manifest that holds the signature of all else in the bundle."""

_LENGTH = 32  # bytes


def sign(manifest: Mapping[str, Any], members: Mapping[str, str]) -> str | None:
    """Return the signature of a bundle; None if this user can keep no key.

    It is that of the manifest, but for the signature itself, and the SHA-256 of each other member.
    """
    key = _key(create=True)
    return None if key is None else _code(key, manifest, members)


def is_own(manifest: Mapping[str, Any], members: Mapping[str, str]) -> bool:
    """Return True if this user made a bundle, as it is, on this machine."""
    given, key = manifest.get(SIGNATURE), _key(create=False)
    if key is None or not isinstance(given, str) or not given.isascii():
        return False
    return hmac.compare_digest(given, _code(key, manifest, members))


def _code(key: bytes, manifest: Mapping[str, Any], members: Mapping[str, str]) -> str:
    signed = {name: value for name, value in manifest.items() if name != SIGNATURE}
    text = json.dumps([signed, dict(members)], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(create: bool) -> bytes | None:
    """Return the secret of this user, which is made when it is first needed."""
    path = _folder() / "bundle.key"
    try:
        if create and not path.exists():
            _make(path)
        key = path.read_bytes()
    except (OSError, RuntimeError):
        return None
    return key if len(key) == _LENGTH else None


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with create_file(str(temporary)):
            temporary.chmod(0o600)
            temporary.write_bytes(secrets.token_bytes(_LENGTH))
        # Whoever comes first has made the key.
        if not path.exists():
            os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "persist"
