"""Experiments to be written, and what tells two of them apart."""

from pathlib import Path

import h5py
import numpy

from persist.experiment import Design, Storage, Trial, write_hdf5

DATA = Path(__file__).parents[1] / "data" / "experiment-axopy-0.2.3"


def make_trial(number, attrs=None, **arrays):
    """Return a trial with an array for each keyword."""
    trial = Trial({"block": 0, "trial": number, **(attrs or {})})
    for name, data in arrays.items():
        trial.add_array(name, data=data)
    return trial


def signal(number, channels=2, samples=5):
    """Return an array that no other number has."""
    return numpy.arange(channels * samples, dtype=float).reshape(channels, samples) + 100 * number


def make_storage(root, *, durable=False):
    """Write two subjects with two tasks, of kinds of all sorts, and files beside them."""
    storage = Storage(root, durable=durable)
    for subject in ("p0", "sub-01"):
        storage.subject_id = subject
        for task in ("reach", "rest 2"):
            block = Design().add_block()
            with storage.create_task(task) as writer:
                for number, label in enumerate(("007", 'a,"q"\nb', "")):
                    trial = block.add_trial(
                        {"label": label, "hit": number != 1, "time": number / 3, "note": None}
                    )
                    trial.add_array("emg", data=signal(number, samples=4 + number))
                    trial.add_array("counts", data=numpy.arange(number + 1, dtype="u2"))
                    if number == 2:
                        trial.attrs["score"] = 5
                        trial.add_array("late", data=numpy.array(7.5))
                    writer.write(trial)
                writer.pickle({"gain": 2}, "settings")
                writer.store({"gain": 3, "long": numpy.arange(500)}, "model")
    Path(root, "readme.txt").write_text("who, when")
    Path(root, "p0", "consent.bin").write_bytes(bytes(range(256)))
    inner = Path(root, "p0", "reach", "video")
    (inner / "empty").mkdir(parents=True)
    (inner / "frame.raw").write_bytes(b"\0" * 10)
    Path(root, "sub-02").mkdir()
    write_hdf5(Path(root, "p0", "reach", "rms.hdf5"), numpy.ones(3))
    return storage


def listing(root):
    """Return the paths of all files and folders below a root, but for locks and journals."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in Path(root).rglob("*")
        if path.name not in (".lock", ".persist-journal")
    )


def contents(root):
    """Return what each file below a root holds: bytes, or the members of an HDF5 file."""
    found = {}
    for name in listing(root):
        path = Path(root, name)
        if path.is_dir():
            found[name] = None
        elif h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                found[name] = members(file)
        else:
            found[name] = path.read_bytes()
    return found


def members(group):
    """Return the members and attributes of a group, to be compared."""
    found = {"attributes": {name: _plain(value) for name, value in group.attrs.items()}}
    for name, member in group.items():
        if isinstance(member, h5py.Group):
            found[name] = members(member)
        else:
            attributes = {key: _plain(value) for key, value in member.attrs.items()}
            found[name] = (member.dtype.str, _plain(member[()]), attributes)
    return found


def _plain(value):
    array = numpy.asarray(value)
    return (
        array.dtype.str,
        array.shape,
        array.tolist() if array.dtype.hasobject else array.tobytes(),
    )
