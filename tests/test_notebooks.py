"""Each notebook runs from top to bottom, and shows what it is kept with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
ipykernel_kernelspec = pytest.importorskip("ipykernel.kernelspec")

ROOT = Path(__file__).parents[1]

# What a notebook needs beside persist, numpy and the libraries of all tests.
NEEDED = {"Beyond One Machine": ("distributed", "flask", "moto", "obstore", "s3fs")}

notebooks = pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a kernel: the Python of these tests, with the persist of this clone."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ipykernel_kernelspec.write_kernel_spec(str(tmp_path / "kernels" / "tested"))
    return "tested"


@notebooks
# Libraries of Jupyter warn of what changes in one another.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.cases(1)
def test_a_notebook_runs_and_gives_the_outputs_that_it_keeps(
    path: Path, kernel: str, tmp_path: Path
) -> None:
    for name in NEEDED.get(path.stem, ()):
        pytest.importorskip(name, reason=f"{name} is not installed")
    notebook = nbformat.read(path, as_version=4)
    kept = outputs_of(notebook)
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name=kernel,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    # numpy 1 shows its scalars in another way.
    if any(kept) and int(numpy.__version__.partition(".")[0]) > 1:
        assert outputs_of(notebook) == kept


def outputs_of(notebook: Any) -> list[str]:
    """Return what each cell shows, as text; what is printed may come in any number of pieces."""
    return [
        "".join(output.get("text") or output["data"]["text/plain"] for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
