"""HDF5 files on a disk that gets full."""

import contextlib

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace, archive
from persist.files.unbuffered import open_unbuffered

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(
    h5py.version.version_tuple[:2] < (3, 12),
    reason="these releases of h5py crash when HDF5 cannot close a file",
)

SIZE = 20_000  # bytes; HDF5 holds less than 64 kB back


@contextlib.contextmanager
def limited():
    """Refuse all that is behind the first 100 kB of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def value(number):
    return numpy.full(SIZE, number + 1, "u1")


@pytest.mark.parametrize("options", [{}, {"chunks": (SIZE,), "compression": "lzf"}])
def test_a_dataset_is_on_disk_or_an_error(tmp_path, options):
    rng = numpy.random.default_rng(0)
    written = []
    with limited() as lift:
        file = open_unbuffered(tmp_path / "x.h5")

        def write():
            for number in range(20):
                data = rng.integers(0, 256, SIZE, "u1")
                file.create_dataset(str(number), data=data, **options)
                written.append(data)

        with pytest.raises(OSError, match="write"):
            write()
        lift()
        file.close()
    assert 2 < len(written) < 6
    with h5py.File(tmp_path / "x.h5") as file:
        assert all((file[str(n)][()] == data).all() for n, data in enumerate(written))


def test_what_a_lazy_workspace_has_stored_can_be_got():
    with LazyAnalysisWorkspace() as ws, limited():

        def write():
            for number in range(20):
                ws.store("D0", str(number), value(number))

        with pytest.raises(OSError, match="File too large"):
            write()
        keys = ws.list_keys("D0")
        assert 2 < len(keys) < 6
        assert all((ws.get("D0", key) == value(int(key))).all() for key in keys)


def test_a_disk_that_was_full_for_a_while_fails_the_whole_save(tmp_path):
    ws = AnalysisWorkspace()
    for number in range(10):
        ws.store("D0", str(number), value(number))
    with limited() as lift:

        def progress(done, total, name):
            if done == 8:
                lift()

        with pytest.raises(OSError, match="File too large"):
            ws.save(tmp_path / "ws", progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_has_all_of_its_arrays_or_fails(tmp_path):
    found = archive.Archive(array_threshold=10)
    found.insert_items({f"x{number}": value(number) for number in range(10)})
    with limited(), pytest.raises(OSError, match="File too large"):
        found.save(tmp_path, "results", data_format="hdf5")
