"""Build the distribution twice, check what is in it, install it everywhere, run its tests.

Usage: python .ci/release.py [PYTHON ...], each an interpreter to install the wheel for. Prints
what it does; the exit status is 1 with the first check that fails.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCH = "1704067200"
NOT_IN_SDIST = (".ci/", ".gitattributes", ".gitignore", ".pre-commit-config.yaml")
METADATA = ("PKG-INFO", "setup.cfg", "persist.egg-info/")
SMOKE = """
import importlib.resources, os, subprocess, sys
from persist import Archive, DataSet, restore
archive = Archive()
archive.insert(x=[1, 2])
assert restore(str(archive)) == {"x": [1, 2]}
DataSet("results", "w").a = [1.5]
sys.path.insert(0, os.curdir)
import results
assert results.a == [1.5]
assert importlib.resources.files("persist").joinpath("py.typed").is_file()
command = os.path.join(os.path.dirname(sys.executable), "persist")
subprocess.run([command, "verify", "results"], check=True)
"""


def run(*command: str | Path, **options: object) -> None:
    """Run a command; exit with an error if it fails."""
    subprocess.run([str(word) for word in command], check=True, **options)


def tracked() -> list[str]:
    """Return the files of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())


def build(names: list[str], folder: Path) -> dict[str, Path]:
    """Build from a copy of the repository; return the sdist and the wheel by name."""
    for name in names:
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod((ROOT / name).stat().st_mode)
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"),
        folder / "source",
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        stdout=subprocess.DEVNULL,
    )
    return {path.name: path for path in sorted((folder / "dist").iterdir())}


def check_same(first: dict[str, Path], second: dict[str, Path]) -> None:
    """Exit unless two builds gave the same bytes."""
    digests = [
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built.items()}
        for built in (first, second)
    ]
    if digests[0] != digests[1]:
        sys.exit(f"two builds differ: {digests}")
    for name, digest in digests[0].items():
        print(f"{name} sha256:{digest}")


def check_contents(wheel: Path, sdist: Path, names: list[str]) -> None:
    """Exit unless the wheel has the files of the package, and the sdist those of the repository."""
    package = {name for name in names if name.startswith("persist/")}
    found = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in found if name.split("/")[0].endswith(".dist-info")}
    if found - metadata != package:
        sys.exit(f"the wheel differs from persist/: {sorted((found - metadata) ^ package)}")
    if not any(name.endswith("/LICENSE") for name in metadata):
        sys.exit("the wheel has no licence")
    with tarfile.open(sdist) as archive:
        members = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    expected = {name for name in names if not name.startswith(NOT_IN_SDIST)}
    differing = {name for name in members ^ expected if not name.startswith(METADATA)}
    if differing:
        sys.exit(f"the sdist differs from the repository: {sorted(differing)}")


def install(python: str, wheel: Path, folder: Path) -> str:
    """Install the wheel in a new environment, and use it there."""
    run(python, "-m", "venv", folder)
    interpreter = folder / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", "--no-compile", wheel)
    run(interpreter, "-m", "pip", "check", stdout=subprocess.DEVNULL)
    work = folder / "work"
    work.mkdir()
    run(interpreter, "-c", SMOKE, cwd=work, stdout=subprocess.DEVNULL)
    return python


def main(pythons: list[str]) -> None:
    """Check all of it."""
    names = tracked()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda name: build(names, folder / name), ("first", "second"))
        check_same(first, second)
        sdist, wheel = sorted(first.values(), key=lambda path: path.suffix)
        check_contents(wheel, sdist, names)
        run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        folders = [folder / f"venv{number}" for number in range(len(pythons))]
        with ThreadPoolExecutor(2) as pool:
            for python in pool.map(install, pythons, [wheel] * len(pythons), folders):
                print(f"{wheel.name} works with {python}")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (source,) = (folder / "unpacked").iterdir()
        tests = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
        environment = {**os.environ, "PERSIST_EXAMPLES": "dev"}
        run(*tests, "--collect-only", "-qq", cwd=source, env=environment, stdout=subprocess.DEVNULL)
        run(*tests, "--numprocesses", "logical", "tests/files", cwd=source, env=environment)


if __name__ == "__main__":
    main(sys.argv[1:])
