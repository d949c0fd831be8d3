"""The table of the page "Comparison": one result in several formats."""

from __future__ import annotations

import functools
import importlib.util
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy

from benchmarks.measure import medians
from benchmarks.table import Row

__all__ = ["GROUPS"]


def _result(quick: bool) -> dict[str, Any]:
    """Return a result as analyses have them: an array, a small one, and what describes them."""
    generator = numpy.random.default_rng(0)
    return {
        "signal": generator.random((1_000 if quick else 100_000, 8)),
        "mean": generator.random(8),
        "subjects": [{"name": f"S{n:02}", "age": 20 + n, "dose": n / 4} for n in range(50)],
    }


def _write_persist(path: Path, result: dict[str, Any]) -> None:
    from persist import DataSet

    DataSet(path.name, "w", str(path.parent))._update(result)


def _read_persist(path: Path) -> Any:
    from persist import DataSet

    ds = DataSet(path.name, "r", str(path.parent))
    return {name: getattr(ds, name) for name in ds._keys()}


def _write_pickle(path: Path, result: dict[str, Any]) -> None:
    path.write_bytes(pickle.dumps(result, protocol=5))


def _read_pickle(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def _write_asdf(path: Path, result: dict[str, Any]) -> None:
    import asdf

    asdf.AsdfFile(result).write_to(path)


def _read_asdf(path: Path) -> Any:
    import asdf

    with asdf.open(path, lazy_load=False, memmap=False) as file:
        return {name: file[name] for name in ("signal", "mean", "subjects")}


def _write_zarr(path: Path, result: dict[str, Any]) -> None:
    import zarr

    group = zarr.open_group(path, mode="w")
    for name in ("signal", "mean"):
        group.create_array(name, data=result[name])
    group.attrs["subjects"] = result["subjects"]


def _read_zarr(path: Path) -> Any:
    import zarr

    group = zarr.open_group(path, mode="r")
    return {name: group[name][:] for name in ("signal", "mean")} | dict(group.attrs)


_FORMATS: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "persist": (_write_persist, _read_persist),
    "pickle": (_write_pickle, _read_pickle),
    "asdf": (_write_asdf, _read_asdf),
    "zarr": (_write_zarr, _read_zarr),
}


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(found.stat().st_size for found in path.rglob("*") if found.is_file())


def _installed() -> dict[str, tuple[Callable[..., None], Callable[..., Any]]]:
    return {
        name: pair
        for name, pair in _FORMATS.items()
        if name in ("persist", "pickle") or importlib.util.find_spec(name)
    }


def files(quick: bool) -> Iterator[Row]:
    """Yield the times and sizes of one result in each format."""
    result = _result(quick)
    found = _installed()
    with tempfile.TemporaryDirectory() as scratch:
        paths = {name: Path(scratch) / f"result_{name}" for name in found}

        def clear() -> None:
            for path in paths.values():
                shutil.rmtree(path, ignore_errors=True)
                if path.exists():
                    os.remove(path)

        writers = {
            name: functools.partial(write, paths[name], result)
            for name, (write, _) in found.items()
        }
        written = medians(writers, 3 if quick else 7, prepare=clear)
        clear()
        for write in writers.values():
            write()
        readers = {name: functools.partial(read, paths[name]) for name, (_, read) in found.items()}
        read = medians(readers, 3 if quick else 7)
        for name, path in paths.items():
            yield Row(f"write, {name}", written[name] * 1e3, unit=" ms")
            yield Row(f"read, {name}", read[name] * 1e3, unit=" ms")
            yield Row(f"size, {name}", _size(path) / 1e6, unit=" MB")


def runs(quick: bool) -> Iterator[Row]:
    """Yield the time to record one run with ten parameters and metrics."""
    contenders: dict[str, Callable[[], Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if importlib.util.find_spec("duckdb"):
            from persist.tracking import WorkspaceStore

            store = WorkspaceStore(scratch)
            numbers = {f"x{n}": n / 4 for n in range(10)}

            def record() -> None:
                run = store.begin_run("run", numbers, [])
                store.complete_run(run, numbers)

            contenders["persist"] = record
        if importlib.util.find_spec("mlflow"):
            import mlflow

            mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")

            def log() -> None:
                with mlflow.start_run():
                    mlflow.log_params(numbers)
                    mlflow.log_metrics(numbers)

            contenders["mlflow"] = log
        for name, seconds in medians(contenders, 3 if quick else 7).items():
            yield Row(f"record a run, {name}", seconds * 1e3, unit=" ms")


GROUPS: dict[str, Callable[[bool], Iterator[Row]]] = {"files": files, "runs": runs}
