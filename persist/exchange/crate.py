"""RO-Crates: written, and verified.

References
----------
RO-Crate Metadata Specification 1.2, https://w3id.org/ro/crate/1.2.
"""

from __future__ import annotations

import json
import mimetypes
import os
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote

from persist import __version__
from persist.errors import DamagedError, InvalidNameError
from persist.exchange.kinds import CRATE
from persist.exchange.packages import PackageReport, check_files, new_package, read_text, write_text
from persist.exchange.payload import Payload, copy_payload
from persist.files import confine
from persist.progress import Progress

__all__ = ["verify_crate", "write_crate"]

_CONTEXT = "https://w3id.org/ro/crate/1.2/context"
_PROFILE = "https://w3id.org/ro/crate/1.2"
_README = "README.txt"
_ALLOWED = (CRATE, "ro-crate-preview.html", "ro-crate-preview_files")
_ELSEWHERE = re.compile(r"#|[A-Za-z][\w+.-]+:")  # an address; one letter is a drive of Windows
_SOFTWARE = "#persist"
_LICENSE = "#license"
_MADE = "#made-"
_PERSON = re.compile(r"(?P<name>[^<>]+?)\s*(?:<(?P<id>[^<>\s]+)>)?")
_TYPES = {
    ".py": "text/x-python",
    ".npy": "application/octet-stream",
    ".jsonl": "application/jsonl",
    ".hd5": "application/x-hdf5",
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
    ".joblib": "application/octet-stream",
    ".duckdb": "application/octet-stream",
}


def write_crate(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    license: str,
    name: str = "",
    description: str = "",
    authors: Iterable[str] = (),
) -> Payload:
    """Copy what is at a path into a new RO-Crate.

    Its metadata name the people, the licence, each file with its size and digest, what has made
    values where a data set has noted it, and how to read it without persist.

    Parameters
    ----------
    source : path
        A data set, workspace, storage or run store.
    out : path
        The folder of the crate, which does not exist yet.
    license : str
        The address of the licence, such as ``https://creativecommons.org/licenses/by/4.0/``; its
        SPDX identifier, such as ``CC-BY-4.0``; or words.
    name, description : str, optional
        A title, and what it is.
    authors : iterable of str, optional
        The people, each as ``Name``, or ``Name <address>`` with an ORCID or another address.

    Returns
    -------
    Payload
        What was copied.

    Raises
    ------
    FileExistsError
        If there is something at `out`.
    DataSetError
        If there is nothing at `source` that can be exported.
    InvalidNameError
        If an author is not a name.
    """
    if not license.strip():
        raise InvalidNameError("cannot write a crate: its licence is empty; name one")
    found = [_person(author) for author in ([authors] if isinstance(authors, str) else authors)]
    people = list({person["@id"]: person for person in found}.values())
    with new_package(out, source) as folder:
        payload = copy_payload(source, folder, reserved=(CRATE, _README))
        title = name or f"{payload.name} ({payload.kind})"
        readme = f"{title}\n\n{description or f'The {payload.kind} {payload.name}.'}\n\n"
        readme += f"How to read it without persist\n\n{payload.how_to_read}\n"
        payload.records[_README] = write_text(folder, _README, readme)
        payload.described[_README] = "How to read the crate without persist"
        root = {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": description or f"The {payload.kind} {payload.name}",
            "datePublished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "license": {"@id": _license(license)["@id"]},
            "usageInfo": {"@id": _README},
            "hasPart": [{"@id": _id_of(path)} for path in payload.records],
        }
        if people:
            root["author"] = [{"@id": person["@id"]} for person in people]
        actions = _actions(payload)
        if actions:
            root["mentions"] = [{"@id": action["@id"]} for action in actions]
        graph = [
            {
                "@id": CRATE,
                "@type": "CreativeWork",
                "conformsTo": {"@id": _PROFILE},
                "about": {"@id": "./"},
                "sdPublisher": {"@id": _SOFTWARE},
            },
            root,
            *people,
            _license(license),
            {
                "@id": _SOFTWARE,
                "@type": "SoftwareApplication",
                "name": "persist",
                "version": __version__,
            },
            *_files(payload),
            *actions,
        ]
        document = {"@context": _CONTEXT, "@graph": graph}
        write_text(folder, CRATE, json.dumps(document, indent=1, ensure_ascii=False))
    return payload


