"""BagIt packages: written, and verified.

References
----------
RFC 8493, "The BagIt File Packaging Format (V1.0)".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from urllib.parse import unquote

from persist import __version__
from persist.errors import DamagedError
from persist.exchange.kinds import BAG
from persist.exchange.packages import PackageReport, check_files, new_package, read_text, write_text
from persist.exchange.payload import Payload, copy_payload
from persist.files import confine
from persist.progress import Progress

__all__ = ["verify_bag", "write_bag"]

_MANIFEST = "manifest-sha256.txt"
_TAGS = "tagmanifest-sha256.txt"
_INFO = "bag-info.txt"
_DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+)", re.DOTALL)
_LINE_END = re.compile(r"\r\n?|\n")  # section 2.1.3: and no other of those of Unicode
_CODES = re.compile("%(?:25|0[AaDd])")  # section 2.1.3: these and no others


def write_bag(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    description: str = "",
    authors: Iterable[str] = (),
) -> Payload:
    """Copy what is at a path into a new BagIt package.

    Parameters
    ----------
    source : path
        A data set, workspace, storage or run store.
    out : path
        The folder of the package, which does not exist yet.
    description : str, optional
        What it is.
    authors : iterable of str, optional
        The people to ask, each as ``Name`` or ``Name <mail>``.

    Returns
    -------
    Payload
        What was copied, below ``data``.

    Raises
    ------
    FileExistsError
        If there is something at `out`.
    DataSetError
        If there is nothing at `source` that can be exported.
    """
    with new_package(out, source) as folder:
        os.mkdir(os.path.join(folder, "data"))
        payload = copy_payload(source, os.path.join(folder, "data"))
        records = {f"data/{name}": record for name, record in payload.records.items()}
        tags = {
            BAG: _DECLARATION,
            _INFO: _info(payload, description, authors),
            _MANIFEST: _lines({name: record.sha256 for name, record in records.items()}),
        }
        digests = {name: write_text(folder, name, text).sha256 for name, text in tags.items()}
        write_text(folder, _TAGS, _lines(digests))
    return payload


def verify_bag(path: str | os.PathLike[str], *, progress: Progress = None) -> PackageReport:
    """Compare the files of a BagIt package with its manifests.

    DamagedError if there is none of SHA-256, or it is damaged; UnsafePathError if one names a file
    outside of the package. `progress` is called after each file with how many are done, of how
    many, and its path.
    """
    folder = os.fspath(path)
    digests: dict[str, str] = {}
    if not os.path.lexists(os.path.join(folder, _MANIFEST)):
        raise DamagedError(
            f"cannot verify {folder}: it has no {_MANIFEST}; verify it by the program that made it"
        )
    for manifest in (_MANIFEST, _TAGS):
        path = confine(folder, manifest)
        if not os.path.lexists(path):
            continue
        for number, line in enumerate(_LINE_END.split(read_text(path)), 1):
            found = _LINE.fullmatch(line)
            if not line:
                continue
            if found is None:
                raise DamagedError(f"line {number} of {path} is damaged")
            name = _CODES.sub(lambda code: unquote(code[0]), found[2]).removeprefix("./")
            if digests.setdefault(name, found[1].lower()) != found[1].lower():
                raise DamagedError(f"line {number} of {path} has another digest for {name}")
    # Other files need not be listed if they are not of the payload.
    allowed = set(os.listdir(folder)) - {"data"}
    return check_files(folder, digests, allowed, progress)


def _lines(digests: Mapping[str, str]) -> str:
    # RFC 8493 has every percent sign encoded, which other implementations, that of reference among
    # them, do not read. All take one for itself that no reader decodes.
    lines = []
    for name, digest in sorted(digests.items()):
        text = _CODES.sub(lambda code: f"%25{code[0][1:]}", name)
        text = text.replace("\n", "%0A").replace("\r", "%0D")
        lines.append(f"{digest}  {text}\n")
    return "".join(lines)


def _info(payload: Payload, description: str, authors: Iterable[str]) -> str:
    oxum = f"{payload.size}.{len(payload.records)}"
    today = datetime.now(timezone.utc).date().isoformat()
    fields = [
        *(
            ("Contact-Name", author)
            for author in ([authors] if isinstance(authors, str) else authors)
        ),
        ("External-Description", description or f"The {payload.kind} {payload.name}"),
        ("Internal-Sender-Description", payload.how_to_read),
        ("Bagging-Date", today),
        ("Payload-Oxum", oxum),
        ("Bag-Software-Agent", f"persist {__version__}"),
    ]
    return "".join(f"{label}: {' '.join(text.split())}\n" for label, text in fields)
