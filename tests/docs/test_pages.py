"""Every example of the documentation is run."""

import contextlib
import re
import sys

import pytest

from tests.docs.pages import NEEDS_SERVER, PAGES, ROOT, as_doctest, run_page
from tests.exchange import servers

for library in ("sklearn", "duckdb", "polars", "pyarrow", "joblib", "pandas"):
    pytest.importorskip(library)
# What some pages need beyond that; zarr 3 is for Python 3.11 or newer.
NEEDED = {
    "move-from-tables.md": ("xarray", "h5netcdf"),
    "publish-in-a-bucket.md": ("fsspec", "s3fs", "obstore", "moto.server"),
    "store-arrays-larger-than-memory.md": ("dask.array", "zarr"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to an empty folder, and forget what is imported there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("NO_COLOR", "1")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or str(file).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.cases(8)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_of_a_page_print_what_it_says(path, folder, monkeypatch):
    for library in NEEDED.get(path.name, ()):
        pytest.importorskip(library)
    with contextlib.ExitStack() as stack:
        if path.name == "publish-in-a-bucket.md":
            endpoint = stack.enter_context(servers.bucket_server())
            servers.make_bucket(endpoint, "lab")
            for name, value in servers.environment(endpoint).items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("PERSIST_CACHE", str(folder / "cache"))
        _, failures = run_page(path)
    assert not failures, failures


def test_an_example_without_prompts_is_found():
    with pytest.raises(ValueError, match="is not run"):
        as_doctest(".. code-block:: python\n\n   x = 1\n")


def test_an_example_in_markdown_is_run(folder):
    page = folder / "page.md"
    page.write_text(
        "```python\n>>> x = [\n...     1,\n... ]\n>>> x\n[2]\n```\n\n"
        "```console\n$ persist --version\npersist 0\n```\n\n| a | b |\n|---|---|\n"
    )
    attempted, failures = run_page(page)
    assert attempted == 3
    assert len(re.findall("Failed example", failures)) == 2
    page.write_text("```python\nx = 1\n```\n")
    with pytest.raises(ValueError, match="is not run"):
        run_page(page)


def test_a_wrong_output_is_found(folder):
    page = folder / "page.rst"
    page.write_text(
        ".. code-block:: python\n   :caption: a.py\n\n   x = 1\n\n"
        ".. code-block:: console\n\n   $ persist --version\n   persist 0\n\n"
        ">>> from a import x\n>>> x\n1\n"
    )
    attempted, failures = run_page(page)
    assert attempted == 4
    assert len(re.findall("Failed example", failures)) == 1
    assert "persist 0" in failures


def test_every_page_is_in_a_table_of_contents():
    named = set()
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"\.\. toctree::\n((?:   .*\n|\n)+)", text):
            entries = (line.strip() for line in block.splitlines())
            for entry in entries:
                found = re.search(r"<(.*)>", entry)
                target = (path.parent / (found[1] if found else entry)).resolve()
                named.add(target.relative_to(ROOT / "docs").as_posix() if entry else "")
    pages = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for path in [*PAGES, NEEDS_SERVER]
        if (ROOT / "docs") in path.parents
    }
    assert pages - named == {"index"}
