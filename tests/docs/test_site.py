"""The documentation site is built without a warning; it is whole, leads nowhere wrong, and can be searched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from docs_pages import ROOT
from site_pages import Site, dead, is_elsewhere, reached, read

from consilience.host import STANDARD, Offer, Registry, _hookspecs

for needed in ("sphinx", "myst_parser", "furo", "sphinx_copybutton"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")

PUBLIC = ["consilience"] + [
    f"consilience.{room}"
    for room in ("declare", "host", "plan", "data", "fuse", "train", "evidence", "serve", "testing")
    if find_spec(f"consilience.{room}")
]
UNSHOWN = Path(__file__).with_name("unshown.txt")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "docs.builder", "--pages", str(folder / "pages"), "--output", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def site(html: Path) -> Site:
    return read(html)


@pytest.fixture(scope="module")
def offers() -> list[Offer]:
    registry = Registry()
    registry.plugins()
    return registry.components()


def page_of(html: Path, offer: Offer) -> Path:
    namespace, _, name = offer.name.rpartition(".")
    return (html / "components" / (namespace or STANDARD) / f"{name}.html").resolve()


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here"/><a href="b.html#gone"/><a href="c.html"/><img src="d.png"/>'
    )
    assert dead(read(tmp_path)) == ["a.html: b.html#gone", "a.html: c.html", "a.html: d.png"]
    assert len(reached(read(tmp_path), (tmp_path / "b.html").resolve())) == 1


def test_a_page_that_nobody_placed_stands_in_the_navigation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    trees = import_module("docs.builder._navigation").toctrees(
        {"index", "concepts", "kinds/index", "kinds/loss", "new"}
    )
    assert trees["index"].index("/concepts") < trees["index"].index("/new")
    assert "/first-discipline" not in trees["index"]
    assert "/kinds/loss" in trees["kinds/index"]


@pytest.mark.slow
def test_every_page_is_reached_from_the_front(site: Site, html: Path) -> None:
    lost = set(site) - reached(site, (html / "index.html").resolve())
    assert not lost


@pytest.mark.slow
def test_no_link_is_dead(site: Site) -> None:
    assert not dead(site)


@pytest.mark.slow
def test_everything_that_a_page_loads_lies_beside_it(site: Site, html: Path) -> None:
    assert not [part for page in site.values() for part in page.parts if is_elsewhere(part)]
    sheets = "".join(sheet.read_text(encoding="utf-8") for sheet in html.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", sheets)


@pytest.mark.slow
def test_every_component_has_a_page_with_its_ports_and_keys(site: Site, html: Path, offers: list[Offer]) -> None:
    assert offers
    for offer in offers:
        page = site[page_of(html, offer)]
        declared: Any = offer.component
        ports = [*getattr(declared, "inputs", ()), *getattr(declared, "outputs", ())]
        for word in (offer.name, *ports, *declared.model_fields):
            assert f">{word}<" in page.source, f"{offer.name}: no {word}"
        for port in (*getattr(declared, "inputs", {}).values(), *getattr(declared, "outputs", {}).values()):
            dims = re.findall(r"\[(.*?)\]", str(port))[0]
            assert f'["{dims}"]' in page.text, f"{offer.name}: no type of {port}"
        assert f"../../kinds/{declared.kind}.html" in page.links
        is_shown = offer.name not in UNSHOWN.read_text(encoding="utf-8").splitlines()
        assert ("example" in page.ids) is is_shown, f"{offer.name}: {UNSHOWN.name} and the pages differ"
        assert (
            f"../components/{page.path.parent.name}/{page.path.name}"
            in site[(html / "kinds" / f"{declared.kind}.html").resolve()].links
        )


@pytest.mark.slow
def test_every_label_space_is_there(site: Site, html: Path) -> None:
    registry = Registry()
    registry.plugins()
    text = site[(html / "components/label-spaces.html").resolve()].text
    for name in registry.label_spaces():
        space = registry.label_space(name)
        assert space is not None
        assert all(word in text for word in (name, *space.labels))


@pytest.mark.slow
@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_has_an_entry(package: str, site: Site, html: Path) -> None:
    page = site[(html / "api" / f"{package}.html").resolve()]
    names = import_module(package).__all__
    missing = [name for name in names if f"{package}.{name}" not in page.ids]
    assert not missing
    entries = {
        name: re.search(rf'id="{re.escape(package)}\.{name}">.*?<dd>(.*?)<', page.source, re.S) for name in names
    }
    assert not [name for name, entry in entries.items() if not entry or page.source[entry.end() :].startswith("/dd")]


@pytest.mark.slow
def test_every_code_and_every_hook_has_an_anchor(site: Site, html: Path) -> None:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    codes = {code for source in sources for code in re.findall(r'"(CN\d{3})"', source.read_text(encoding="utf-8"))}
    assert len(codes) > 50
    assert {code.lower() for code in codes} <= site[(html / "diagnostics.html").resolve()].ids
    hooks = {name for name in vars(_hookspecs) if name.startswith("consilience_")}
    assert all(any(anchor.startswith(hook) for anchor in site[(html / "hooks.html").resolve()].ids) for hook in hooks)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """Where the site is served on this machine, since a search does not work from files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        if found is None and not own.exists():
            pytest.skip("no Chromium is installed: apt install chromium, or playwright install chromium")
        opened = started.chromium.launch(
            executable_path=found if not own.exists() else None,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens a page of the site; what it complains of, or asks of another host, fails the test."""
    told: list[str] = []
    contexts: list[Any] = []

    def visit(page: str, width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        opened = context.new_page()
        opened.on("pageerror", lambda error: told.append(str(error)))
        opened.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        opened.on("request", lambda request: told.append(request.url) if not own(request.url) else None)
        opened.goto(f"{address}/{page}", wait_until="networkidle")
        return opened

    def own(url: str) -> bool:
        return url.startswith((address, "data:", "blob:"))

    yield visit
    for context in contexts:
        context.close()
    assert not told


SIZES = [(1280, 900), (1330, 900), (390, 844)]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "components/standard/tokens.html", "api/consilience.declare.html"])
def test_a_page_fits_the_screen_and_shows_its_pictures(
    visit: Callable[..., Any], name: str, width: int, height: int, scheme: str
) -> None:
    page = visit(name, width, height, scheme)
    assert page.locator("h1").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)") == []


@pytest.mark.slow
def test_the_front_page_shows_what_it_is_and_where_to_go(visit: Callable[..., Any]) -> None:
    page = visit("index.html")
    assert page.locator("h1").first.inner_text().startswith("Consilience")
    assert page.locator("article img").first.is_visible()
    links = page.locator(".sidebar-tree a").all_inner_texts()
    assert {"Concepts", "The fusion file", "Components", "Diagnostics", "Architecture"} <= set(links)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["psychology.emotion_head", "cross_entropy", "CN310", "LabelSpace"])
def test_the_search_finds(visit: Callable[..., Any], wanted: str) -> None:
    page = visit("index.html")
    page.locator(".sidebar-search").fill(wanted)
    page.locator(".sidebar-search").press("Enter")
    page.wait_for_selector("#search-results ul.search li a")
    page.wait_for_function("document.querySelector('#search-results').innerText.includes('finished')")
    found = page.locator("#search-results ul.search li a").evaluate_all("links => links.map(link => link.pathname)")
    pages = {
        "CN310": "/diagnostics.html",
        "LabelSpace": "/api/consilience.declare.html",
        "cross_entropy": "/components/standard/cross_entropy.html",
    }
    assert pages.get(wanted, "/components/psychology/emotion_head.html") in found[:5], found
