"""Files that are damaged or no workspaces: told as such, and read as far as they can be."""

import contextlib
import os
import random
import shutil
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy
import pytest

from persist import AnalysisWorkspace, LazyAnalysisWorkspace
from persist.errors import DamagedError, PersistError, PersistWarning
from tests.dataset.crashes import run_in_child
from tests.effort import IS_SHORT
from tests.same import assert_same
from tests.workspace.kinds import contents, listing, sample


@pytest.fixture
def path(tmp_path):
    """Return the path of a saved workspace."""
    sample(AnalysisWorkspace("saved")).save(tmp_path / "ws")
    return tmp_path / "ws"


def alien(file):
    file["D3/params"].attrs["__type__"] = "Alien"


def untyped(file):
    del file["D3/params"].attrs["__type__"]


def without_data(file):
    del file["D3/params/m/data"]


def later(file):
    file["D0/mixed"].attrs["encoding-version"] = "9.0"


def broken_link(file):
    file["D3/link"] = h5py.SoftLink("/nowhere")


def dataset_for_an_item(file):
    file["D3/number"] = 3


def dataset_at_the_root(file):
    file["number"] = 3


def namespace_that_leads_nowhere(file):
    file["nowhere"] = h5py.ExternalLink("missing.h5", "/x")


DAMAGE = {
    alien: (("D3", "params"), "Unknown __type__ 'Alien' in HDF5 group '/D3/params'. Supported: ["),
    untyped: (("D3", "params"), "Unknown __type__ '' in HDF5 group '/D3/params'"),
    later: (("D0", "mixed"), "encoding-version '9.0'"),
    broken_link: (("D3", "link"), "a link, or what is damaged, is where an item should be"),
    dataset_for_an_item: (("D3", "number"), "dataset '/D3/number' is where an item should be"),
    dataset_at_the_root: (("number", ""), "dataset '/number' is where an item should be"),
    namespace_that_leads_nowhere: (("nowhere", ""), "a link, or what is damaged,"),
}
COPIES = 10 if IS_SHORT else 25
each_damage = pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)


def hurt(path, damage):
    with h5py.File(f"{path}.h5", "r+") as file:
        damage(file)


@each_damage
def test_what_cannot_be_read_is_an_error(path, load, damage):
    hurt(path, damage)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        load(path)
    assert DAMAGE[damage][1] in str(caught.value)


@each_damage
def test_what_cannot_be_read_is_left_out_and_named(path, load, damage):
    wanted = contents(AnalysisWorkspace.load(path))
    hurt(path, damage)
    (namespace, key), reason = DAMAGE[damage]
    with pytest.warns(PersistWarning, match=rf"1 item\(s\) cannot be read: {namespace}/{key}") as w:
        found = load(path, errors="skip")
    assert w[0].filename.endswith("conftest.py")
    assert list(found.unreadable) == [(namespace, key)]
    assert reason in found.unreadable[namespace, key]
    wanted.get(namespace, {}).pop(key, None)
    assert_same(contents(found), wanted)


def test_what_is_damaged_inside_is_found_when_it_is_read(path):
    hurt(path, without_data)
    message = r"/D3/params/m in .*ws\.h5 is damaged: it holds no 'data'"
    with pytest.raises(DamagedError, match=message):
        AnalysisWorkspace.load(path)
    with pytest.warns(PersistWarning):
        found = AnalysisWorkspace.load(path, errors="skip")
    assert list(found.unreadable) == [("D3", "params")]
    with LazyAnalysisWorkspace.load(path) as found:
        with pytest.raises(DamagedError, match=message):
            found.get("D3", "params")
        assert found.get("D3", "rates").shape == (2, 3)
    with pytest.raises(DamagedError, match=message):
        AnalysisWorkspace.load_item(path, "D3", "params")


STRANGE = {
    "json": "{",
    "array": numpy.arange(3),
    "bytes": numpy.bytes_(b"\xff\xfe"),
    "nothing": h5py.Empty("f"),
    "negative": -1,
}


def places(path):
    """Return the groups, datasets and attributes of a workspace that spikelab wrote."""
    found = []
    with h5py.File(path) as file:
        found += [("/", name) for name in file.attrs]

        def note(name, thing):
            found.extend((name, attribute) for attribute in thing.attrs)
            if isinstance(thing, h5py.Dataset):
                found.append((name, None))

        file.visititems(note)
    return found


