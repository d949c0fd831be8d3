"""Pages in a headless Chromium: quiet, working, accessible.

They are skipped where the browser or its driver is missing, unless ``PERSIST_BROWSER=required``.
"""

import os
import shutil

import pytest

IS_REQUIRED = os.environ.get("PERSIST_BROWSER") == "required"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if not IS_REQUIRED:
    pytest.importorskip("playwright", reason="pip install 'persist[browser]' for these tests")
    pytest.importorskip("axe_playwright_python", reason="needs the extra browser")
    pytest.importorskip("duckdb")
    pytest.importorskip("jinja2")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)", allow_module_level=True)

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import persist
from tests.exchange.report import samples

KINDS = ["data set", "workspace", "experiment", "store", "difference"]
# The driver is of greenlets that it never closes.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    found = samples.make_pages(folder)
    results = persist.open(folder / "old")
    task = _task(folder / "experiment")
    shown = "".join(one._repr_html_() for one in (results, task, persist.verify(folder / "old")))
    path = folder / "notebook.html"
    head = "<!doctype html><html lang=en><head><title>x</title><meta charset=utf-8></head>"
    path.write_text(f"{head}<body><main><h1>x</h1>{shown}</main></body></html>", encoding="utf-8")
    return {**found, "notebook": str(path)}


def _task(path):
    from persist.experiment import Storage

    storage = Storage(path)
    storage.subject_id = "p0"
    return storage.require_task("reach")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, pages):
    """Open the page of a kind; at the end, check that it was quiet."""
    contexts, troubles = [], []

    def visit(kind, scheme="light", width=1200):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        address = f"file://{pages[kind]}"
        page.on(
            "request",
            lambda request: (
                request.url == address
                or request.url.startswith("data:")
                or troubles.append(request.url)
            ),
        )
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", [*KINDS, "notebook"])
def test_a_page_is_accessible(visit, kind, scheme):
    page = visit(kind, scheme)
    for button in page.locator(".toggle").all():
        button.click()
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("kind", [*KINDS, "notebook"])
def test_a_page_fits_a_narrow_screen(visit, kind):
    page = visit(kind, width=400)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def shown(page, selector):
    return [one.inner_text() for one in page.locator(selector).all() if one.is_visible()]


def test_keys_are_sorted_by_a_click(visit):
    page = visit("data set")
    keys = "#items .item th"
    given = shown(page, keys)
    page.get_by_role("button", name="key").click()
    assert shown(page, keys) == sorted(given)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="key").click()
    assert shown(page, keys) == sorted(given, reverse=True)
    page.get_by_role("button", name="size").click()
    sizes = [int(one.get_attribute("data-value")) for one in page.locator("#items td.number").all()]
    assert sizes == sorted(sizes)
    assert page.locator("th[aria-sort]").inner_text().startswith("size")


def test_the_ranking_is_sorted_by_score_and_filtered(visit):
    page = visit("store")
    page.get_by_role("button", name="validation").click()
    scores = [float(text) for text in shown(page, "#ranking .strong")]
    assert len(scores) == 3
    assert scores == sorted(scores)
    page.get_by_label("Filter models, data sets, metrics and runs").fill("rmse RIDGE")
    assert shown(page, "#ranking .item th") == ["Ridge"]
    assert page.locator("[data-count=ranking]").inner_text() == "1 of 3"
    page.get_by_label("Filter models, data sets, metrics and runs").fill("")
    assert len(shown(page, "#ranking .item th")) == 3


@pytest.mark.parametrize("kind", ["data set", "workspace"])
def test_an_item_opens_and_closes(visit, kind):
    page = visit(kind)
    button = page.locator(".toggle").first
    assert shown(page, ".detail") == []
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert len(shown(page, ".detail")) == 1
    button.press("Enter")
    assert shown(page, ".detail") == []
    page.get_by_role("button", name="Expand all").click()
    assert len(shown(page, ".detail")) == page.locator(".detail").count() > 3
    page.get_by_role("button", name="Collapse all").click()
    assert shown(page, ".detail") == []


def test_a_filtered_page_opens_what_it_shows(visit):
    page = visit("data set")
    page.get_by_label("Filter keys, types and infos").fill("mv")
    assert shown(page, "#items .item th") == ["trace"]
    page.get_by_role("button", name="Expand all").click()
    assert len(shown(page, ".detail")) == 1


def test_a_cell_of_the_matrix_opens_its_task(visit):
    page = visit("experiment")
    task = page.locator("details.item").nth(1)
    assert task.get_attribute("open") is None
    page.get_by_role("link", name="2 trials").nth(1).click()
    page.wait_for_function("document.querySelectorAll('details.item[open]').length === 2")
    assert task.locator("svg").first.is_visible()


def test_runs_and_changes_are_filtered(visit):
    page = visit("difference")
    page.get_by_label("Filter keys and values").fill("nothing has this name")
    assert shown(page, "#changes .item") == []
    page = visit("store")
    page.get_by_label("Filter runs").fill("first")
    assert len(shown(page, "#run-list .item")) == 1


def test_thousands_of_keys_are_sorted_and_filtered(browser, tmp_path):
    with persist.open(tmp_path / "results", "w", durable=False) as results:
        results.update({f"k{n}": n for n in range(2000)})
    path = persist.report(results.path, tmp_path / "page.html")
    page = browser.new_page()
    page.goto(f"file://{path}")
    page.locator("[data-sort]").first.click()
    page.locator("[data-filter=items]").fill("k1234")
    assert shown(page, "#items .item:not([hidden]) th") == ["k1234"]
    page.close()
