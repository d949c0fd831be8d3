"""What a process of its own does for the table: write the archives of a library, or read them.

Usage: ``python -m tests.libraries.worker write LIBRARY FOLDER [reverse]``, then ``read`` without
persist. The outcome of every object is printed as JSON.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import pickle
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["FORMATS", "file_name", "read", "write"]

FORMATS = ("flat", "scoped")


def file_name(folder: Path, key: str, form: str) -> Path:
    """Return the file of an object in one format."""
    return folder / f"{key}.{form}.py"


def write(objects: ModuleType, folder: Path) -> dict[str, str]:
    """Write each object in each format; return what went wrong, by key.

    In reverse, it is also read without running it, where the names that this takes are trusted.
    """
    import persist
    from persist.archive import Archive

    failed = {}
    keys = list(objects.OBJECTS)
    is_reverse = "reverse" in sys.argv
    if is_reverse:
        keys.reverse()
        # What else is loaded must make no difference.
        for name in ("decimal", "scipy.special", "pandas", "xml.dom.minidom"):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    for key in keys:
        try:
            for form in FORMATS:
                archive = Archive(scoped=form == "scoped")
                archive.insert(x=objects.OBJECTS[key]())
                # Writing an object must not change it.
                for _ in range(2 if is_reverse else 1):
                    text = f"{archive}\n"
                file_name(folder, key, form).write_text(text, encoding="utf-8")
            if is_reverse:
                found = persist.load(text, trusted=persist.untrusted_names(text))
                objects.check(found["x"], objects.OBJECTS[key]())
                check_attribute(objects.OBJECTS[key]())
        except Exception:
            failed[key] = traceback.format_exc(limit=-4)
    return failed


def check_attribute(obj: Any) -> None:
    """Check that an attribute which a user gives to an object is kept where pickle keeps it.

    Those of the arrays of pandas are not.
    """
    from persist.archive import Archive

    if type(obj).__module__.startswith("pandas."):
        return
    try:
        obj.of_a_user = [1]
    except Exception:
        return
    try:
        is_kept = vars(pickle.loads(pickle.dumps(obj))).get("of_a_user") == [1]
        archive = Archive(scoped=False)
        archive.insert(x=obj)
        text = str(archive)
    except Exception:
        is_kept = False
    finally:
        # Others may share it.
        del obj.of_a_user
    if is_kept:
        space: dict[str, Any] = {}
        exec(text, space)
        # What has a name is stored by that.
        assert space["x"] is obj or vars(space["x"]).pop("of_a_user", None) == [1]


def read(objects: ModuleType, folder: Path) -> dict[str, str]:
    """Read each archive and compare it with a new object; return what went wrong, by key."""
    failed = {}
    for key, make in objects.OBJECTS.items():
        try:
            for form in FORMATS:
                file = file_name(folder, key, form)
                if file.exists():
                    objects.check(run(file), make())
        except Exception:
            failed[key] = traceback.format_exc(limit=-6)
    return failed


def run(file: Path) -> Any:
    """Return the object of an archive, whose text is run as it is."""
    space: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    return space["x"]


def main() -> None:
    """Do what the command line says."""
    faulthandler.dump_traceback_later(300, exit=True)
    task, library, folder = sys.argv[1:4]
    if task == "read":
        sys.modules["persist"] = None  # type: ignore[assignment]
    warnings.simplefilter("ignore" if task == "read" else "default")
    objects = importlib.import_module(f"tests.libraries.objects.{library}")
    failed = (write if task == "write" else read)(objects, Path(folder))
    sys.stdout.write(json.dumps(failed) + "\n")


if __name__ == "__main__":
    main()