ORIGINAL = Path(__file__).parents[1] / "data/workspace-spikelab-0.1.2/all_types.h5"


@pytest.mark.cases(2)
@pytest.mark.parametrize("kind", STRANGE)
def test_whatever_is_strange_in_a_file_is_told_as_damage(tmp_path, kind):
    chosen = random.Random(kind).sample(places(ORIGINAL), 6 if IS_SHORT else 40)
    for name, attribute in chosen:
        shutil.copy(ORIGINAL, tmp_path / "ws.h5")
        with h5py.File(tmp_path / "ws.h5", "r+") as file:
            if attribute is None:
                del file[name]
                file[name] = STRANGE[kind]
            else:
                file[name].attrs[attribute] = STRANGE[kind]
        # Values that are strange, and are of the type all the same, can be read.
        with contextlib.suppress(PersistError):
            AnalysisWorkspace.load(tmp_path / "ws")
        with contextlib.suppress(PersistError), LazyAnalysisWorkspace.load(tmp_path / "ws") as ws:
            for namespace, key in [(n, k) for n, keys in ws.list_keys().items() for k in keys]:
                with contextlib.suppress(PersistError):
                    ws.get(namespace, key)


def test_damage_of_a_file_that_is_open_in_place_names_the_file(path):
    hurt(path, lambda file: file["D3/rates"].__delitem__("data"))
    with pytest.raises(DamagedError, match=r"/D3/rates in \S*ws\.h5 is damaged"):
        LazyAnalysisWorkspace.open(path)


def test_what_is_whole_is_opened_in_place_beside_what_is_not(path):
    hurt(path, alien)
    with pytest.raises(ValueError, match="Unknown __type__ 'Alien'"):
        LazyAnalysisWorkspace.open(path)
    with pytest.warns(PersistWarning, match="D3/params"):
        ws = LazyAnalysisWorkspace.open(path, errors="skip", timeout=0)
    with ws:
        assert list(ws.unreadable) == [("D3", "params")]
        assert ws.list_keys() == {"D3": ["rates"], "D0": ["labels", "mixed"]}
        with pytest.raises(KeyError, match="an item that cannot be read"):
            ws.store("D3", "params", "new")
        ws.delete("D3", "params")
        assert ws.unreadable == {}
        ws.store("D3", "params", "new")
    assert AnalysisWorkspace.load(path).get("D3", "params") == "new"


def test_nothing_is_left_out_of_what_is_whole(path, load):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path, errors="skip").unreadable == {}


def test_what_is_no_workspace_is_refused(tmp_path, load):
    with h5py.File(tmp_path / "ws.h5", "w") as file:
        file["x"] = 1
    for errors in ("raise", "skip"):
        with pytest.raises(
            ValueError,
            match=r"ws\.h5' does not appear to be a SpikeLab workspace "
            r"\(missing __workspace_id__ attribute\)",
        ):
            load(tmp_path / "ws", errors=errors)
    with pytest.raises(ValueError, match="does not appear to be"):
        AnalysisWorkspace.load_item(tmp_path / "ws", "D0", "x")


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n", bytes(4096)], ids=len)
def test_what_is_no_hdf5_file_is_refused(tmp_path, load, content):
    (tmp_path / "ws.h5").write_bytes(content)
    for act in (
        lambda: load(tmp_path / "ws"),
        lambda: load(tmp_path / "ws", errors="skip"),
        lambda: AnalysisWorkspace.load_item(tmp_path / "ws", "D0", "x"),
    ):
        with pytest.raises(OSError, match=r"ws\.h5: it is not an HDF5 file, or it is damaged"):
            act()
    assert (tmp_path / "ws.h5").read_bytes() == content
    assert listing(tmp_path) == ["ws.h5"]


def test_a_folder_that_is_no_package_is_no_workspace(tmp_path, load):
    (tmp_path / "ws").mkdir()
    with pytest.raises(FileNotFoundError, match="no workspace was saved here"):
        load(tmp_path / "ws")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(path, load, part):
    content = (path.parent / "ws.h5").read_bytes()
    (path.parent / "ws.h5").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(OSError, match=r"ws\.h5: it is not an HDF5 file, or it is damaged"):
        load(path)
    with pytest.raises(OSError, match="truncated"):
        LazyAnalysisWorkspace.open(path)


