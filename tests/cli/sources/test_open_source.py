import pytest

from persist.cli.errors import CommandError
from persist.cli.sources import EXTENSIONS, open_source


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".NPZ"])
def test_every_extension_has_a_source(tmp_path, extension):
    pytest.importorskip("scipy")
    path = tmp_path / f"x{extension}"
    path.touch()
    source = open_source(str(path))
    assert callable(source.names)
    assert callable(source.load)


@pytest.mark.parametrize("name", ["x.txt", "x", ".npz"])
def test_other_extensions_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CommandError, match=r"can be packed: \.npz .* \.mat"):
        open_source(str(tmp_path / name))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.h5"):
        open_source(str(tmp_path / "x.h5"))
