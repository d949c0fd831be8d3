"""``persist verify``: check that data sets, workspaces, experiments and stores are undamaged."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from persist.cli.errors import CommandError, one_line
from persist.cli.options import argument, command
from persist.cli.output import is_quiet, print_result, shows_progress
from persist.cli.storages import open_experiment
from persist.cli.stores import open_store
from persist.display import counted
from persist.errors import PersistError
from persist.exchange.kinds import DATABASE, Kind, kind_of, why_refused
from persist.urls import is_database, is_url, without_password

__all__ = ["run"]

_DAMAGE = ("missing", "unexpected", "damaged", "unreadable", "conflicts")
_KINDS = (*_DAMAGE, "unfinished", "system", "notes")
_SHOWN = {"conflicts": "conflict", "notes": "note"}


@command(
    "verify",
    "persist verify results",
    argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="the folder of a data set, an experiment, a store of runs, an RO-Crate or a BagIt "
        "package; the HDF5 file of a workspace or of an experiment; or the URL of a store in "
        "PostgreSQL",
    ),
    statuses={1: "something is missing, unexpected, damaged, unreadable or in conflict"},
)
def run(args: argparse.Namespace) -> int:
    """Check data sets, workspaces, experiments, stores of runs and archival packages.

    Files of data sets, RO-Crates and BagIt packages are compared with their manifests, and
    artifacts of stores with their digests; workspaces and experiments are read in full. Unfinished
    writes and files of the operating system are listed, but are not damage.
    """
    documents: dict[str, dict[str, Any]] = {}
    status = 0
    for path in args.paths:
        try:
            documents[path] = found = _verify(path)
            status = max(status, 0 if found["ok"] else 1)
        except (PersistError, OSError) as error:
            if len(args.paths) == 1:
                raise
            text = without_password(one_line(error))
            documents[path] = {"ok": False, "checked": 0, "error": text}
            status = 2
    documents = {without_password(path): found for path, found in documents.items()}
    lines = [
        f"{path}: {line}" if len(documents) > 1 else line
        for path, found in documents.items()
        if not (is_quiet() and found["ok"])
        for line in _lines(found)
    ]
    whole = {"ok": not status, "paths": documents}
    print_result(whole if len(args.paths) > 1 else found, text="\n".join(lines))
    return status


def _verify(path: str) -> dict[str, Any]:
    """Return what is found at a path."""
    kind = kind_of(path)
    if kind is None and is_url(path):
        raise CommandError(
            f"cannot verify {path}: it is not the URL of a PostgreSQL database; pull the data set "
            "with persist pull, and verify the copy"
        )
    if kind is None and not os.path.isdir(path):
        raise CommandError(f"cannot verify {path}: {why_refused(path)}")
    if kind is Kind.STORE:
        return _verify_store(path)
    if kind is Kind.STORAGE:
        return _verify_experiment(path)
    if kind in (Kind.BAG, Kind.CRATE):
        from persist.exchange.bag import verify_bag
        from persist.exchange.crate import verify_crate

        verify_package = verify_bag if kind is Kind.BAG else verify_crate
        package = verify_package(path, progress=shows_progress())
        return {"ok": package.ok, **vars(package)}
    if kind is Kind.WORKSPACE:
        from persist.workspace.verification import verify_workspace

        items = verify_workspace(path, progress=shows_progress())
        return {"ok": items.ok, "checked": items.checked, "damaged": list(items.damaged)}
    from persist.dataset import verify

    report = verify(path, progress=shows_progress())
    found: dict[str, Any] = {"ok": report.ok, "checked": report.checked}
    found.update({kind: list(getattr(report, kind)) for kind in _KINDS})
    return found


def _verify_store(path: str) -> dict[str, Any]:
    try:
        with open_store(path) as store:
            report = store.verify()
    except CommandError:
        raise
    except Exception as error:
        if is_database(path):
            # A server that cannot be reached is not damaged.
            raise
        # DuckDB has errors of its own, and some of damaged files are no better described.
        text = f"{DATABASE}: {type(error).__name__}: {one_line(error)}"
        return {"ok": False, "checked": 0, "missing": [], "damaged": [text]}
    found = {name: list(getattr(report, name)) for name in ("missing", "damaged")}
    return {"ok": report.ok, "checked": report.checked, **found}


def _verify_experiment(path: str) -> dict[str, Any]:
    checked, damaged = 0, []
    for name, read in _parts_of(path):
        checked += 1
        try:
            read()
        except Exception as error:
            damaged.append(f"{name}: {type(error).__name__}: {one_line(error)}")
    return {"ok": not damaged, "checked": checked, "damaged": damaged}


def _parts_of(path: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name of each part of an experiment, and a function that reads all of it."""
    from persist.experiment.view import readers

    for subject, task, reader in readers(open_experiment(path)):
        yield f"{subject}/{task}", partial(_check_task, reader)
    if os.path.isfile(path):
        yield os.path.basename(path), partial(_read_hdf5, path)
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            if name.endswith((".hdf5", ".h5")):
                file = os.path.join(folder, name)
                yield os.path.relpath(file, path), partial(_read_hdf5, file)


def _check_task(reader: Any) -> None:
    """Read the table of a task; DamagedError if arrays are there for which it has no row."""
    from persist.experiment import TaskReader

    len(reader)
    if isinstance(reader, TaskReader):
        reader.check_complete()


def _read_hdf5(path: str) -> None:
    import h5py

    from persist.hdf5.opening import check_contained, open_hdf5
    from persist.workspace.verification import read_stored

    def read(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            check_contained(node)
            read_stored(node)

    with open_hdf5(path) as file:
        file.visititems(read)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if "error" in found:
        yield f"error: {found['error']}"
        return
    for kind in _KINDS:
        for name in found.get(kind, ()):
            yield f"{_SHOWN.get(kind, kind)}: {name}"
    has_files = "missing" in found
    kinds = [kind for kind in _KINDS[:-1] if has_files and found.get(kind)]
    counts = [f"{len(found[kind])} {kind}" for kind in kinds]
    what = "file" if has_files else "item"
    state = "ok" if found["ok"] else "damaged"
    yield ", ".join([f"{state}: {counted(found['checked'], what)} checked", *counts])