def damaged_copies(path):
    """Yield contents of the file in each of which a few bytes are others."""
    content = (path.parent / "ws.h5").read_bytes()
    choose = random.Random(1)
    for _ in range(COPIES):
        damaged = bytearray(content)
        for _ in range(choose.choice([1, 4, 64])):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        yield bytes(damaged)


@pytest.mark.cases(1)
@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
def test_random_damage_gives_an_error_that_says_so(path, memory_folder, cls):
    """What is no error is the rest of the workspace, or numbers that nothing vouches for."""
    ends = []
    for number, content in enumerate(damaged_copies(path)):
        copy = memory_folder / f"copy_{number}"
        Path(f"{copy}.h5").write_bytes(content)
        # The library in C, too, may fail to see the damage, and crash.
        ends.append(run_in_child(lambda copy=copy: try_one(cls, copy)))
        assert ends[-1] <= 0
    assert ends.count(0) > COPIES / 2


def try_one(cls, copy):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PersistWarning)
        try:
            found = cls.load(copy, errors="skip")
        except (OSError, ValueError):
            return
    for namespace, key in [(n, k) for n, keys in found.list_keys().items() for k in keys]:
        if cls is LazyAnalysisWorkspace:
            with contextlib.suppress(Exception):
                found.get(namespace, key)
    repr(found)
    if cls is LazyAnalysisWorkspace:
        found.close()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
@pytest.mark.parametrize("cls", [AnalysisWorkspace, LazyAnalysisWorkspace])
@pytest.mark.parametrize("json_file", ["there", "lost"])
def test_a_folder_that_cannot_be_written_to_is_read(cls, json_file):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ws"
        sample(AnalysisWorkspace()).save(path)
        if json_file == "lost":
            os.remove(f"{path}.json")
        before = listing(folder)
        os.chmod(folder, 0o555)

        def load():
            if os.geteuid() == 0:
                os.seteuid(65534)
            with pytest.raises(PermissionError):
                os.mkdir(f"{folder}/x")
            found = cls.load(path)
            assert found.get("D3", "rates").shape == (2, 3)
            assert cls.load_item(path, "D3", "params")["z"] == 1

        try:
            assert run_in_child(load) == 0
        finally:
            os.chmod(folder, 0o755)
        assert listing(folder) == before


def test_a_listing_that_is_no_index_is_ignored(path, load):
    for text in ("[]", "{", '{"D3": 1}'):
        with h5py.File(f"{path}.h5", "r+") as file:
            del file["__persist__/index"]
            file["__persist__/index"] = text
        with contextlib.closing(file):
            found = load(path)
        assert found.list_keys() == {"D3": ["rates", "params"], "D0": ["labels", "mixed"]}
        if isinstance(found, LazyAnalysisWorkspace):
            found.close()


def test_a_listing_is_not_believed_when_groups_were_added(path, load):
    with h5py.File(f"{path}.h5", "r+") as file:
        group = file.create_group("D9/x")
        group.attrs["__type__"] = "ndarray"
        group["data"] = numpy.arange(3)
    found = load(path)
    assert found.list_keys("D9") == ["x"]
    assert found.get_info("D9", "x")["shape"] == [3]


@pytest.mark.parametrize("touched", [False, True])
def test_a_copy_is_read_as_the_file_is(path, load, touched):
    content = (path.parent / "ws.h5").read_bytes()
    (path.parent / "copy.h5").write_bytes(content)
    if touched:
        os.utime(path.parent / "copy.h5", (5, 5))
    found, wanted = load(path.parent / "copy"), load(path)
    assert found.describe() == wanted.describe()
    assert found.list_keys() == wanted.list_keys()


@pytest.mark.filterwarnings("ignore::persist.errors.PersistWarning")
def test_a_damaged_file_is_copied_or_an_error_names_it(tmp_path):
    """Whatever h5py raises: KeyError, RuntimeError and others."""
    sample(AnalysisWorkspace()).save(tmp_path / "ws")
    path, rng = tmp_path / "ws.h5", random.Random(0)
    data = path.read_bytes()
    for _ in range(20):
        place = rng.randrange(len(data))
        path.write_bytes(data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :])
        with (
            contextlib.suppress(PersistError, OSError),
            LazyAnalysisWorkspace.load(tmp_path / "ws", errors="skip") as ws,
        ):
            ws.save(tmp_path / "copy")
