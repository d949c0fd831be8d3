"""Changes of a file that wait for a commit."""

import os

from hypothesis import given
from hypothesis import strategies as st

from persist.experiment.appended_file import AppendedFile, write_at

WRITES = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(1, 3000), st.integers(0, 255)), max_size=8
)


@given(st.integers(0, 3000), WRITES, st.booleans())
def test_nothing_is_changed_before_the_changes_are_made_and_then_all_is(
    tmp_path_factory, size, writes, is_committed
):
    path = tmp_path_factory.mktemp("appended") / "file"
    before = os.urandom(size)
    path.write_bytes(before)
    wanted = bytearray(before)
    file = AppendedFile(str(path))
    for offset, length, value in writes:
        data = bytes([value]) * length
        file.seek(min(offset, len(wanted)))
        wanted[file.tell() : file.tell() + length] = data
        assert file.write(memoryview(data)) == length
    file.seek(0)
    assert file.read() == wanted
    assert path.read_bytes()[:size] == before
    if is_committed:
        for change in file.changes():
            assert change.old == before[change.offset : change.offset + len(change.new)]
            write_at(file.fileno(), change.new, change.offset)
        file.settle()
    file.close()
    assert path.read_bytes() == (wanted if is_committed else before)
