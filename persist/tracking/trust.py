"""Who has made a bundle: a signature that only the same user can make."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persist.files import create_file

__all__ = ["SIGNATURE", "is_own", "sign"]

SIGNATURE = "persist_signature"
"""The key of a manifest that holds the signature of all else in the bundle."""

_LENGTH = 32  # bytes


def sign(manifest: Mapping[str, Any], members: Mapping[str, str]) -> str | None:
    """Return the signature of a bundle; None if this user can keep no key.

    Parameters
    ----------
    manifest : mapping
        The manifest, of which the signature itself is left out.
    members : mapping of str to str
        The SHA-256 of each other member.
    """
    key = _key(create=True)
    return None if key is None else _code(key, manifest, members)


def is_own(manifest: Mapping[str, Any], members: Mapping[str, str]) -> bool:
    """Tell whether this user has made a bundle, as it is, on this machine."""
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
