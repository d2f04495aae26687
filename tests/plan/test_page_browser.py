"""The page of a plan in a real browser: moved, zoomed, pointed at, searched; skipped where there is none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience import Plan
from consilience.host import Registry
from consilience.plan import survey, to_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
BROKEN = Path(__file__).parent / "broken" / "six_faults_at_once.yaml"

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        if found is None and not own.exists():
            pytest.skip("no Chromium is installed: apt install chromium, or playwright install chromium")
        opened = started.chromium.launch(
            executable_path=found if not own.exists() else None, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, demo: Plan, registry: Registry) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    broken = survey(BROKEN, registry)
    pages = {"whole": to_html(demo), "broken": to_html(broken.plan, broken.diagnostics)}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture
def open_page(browser: Any, files: dict[str, Path]) -> Iterator[Open]:
    """Opens a page from its file; whatever it complains of or asks for fails the test."""
    told: list[str] = []
    contexts: list[Any] = []

    def open_(name: str = "whole", **options: Any) -> Any:
        settings: dict[str, Any] = {"viewport": {"width": 1300, "height": 850}, "reduced_motion": "reduce"}
        context = browser.new_context(**settings | options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda message: told.append(message.text))
        page.on("request", lambda request: told.append(request.url) if request.url[:5] != "file:" else None)
        page.goto(files[name].as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert told == []


def eye(page: Any) -> tuple[float, float, float]:
    """Gives where the picture is and how large: x, y, scale."""
    moved = page.locator("#view").get_attribute("transform")
    x, y, scale = re.fullmatch(r"translate\((\S+) (\S+)\) scale\((\S+)\)", moved).groups()  # type: ignore[union-attr]
    return float(x), float(y), float(scale)


def node(page: Any, name: str) -> Any:
    return page.locator(f'.node[aria-label^="{name},"]')


def middle(locator: Any) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def heading(page: Any) -> str:
    return str(page.locator("#panel h1").inner_text())


def test_all_of_it_is_in_sight_at_first(open_page: Open) -> None:
    page = open_page()
    stage = page.locator("#stage").bounding_box()
    for one in page.locator(".node").all():
        box = one.bounding_box()
        assert stage["x"] <= box["x"] <= box["x"] + box["width"] <= stage["x"] + stage["width"]
        assert stage["y"] <= box["y"] <= box["y"] + box["height"] <= stage["y"] + stage["height"]


def test_a_drag_moves_the_picture_and_pins_nothing(open_page: Open) -> None:
    page = open_page()
    page.mouse.move(*middle(node(page, "encoder")))
    page.mouse.down()
    page.mouse.move(400, 300)
    x, y, scale = eye(page)
    page.mouse.move(470, 260)
    assert eye(page) == pytest.approx((x + 70, y - 40, scale))
    page.mouse.up()
    page.mouse.move(600, 700)
    assert eye(page) == pytest.approx((x + 70, y - 40, scale))
    assert page.locator(".pinned").count() == 0


def test_the_wheel_zooms_at_the_pointer(open_page: Open) -> None:
    page = open_page()
    before, scale, told = middle(node(page, "opinion")), eye(page)[2], page.locator("#scale").inner_text()
    page.mouse.move(*before)
    page.mouse.wheel(0, -300)
    page.wait_for_function("(scale) => document.getElementById('scale').value !== scale", arg=told)
    assert eye(page)[2] > 1.3 * scale
    assert middle(node(page, "opinion")) == pytest.approx(before, abs=1.0)


def test_two_fingers_zoom_and_one_moves(open_page: Open) -> None:
    page = open_page(has_touch=True)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        listed = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": listed})

    x, y, scale = eye(page)
    touch("touchStart", (400, 400))
    touch("touchMove", (410, 410))
    touch("touchMove", (430, 450))
    touch("touchEnd")
    moved = eye(page)
    assert (moved[0] - x, moved[1] - y, moved[2]) == pytest.approx((30, 50, scale), abs=12)
    assert moved[1] > y + 20
    touch("touchStart", (380, 400), (420, 400))
    touch("touchMove", (360, 400), (440, 400))
    touch("touchMove", (300, 400), (500, 400))
    touch("touchEnd")
    assert eye(page)[2] > 2 * scale


def test_keys_zoom_move_and_show_all(open_page: Open) -> None:
    page = open_page()
    first = eye(page)
    page.keyboard.press("+")
    assert eye(page)[2] == pytest.approx(first[2] * 1.25)
    page.keyboard.press("-")
    assert eye(page) == pytest.approx(first)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert eye(page) == pytest.approx((first[0] + 60, first[1] - 60, first[2]))
    page.keyboard.press("0")
    assert eye(page) == pytest.approx(first)
    page.locator('[data-zoom="in"]').click()
    assert eye(page)[2] == pytest.approx(first[2] * 1.25)


def test_pointing_at_a_node_tells_of_it_and_lights_its_way(open_page: Open, demo: Plan) -> None:
    page = open_page()
    node(page, "encoder").hover()
    assert heading(page) == "encoder"
    told = page.locator("#panel").inner_text()
    for text in ("text_encoder", "minilm", "Float[batch seq hidden=384]", *demo.reasons("encoder", "hidden")):
        assert text in told
    lit = {name: node(page, name).get_attribute("class").split() for name in ("encoder", "tokens", "known", "lexicon")}
    assert "on" in lit["encoder"]
    assert "near" in lit["tokens"]
    assert "near" in lit["known"]
    assert not {"on", "near", "way"} & set(lit["lexicon"])
    page.mouse.move(300, 840)
    assert page.locator("#picture.lit").count() == 0


def test_pointing_at_an_arrow_tells_what_passes(open_page: Open, demo: Plan) -> None:
    page = open_page()
    page.locator(".label", has_text="valence Float").hover()
    assert heading(page) == "lexicon → affect_loss"
    assert "Float[batch]" in page.locator("#panel").inner_text()


def test_a_click_pins_and_escape_lets_go(open_page: Open) -> None:
    page = open_page()
    node(page, "encoder").click()
    node(page, "lexicon").hover()
    assert heading(page) == "encoder"
    page.keyboard.press("Escape")
    assert heading(page) == "lexicon"
    page.mouse.move(300, 840)
    assert heading(page) == "film-reviews"


def test_the_panels_links_lead_to_the_nodes(open_page: Open) -> None:
    page = open_page()
    node(page, "encoder").click()
    page.locator("#panel .link", has_text="tokens.ids").click()
    assert heading(page) == "tokens"
    stage = page.locator("#stage").bounding_box()
    found = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    assert middle(node(page, "tokens")) == pytest.approx(found, abs=3)


def test_the_keyboard_reaches_every_node(open_page: Open) -> None:
    page = open_page()
    names = [one.get_attribute("aria-label").split(",")[0] for one in page.locator(".node").all()]
    page.locator("#scheme").focus()
    reached = []
    for _ in names:
        page.keyboard.press("Tab")
        reached.append(heading(page))
    assert reached == names
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator(".pinned").count() == 1


def test_a_search_marks_what_fits_and_goes_there(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("psychology")
    marked = {one.get_attribute("aria-label").split(",")[0] for one in page.locator(".hit-by-search").all()}
    assert marked == {"lexicon", "affect", "affect_loss"}
    assert page.locator("#hits").inner_text().startswith("3 of ")
    page.keyboard.press("Enter")
    assert heading(page) in marked
    page.keyboard.press("Escape")
    assert page.locator(".hit-by-search").count() == 0


def test_the_legend_switches_a_discipline_off(open_page: Open) -> None:
    page = open_page()
    page.locator("#legend button", has_text="psychology").click()
    off = {one.get_attribute("aria-label").split(",")[0] for one in page.locator(".node.off").all()}
    assert off == {"lexicon", "affect", "affect_loss"}
    page.locator("#legend button", has_text="psychology").click()
    assert page.locator(".off").count() == 0


def test_the_scheme_follows_the_system_and_the_button(open_page: Open) -> None:
    def ground(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    assert ground(light) == "rgb(255, 255, 255)"
    bright = ground(dark)
    assert bright != ground(light)
    dark.locator("#scheme").click()
    assert ground(dark) == ground(light)
    dark.locator("#scheme").click()
    assert ground(dark) == bright


def test_a_click_on_a_fault_goes_to_its_node(open_page: Open) -> None:
    page = open_page("broken")
    page.locator("#faults button", has_text="CN124").click()
    assert heading(page) == "encoder"
    assert "pooling: mean" in page.locator("#panel .fault").inner_text()
    assert page.locator("#faults li.current").inner_text().startswith("CN124")
    assert "pinned" in node(page, "encoder").get_attribute("class")
    page.locator("#faults button", has_text="CN120").click()
    assert page.locator(".pinned").count() == 0
    assert page.locator("#faults li.current").inner_text().startswith("CN120")


def test_faults_are_red_where_they_are(open_page: Open) -> None:
    page = open_page("broken", color_scheme="light")
    red = "rgb(209, 18, 58)"
    for name, dashes in (("tokens", "none"), ("opinion", "6px, 4px"), ("moood", "6px, 4px")):
        body = node(page, name).locator(".body")
        stroke, dash = body.evaluate("(e) => [getComputedStyle(e).stroke, getComputedStyle(e).strokeDasharray]")
        assert "209" in stroke or stroke == red
        assert dash == dashes
    node(page, "rows").hover()
    assert page.locator("#panel .fault").count() == 2


def test_a_narrow_window_shows_everything_too(open_page: Open) -> None:
    page = open_page("broken", viewport={"width": 420, "height": 800})
    for part in ("#stage", "#panel", "#faults", "#search"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 420
        assert box["height"] > 20
