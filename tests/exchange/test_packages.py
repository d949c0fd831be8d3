"""RO-Crates and BagIt packages, read by the libraries of these formats."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy
import pytest

import persist
from persist.cli import main
from persist.dataset.layout import MANIFEST
from persist.errors import DamagedError, DataSetError, InvalidNameError, UnsafePathError
from persist.exchange.bag import verify_bag, write_bag
from persist.exchange.crate import verify_crate, write_crate
from persist.exchange.kinds import CRATE
from persist.experiment import storage_to_hdf5
from tests.exchange.sources import KINDS, make, make_data_set, make_storage

PLACES = {"bag": "data/", "crate": ""}


def write(package, source, out):
    if package == "bag":
        return write_bag(source, out, authors=["Ada L <ada@lab.org>"])
    return write_crate(source, out, license="CC-BY-4.0", authors=["Ada L <ada@lab.org>"])


def verify(package, out):
    return (verify_bag if package == "bag" else verify_crate)(out)


@pytest.mark.filterwarnings("ignore:'count' is passed as positional:DeprecationWarning")  # by bagit
@pytest.mark.parametrize("kind", KINDS)
def test_bagit_takes_each_kind(tmp_path, kind):
    bagit = pytest.importorskip("bagit")
    written = write_bag(make(kind, tmp_path), tmp_path / "out", description="Two\nlines")
    assert written.kind == kind
    bag = bagit.Bag(str(tmp_path / "out"))
    bag.validate()
    assert bag.info["External-Description"] == "Two lines"
    assert set(bag.payload_files()) == {f"data/{name}" for name in written.records}
    report = verify_bag(tmp_path / "out")
    assert (report.ok, report.checked) == (True, len(written.records) + 3)


@pytest.mark.filterwarnings("ignore:'count' is passed as positional:DeprecationWarning")  # by bagit
@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("task", ["50 %", "%", "5%2", "a#b c;"])
def test_a_task_may_have_a_percent_sign_in_its_name(tmp_path, package, task):
    bagit, rocrate = pytest.importorskip("bagit"), pytest.importorskip("rocrate.rocrate")
    write(package, make_storage(tmp_path / "exp", task), tmp_path / "out")
    assert verify(package, tmp_path / "out").ok
    if package == "bag":
        bagit.Bag(str(tmp_path / "out")).validate()
    else:
        found = rocrate.ROCrate(tmp_path / "out").data_entities
        assert all(os.path.isfile(entity.source) for entity in found)


@pytest.mark.parametrize("package", PLACES)
def test_text_that_utf8_lacks_is_escaped(tmp_path, package):
    with persist.open(tmp_path / "d", "w") as results:
        results["x"] = 1
        results.info["x"] = "\ud800"
    if package == "bag":
        write_bag(tmp_path / "d", tmp_path / "out", description="\ud800")
    else:
        write_crate(
            tmp_path / "d", tmp_path / "out", license="MIT", description="\ud800", authors="\ud800"
        )
        graph = json.loads((tmp_path / "out" / CRATE).read_text(encoding="utf-8"))["@graph"]
        assert [e["description"] for e in graph if e["@id"] in ("./", "d/x.py")] == [
            "\ud800",
            "x: builtins.int; \ud800",
        ]
    assert verify(package, tmp_path / "out").ok


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("package", PLACES)
def test_a_name_that_utf8_lacks_is_refused(tmp_path, package):
    make_storage(tmp_path / "exp")
    (tmp_path / "exp" / "p0" / "caf\udce9").write_text("")
    with pytest.raises(DataSetError, match="its name is not UTF-8"):
        write(package, tmp_path / "exp", tmp_path / "out")
    assert os.listdir(tmp_path) == ["exp"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize(
    "name", ["a%25b", "%0a", "%%0D", "a\nb\r", "%\n", "%2525", "a\u2028b", "a\x85b", "a\x0bb"]
)
def test_names_that_look_encoded_are_read_as_they_were(tmp_path, name):
    make_storage(tmp_path / "exp")
    (tmp_path / "exp" / "p0" / name).write_text("")
    write_bag(tmp_path / "exp", tmp_path / "out")
    assert verify_bag(tmp_path / "out").ok


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("name", ["notes 12:30.txt", "a\\b"])
def test_a_name_that_a_check_would_refuse_is_not_exported(tmp_path, package, name):
    make_storage(tmp_path / "exp")
    (tmp_path / "exp" / "p0" / name).write_text("")
    with pytest.raises(DataSetError, match=r"cannot export .*separates .*; rename it"):
        write(package, tmp_path / "exp", tmp_path / "out")
    assert os.listdir(tmp_path) == ["exp"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("package", PLACES)
def test_a_workspace_of_such_a_name_is_exported_under_another(tmp_path, package):
    os.rename(f"{make('workspace', tmp_path)}.h5", tmp_path / "a:b.h5")
    written = write(package, tmp_path / "a:b", tmp_path / "out")
    assert written.name == "a_b"
    assert verify(package, tmp_path / "out").ok


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("package", ["bag", "crate"])
@pytest.mark.parametrize("name", ["a:b", "a\\b", "ro-crate-metadata.json", "README.txt"])
def test_a_name_that_has_another_meaning_is_changed(tmp_path, package, name):
    make_data_set(tmp_path / name)
    written = write(package, tmp_path / name, tmp_path / "out")
    assert verify(package, tmp_path / "out").ok
    folder = PLACES[package] + written.name
    assert persist.verify(tmp_path / "out" / folder).ok


@pytest.mark.parametrize("author", ["persist", "license", "made-1", "Ada <mailto:ada@lab.org>"])
def test_people_are_not_mixed_up_with_other_entities_of_a_crate(tmp_path, author):
    rocrate = pytest.importorskip("rocrate.rocrate")
    write_crate(
        make_data_set(tmp_path / "d"), tmp_path / "out", license="my words", authors=[author] * 2
    )
    crate = rocrate.ROCrate(tmp_path / "out")
    (person,) = crate.root_dataset["author"]
    assert (person.type, person["name"]) == ("Person", author.partition(" <")[0])
    assert crate.license.type == "CreativeWork"
    graph = json.loads((tmp_path / "out" / CRATE).read_text(encoding="utf-8"))["@graph"]
    ids = [entity["@id"] for entity in graph]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("author", ["Ada <./>", "Ada <#persist>", "Ada <README.txt>", " "])
def test_the_address_of_a_person_is_not_in_the_crate(tmp_path, author):
    with pytest.raises(InvalidNameError, match="cannot name the author"):
        write_crate(make_data_set(tmp_path / "d"), tmp_path / "out", license="x", authors=[author])


@pytest.mark.parametrize("package", ["bag", "crate"])
def test_one_author_may_be_given_without_a_list(tmp_path, package):
    source, out = make_data_set(tmp_path / "d"), tmp_path / "out"
    if package == "bag":
        write_bag(source, out, authors="Ada L")
        assert "Contact-Name: Ada L\n" in (out / "bag-info.txt").read_text()
    else:
        write_crate(source, out, license="x", authors="Ada L")
        assert '"name": "Ada L"' in (out / CRATE).read_text()


def test_a_damaged_workspace_is_not_exported(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"")
    with pytest.raises(DamagedError, match="it is not HDF5"):
        write_bag(tmp_path / "w", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_rocrate_takes_each_kind(tmp_path, kind):
    rocrate = pytest.importorskip("rocrate.rocrate")
    write_crate(
        make(kind, tmp_path),
        tmp_path / "out",
        license="https://creativecommons.org/licenses/by/4.0/",
        name="Spikes",
        authors=["Ada L <0000-0002-1825-0097>", "Bob <bob@lab.org>", "Eve"],
    )
    crate = rocrate.ROCrate(tmp_path / "out")
    assert crate.name == "Spikes"
    assert crate.metadata["conformsTo"] == "https://w3id.org/ro/crate/1.2"
    assert crate.license.id == "https://creativecommons.org/licenses/by/4.0/"
    people = {person.id: person["name"] for person in crate.root_dataset["author"]}
    assert people == {
        "https://orcid.org/0000-0002-1825-0097": "Ada L",
        "#Bob": "Bob",
        "#Eve": "Eve",
    }
    files = [entity for entity in crate.data_entities if entity.type == "File"]
    on_disk = {
        os.path.relpath(os.path.join(folder, name), tmp_path / "out")
        for folder, _, names in os.walk(tmp_path / "out")
        for name in names
    }
    assert {str(os.path.relpath(e.source, tmp_path / "out")) for e in files} == on_disk - {
        "ro-crate-metadata.json"
    }
    assert all(os.path.getsize(e.source) == int(e["contentSize"]) for e in files)
    report = verify_crate(tmp_path / "out")
    assert (report.ok, report.checked) == (True, len(files))


def test_a_crate_tells_what_made_values(tmp_path):
    rocrate = pytest.importorskip("rocrate.rocrate")
    write_crate(make_data_set(tmp_path / "d"), tmp_path / "out", license="MIT")
    crate = rocrate.ROCrate(tmp_path / "out")
    (action,) = crate.get_by_type("CreateAction")
    assert {entity.id for entity in action["result"]} == {
        *("d/x.py", "d/data_x.5/array_0.npy", "d/gr%C3%B6%C3%9Fe.py", "d/D0/rate.py"),
        *("d/D0/D1/z.py", "d/D0/D1/data_z/array_0.npy"),
    }
    assert numpy.__version__ in action["description"]
    assert crate.get("d/x.py")["description"] == "x: numpy.ndarray, shape (600,); 250 Hz"


@pytest.mark.parametrize("name", ["2nd run", "class", "d"])
def test_what_a_package_says_of_reading_it_is_so(tmp_path, name):
    written = write_bag(make_data_set(tmp_path / name), tmp_path / "out")
    text = written.how_to_read
    if found := re.search(r"Rename the folder (.+), which .* to (\w+)\.", text):
        os.rename(tmp_path / "out" / "data" / found[1], tmp_path / "out" / "data" / found[2])
    (statement,) = re.findall(r"`(import .*?)`", text)
    code = f"{statement} as d; print(int(d.x.sum()))"
    run = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tmp_path / "out" / "data",
        capture_output=True,
        text=True,
    )
    assert (run.stdout, run.stderr) == ("179700\n", "")


def test_a_storage_in_one_file_is_not_said_to_be_a_folder(tmp_path):
    file = storage_to_hdf5(make_storage(tmp_path / "exp"))
    written = write_bag(file, tmp_path / "out")
    assert "The file is HDF5" in written.how_to_read


@pytest.mark.parametrize("package", PLACES)
def test_the_data_set_in_a_package_is_one(tmp_path, package):
    write(package, make_data_set(tmp_path / "d"), tmp_path / "out")
    inside = tmp_path / "out" / PLACES[package] / "d"
    assert persist.verify(inside).ok
    code = "import d; print(int(d.x.sum()), d.D0.rate, d.D0.D1.z.shape)"
    run = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=inside.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "179700 2.5 (400,)\n"
    assert verify(package, tmp_path / "out").ok


@pytest.mark.parametrize("package", PLACES)
def test_verify_finds_what_was_changed(tmp_path, package, capsys):
    write(package, make_data_set(tmp_path / "d"), tmp_path / "out")
    inside = tmp_path / "out" / PLACES[package] / "d"
    assert main(["verify", str(tmp_path / "out")]) == 0
    (inside / "x.py").write_text("x = 1")
    (inside / "D0" / "rate.py").unlink()
    (inside / "new.py").write_text("new = 1")
    (inside / ".DS_Store").write_text("")
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "out"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    at = PLACES[package]
    assert found["damaged"] == [f"{at}d/x.py"]
    assert found["missing"] == [f"{at}d/D0/rate.py"]
    assert sorted(found["unexpected"]) == sorted([f"{at}d/new.py", "link"])
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert "1 missing, 2 unexpected, 1 damaged" in capsys.readouterr().out


@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "C:/x", "a//b", ""])
def test_names_in_a_package_stay_in_it(tmp_path, package, name):
    write(package, make_data_set(tmp_path / "d"), tmp_path / "out")
    if package == "bag":
        with open(tmp_path / "out" / "manifest-sha256.txt", "a") as file:
            file.write(f"{'0' * 64}  {name}\n")
    else:
        path = tmp_path / "out" / "ro-crate-metadata.json"
        document = json.loads(path.read_text())
        document["@graph"].append({"@id": name, "@type": "File", "sha256": "0" * 64})
        path.write_text(json.dumps(document))
    with pytest.raises((UnsafePathError, DamagedError)):
        verify(package, tmp_path / "out")


@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[1]", b'{"@graph": [1]}', b"x" * 99])
def test_damaged_lists_are_errors(tmp_path, package, content):
    write(package, make_data_set(tmp_path / "d"), tmp_path / "out")
    name = "manifest-sha256.txt" if package == "bag" else "ro-crate-metadata.json"
    (tmp_path / "out" / name).write_bytes(content)
    if package == "bag" and not content:
        assert not verify(package, tmp_path / "out").ok
        return
    with pytest.raises(DamagedError):
        verify(package, tmp_path / "out")


def list_files(crate, *entities):
    """Add entities of files to the metadata of a crate."""
    path = crate / CRATE
    document = json.loads(path.read_text(encoding="utf-8"))
    document["@graph"] += [{"@type": "File", **entity} for entity in entities]
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_file_that_a_crate_lists_without_a_digest_has_to_be_there(tmp_path):
    out = tmp_path / "out"
    write("crate", make_data_set(tmp_path / "d"), out)
    checked = verify_crate(out).checked
    list_files(out, {"@id": "fig%201.png"}, {"@id": "doi:10.5281/1"}, {"@id": "#sum"})
    assert verify_crate(out).missing == ["fig 1.png"]
    (out / "fig 1.png").write_bytes(b"")
    report = verify_crate(out)
    assert (report.ok, report.checked) == (True, checked)


@pytest.mark.parametrize("size", ["2 kB", 1e400, ["3"], None])
def test_the_digest_of_a_file_counts_whatever_its_size_is_said_to_be(tmp_path, size):
    out = tmp_path / "out"
    write("crate", make_data_set(tmp_path / "d"), out)
    (out / "a").write_bytes(b"")
    digest = hashlib.sha256(b"").hexdigest()
    list_files(out, {"@id": "a", "sha256": digest, "contentSize": size})
    assert verify_crate(out).ok


def test_the_files_of_a_preview_belong_to_a_crate(tmp_path):
    out = tmp_path / "out"
    write("crate", make_data_set(tmp_path / "d"), out)
    (out / "ro-crate-preview_files").mkdir()
    (out / "ro-crate-preview_files" / "style.css").write_text("")
    assert verify_crate(out).ok


@pytest.mark.filterwarnings("ignore:'count' is passed as positional:DeprecationWarning")  # by bagit
def test_tag_files_that_a_bag_does_not_list_are_no_damage(tmp_path):
    out = tmp_path / "out"
    write("bag", make_data_set(tmp_path / "d"), out)
    (out / "metadata").mkdir()
    (out / "metadata" / "mets.xml").write_text("<mets/>")
    manifest = out / "manifest-sha256.txt"
    lines = manifest.read_text(encoding="utf-8").replace("  data/", "  ./data/")
    manifest.write_text(f"{lines}\n", encoding="utf-8")
    (out / "tagmanifest-sha256.txt").unlink()
    pytest.importorskip("bagit").Bag(str(out)).validate()
    assert verify_bag(out).ok
    (out / "data" / "new").write_text("")
    (out / "metadata" / "link").symlink_to(tmp_path)
    assert sorted(verify_bag(out).unexpected) == ["data/new", "metadata/link"]


def test_a_bag_with_two_digests_for_one_file_is_damaged(tmp_path):
    out = tmp_path / "out"
    write("bag", make_data_set(tmp_path / "d"), out)
    manifest = out / "manifest-sha256.txt"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(f"{'0' * 64}{text[64 : text.index(chr(10))]}\n{text}", encoding="utf-8")
    with pytest.raises(DamagedError, match=r"line 2 of .* has another digest"):
        verify_bag(out)


@pytest.mark.parametrize("package", PLACES)
def test_a_damaged_data_set_is_not_exported_and_nothing_is_left(tmp_path, package):
    path = make_data_set(tmp_path / "d")
    (path / "x.py").write_text("x = 1")
    with pytest.raises(DamagedError, match="not what the manifest says"):
        write(package, path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize("package", PLACES)
def test_what_is_there_is_left_alone(tmp_path, package):
    path = make_data_set(tmp_path / "d")
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError):
        write(package, path, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
    with pytest.raises(DataSetError, match="cannot export"):
        write(package, tmp_path / "out", tmp_path / "other")


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.filterwarnings("ignore:'count' is passed as positional:DeprecationWarning:bagit")
def test_a_bag_of_the_reference_implementation_is_verified(tmp_path, capsys):
    # It lists digests by SHA-256 and SHA-512, and leaves percent signs as they are.
    bag = tmp_path / "bag"
    bag.mkdir()
    for name in ("a.txt", "50%41.txt", "ü.txt"):
        (bag / name).write_text(name, encoding="utf-8")
    pytest.importorskip("bagit").make_bag(str(bag))
    assert main(["verify", str(bag)]) == 0
    (bag / "data" / "a.txt").write_text("b")
    assert main(["verify", str(bag)]) == 1
    assert "damaged: data/a.txt" in capsys.readouterr().out


@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("kind", ["data set", "storage"])
def test_a_package_is_not_made_inside_of_what_it_holds(tmp_path, package, kind):
    source = make(kind, tmp_path)
    before = sorted(source.rglob("*"))
    with pytest.raises(DataSetError, match=r"it is inside .*choose another folder"):
        write(package, source, source / "archive" / "out")
    assert sorted(source.rglob("*")) == before


@pytest.mark.parametrize("package", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_link_leads_to_is_exported(tmp_path, package, kind):
    source = make(kind, tmp_path)
    suffixes = [".h5", ".json"] if kind == "workspace" else [""]
    for suffix in suffixes:
        os.symlink(f"{source}{suffix}", f"{tmp_path}/link{suffix}")
    written = write(package, tmp_path / "link", tmp_path / "out")
    assert (written.kind, written.name) == (kind, "link")
    assert not any(map(os.path.islink, (tmp_path / "out").rglob("*")))
    assert verify(package, tmp_path / "out").ok


def test_links_in_a_storage_are_refused(tmp_path):
    path = make("storage", tmp_path)
    (tmp_path / "secret").write_text("secret")
    (path / "p0" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(DataSetError, match="link"):
        write_bag(path, tmp_path / "out")


@pytest.mark.cases(0)
def test_writers_may_be_at_work(tmp_path):
    path = make_data_set(tmp_path / "d")
    code = (
        "import persist, numpy\n"
        "results = persist.open('d', 'w', durable=False)\n"
        "print(flush=True)\n"
        "for number in range(10**6): results['x'] = numpy.arange(500) + number"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as writer:
        try:
            writer.stdout.readline()
            for number in range(5):
                write_bag(path, tmp_path / f"out{number}")
        finally:
            writer.kill()
    for number in range(5):
        inside = tmp_path / f"out{number}" / "data" / "d"
        assert persist.verify(inside).ok
        assert persist.open(inside)["x"].shape in ((500,), (600,))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("d --bag out --license MIT", "--license needs --crate"),
        ("d --bag out --title Irises", "--title needs --crate"),
        ("3f2a model.n4a --author Ada", "--author needs --crate or --bag"),
    ],
)
def test_no_option_of_a_package_is_ignored(tmp_path, monkeypatch, capsys, line, reason):
    make_data_set(tmp_path / "d")
    monkeypatch.chdir(tmp_path)
    assert main(["export", *line.split()]) == 2
    assert capsys.readouterr().err == f"persist: cannot export: {reason}\n"
    assert os.listdir() == ["d"]


def test_the_command_names_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_data_set(tmp_path / "d")
    for argv, message in [
        (["d", "--crate", "out"], "give --license"),
        (["d", "--crate", "out", "--bag", "b"], "not both"),
        (["d", "out", "--bag", "b"], "give no FILE"),
        (["d"], "name the file"),
        (["d", "--crate", "out", "--license", "MIT", "--author", "<x>"], "write Name"),
        (["nosuch", "--bag", "out"], "cannot export"),
    ]:
        assert main(["export", *argv]) == 2
        assert message in capsys.readouterr().err
        assert os.listdir() == ["d"]
    assert main(["export", "d", "--crate", "out", "--license", "MIT"]) == 0
    assert capsys.readouterr().out.startswith("wrote out: data set, ")


@pytest.mark.parametrize("package", PLACES)
def test_a_key_that_a_merged_history_deleted_and_the_other_set_is_exported(tmp_path, package):
    results = persist.open(tmp_path / "d", "w")
    results["x"] = 1
    shutil.copytree(tmp_path / "d", tmp_path / "e")
    results["x"] = 2
    del persist.open(tmp_path / "e", "w")["x"]
    ours, theirs = tmp_path / "d" / MANIFEST, tmp_path / "e" / MANIFEST
    with ours.open("ab") as file:
        file.write(theirs.read_bytes().splitlines(keepends=True)[-1])
    assert persist.open(tmp_path / "d")["x"] == 2
    write(package, tmp_path / "d", tmp_path / "out")
    assert verify(package, tmp_path / "out").ok
    assert persist.open(tmp_path / "out" / PLACES[package] / "d")["x"] == 2
