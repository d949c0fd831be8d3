"""What the distribution promises before it is built; .ci/release.py checks what is built."""

import ast
import configparser
import functools
import os
import re
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path

import pytest

import persist
from persist.cli import make_parser

ROOT = Path(__file__).parents[1]
PACKAGE = Path(persist.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FOR_DEVELOPERS = {
    *("all", "browser", "docs", "libraries", "lint", "release", "spikelab", "test", "zope"),
}

# What persist imports from elsewhere, and the extra that installs it. Those without one are
# imported only where an object or file of that library is at hand.
IMPORTS = {
    "argcomplete": "cli",
    "rich": "cli",
    "dask": "cloud",
    "numcodecs": "cloud",  # comes with zarr
    "zarr": "cloud",
    "pandas": "experiment",
    "scipy": "mat",
    "duckdb": "tracking",
    "joblib": "tracking",
    "polars": "tracking",
    "pyarrow": "tracking",
    "sklearn": "tracking",
    "threadpoolctl": "tracking",
    "yaml": "tracking",
    "jinja2": "report",
    "markupsafe": "report",  # comes with jinja2
    "PIL": None,
    "xarray": None,
    "zope": None,
}

# For each library, a call that needs it, and the extra that its error names.
CALLS = {
    "argcomplete": ("from persist.cli.completion import _argcomplete as f", "f()", "cli"),
    "pandas": ("from persist.experiment.columns import frame_of as f", "f({})", "experiment"),
    "scipy": ("from persist.cli.sources.mat import MatSource as f", "f('x.mat').names()", "mat"),
    **{
        name: (
            "from persist.tracking import optional",
            f"optional.import_optional({name!r})",
            "tracking",
        )
        for name in ("duckdb", "joblib", "pandas", "polars", "pyarrow", "yaml")
        if name != "pandas"
    },
}


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def in_new_process(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


def foreign_imports(path):
    """Yield the top-level names of the libraries that a module imports."""
    known = {*sys.stdlib_module_names, "persist", "numpy", "h5py", "filelock"}
    tree = parsed(path)
    for_types = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in set(ast.walk(tree)) - for_types:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        yield from ({name.partition(".")[0] for name in names} - known)


def test_the_version_is_the_same_everywhere(capsys):
    assert f"version: {persist.__version__}" in (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.rst").read_text().splitlines()
    assert next(line for line in changes if re.match(r"\d", line)).split()[0] == persist.__version__


def test_all_has_every_extra_of_users(setup):
    extras = setup["options.extras_require"]
    (listed,) = re.findall(r"persist\[(.*)\]", extras["all"])
    assert set(listed.split(",")) == set(extras) - FOR_DEVELOPERS


def test_every_optional_import_belongs_to_an_extra(setup):
    found = {name for path in MODULES for name in foreign_imports(path)}
    assert found - set(IMPORTS) == set()
    assert set(IMPORTS.values()) - {None} <= set(setup["options.extras_require"])


def test_errors_name_extras_that_exist(setup):
    named = {
        node.args[1].value
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingExtraError"
        if isinstance(node.args[1], ast.Constant)
    }
    assert named
    assert named <= set(setup["options.extras_require"])


@pytest.mark.cases(3)
@pytest.mark.parametrize("library", CALLS)
def test_a_missing_library_is_an_error_that_names_the_extra(library):
    statement, call, extra = CALLS[library]
    code = f"import sys\nsys.modules[{library!r}] = None\n{statement}\n{call}"
    done = in_new_process(code)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "MissingExtraError" in last
    assert f"pip install 'persist[{extra}]'" in last


def test_commands_work_without_rich(tmp_path):
    code = (
        "import sys\nsys.modules['rich'] = None\nfrom persist.cli import main\n"
        "from persist import DataSet\nDataSet('results', 'w').a = 1\n"
        "sys.exit(main(['ls', 'results', '--color', 'always']))"
    )
    done = in_new_process(code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, "")


def test_dir_lists_the_public_names_and_nothing_else():
    assert dir(persist) == sorted(persist.__all__)


def test_a_workspace_is_used_without_pandas(tmp_path):
    code = (
        "import sys\nfrom persist import AnalysisWorkspace\n"
        "ws = AnalysisWorkspace(name='a')\nws.store('n', 'k', {'x': [1, 2.5]})\nws.save('w')\n"
        "assert AnalysisWorkspace.load('w').get('n', 'k') == {'x': [1, 2.5]}\n"
        "print('pandas' in sys.modules)"
    )
    done = in_new_process(code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.stdout, done.stderr) == ("False\n", "")


# workspace/lazy.py reports what fails while the interpreter ends, when nothing else can be used.
MAY_PRINT = {"workspace/lazy.py"}


def test_only_the_command_line_prints():
    printing = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    }
    assert {name for name in printing if not name.startswith("cli/")} <= MAY_PRINT


def test_every_command_is_in_a_file_of_its_own():
    commands = make_parser()._subparsers._group_actions[0].choices
    # A keyword is not the name of a module.
    files = {
        name: PACKAGE / "cli" / f"{name}{'_' if iskeyword(name) else ''}.py" for name in commands
    }
    assert [name for name, file in files.items() if not file.exists()] == []