def verify_crate(path: str | os.PathLike[str], *, progress: Progress = None) -> PackageReport:
    """Compare the files of an RO-Crate with the digests in its metadata; see `verify_bag`.

    DamagedError if the metadata are not those of a crate, or no file in them has a digest.
    """
    folder = os.fspath(path)
    try:
        graph = json.loads(read_text(confine(folder, CRATE)))["@graph"]
        digests = {
            unquote(str(entity["@id"])).removeprefix("./"): str(entity.get("sha256", "")).lower()
            for entity in graph
            if "File" in _listed(entity.get("@type")) and not _ELSEWHERE.match(str(entity["@id"]))
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"cannot verify {folder}: its {CRATE} is damaged: {error!r}") from error
    if not any(digests.values()):
        raise DamagedError(f"cannot verify {folder}: its {CRATE} has no digests of files")
    return check_files(folder, digests, _ALLOWED, progress)


def _id_of(path: str) -> str:
    return quote(path, safe="/!$&'()*+,;=@~")


def _files(payload: Payload) -> Iterable[dict[str, Any]]:
    for path, record in payload.records.items():
        base = os.path.basename(path)
        extension = os.path.splitext(base)[1].lower()
        kind = _TYPES.get(extension) or mimetypes.guess_type(base)[0]
        entity: dict[str, Any] = {
            "@id": _id_of(path),
            "@type": "File",
            "name": base,
            "contentSize": str(record.size),
            "sha256": record.sha256,
        }
        if kind:
            entity["encodingFormat"] = kind
        if described := payload.described.get(path):
            entity["description"] = described
        yield entity


def _actions(payload: Payload) -> list[dict[str, Any]]:
    """Return what has made values, with all the files that each has made."""
    actions: dict[str, dict[str, Any]] = {}
    for path, made in payload.made_by.items():
        about = {key: value for key, value in made.items() if key != "written"}
        text = json.dumps(about, sort_keys=True)
        action = actions.get(text)
        if action is None:
            versions = about.get("versions") or {}
            action = actions[text] = {
                "@id": f"{_MADE}{len(actions) + 1}",
                "@type": "CreateAction",
                "name": " ".join(map(str, about.get("argv") or ["unknown"])),
                "description": "; ".join(
                    [
                        f"Python {about.get('python')} on {about.get('platform')}",
                        ", ".join(f"{name} {version}" for name, version in versions.items()),
                        f"git {about['git']}" if about.get("git") else "not under git",
                    ]
                ),
                "instrument": {"@id": _SOFTWARE},
                "result": [],
            }
        action["result"].append({"@id": _id_of(path)})
        written = made.get("written")
        action["endTime"] = max(filter(None, [action.get("endTime"), written]), default=None)
    return [{k: v for k, v in action.items() if v is not None} for action in actions.values()]


def _license(text: str) -> dict[str, Any]:
    if re.fullmatch(r"https?://\S+", text):
        return {"@id": text, "@type": "CreativeWork", "name": text}
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", text):
        address = f"https://spdx.org/licenses/{text}"
        return {"@id": address, "@type": "CreativeWork", "name": text, "identifier": text}
    return {"@id": _LICENSE, "@type": "CreativeWork", "name": text, "description": text}


def _person(text: str) -> dict[str, Any]:
    found = _PERSON.fullmatch(text.strip())
    address = found["id"] or "" if found else ""
    if re.fullmatch(r"(\d{4}-){3}\d{3}[\dX]", address):
        address = f"https://orcid.org/{address}"
    if found is None or (address and not re.search(r"^[A-Za-z][\w+.-]*:|@", address)):
        raise InvalidNameError(
            f"cannot name the author {text!r}: write Name, or Name <address>, with an ORCID or "
            "another address"
        )
    person = {"@type": "Person", "name": found["name"]}
    name = f"#{quote(found['name'], errors='backslashreplace')}"
    if name in (_SOFTWARE, _LICENSE) or name.startswith(_MADE):
        name = f"#person-{name[1:]}"
    if "@" in address and "://" not in address:
        return {"@id": name, **person, "email": address}
    return {"@id": address or name, **person}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
