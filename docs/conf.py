"""Configuration of Sphinx. Build with: python -m sphinx -W -b html docs docs/_build/html."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]

import persist  # noqa: E402

project = "persist"
author = copyright = "persist developers"
version = release = persist.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "generated_pages",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"persist {release}"
html_show_copyright = False
default_role = "py:obj"
nitpicky = False
highlight_language = "python"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Tests run the notebooks and compare what they show with what is stored in them. Here they are
# shown with what is stored, and not executed again.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]

# Sphinx reads only what is below its own folder.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
shutil.copytree(ROOT / "notebooks", HERE / "notebooks")
