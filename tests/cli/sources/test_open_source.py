import pytest

from persist.cli.errors import CommandError
from persist.cli.sources import EXTENSIONS, open_source


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".NPZ"])
def test_every_extension_has_a_source(tmp_path, extension):
    pytest.importorskip("scipy")
    path = tmp_path / f"x{extension}"
    path.touch()
    source = open_source(str(path), trust_pickle=True)
    assert callable(source.names)
    assert callable(source.load)


@pytest.mark.parametrize("name", ["x.txt", "x", ".npz"])
def test_other_extensions_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CommandError, match=r"can be packed: \.npz .* \.mat"):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize("name", ["x.h5", "x.pkl", "x.db"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize("name", ["x.pkl", "x.pickle.gz", "x.JOBLIB", "x.db", "x.dir"])
def test_what_runs_code_asks_for_trust_and_names_the_option(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CommandError, match=r"reading a pickle runs .* --trust-pickle"):
        open_source(str(tmp_path / name))
