"""Systems that lack calls of POSIX: each is removed before persist is imported."""

import subprocess
import sys

import pytest

CALLS = ["pread", "pwrite", "O_NOFOLLOW", "O_CLOEXEC", "fchmod", "fdatasync", "flock"]
if sys.version_info < (3, 13):
    # From then on, shutil itself needs it wherever folders have descriptors.
    CALLS.append("O_NONBLOCK")

REMOVE = """
import fcntl, os, sys
for name in sys.argv[2:]:
    for module in (os, fcntl):
        if hasattr(module, name):
            delattr(module, name)
folder = sys.argv[1]
"""

USE = """
import numpy
from persist import Archive, DataSet, load
from persist.errors import LockTimeout
from persist.experiment import Storage, Trial, storage_to_hdf5, WorkingDataset
from persist.files import FolderLock
from persist.workspace import AnalysisWorkspace, LazyAnalysisWorkspace

with FolderLock(folder):
    try:
        FolderLock(folder).acquire(0)
    except LockTimeout:
        pass
    else:
        raise AssertionError("locked twice")

archive = Archive(array_threshold=2)
archive.insert(x=numpy.arange(5))
archive.save(folder, "archive")
assert load(os.path.join(folder, "archive"))["x"].tolist() == list(range(5))

dataset = DataSet("values", "w", path=folder)
dataset.x = numpy.arange(200)
dataset.x = numpy.arange(300)
assert DataSet("values", "r", path=folder).x.shape == (300,)

storage = Storage(os.path.join(folder, "data"))
storage.subject_id = "p0"
with storage.create_task("reach") as writer:
    for number in range(3):
        trial = Trial({"block": 0, "trial": number, f"column{number}": number})
        trial.add_array("emg", data=numpy.full(4, number))
        writer.write(trial)
assert storage.require_task("reach").array("emg").shape == (3, 4)
path = storage_to_hdf5(storage.root)
WorkingDataset(path).add("p0", "reach", "rms", [1.0])

with LazyAnalysisWorkspace.open(os.path.join(folder, "ws")) as ws:
    ws.store("D0", "x", numpy.arange(3))
    ws.compact()
assert AnalysisWorkspace.load(os.path.join(folder, "ws")).get("D0", "x").tolist() == [0, 1, 2]

target = os.path.join(folder, "target")
open(target, "w").close()
os.mkdir(os.path.join(folder, "linked"))
os.symlink(target, os.path.join(folder, "linked", ".lock"))
try:
    FolderLock(os.path.join(folder, "linked")).acquire(0)
except OSError as error:
    assert "symbolic link" in str(error), error
else:
    raise AssertionError("a link was locked")
"""


@pytest.mark.cases(2)
@pytest.mark.skipif(sys.platform == "win32", reason="calls of POSIX are removed")
@pytest.mark.parametrize("names", [["pwrite"], ["flock"], ["O_NOFOLLOW"], CALLS])
def test_everything_is_written_and_read_without_a_call(tmp_path, names):
    command = [sys.executable, "-W", "error", "-c", REMOVE + USE, str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
