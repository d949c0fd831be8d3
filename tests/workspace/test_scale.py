"""Many items: what one costs does not grow with how many there are.

Where nothing is counted, the number is one at which quadratic time would be minutes.
"""

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.workspace.backend import MemoryBackend, SavedFile
from persist.workspace.foreign import Foreign
from persist.workspace.groups import Header
from persist.workspace.index import in_order
from persist.workspace.loaded import LoadedFile

COUNT = 100_000


def test_many_names_are_put_in_order():
    names = [f"k{number}" for number in range(COUNT)]
    assert in_order([*names, "new"], ["gone", *names[::-1]]) == [*names[::-1], "new"]


def test_many_items_of_a_workspace_that_was_loaded_are_renamed():
    places = [("a", f"k{number}") for number in range(COUNT)]
    backend = LoadedFile(Header("", None, 0.0), SavedFile(None), places)
    for number in range(COUNT):
        backend.move("a", f"k{number}", f"r{number}")
    for number in range(COUNT):
        backend.move("a", f"r{number}", f"s{number}")


def test_one_item_is_renamed_many_times():
    backend = LoadedFile(Header("", None, 0.0), SavedFile(None), [("a", "k0")])
    for number in range(COUNT):
        backend.move("a", f"k{number}", f"k{number + 1}")


def test_many_items_with_something_of_other_software_are_renamed():
    items = {"a": {f"k{number}": number for number in range(COUNT)}}
    extras = {("a", key): Foreign(b"", []) for key in items["a"]}
    backend = MemoryBackend(items, extras)
    for number in range(COUNT):
        backend.move("a", f"k{number}", f"r{number}")
    assert list(backend.extras) == [("a", f"r{number}") for number in range(COUNT)]


def test_what_hdf5_goes_through_at_each_change_does_not_grow(tmp_path):
    ws = AnalysisWorkspace()
    for number in range(300):
        ws.store("a", f"k{number}", number)
    ws.save(tmp_path / "w")
    cached = []
    with LazyAnalysisWorkspace.open(tmp_path / "w") as ws:
        for number in range(300):
            ws.delete("a", f"k{number}")
            cached.append(ws._file.id.get_mdc_size()[2])
    assert max(cached) < 1 << 17
