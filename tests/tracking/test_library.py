"""Templates of pipelines."""

import http
import json
import os
from collections import Counter, OrderedDict

import pytest

from persist.errors import DamagedError
from persist.tracking import PipelineLibrary
from persist.tracking.errors import TakenError


@pytest.fixture
def library(tmp_path):
    return PipelineLibrary(tmp_path)


def test_a_template_is_saved_found_and_deleted(library):
    config = {"steps": ["snv", {"pls": 10}]}
    path = library.save_template(
        config, "My Best: PLS/v1", "regression", "d", ["nirs", "pls"], {"rmse": 0.42}, "n"
    )
    assert path == library.library_path / "regression" / "my_best_plsv1"
    assert library.load_template("my best pls/V1") == config
    found = library.get_template_metadata("my_best_plsv1", "regression")
    assert found["metrics"] == {"rmse": 0.42}
    assert found["version"] == "1.0"
    readme = (path / "README.md").read_text()
    assert "# My Best: PLS/v1" in readme
    assert "- rmse: 0.42" in readme
    library.delete_template("My Best: PLS/v1")
    with pytest.raises(KeyError):
        library.delete_template("x")
    with pytest.raises(FileNotFoundError, match="Template 'x' not found"):
        library.load_template("x")
    with pytest.raises(FileNotFoundError, match="not found in category 'regression'"):
        library.load_template("My Best: PLS/v1", "regression")
    assert [p.name for p in (library.library_path / "regression").iterdir()] == []


def test_templates_are_listed_by_category_and_tags(library):
    for name, category, tags in (
        ("a", "regression", ["pls"]),
        ("b", "classification", ["pls", "svm"]),
        ("c", "regression", []),
    ):
        library.save_template(name, name, category, tags=tags)
    (library.library_path / "regression" / "broken").mkdir()
    (library.library_path / "regression" / "broken" / "metadata.json").write_text("{")
    names = lambda **filters: [t["name"] for t in library.list_templates(**filters)]  # noqa: E731
    assert names() == ["b", "a", "c"]
    assert names(category="regression") == ["a", "c"]
    assert names(tags=["svm", "other"]) == ["b"]
    assert names(category="nothing") == []


def test_a_template_is_replaced_only_when_asked_for(library):
    library.save_template(1, "x")
    with pytest.raises(
        FileExistsError, match=r"already exists in category 'general'\. Use overwrite"
    ):
        library.save_template(2, "X")
    assert library.load_template("x") == 1
    library.save_template(2, "X", overwrite=True)
    assert library.load_template("x") == 2


@pytest.mark.parametrize(
    "name", ["", "???", "..", ".", "../x..", ". .", "a\nb", "a\x00", "con", "NUL.txt", "x.", 3]
)
def test_no_name_leaves_the_library(library, tmp_path, name):
    with pytest.raises(ValueError, match="Invalid template name"):
        library.save_template({}, name)
    assert [*library.library_path.rglob("*")] == []


@pytest.mark.parametrize(
    "category", ["", "..", "../x", "a/b", "/tmp", "a\\b", ".hidden", "c:", None]
)
def test_no_category_leaves_the_library(library, tmp_path, category):
    with pytest.raises(ValueError, match="Invalid category"):
        library.save_template({}, "x", category)
    if category is not None:
        for use in (library.load_template, library.delete_template, library.get_template_metadata):
            with pytest.raises(ValueError, match="Invalid category"):
                use("x", category)
    assert [p.name for p in tmp_path.iterdir()] == ["library"]


def test_templates_travel_as_folders(library, tmp_path):
    library.save_template({"a": 1}, "x", "regression", tags=["t"])
    exported = library.export_template("x", tmp_path / "out" / "x")
    with pytest.raises(FileExistsError):
        library.export_template("x", exported)
    imported = library.import_template(exported, category="other")
    assert imported.parent.name == "other"
    assert library.load_template("x", "other") == {"a": 1}
    assert [t["category"] for t in library.list_templates(tags=["t"])] == ["other", "regression"]
    with pytest.raises(FileExistsError):
        library.import_template(exported, category="other")
    library.import_template(exported, category="other", overwrite=True)
    with pytest.raises(FileNotFoundError, match=r"metadata\.json"):
        library.import_template(tmp_path)


def test_a_tag_may_be_given_as_text(library):
    library.save_template(1, "x", tags="cereal")
    assert library.get_template_metadata("x")["tags"] == ["cereal"]
    assert [t["name"] for t in library.list_templates(tags="cereal")] == ["x"]
    assert library.list_templates(tags="c") == []


def test_what_is_imported_cannot_leave_the_library(library, tmp_path):
    source = tmp_path / "evil"
    source.mkdir()
    (source / "pipeline.json").write_text("1")
    for name in ("..", None, "../../x"):
        (source / "metadata.json").write_text(json.dumps({"name": name}))
        with pytest.raises(ValueError, match="Invalid template name"):
            library.import_template(source)
    (source / "metadata.json").write_text('{"name": "link"}')
    (source / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="symbolic links"):
        library.import_template(source)


def test_a_pipeline_of_a_folder_becomes_a_template(library, tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = tmp_path / "pipeline"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no pipeline\.json"):
        library.copy_from_pipeline(folder, "x")
    (folder / "pipeline.json").write_text('{"steps": [1]}')
    library.copy_from_pipeline(folder, "x")
    (folder / "manifest.yaml").write_text(yaml.safe_dump({"metrics": {"rmse": 0.1}}))
    library.copy_from_pipeline(folder, "y")
    assert library.get_template_metadata("x")["metrics"] == {}
    assert library.get_template_metadata("y")["metrics"] == {"rmse": 0.1}
    assert library.load_template("y") == {"steps": [1]}


def test_values_keep_their_types(library):
    config = {"count": Counter(a=2), "side": http.HTTPStatus.OK, "order": OrderedDict(b=1, a=2)}
    library.save_template(config, "typed")
    found = library.load_template("typed")
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in config.items()
    }
    assert found == config
    assert not (library.save_template({"a": [1, True, None, 0.5]}, "p") / "pipeline.py").exists()


def test_what_cannot_be_read_or_written_is_named(library, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "pipeline.json").write_text("[1]")
    (folder / "manifest.yaml").write_text("metrics: [")
    with pytest.raises(DamagedError, match=r"manifest\.yaml is not YAML"):
        library.copy_from_pipeline(folder, "old")
    library.copy_from_pipeline(folder, "old", extract_metrics=False)
    with pytest.raises(TakenError, match="name a new folder"):
        library.export_template("old", folder)


def test_the_workspace_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="no workspace was found there"):
        PipelineLibrary(tmp_path / "none")


def test_a_template_is_there_though_a_writer_died_while_replacing_it(library):
    path = library.save_template([1], "PLS", category="c")
    os.rename(path, path.with_name(".pls.replaced"))
    with pytest.raises(FileExistsError):
        library.save_template([2], "PLS", category="c")
    assert library.load_template("PLS") == [1]
    os.rename(path, path.with_name(".pls.replaced"))
    assert [template["name"] for template in library.list_templates()] == ["PLS"]
    os.rename(path, path.with_name(".pls.replaced"))
    library.delete_template("PLS")
    assert library.list_templates() == []
    assert os.listdir(path.parent) == []
