"""Groups of many members: their number is one at which quadratic time would be minutes."""

import io

import h5py

from persist.hdf5.builtins import archive_layout
from persist.hdf5.extras import SEEN, Layout, extras_of

NAMES = [f"array_{number}" for number in range(100_000)]


def filled(group):
    for name in NAMES:
        group.id.links.create_soft(name.encode(), b"/nothing")


def test_what_is_beside_many_members_is_found():
    with h5py.File(io.BytesIO(), "w", libver="latest") as file:
        filled(file)
        file["other"] = 1
        seen = Layout(members=dict.fromkeys(map(str.encode, NAMES), SEEN))
        (extra,) = extras_of(file, seen)
        assert extra.members == [b"other"]


def test_many_arrays_of_a_source_are_told_from_others():
    with h5py.File(io.BytesIO(), "w", libver="latest") as file:
        filled(file.create_group("arrays"))
        file["arrays/other"] = 1
        file["source"] = "other = 1\n" + "\n".join(f"_arrays['{name}']" for name in NAMES)
        layout = archive_layout(file)
        assert sorted(layout.members[b"arrays"].members) == sorted(map(str.encode, NAMES))
        (extra,) = extras_of(
            file["arrays"], Layout(members=dict.fromkeys(layout.members[b"arrays"].members, SEEN))
        )
        assert extra.members == [b"other"]
