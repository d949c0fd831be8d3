"""Changes to an HDF5 file that wait for a commit."""

import io

from hypothesis import given
from hypothesis import strategies as st

from persist.files.overlay import OverlayFile

WRITES = st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=12)), max_size=12)


@given(WRITES, st.integers(0, 64), st.integers(0, 64))
def test_what_waits_is_read_as_if_it_were_written(tmp_path_factory, writes, start, size):
    path = tmp_path_factory.mktemp("overlay") / "file"
    path.write_bytes(bytes(range(64)))
    wanted = io.BytesIO(bytes(range(64)))
    file = OverlayFile(str(path))
    for offset, data in writes:
        for each in (file, wanted):
            each.seek(offset)
            each.write(data)
        for each in (file, wanted):
            each.seek(start)
        assert file.read(size) == wanted.read(size)
    part = file.part()
    whole = bytearray(path.read_bytes())
    for change in part.changes:
        assert whole[change.offset :][: len(change.old)] == change.old
        whole[change.offset : change.offset + len(change.new)] = change.new
    assert whole == wanted.getvalue()
    file.close()


def test_many_changes_may_wait(tmp_path):
    # Quadratic time would be many minutes.
    count = 100_000
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * count))
    file = OverlayFile(str(path))
    for number in range(count):
        file.seek(4 * number)
        file.write(b"x")
        file.seek(4 * number)
        assert file.read(2) == b"x\0"
    assert len(file.part().changes) == count
    file.close()
